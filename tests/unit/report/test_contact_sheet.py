# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The contact sheet: each row shows an input and its video's first, middle and last frame, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import pytest
from PIL import Image, ImageFont

from airflow_provider_vidu.report.contact_sheet import make_contact_sheet, shorten

COLOURS = ((200, 40, 40), (40, 160, 60), (50, 70, 200))


def make_pair(folder: Path, name: str, size: tuple[int, int]) -> tuple[str, str]:
    """Save a yellow image, and a video of three frames: red, green and blue."""
    image, video = folder / f"{name}.png", folder / f"{name}.mp4"
    Image.new("RGB", size, (220, 200, 40)).save(image)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for colour in COLOURS:
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", size, colour))))
        container.mux(stream.encode(None))
    return str(image), str(video)


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
    pairs = [
        make_pair(tmp_path, name, size)
        for name, size in (("wide", (320, 180)), ("tall", (180, 320)), ("even", (200, 200)))
    ]
    make_contact_sheet(pairs, tmp_path / "sheet.png")
    assert rows_of_colours(tmp_path / "sheet.png") == [("yellow", "red", "green", "blue")] * 3


@pytest.mark.parametrize("count", [1, 20])
def test_any_number_of_rows_has_its_place(tmp_path: Path, count: int) -> None:
    pair = make_pair(tmp_path, "a", (64, 36))
    make_contact_sheet([pair] * count, tmp_path / "sheet.bmp")
    assert len(rows_of_colours(tmp_path / "sheet.bmp")) == count


def test_empty_sheet_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        make_contact_sheet([], tmp_path / "sheet.png")


def test_long_names_are_cut_in_the_middle() -> None:
    font = ImageFont.load_default(size=18)
    short = shorten("a_very_long_name_of_a_picture_of_a_cat_0001.png", font, 200)
    assert font.getlength(short) <= 200
    assert short.startswith("a_very")
    assert short.endswith("01.png")
