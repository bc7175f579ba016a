# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A picture in place of an image that the emulator does not fetch: it works offline, and shows the image's name."""

from __future__ import annotations

import colorsys
import io
import random
import textwrap

from PIL import Image, ImageDraw, ImageFont, ImageOps

_SIZES = ((1280, 720), (720, 1280), (960, 960))


def paint_placeholder(name: str) -> bytes:
    """Return a JPEG that shows a name, on colours that follow from it."""
    width, height = size = placeholder_size(name)
    hue = random.Random(f"{name} colours").random()
    dark, light = _colour(hue, 0.7, 0.3), _colour(hue + 0.1, 0.5, 0.85)
    picture = ImageOps.colorize(Image.linear_gradient("L").resize(size), dark, light)
    # The font has Latin letters only.
    text = textwrap.fill(name[-120:].encode("ascii", "replace").decode().replace("/", "/ "), 26)
    ImageDraw.Draw(picture).multiline_text(
        (width / 2, height / 2), text, "white", ImageFont.load_default(size=48), anchor="mm", align="center"
    )
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def placeholder_size(name: str) -> tuple[int, int]:
    """Return width and height of a placeholder: landscape, portrait or square."""
    return random.Random(name).choice(_SIZES)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
