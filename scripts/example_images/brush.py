# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The brushes: noise, gradients, masks and the ways to lay colour on a canvas.

A canvas is an array of rows of pixels of three colour channels from 0 to 1, a mask an array of rows of
numbers from 0 to 1. Colours in the code are written 0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.float64]
Colour = Sequence[float]
Point = tuple[float, float]

# How much larger than its file a scene is painted; shrinking it at the end makes the edges smooth.
OVERSIZE = 2


def resized(field: Array, width: int, height: int) -> Array:
    """Scale a field of numbers smoothly.

    :param field: rows of numbers.
    :param width: columns of the result.
    :param height: rows of the result.
    :return: the scaled field.
    """
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)


def blurred(canvas: Array, radius: float) -> Array:
    """Blur colours or a mask.

    :param canvas: numbers from 0 to 1, as rows of pixels or of colours.
    :param radius: radius of the blur in pixels.
    :return: the blurred copy.
    """
    if canvas.ndim == 3:
        return np.stack([blurred(canvas[..., channel], radius) for channel in range(3)], axis=-1)
    # Blurring a small copy is far quicker, and what is lost is lost in the blur anyway.
    step = max(1, int(radius / 4))
    small = resized(canvas, max(2, canvas.shape[1] // step), max(2, canvas.shape[0] // step))
    reach = int(3 * radius / step) + 1
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / max(radius, 0.01)) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padding = [(reach, reach) if axis == side else (0, 0) for side in (0, 1)]
        padded = np.pad(small, padding, mode="edge")
        length = small.shape[axis]
        small = np.zeros(small.shape)
        for start, weight in enumerate(weights):
            small += weight * np.take(padded, range(start, start + length), axis)
    return resized(small, canvas.shape[1], canvas.shape[0])


def clouds(chance: np.random.Generator, shape: tuple[int, int], cells: Point, octaves: int = 5) -> Array:
    """Make cloudy noise: smooth random fields of ever smaller grain, added up.

    :param chance: the source of chance.
    :param shape: rows and columns of the result.
    :param cells: how many blobs fit across and down.
    :param octaves: how many fields to add, each half as large in grain.
    :return: numbers around 0.5, nearly all between 0 and 1.
    """
    total = np.zeros(shape)
    for octave in range(octaves):
        size = (int(cells[1] * 2**octave) + 3, int(cells[0] * 2**octave) + 3)
        total += (resized(chance.random(size), shape[1], shape[0]) - 0.5) / 2**octave
    return 0.5 + total * 0.75


def gradient(stops: Sequence[tuple[float, Colour]], positions: Array) -> Array:
    """Look colours up on a gradient.

    :param stops: positions, rising, with their colours (0 to 255).
    :param positions: where to look, in the same scale as the stops.
    :return: one colour (0 to 1) for each position.
    """
    places = [place for place, _ in stops]
    channels = [np.interp(positions, places, [colour[index] for _, colour in stops]) for index in range(3)]
    return np.stack(channels, axis=-1) / 255


def blend(canvas: Array, colour: Array | Colour, mask: Array) -> Array:
    """Lay a colour over a canvas.

    :param canvas: the colours beneath, 0 to 1.
    :param colour: one colour (0 to 255), or a canvas of colours (0 to 1).
    :param mask: how much of it to lay on each pixel, 0 to 1.
    :return: the new canvas.
    """
    paint = colour if isinstance(colour, np.ndarray) else np.array(colour) / 255
    weight = np.clip(mask, 0, 1)[..., None]
    return canvas * (1 - weight) + paint * weight


def drawn(shape: tuple[int, int], polygons: Sequence[Sequence[Point]]) -> Array:
    """Draw filled polygons as a mask.

    :param shape: rows and columns of the mask.
    :param polygons: corners as x and y in pixels.
    :return: 1 inside a polygon, 0 outside.
    """
    mask = Image.new("L", (shape[1], shape[0]))
    pen = ImageDraw.Draw(mask)
    for polygon in polygons:
        pen.polygon(list(polygon), fill=255)
    return np.asarray(mask, dtype=np.float64) / 255


def smooth(field: Array, low: float | Array, high: float | Array) -> Array:
    """Go softly from 0 to 1.

    :param field: any numbers.
    :param low: where the result begins to leave 0.
    :param high: where it has reached 1; may be less than ``low`` to turn the step around.
    :return: numbers from 0 to 1.
    """
    share = np.clip((field - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def stars(chance: np.random.Generator, rows: int, columns: int) -> Array:
    """Scatter stars of different brightness.

    :param chance: the source of chance.
    :param rows: height of the sky in pixels.
    :param columns: width of the sky in pixels.
    :return: how bright each pixel shines, 0 to 1.
    """
    mask = np.zeros((rows, columns))
    for _ in range(620):
        row, column = int(rows * chance.random() ** 1.3), chance.integers(4, columns - 4)
        row = min(max(row, 4), rows - 5)
        brightness = chance.random() ** 3
        reach = 1.1 + 1.5 * brightness
        away = np.hypot(*np.mgrid[-4:5, -4:5])
        spot = (0.3 + 0.8 * brightness) * np.exp(-((away / reach) ** 2))
        mask[row - 4 : row + 5, column - 4 : column + 5] += spot
    return mask.clip(0, 1)


def finished(canvas: Array, noise: float, oversize: int = OVERSIZE, seed: int = 5) -> Image.Image:
    """Shrink a canvas to its final size and add the faint grain that keeps gradients from banding.

    :param canvas: colours, 0 to 1, painted ``oversize`` times too large.
    :param noise: strength of the grain in steps of 255.
    :param oversize: how many times too large the canvas is.
    :param seed: of the grain.
    :return: the finished picture.
    """
    rows, columns = canvas.shape[0] // oversize, canvas.shape[1] // oversize
    small = canvas[: rows * oversize, : columns * oversize].reshape(rows, oversize, columns, oversize, 3)
    colours = small.mean(axis=(1, 3)) * 255
    grain = np.random.default_rng(seed).normal(0, noise / 2, (rows, columns, 1))
    return Image.fromarray((colours + grain).round().clip(0, 255).astype(np.uint8))
