# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The contact sheet: each item has a row, with its input and its video's first, middle and last frame, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageFont

from airflow_provider_vidu.report.contact_sheet import TILE, make_contact_sheet, row_cells, shorten, texts_of, wrap

COLOURS = ((200, 40, 40), (40, 160, 60), (50, 70, 200))


def make_row(folder: Path, name: str, size: tuple[int, int]) -> dict[str, Any]:
    """Save a yellow image, and a video of three frames: red, green and blue; return their row."""
    image, video = folder / f"{name}.png", folder / f"{name}.mp4"
    Image.new("RGB", size, (220, 200, 40)).save(image)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for colour in COLOURS:
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", size, colour))))
        container.mux(stream.encode(None))
    files = [{"kind": "video", "path": str(video)}]
    return {"id": name, "image": str(image), "files": files, "state": "success", "task_id": "9", "error": None}


def rows_of_colours(sheet: Path) -> list[tuple[str, ...]]:
    """Return which of the four colours are side by side in the middle of the columns, row by row."""
    names = {(220, 200, 40): "yellow", **dict(zip(COLOURS, ("red", "green", "blue"), strict=True))}
    found: list[tuple[str, ...]] = []
    within_row = False
    with Image.open(sheet) as picture:
        column = (picture.width - 2 * 48 - 3 * 28) // 4
        middles = [48 + number * (column + 28) + column // 2 for number in range(4)]
        for y in range(picture.height):
            pixels = [picture.getpixel((x, y)) for x in middles]
            line = tuple(name for pixel in pixels for colour, name in names.items() if alike(pixel, colour))
            if len(line) == 4 and not within_row:
                found.append(line)
            within_row = len(line) == 4
    return found


def alike(pixel: Sequence[int], colour: Sequence[int]) -> bool:
    return max(abs(one - other) for one, other in zip(pixel, colour, strict=True)) < 24


def test_each_row_shows_input_first_middle_and_last_frame(tmp_path: Path) -> None:
    rows = [
        make_row(tmp_path, name, size)
        for name, size in (("wide", (320, 180)), ("tall", (180, 320)), ("even", (200, 200)))
    ]
    make_contact_sheet(rows, tmp_path / "sheet.png")
    assert rows_of_colours(tmp_path / "sheet.png") == [("yellow", "red", "green", "blue")] * 3


@pytest.mark.parametrize("count", [1, 20])
def test_any_number_of_rows_has_its_place(tmp_path: Path, count: int) -> None:
    row = make_row(tmp_path, "a", (64, 36))
    make_contact_sheet([row] * count, tmp_path / "sheet.bmp")
    assert len(rows_of_colours(tmp_path / "sheet.bmp")) == count


def test_empty_sheet_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        make_contact_sheet([], tmp_path / "sheet.png")


FAILED = {
    "state": "failed",
    "files": [],
    "err_code": "AuditFailed",
    "error": "The video was refused by Vidu's content checks. Change the prompt or the image.",
}


def texts(row: dict[str, Any], number: int = 0) -> list[str]:
    return texts_of([row_cells(row, number, [])])


def tiles(sheet: Path) -> int:
    """Return how many rows have a plain tile where frames would be."""
    with Image.open(sheet) as picture:
        # Right of the middle frame's column, where no text of a tile is.
        line = [picture.getpixel((picture.width - 60, y)) == TILE for y in range(picture.height)]
    return sum(one and not before for before, one in zip([False, *line], line, strict=False))


def test_item_without_a_video_has_a_tile_with_id_and_reason(tmp_path: Path) -> None:
    row = make_row(tmp_path, "mug", (320, 180))
    make_contact_sheet([row, {**row, **FAILED, "id": "cup"}, row], tmp_path / "sheet.png")
    assert rows_of_colours(tmp_path / "sheet.png") == [("yellow", "red", "green", "blue")] * 2
    assert tiles(tmp_path / "sheet.png") == 1
    shown = texts({**row, **FAILED, "id": "cup"}, 7)
    assert {"cup #7", "mug.png", "Failed: Refused by Vidu's content checks"} <= {*shown}
    assert "The video was refused by Vidu's content checks." in shown


@pytest.mark.parametrize(
    ("changes", "title"), [({}, "mug #3"), ({"id": None}, "mug.png #3"), ({"id": None, "image": None}, "Item 3")]
)
def test_each_row_is_named_by_id_or_picture(tmp_path: Path, changes: dict[str, Any], title: str) -> None:
    assert title in texts({**make_row(tmp_path, "mug", (64, 36)), **changes}, 3)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": "processing", "files": []}, "Running"),
        ({"files": []}, "Made: not landed"),
        ({"files": [{"kind": "audio", "path": "a.mp3"}]}, "Made: there is no video in it"),
        ({"files": [{"kind": "video", "path": "/nowhere/a.mp4"}]}, "Made: the video cannot be opened"),
        ({"state": None, "task_id": None, "files": []}, "Not sent to Vidu"),
    ],
)
def test_tile_says_what_became_of_its_item(tmp_path: Path, changes: dict[str, Any], state: str) -> None:
    assert state in texts({**make_row(tmp_path, "mug", (64, 36)), **changes})


def test_file_that_cannot_be_opened_hides_no_other_item(tmp_path: Path) -> None:
    row, broken = make_row(tmp_path, "a", (64, 36)), make_row(tmp_path, "b", (64, 36))
    (tmp_path / "b.mp4").write_bytes(b"no video")
    make_contact_sheet([{**row, "image": "/nowhere/a.png"}, broken, row], tmp_path / "sheet.png")
    assert rows_of_colours(tmp_path / "sheet.png") == [("yellow", "red", "green", "blue")]


def test_sheet_without_any_picture_says_what_is_missing(tmp_path: Path) -> None:
    row = make_row(tmp_path, "a", (64, 36))
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a\.png"):
        make_contact_sheet([{**row, **FAILED}], tmp_path / "sheet.png")


@pytest.mark.parametrize("image", ["https://shop.example/a.png", "simplecache::https://shop.example/a.png"])
def test_picture_at_a_url_is_not_fetched(tmp_path: Path, image: str) -> None:
    unread: list[str] = []
    assert "The picture is out of reach" in texts_of([row_cells({"image": image, "task_id": "9"}, 0, unread)])
    assert unread == []


@pytest.mark.parametrize("text", ["word " * 99, "w" * 999, "short", f"{'w' * 99} and more", ""])
def test_text_on_a_tile_fits(text: str) -> None:
    font = ImageFont.load_default(size=18)
    lines = wrap(text, font, 300, 2)
    assert len(lines) <= 2
    assert all(font.getlength(line) <= 300 for line in lines)
    assert not text or lines[0][0] == text[0]


def test_long_names_are_cut_in_the_middle() -> None:
    font = ImageFont.load_default(size=18)
    short = shorten("a_very_long_name_of_a_picture_of_a_cat_0001.png", font, 200)
    assert font.getlength(short) <= 200
    assert short.startswith("a_very")
    assert short.endswith("01.png")
