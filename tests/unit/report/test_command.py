# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``python -m airflow_provider_vidu.report`` writes a report from any manifest, or says what is wrong with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from airflow_provider_vidu.report import __main__ as command
from airflow_provider_vidu.report.__main__ import main

#: A row as 0.1.0 wrote it.
OLD_ROW = {
    "task_id": "9",
    "state": "success",
    "model": "viduq3-turbo",
    "credits": 60,
    "err_code": None,
    "payload": None,
    "created_at": None,
    "creations": [],
    "files": [{"kind": "video", "path": "9.mp4"}],
    "error": None,
}


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of an earlier release."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "autumn").mkdir()
    return written(tmp_path / "autumn" / "manifest.jsonl", OLD_ROW)


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_page_is_beside_the_manifest(manifest: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(manifest)]) == 0
    page = manifest.with_name("manifest.html")
    assert capsys.readouterr().out == f"{page}\n"
    assert "<title>Videos in autumn</title>" in page.read_text()
    assert 'src="../9.mp4"' in page.read_text()


def test_output_and_title_are_as_asked(manifest: Path, tmp_path: Path):
    assert main([str(manifest), "--output", str(tmp_path / "report.html"), "--title", "Mugs & cups"]) == 0
    assert "<title>Mugs &amp; cups</title>" in (tmp_path / "report.html").read_text()


def test_relative_paths_work(manifest: Path):
    assert main(["autumn/manifest.jsonl"]) == 0
    assert "<title>Videos in autumn</title>" in manifest.with_name("manifest.html").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no manifest at"),
        (b"", "has no rows."),
        (b"\n \n", "has no rows."),
        (b'{"task_id": "9"}\n\n{"task_id', "is not a manifest (line 3 is not JSON"),
        (b"sku,image\n1,a.png\n", "is not a manifest (line 1 is not JSON"),
        (b"[" * 100_000, "is not a manifest (line 1 is not JSON"),
        (b"[1]", "is not the record of a request."),
        (b'{"images": "a.png", "prompt": "x"}', "is not the record of a request."),
        (b"\xff\xd8\xff\xe0", "is not a text."),
    ],
)
def test_wrong_manifest_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
):
    path = tmp_path / "manifest.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert str(path) in said
    assert not path.with_name("manifest.html").exists()


def test_folder_and_unknown_store_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err
    assert main(["nostore://bucket/manifest.jsonl"]) == 1
    assert "nostore://bucket/manifest.jsonl cannot be read" in capsys.readouterr().err


def test_byte_order_mark_and_separators_in_texts_are_read(manifest: Path):
    row = {**OLD_ROW, "prompt": "one\u2028two\x85three"}
    manifest.write_text(f"\ufeff{json.dumps(row, ensure_ascii=False)}\r\n")
    assert main([str(manifest)]) == 0


@pytest.mark.parametrize("option", ["--output", "--contact-sheet"])
def test_manifest_is_never_overwritten(manifest: Path, capsys: pytest.CaptureFixture[str], option: str):
    before = manifest.read_bytes()
    assert main([str(manifest), option, str(manifest)]) == 1
    assert "is the manifest itself" in capsys.readouterr().err
    assert manifest.read_bytes() == before


def test_page_that_cannot_be_written_is_explained(manifest: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(manifest), "--output", f"{manifest}/report.html"]) == 1
    assert "The report cannot be written" in capsys.readouterr().err


@pytest.fixture
def with_video(tmp_path: Path) -> dict[str, Any]:
    """A row with a picture and a video."""
    Image.new("RGB", (64, 36), "yellow").save(tmp_path / "mug.png")
    with av.open(str(tmp_path / "mug.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 36)))))
        container.mux(stream.encode(None))
    files = [{"kind": "video", "path": str(tmp_path / "mug.mp4")}]
    return {**OLD_ROW, "image": str(tmp_path / "mug.png"), "files": files}


def test_contact_sheet_has_a_row_for_each_item(tmp_path: Path, with_video: dict[str, Any]):
    at_a_url = {**with_video, "image": "https://shop.example/mug.png"}
    failed = {**with_video, "state": "failed", "files": [], "err_code": "AuditFailed", "error": "No."}
    path = written(tmp_path / "m.jsonl", OLD_ROW, with_video, at_a_url, failed)
    one = written(tmp_path / "one.jsonl", with_video)
    assert main([str(path), "--contact-sheet", str(tmp_path / "four.png")]) == 0
    assert main([str(one), "--contact-sheet", str(tmp_path / "one.png")]) == 0
    with Image.open(tmp_path / "one.png") as small, Image.open(tmp_path / "four.png") as large:
        assert small.height * 2 < large.height < small.height * 4
    assert not path.with_name("m.html").exists()


def test_contact_sheet_of_many_shows_the_first(
    tmp_path: Path, with_video: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(command, "MAX_ROWS", 1)
    path = written(tmp_path / "m.jsonl", with_video, with_video)
    assert main([str(path), "--contact-sheet", str(tmp_path / "a.png")]) == 0
    assert "The first 1 of 2 items" in capsys.readouterr().err


def test_contact_sheet_without_files_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = written(tmp_path / "m.jsonl", {**OLD_ROW, "files": [], "image": "https://shop.example/mug.png"})
    assert main([str(path), "--contact-sheet", "sheet.png"]) == 1
    assert "No row names a picture in reach or a landed video." in capsys.readouterr().err


def test_contact_sheet_of_missing_files_is_explained(manifest: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(manifest), "--contact-sheet", "sheet.png"]) == 1
    assert "9.mp4" in capsys.readouterr().err


def test_contact_sheet_without_pyav_says_what_to_install(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delitem(sys.modules, "airflow_provider_vidu.report.contact_sheet", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    assert main([str(manifest), "--contact-sheet", "sheet.png"]) == 1
    assert "airflow-provider-vidu[emulator]" in capsys.readouterr().err
