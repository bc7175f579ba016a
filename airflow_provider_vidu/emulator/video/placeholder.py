# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A painted landscape in place of an image that the emulator does not fetch: it works offline.

Sky, sun and hills follow from a name, so that two URLs give two pictures and one URL always gives the same.
"""

from __future__ import annotations

import colorsys
import io
import math
import random

from PIL import Image, ImageDraw, ImageFilter

_SIZES = ((1280, 720), (1280, 720), (720, 1280), (960, 960))
_HILLS = 4


def paint_placeholder(name: str) -> bytes:
    """
    Paint the picture of a name.

    :param name: whatever tells the images apart, for example host and path of a URL.
    :return: the bytes of a JPEG of about a megapixel: landscape, portrait or square.
    """
    width, height = placeholder_size(name)
    chance = random.Random(f"{name} colours")
    # From turquoise to crimson above, from orange to yellow at the horizon: an evening in any case.
    hue, warm = chance.uniform(0.48, 0.95), chance.uniform(0.03, 0.14)
    picture = _sky(width, height, hue, warm)
    _sun(picture, chance, warm)
    for hill in range(_HILLS):
        _hill(picture, chance, hue, (hill + 1) / _HILLS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def placeholder_size(name: str) -> tuple[int, int]:
    """
    Return width and height of a placeholder.

    :param name: see :func:`paint_placeholder`.
    """
    return random.Random(name).choice(_SIZES)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(width: int, height: int, hue: float, warm: float) -> Image.Image:
    # Three colours, smoothly stretched: a dark top, a pale middle, a warm horizon.
    stops = Image.new("RGB", (1, 4))
    stops.putpixel((0, 0), _colour(hue, 0.75, 0.35))
    stops.putpixel((0, 1), _colour(hue + 0.03, 0.55, 0.7))
    stops.putpixel((0, 2), _colour(warm, 0.35, 0.98))
    stops.putpixel((0, 3), _colour(warm + 0.02, 0.6, 0.97))
    return stops.resize((width, height), Image.Resampling.BICUBIC)


def _sun(picture: Image.Image, chance: random.Random, warm: float) -> None:
    width, height = picture.size
    radius = min(width, height) * chance.uniform(0.07, 0.12)
    left, top = width * chance.uniform(0.2, 0.8), height * chance.uniform(0.25, 0.5)
    for grown, opacity, blur in ((2.2, 90, 0.6), (1.0, 255, 0.02)):
        shape = Image.new("L", picture.size, 0)
        reach = radius * grown
        ImageDraw.Draw(shape).ellipse((left - reach, top - reach, left + reach, top + reach), fill=opacity)
        shape = shape.filter(ImageFilter.GaussianBlur(max(1.0, radius * blur)))
        picture.paste(_colour(warm + 0.04, 0.22, 1.0), (0, 0, width, height), shape)


def _hill(picture: Image.Image, chance: random.Random, hue: float, nearness: float) -> None:
    width, height = picture.size
    waves = [
        (height * 0.07 / (order * order) * chance.uniform(0.6, 1.2), order, chance.uniform(0.0, math.tau))
        for order in (1, 2, 4, 7)
    ]
    ridge = height * (0.52 + 0.36 * nearness)

    def top(x: float) -> float:
        return ridge - sum(reach * math.sin(math.tau * order * x / width + shift) for reach, order, shift in waves)

    # Drawn at twice the size and shrunk: smooth edges.
    mask = Image.new("L", (width * 2, height * 2), 0)
    outline = [(x * 2, top(x) * 2) for x in range(0, width + 8, 8)]
    ImageDraw.Draw(mask).polygon([(0, height * 2), *outline, (width * 2, height * 2)], fill=255)
    colour = _colour(hue + 0.08 * nearness, 0.35 + 0.4 * nearness, 0.75 - 0.58 * nearness)
    picture.paste(colour, (0, 0, width, height), mask.resize((width, height), Image.Resampling.BOX))
