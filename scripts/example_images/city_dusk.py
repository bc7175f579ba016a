# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A city's lit windows over a river at dusk."""

from __future__ import annotations

import numpy as np
from PIL import Image

from example_images.brush import (
    OVERSIZE,
    Array,
    Colour,
    blend,
    blurred,
    clouds,
    finished,
    gradient,
    resized,
    smooth,
    stars,
)


def paint() -> Image.Image:
    """Paint a city's lit windows over a river at dusk (9:16).

    :return: the picture, 720 by 1280 pixels.
    """
    chance = np.random.default_rng(14)
    width, height = 720 * OVERSIZE, 1280 * OVERSIZE
    bank = int(height * 0.7)
    x = np.linspace(0, 1, width)[None, :].repeat(bank, 0)
    y = (np.arange(bank) / height)[:, None].repeat(width, 1)
    sky = gradient(
        [
            (0, (24, 28, 72)),
            (0.22, (62, 52, 118)),
            (0.4, (150, 84, 140)),
            (0.53, (232, 128, 122)),
            (0.62, (255, 182, 116)),
            (0.7, (255, 214, 150)),
        ],
        y,
    )
    streaks = clouds(chance, (bank, width), (1.6, 13), 6)
    lower = smooth(streaks, 0.5, 0.85) * smooth(y, 0.02, 0.2)
    lit_from_below = gradient([(0.1, (96, 70, 140)), (0.35, (246, 140, 140)), (0.6, (255, 206, 150))], y)
    sky = blend(sky, lit_from_below, 0.7 * lower)
    sky = blend(sky, (255, 220, 160), 0.6 * np.exp(-np.hypot(x - 0.4, (y - 0.66) * 1.4) * 4))
    sky = blend(sky, (236, 238, 255), 0.8 * stars(chance, bank, width) * smooth(y, 0.3, 0.05))
    glow = np.zeros_like(sky)
    rows = (
        # tallest roof and lowest roof as shares of the height, widths, colour, window size, share of lit ones
        (0.44, 0.58, (0.05, 0.1), (190, 112, 132), 0, 0.0),
        (0.36, 0.56, (0.07, 0.13), (122, 76, 122), 5, 0.25),
        (0.33, 0.6, (0.1, 0.17), (64, 48, 94), 8, 0.38),
        (0.47, 0.64, (0.14, 0.22), (30, 26, 58), 12, 0.45),
    )
    for tallest, lowest, widths, wall, window, lit in rows:
        place = -0.05
        while place < 1.02:
            wide = chance.uniform(*widths)
            highest = tallest if chance.random() < 0.4 else lowest - 0.08
            roof = chance.uniform(highest, lowest)
            box = (int(place * width), int(roof * height), int((place + wide) * width), bank)
            sky = with_building(chance, sky, glow, box, wall, window, lit)
            place += wide + chance.uniform(-0.02, 0.025)
        haze = smooth(y, 0.45, 0.7) * (0.3 if window else 0.5)
        sky = blend(sky, (255, 172, 132), haze * (0.35 if window > 8 else 1))
    sky = np.clip(sky + 0.55 * blurred(glow, 9) + 0.5 * blurred(glow, 36), 0, 1)
    return finished(with_river(chance, sky, height), 2.5)


