# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Why an item has no video, in words that are the same for all items with the same cause."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_vidu.api import errors
from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.api.registry import known_endpoint
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.report.reasons import plain_words
from airflow_provider_vidu.submission.batch.file_names import check_names
from airflow_provider_vidu.submission.batch.requests import check_requests, read_requests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture, a file that is none, and a picture of a wrong ratio."""
    Image.new("RGB", (64, 64)).save(tmp_path / "mug.png")
    Image.new("RGB", (640, 64)).save(tmp_path / "banner.png")
    (tmp_path / "notes.png").write_text("no picture")
    return tmp_path


def words_of(folder: Path, *rows: Any) -> list[str]:
    """Return the words for each row of a batch that is really checked."""
    image = {"images": str(folder / "mug.png"), "output_path": f"{folder}/videos/"}
    given = [{**image, **row} if isinstance(row, dict) else row for row in rows]
    read = read_requests(given, None, endpoint=known_endpoint("img2video"))
    checked = check_names(check_requests(read, logging.getLogger("test")), lambda one: Wanted(str(one.output_path)))
    return [plain_words("ViduInputError", str(one.problem)) if one.problem else "" for one in checked]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"images": "/nowhere/cup_1.png"}, "Picture not found"),
        ({"images": ""}, "No picture given"),
        ({"images": None}, "No picture given"),
        ({"images": []}, "No picture given"),
        ({"images": "notes.png"}, "Picture that Vidu does not accept"),
        ({"images": "banner.png"}, "Picture that Vidu does not accept"),
        ({"images": "data:image/png;base64,AAAA"}, "Picture that Vidu does not accept"),
        ({"prompt": "a" * 9000}, "Prompt too long"),
        ({"promt": "a"}, "Unknown field"),
        ({"duration": 99}, "Invalid duration"),
        ({"resolution": "8k"}, "Invalid resolution"),
        ({"seed": -1}, "Invalid seed"),
        ({"labels": [1]}, "Invalid labels"),
        ({"id": 1.5}, "Invalid id"),
        ({"extra_params": 1}, "Invalid extra_params"),
        ("text", "The request is invalid"),
    ],
)
def test_each_mistake_has_words_without_names_and_values(folder: Path, row: Any, words: str):
    if isinstance(row, dict) and str(row.get("images", "")).endswith(("notes.png", "banner.png")):
        row = {**row, "images": str(folder / row["images"])}
    assert words_of(folder, row) == [words]


def test_items_that_collide_say_with_what(folder: Path):
    one_file = {"output_path": f"{folder}/mug.mp4"}
    assert words_of(folder, {"id": "a"}, {"id": "a"}) == ["", "Same id as another item"]
    assert words_of(folder, one_file, one_file) == ["", "Same file as another item's video"]


def kinds(kind: type[ViduError]) -> Iterator[type[ViduError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from kinds(one)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("output_path /a/b.mp4 is that of item 0, too", "Same file as another item's video"),
        ("file_name '{id}' in /a is that of item 0, too", "Same file as another item's video"),
        ("duration must be at least 1 second, got 0.", "Invalid duration"),
        ("subjects[0].name: must be unique, got 'a' twice.", "Invalid subjects"),
        ("file_name '{x}' has unknown fields x.", "Invalid file_name"),
        ("output_path s3://bucket/x cannot be opened.", "Invalid output_path"),
        ("cannot be checked (TypeError())", "The request is invalid"),
        ("", "The request is invalid"),
    ],
)
def test_other_and_earlier_messages_have_words(error: str, words: str):
    assert plain_words("ViduInputError", error) == words


@pytest.mark.parametrize("name", sorted({kind.__name__ for kind in kinds(errors.ViduError)}))
def test_each_error_of_the_provider_has_plain_words(name: str):
    assert plain_words(name) != name
