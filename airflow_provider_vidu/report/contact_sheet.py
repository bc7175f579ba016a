# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Put images and the videos made from them side by side on one picture.

One glance shows whether each video came from its own image. Each row is one pair: the input and the video's first,
middle and last frame. Needs PyAV (the extra ``airflow-provider-vidu[emulator]``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps

from airflow_provider_vidu.landing.publish import open_existing
from airflow_provider_vidu.report.links import file_name

HEADINGS = ("Input", "First frame", "Middle frame", "Last frame")
# Largest picture in a cell, in pixels. Columns shrink to their widest and rows to their tallest picture.
CELL_WIDTH, CELL_HEIGHT = 440, 330
NARROWEST_COLUMN = 240
MARGIN, GUTTER, ROW_GAP = 48, 28, 40
LINE = 26
BACKGROUND = (246, 246, 243)
INK, FAINT_INK, RULE = (38, 42, 50), (118, 122, 130), (216, 216, 210)


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet, already scaled, with the two lines of its caption."""

    picture: Image.Image
    title: str
    detail: str


def make_contact_sheet(pairs: Sequence[tuple[str, str]], output: Path) -> None:
    """
    Draw the sheet of some pairs and save it.

    :param pairs: image and video, each a local path or any ``ObjectStoragePath`` URL.
    :param output: a picture, in the format of its suffix.

    :raises ValueError: if there is no pair, or a video has no picture in it.
    :raises OSError: if a file cannot be read or written.
    """
    if not pairs:
        raise ValueError("a contact sheet needs at least one pair of image and video")
    rows = [[image_cell(image), *video_cells(video)] for image, video in pairs]
    # Columns are equally wide, so that the frames line up from row to row.
    column = max(NARROWEST_COLUMN, *(cell.picture.width for row in rows for cell in row))
    heights = [max(cell.picture.height for cell in row) for row in rows]
    width = 2 * MARGIN + len(HEADINGS) * column + (len(HEADINGS) - 1) * GUTTER
    captions = 12 + 2 * LINE
    height = 2 * MARGIN + 2 * LINE + sum(heights) + len(rows) * captions + (len(rows) - 1) * ROW_GAP
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    lefts = [MARGIN + number * (column + GUTTER) for number in range(len(HEADINGS))]
    for left, heading in zip(lefts, HEADINGS, strict=True):
        pen.text((left + column / 2, MARGIN), heading, INK, ImageFont.load_default(size=22), anchor="mm")
    pen.line((MARGIN, MARGIN + LINE, width - MARGIN, MARGIN + LINE), RULE, 2)
    top = MARGIN + 2 * LINE
    for row, row_height in zip(rows, heights, strict=True):
        for left, cell in zip(lefts, row, strict=True):
            place_cell(sheet, cell, (left, top), (column, row_height))
        top += row_height + captions + ROW_GAP
    sheet.save(output)


def place_cell(sheet: Image.Image, cell: Cell, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Put a picture, with rounded corners and its caption below, on the sheet."""
    (left, top), (width, height) = corner, size
    picture = cell.picture
    corners = Image.new("L", (2 * picture.width, 2 * picture.height))
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, corners.width - 1, corners.height - 1), 16, 255)
    place = (left + (width - picture.width) // 2, top + (height - picture.height) // 2)
    sheet.paste(picture, place, corners.resize(picture.size))
    pen = ImageDraw.Draw(sheet)
    for number, (text, colour, points) in enumerate(((cell.title, INK, 18), (cell.detail, FAINT_INK, 16))):
        font = ImageFont.load_default(size=points)
        middle = (left + width / 2, top + height + 12 + LINE * (number + 0.5))
        pen.text(middle, shorten(text, font, width), colour, font, anchor="mm")


def shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Cut the middle out of a text that is too long for its place."""
    kept = len(text)
    short = text
    while font.getlength(short) > width and kept > 2:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return short


def image_cell(path: str) -> Cell:
    """
    Read an input image.

    :raises OSError: if it cannot be read.
    """
    with open_existing(path) as file, Image.open(file) as opened:
        kind = opened.format
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    flat = Image.new("RGBA", upright.size, BACKGROUND)
    flat.alpha_composite(upright)
    return Cell(fitted(flat.convert("RGB")), file_name(path), f"{upright.width} x {upright.height}, {kind}")


def video_cells(path: str) -> list[Cell]:
    """
    Read a video.

    :raises ValueError: if it has no picture in it.
    :raises OSError: if it cannot be read.
    """
    with open_existing(path) as file, av.open(file) as container:
        if not container.streams.video:
            raise ValueError(f"{path} has no video in it")
        count = container.streams.video[0].frames or sum(1 for _ in container.decode(video=0))
    first = middle = last = None
    with open_existing(path) as file, av.open(file) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 0)
        for number, frame in enumerate(container.decode(stream)):
            first = first or frame
            if number <= count // 2:
                middle = frame
            last = frame
        seconds = (container.duration or 0) / av.time_base
    if not (first and middle and last):
        raise ValueError(f"{path} has no picture in it")
    facts = f"{first.width} x {first.height}, {fps:g} fps, {seconds:.2f} s"
    return [
        Cell(fitted(picture_of(first)), file_name(path), facts),
        frame_cell(middle, count // 2, count),
        frame_cell(last, count - 1, count),
    ]


def frame_cell(frame: av.VideoFrame, number: int, count: int) -> Cell:
    """Describe one frame."""
    return Cell(fitted(picture_of(frame)), f"at {frame.time or 0:.2f} s", f"frame {number + 1} of {count}")


def picture_of(frame: av.VideoFrame) -> Image.Image:
    """Convert a frame of a video to a picture."""
    colours = frame.reformat(format="rgb24")
    plane = colours.planes[0]
    size = (colours.width, colours.height)
    return Image.frombytes("RGB", size, bytes(plane), "raw", "RGB", plane.line_size)


def fitted(picture: Image.Image) -> Image.Image:
    """Scale a picture to the size of a cell, whole and with its ratio kept."""
    scale = min(CELL_WIDTH / picture.width, CELL_HEIGHT / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