def with_building(
    chance: np.random.Generator,
    canvas: Array,
    glow: Array,
    box: tuple[int, int, int, int],
    wall: Colour,
    window: int,
    lit: float,
) -> Array:
    """Put one building into a skyline.

    :param chance: the source of chance.
    :param canvas: the skyline so far; the wall is painted on it in place.
    :param glow: canvas that collects what shines, in place.
    :param box: left, top, right and bottom of the building in pixels.
    :param wall: colour of its wall.
    :param window: width of a window in pixels; 0 for a building too far away to have any.
    :param lit: share of the windows that are lit.
    :return: the canvas.
    """
    left, top, right, bottom = box
    first, last = max(left, 0), min(right, canvas.shape[1])
    if first >= last:
        return canvas
    tone = np.array(wall) / 255 * chance.uniform(0.88, 1.1)
    # One wall of each house looks to the evening sky and is a little lighter.
    side = first + int((last - first) * chance.uniform(0.25, 0.5))
    parts = [(first, last, top, 1.0), (first, side, top, 1.16)]
    middle, half = (left + right) // 2, (right - left) // 2
    style = chance.integers(0, 4)
    if style == 1:  # set-back upper floors
        parts.append((middle - half // 2, middle + half // 2, top - half // 3, 1.06))
    elif style == 2 and window:  # an aerial
        parts.append((middle - 2, middle + 3, top - half, 0.9))
    elif style == 3:  # machinery on the roof
        parts.append((middle - half // 2, middle - half // 6, top - half // 5, 0.94))
    for start, end, roof, light in parts:
        start, end = max(start, 0), min(end, canvas.shape[1])
        if start < end:
            canvas[roof:bottom, start:end] = np.clip(tone * light, 0, 1)
            glow[roof:bottom, start:end] = 0
    if not window:
        return canvas
    if style == 2:
        glow[top - half : top - half + 5, max(middle - 2, 0) : middle + 3] = (1.0, 0.25, 0.2)
    tall = int(window * chance.choice((1.0, 1.3, 1.6)))
    step_across, step_down = int(window * chance.uniform(1.6, 2.1)), int(tall * chance.uniform(1.6, 1.9))
    for row in range(top + step_down, bottom - tall, step_down):
        busy = chance.uniform(0.4, 1.5) * lit
        for column in range(left + window, right - window, step_across):
            start, end = max(column, 0), min(column + window, canvas.shape[1])
            if start >= end:
                continue
            if chance.random() < busy:
                warm = (1.0, chance.uniform(0.66, 0.86), chance.uniform(0.3, 0.6))
                lamp = warm if chance.random() < 0.9 else (0.72, 0.86, 1.0)
                shade = np.array(lamp) * chance.uniform(0.5, 1.0)
                canvas[row : row + tall, start:end] = shade
                glow[row : row + tall, start:end] = shade
            else:
                canvas[row : row + tall, start:end] *= 0.8
    return canvas


def with_river(chance: np.random.Generator, city: Array, height: int) -> Array:
    """Put a river under a city that mirrors its lights.

    :param chance: the source of chance.
    :param city: everything above the water.
    :param height: height of the whole picture in pixels.
    :return: the whole picture.
    """
    bank, width = city.shape[:2]
    depth = height - bank
    down = np.linspace(0, 1, depth)[:, None].repeat(width, 1)
    waves = clouds(chance, (2 * depth, width), (8, 90), 5) - 0.5
    waves = waves[(2 * depth * down[:, 0] ** 0.6).astype(int).clip(0, 2 * depth - 1)] * (0.2 + down)
    rows = np.clip(bank - 1 - (np.arange(depth)[:, None] * 1.35 + waves * 260), 0, bank - 1)
    columns = np.clip(np.arange(width)[None, :] + waves * 70, 0, width - 1)
    # Moving water draws every light out into a column.
    smeared = np.stack(
        [resized(resized(city[..., channel], width, bank // 28), width, bank) for channel in range(3)],
        axis=-1,
    )
    mirror = 0.45 * city + 0.55 * np.clip(smeared * 1.15, 0, 1)
    water = mirror[rows.astype(int), columns.astype(int)]
    water = blend(water, (22, 22, 62), 0.18 + 0.5 * down)
    water = blend(water, (255, 190, 140), 0.35 * smooth(waves / (0.2 + down), 0.12, 0.34) * (1 - 0.6 * down))
    quay = np.clip(1 - down * depth / 14, 0, 1) > 0
    water = blend(water, (16, 15, 36), quay.astype(float))
    lamps = np.zeros_like(water)
    glimmer = smooth(waves, -0.05, 0.15) * np.exp(-down * 5)
    for lamp in np.linspace(0.04, 0.97, 12):
        column = int(lamp * width)
        lamps[2:10, column - 4 : column + 4] = (1.0, 0.82, 0.5)
        reach = slice(max(column - 10, 0), column + 10)
        lamps[16 : depth // 2, reach] += glimmer[16 : depth // 2, reach, None] * np.array((0.5, 0.36, 0.18))
    water = np.clip(water + lamps + 0.8 * blurred(lamps, 14), 0, 1)
    return np.concatenate([city, water])
