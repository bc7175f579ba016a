# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Show the items of a batch on one picture: the input of each beside its video, or why it has none.

One glance shows whether each video came from its own image. Each row is one item: the input and the video's first,
middle and last frame. Needs PyAV (the extra ``airflow-provider-vidu[emulator]``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps

from airflow_provider_vidu.api.messages import one_line
from airflow_provider_vidu.landing.publish import open_existing
from airflow_provider_vidu.report.fonts import Typeface, choose_typeface
from airflow_provider_vidu.report.items import Item, State, picture_and_video, read_item
from airflow_provider_vidu.report.links import file_name
from airflow_provider_vidu.report.thumbnails import may_be_read

Made = TypeVar("Made")

HEADINGS = ("Input", "First frame", "Middle frame", "Last frame")
# Largest picture in a cell, in pixels. Columns shrink to their widest and rows to their tallest picture.
CELL_WIDTH, CELL_HEIGHT = 440, 330
NARROWEST_COLUMN = 240
#: Height of the row of an item without a video.
LOW_ROW = 176
MARGIN, GUTTER, ROW_GAP = 48, 28, 40
LINE = 26
BACKGROUND = (246, 246, 243)
TILE = (234, 234, 229)
INK, FAINT_INK, RULE = (38, 42, 50), (118, 122, 130), (216, 216, 210)
#: Those of the page.
COLOURS = {State.MADE: (23, 121, 74), State.FAILED: (179, 38, 30), State.RUNNING: (154, 98, 0), State.NOT_SENT: INK}


@dataclass(frozen=True)
class Note:
    """A text on a tile, in at most so many lines."""

    text: str
    colour: tuple[int, int, int] = FAINT_INK
    points: int = 17
    lines: int = 1


@dataclass(frozen=True)
class Cell:
    """
    One place of the sheet, with the two lines of its caption.

    :param picture: already scaled; None = a plain tile with notes on it.
    :param columns: how many columns it is wide.
    """

    picture: Image.Image | None
    title: str = ""
    detail: str = ""
    notes: tuple[Note, ...] = ()
    columns: int = 1


def make_contact_sheet(rows: Sequence[Mapping[str, Any]], output: Path) -> None:
    """
    Draw the sheet of a batch and save it.

    A file that cannot be opened is a tile that says so. A picture behind an http(s) URL is not fetched.

    :param rows: of a manifest; ``image`` and ``files`` are local paths or any ``ObjectStoragePath`` URLs.
    :param output: a picture, in the format of its suffix.

    :raises ValueError: if there is no row, or none of the files can be opened.
    :raises OSError: if the sheet cannot be written.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    unread: list[str] = []
    cells = [row_cells(row, number, unread) for number, row in enumerate(rows)]
    if unread and not any(cell.picture for row in cells for cell in row):
        raise ValueError(unread[0])
    typeface = choose_typeface("".join(texts_of(cells)))
    # Columns are equally wide, so that the frames line up from row to row.
    column = max(NARROWEST_COLUMN, *(cell.picture.width for row in cells for cell in row if cell.picture))
    heights = [max(cell.picture.height if cell.picture else LOW_ROW for cell in row) for row in cells]
    width = 2 * MARGIN + len(HEADINGS) * column + (len(HEADINGS) - 1) * GUTTER
    captions = 12 + 2 * LINE
    height = 2 * MARGIN + 2 * LINE + sum(heights) + len(cells) * captions + (len(cells) - 1) * ROW_GAP
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    lefts = [MARGIN + number * (column + GUTTER) for number in range(len(HEADINGS))]
    for left, heading in zip(lefts, HEADINGS, strict=True):
        pen.text((left + column / 2, MARGIN), heading, INK, typeface.at(22), anchor="mm")
    pen.line((MARGIN, MARGIN + LINE, width - MARGIN, MARGIN + LINE), RULE, 2)
    top = MARGIN + 2 * LINE
    for row, row_height in zip(cells, heights, strict=True):
        left = MARGIN
        for cell in row:
            cell_width = cell.columns * column + (cell.columns - 1) * GUTTER
            place_cell(sheet, cell, (left, top), (cell_width, row_height), typeface)
            left += cell_width + GUTTER
        top += row_height + captions + ROW_GAP
    sheet.save(output)


def texts_of(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return all texts of a sheet."""
    cells = [cell for row in rows for cell in row]
    notes = [note.text for cell in cells for note in cell.notes]
    return [*HEADINGS, *notes, *(cell.title for cell in cells), *(cell.detail for cell in cells)]


def place_cell(
    sheet: Image.Image, cell: Cell, corner: tuple[int, int], size: tuple[int, int], typeface: Typeface
) -> None:
    """Put a picture or a tile, with rounded corners and its caption below, on the sheet."""
    (left, top), (width, height) = corner, size
    picture = cell.picture or Image.new("RGB", (width, LOW_ROW), TILE)
    corners = Image.new("L", (2 * picture.width, 2 * picture.height))
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, corners.width - 1, corners.height - 1), 16, 255)
    place = (left + (width - picture.width) // 2, top + (height - picture.height) // 2)
    sheet.paste(picture, place, corners.resize(picture.size))
    pen = ImageDraw.Draw(sheet)
    lines = [
        (line, note.colour, note.points)
        for note in cell.notes
        for line in wrap(typeface.readable(note.text), typeface.at(note.points), width - 2 * GUTTER, note.lines)
    ]
    for number, (text, colour, points) in enumerate(lines):
        middle = (left + width / 2, top + height / 2 + LINE * (number + 0.5 - len(lines) / 2))
        pen.text(middle, text, colour, typeface.at(points), anchor="mm")
    for number, (text, colour, points) in enumerate(((cell.title, INK, 18), (cell.detail, FAINT_INK, 16))):
        font = typeface.at(points)
        middle = (left + width / 2, top + height + 12 + LINE * (number + 0.5))
        pen.text(middle, shorten(typeface.readable(text), font, width), colour, font, anchor="mm")


def shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Cut the middle out of a text that is too long for its place."""
    kept = len(text)
    short = text
    while font.getlength(short) > width and kept > 2:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return short


def wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float, most: int) -> list[str]:
    """Break a text at spaces into at most so many lines; what is too long for its line is shortened."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        count = 1
        while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        lines.append(shorten(" ".join(words[:count]), font, width))
        words = words[count:]
    return [*lines, shorten(" ".join(words), font, width)] if words else lines


def row_cells(row: Mapping[str, Any], position: int, unread: list[str]) -> list[Cell]:
    """Return the cells of an item: its input, and the frames of its video or a tile; ``unread`` gets what failed."""
    item = read_item(row, position, report="", thumbnails={})
    image, video = picture_and_video(row)
    name = one_line(item.name or item.picture)
    # Two items may have the same picture or, if they are invalid, the same id.
    title = f"{name} #{item.number}" if name else f"Item {item.number}"
    frames = _read(video_cells, video, unread) or [_tile(item, title, is_unread=bool(video))]
    shown = _read(image_cell, image, unread)
    if shown is None:
        shown = Cell(None, notes=(Note("The picture is out of reach" if image else "No picture"),))
    elif shown.picture is not None and frames[0].picture is None:
        shown = replace(shown, picture=fitted(shown.picture, LOW_ROW))
    return [replace(shown, title=title, detail=item.picture if item.name else shown.detail), *frames]


def _read(make: Callable[[str], Made], path: str, unread: list[str]) -> Made | None:
    if not may_be_read(path):
        return None
    try:
        return make(path)
    except Exception as error:
        # Stores, Pillow and PyAV have exceptions of their own. The other items are shown all the same.
        unread.append(str(error))
        return None


def _tile(item: Item, title: str, *, is_unread: bool) -> Cell:
    """Return the tile of an item whose frames are not shown: what has become of it, in few words."""
    what = item.headline
    if item.state is State.MADE:
        what = "the video cannot be opened" if is_unread else "there is no video in it" if item.files else "not landed"
    label = item.state.label
    # Some say themselves that an item was not sent.
    state = what if what.startswith(label) else f"{label}: {what}" if what else label
    notes = [Note(title, INK, 20), Note(one_line(state), COLOURS[item.state], 20)]
    notes += [Note(one_line(line), lines=2) for line in item.error[:1]]
    return Cell(None, notes=tuple(notes), columns=len(HEADINGS) - 1)


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
    return Cell(fitted(flat.convert("RGB")), detail=f"{upright.width} x {upright.height}, {kind}")


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
        Cell(fitted(picture_of(first)), one_line(file_name(path)), facts),
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


def fitted(picture: Image.Image, height: int = CELL_HEIGHT) -> Image.Image:
    """Scale a picture to the size of a cell, whole and with its ratio kept."""
    scale = min(CELL_WIDTH / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
