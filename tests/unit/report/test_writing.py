# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A report appears whole or not at all, and cannot fail a paid batch by surprise."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_vidu.api.errors import ViduLandingError
from airflow_provider_vidu.landing import publish
from airflow_provider_vidu.report import write_report

LOG = logging.getLogger("test")
ROOT = Path(__file__).parents[3]


def rows(folder: Path) -> list[dict[str, Any]]:
    Image.new("RGB", (8, 8)).save(folder / "mug.png")
    video = {"kind": "video", "path": str(folder / "videos" / "9.mp4")}
    return [{"task_id": "9", "state": "success", "image": str(folder / "mug.png"), "files": [video], "error": None}]


def test_report_links_videos_and_contains_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    path = tmp_path / "new" / "report.html"
    write_report(str(path), rows(tmp_path), title="Autumn", log=LOG)
    html = path.read_text()
    assert 'src="../videos/9.mp4"' in html
    assert "data:image/webp;base64," in html
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    assert f"The report of 1 item is at {path}." in caplog.text


def test_reader_never_sees_half_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "report.html"
    path.write_text("yesterday's")
    put, seen = publish.put_file, []

    def put_file(part: Path, target: str, local: Path | None) -> None:
        seen.append((part.read_text().rstrip()[-7:], path.read_text()))
        put(part, target, local)

    monkeypatch.setattr(publish, "put_file", put_file)
    write_report(str(path), rows(tmp_path), title="Autumn", log=LOG)
    assert seen == [("</html>", "yesterday's")]
    assert path.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("error", [OSError("disk full"), RuntimeError("a store's own"), MemoryError(), KeyError("x")])
def test_every_failure_is_one_that_the_caller_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(publish, "put_file", fail)
    with pytest.raises(ViduLandingError, match="The report cannot be written to") as raised:
        write_report(str(tmp_path / "report.html"), rows(tmp_path), title="Autumn", log=LOG)
    assert "No video and no manifest is missing because of it." in str(raised.value)
    assert os.listdir(tmp_path) == ["mug.png"]


@pytest.mark.parametrize("path", ["{}/", "{}/mug.png/report.html", "nostore://bucket/report.html", "{}"])
def test_impossible_path_is_one_of_them(tmp_path: Path, path: str):
    with pytest.raises(ViduLandingError, match="cannot be written"):
        write_report(path.format(tmp_path), rows(tmp_path), title="Autumn", log=LOG)


def test_rows_that_are_none_fail_as_expected(tmp_path: Path):
    with pytest.raises(ViduLandingError):
        write_report(str(tmp_path / "report.html"), [None], title="Autumn", log=LOG)  # type: ignore[list-item]


def test_importing_the_function_loads_neither_jinja_nor_pillow():
    code = (
        "import sys; from airflow_provider_vidu.report import write_report;"
        "print({'jinja2', 'PIL', 'airflow', 'av'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"
