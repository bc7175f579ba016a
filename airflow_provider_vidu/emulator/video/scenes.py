# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the emulator's videos and pictures show: each scene makes pictures of one size from the caller's own."""

from __future__ import annotations

import colorsys
import math
import random
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont, ImageOps

#: How far the camera zooms in, as a share of the picture's size.
TRAVEL = {"auto": 0.16, "small": 0.08, "medium": 0.2, "large": 0.32}

# Signs that the font lacks.
_PLAIN = ("-", "-", "'", "'", '"', '"', "...", "ss")

Size = tuple[int, int]


def zoom(picture: Image.Image, size: Size, count: int, *, seed: int, travel: float) -> Iterator[Image.Image]:
    """Zoom slowly into a picture, which is whole in the first frame; the seed decides where to."""
    # Even the closest view has more pixels than the frame: a view at its own size would pulse between sharp and soft.
    scale = 1.25 * (1 + travel)
    source = fit(picture, (round(size[0] * scale), round(size[1] * scale)))
    angle = random.Random(seed).uniform(0, math.tau)
    goal = 0.5 + 0.5 * math.cos(angle), 0.5 + 0.5 * math.sin(angle)
    for number in range(count):
        side = 1 / (1 + travel * number / max(1, count - 1))
        left, top = ((1 - side) * share for share in goal)
        right, bottom = min(left + side, 1.0), min(top + side, 1.0)
        box = (left * source.width, top * source.height, right * source.width, bottom * source.height)
        yield source.resize(size, Image.Resampling.HAMMING, box)


def fade(pictures: Sequence[Image.Image], size: Size, counts: Sequence[int]) -> Iterator[Image.Image]:
    """Fade from each picture to the next, in so many frames: the first and the last are whole pictures."""
    fitted = [fit(picture, size) for picture in pictures]
    for (before, after), count in zip(pairwise(fitted), counts, strict=True):
        for number in range(count):
            share = number / max(1, count - 1)
            # Slow at both ends, so that both pictures can be seen.
            yield Image.blend(before, after, share * share * (3 - 2 * share))


def collage(pictures: Sequence[Image.Image], size: Size) -> Image.Image:
    """Arrange pictures in rows of equal height, with a narrow gap between them."""
    width, height = size
    gap = round(min(size) / 60)
    rows = max(1, round(math.sqrt(len(pictures) * height / width)))
    canvas = Image.new("RGB", size, (245, 243, 238))
    for row in range(rows):
        tiles = pictures[len(pictures) * row // rows : len(pictures) * (row + 1) // rows]
        top, bottom = _span(row, rows, height, gap)
        for column, tile in enumerate(tiles):
            left, right = _span(column, len(tiles), width, gap)
            canvas.paste(fit(tile, (right - left, bottom - top)), (left, top))
    return canvas


def title_card(text: str, size: Size) -> Image.Image:
    """Show a text in the middle of a colour gradient that follows from it."""
    hue = random.Random(f"{text} colours").random()
    gradient = Image.linear_gradient("L").resize(size)
    card = ImageOps.colorize(gradient, _colour(hue, 0.7, 0.3), _colour(hue + 0.1, 0.5, 0.7))
    pen = ImageDraw.Draw(card)
    # The font has the letters of ASCII only.
    text = text.translate({ord(odd): plain for odd, plain in zip("–—‘’“”…ß", _PLAIN, strict=True)})
    letters = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    letters = letters.encode("ascii", "replace").decode()
    for characters in (22, 30, 40, 55, 75, 100, 140):
        lines = textwrap.fill(letters, characters)
        _, _, right, _ = pen.multiline_textbbox((0, 0), lines, ImageFont.load_default(size=100))
        font = ImageFont.load_default(size=min(min(size) / 9, 70 * size[0] / max(1, right)))
        _, top, _, bottom = pen.multiline_textbbox((0, 0), lines, font)
        # The camera comes closer: what is nearer to an edge may leave the picture.
        if bottom - top <= 0.7 * size[1]:
            break
    pen.multiline_text((size[0] / 2, size[1] / 2), lines, "white", font, anchor="mm", align="center")
    return card


def fit(picture: Image.Image, size: Size) -> Image.Image:
    """Scale a picture to a size, and crop what does not fit."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _span(index: int, count: int, length: int, gap: int) -> tuple[int, int]:
    step = (length - gap) / count
    return round(gap + index * step), round((index + 1) * step)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
