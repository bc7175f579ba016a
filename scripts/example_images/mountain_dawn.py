# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Layered mountains in the mist of dawn, mirrored by a lake."""

from __future__ import annotations

import numpy as np
from PIL import Image

from example_images.brush import (
    OVERSIZE,
    Array,
    Point,
    blend,
    blurred,
    clouds,
    drawn,
    finished,
    gradient,
    smooth,
)


def paint() -> Image.Image:
    """Paint layered mountains in the mist of dawn, mirrored by a lake (16:9).

    :return: the picture, 1280 by 720 pixels.
    """
    chance = np.random.default_rng(21)
    width, height = 1280 * OVERSIZE, 720 * OVERSIZE
    shore = int(height * 0.66)
    x = np.linspace(0, 1, width)[None, :].repeat(shore, 0)
    y = np.linspace(0, 1, shore)[:, None].repeat(width, 1)
    sun = (0.63, 0.62)
    sky = gradient(
        [
            (0, (38, 56, 104)),
            (0.3, (98, 104, 152)),
            (0.52, (206, 150, 156)),
            (0.68, (250, 190, 140)),
            (1, (255, 222, 170)),
        ],
        y,
    )
    distance = np.hypot((x - sun[0]) * 1.78, (y - sun[1]) * 0.7)
    streaks = clouds(chance, (shore, width), (2.5, 9), 6)
    cloud = smooth(streaks, 0.5, 0.85) * smooth(y, 0.02, 0.2) * smooth(y, 0.62, 0.3)
    sky = blend(sky, (255, 196, 172), cloud * (0.25 + 0.5 * np.exp(-distance * 2.2)))
    sky = blend(sky, (255, 226, 170), 0.8 * np.exp(-distance * 4.2))
    sky = blend(sky, (255, 246, 220), smooth(distance, 0.062, 0.052))
    sky = blend(sky, (255, 240, 205), 0.9 * np.exp(-distance * 13))
    layers = (
        # base, height, peaks, roughness, colour of the rock, strength of the mist at its foot
        (0.80, 0.44, 3.5, 0.5, (158, 140, 176), 0.75),
        (0.86, 0.36, 4, 0.5, (124, 112, 158), 0.7),
        (0.92, 0.25, 5, 0.48, (88, 88, 134), 0.65),
        (0.97, 0.16, 6, 0.46, (56, 64, 104), 0.55),
    )
    for base, tall, peaks, roughness, rock, mist in layers:
        top = base - tall * ridge(chance, width, peaks, roughness)
        rise = y - top[None, :]
        mask = np.clip(rise * shore, 0, 1)
        # The sun stands behind the range: its crest catches a warm rim, its flanks stay in the shade.
        crags = clouds(chance, (shore, width), (30, 14), 6)
        shade = np.clip(0.3 + (crags - 0.5) * 0.9 + 0.6 * np.exp(-rise * 160), 0, 1)
        dark, light = (tuple(0.84 * part + more for part in rock) for more in (0, 50))
        tint = gradient([(0, dark), (1, light)], shade)
        drift = clouds(chance, (shore, width), (3, 10), 5)
        fog = mist * smooth(y, base - 0.2, base + 0.04) * (0.45 + 0.9 * drift)
        tint = blend(tint, gradient([(0, (226, 186, 186)), (1, (255, 216, 180))], np.exp(-distance * 2)), fog)
        sky = blend(sky, tint, mask)
        sky = blend(sky, (255, 214, 176), 0.3 * np.exp(-distance * 6) * mask)
    sky = blend(sky, (20, 30, 52), forest(chance, shore, width))
    sky = blend(sky, (255, 214, 184), 0.5 * smooth(y, 0.93, 1.0) * clouds(chance, (shore, width), (4, 14), 5))
    return finished(with_lake(chance, sky, height, x, sun[0]), 2.5)


def ridge(chance: np.random.Generator, width: int, peaks: float, roughness: float = 0.5) -> Array:
    """Make the outline of a mountain range.

    :param chance: the source of chance.
    :param width: length of the outline in pixels.
    :param peaks: about how many peaks fit across.
    :param roughness: how tall each finer layer of crags is compared with the one before.
    :return: heights from 0 (lowest) to 1 (highest).
    """
    outline = np.zeros(width)
    for octave in range(8):
        count = int(peaks * 2**octave) + 3
        # Straight lines between the points: a mountain has edges where noise would have bumps.
        points = chance.random(count)
        outline += roughness**octave * np.interp(np.linspace(0, count - 1.001, width), range(count), points)
    heights: Array = (outline - outline.min()) / np.ptp(outline)
    return heights


def forest(chance: np.random.Generator, shore: int, width: int) -> Array:
    """Draw firs along both ends of a shore.

    :param chance: the source of chance.
    :param shore: height of the picture above the water in pixels.
    :param width: width of the picture in pixels.
    :return: the mask of the trees.
    """
    trees: list[list[Point]] = [[(0, shore), (0, shore * 0.972), (width, shore * 0.985), (width, shore)]]
    for _ in range(520):
        place = chance.beta(0.45, 0.62)
        tall = shore * (0.03 + 0.15 * abs(place - 0.55) ** 1.3 * 2.2) * chance.uniform(0.55, 1.25)
        middle, foot = place * width, shore * chance.uniform(0.975, 1.0)
        half = tall * chance.uniform(0.14, 0.2)
        steps = 9
        left: list[Point] = []
        right: list[Point] = []
        for step in range(steps):
            level = foot - tall * (1 - step / steps)
            reach = half * (step + 0.6) / steps
            for side, sign in ((left, -1), (right, 1)):
                side.append((middle + sign * reach * chance.uniform(0.75, 1.15), level + tall * 0.05))
                side.append((middle + sign * reach * 0.45, level + tall * 0.045))
        trunk = [(middle + half, foot), (middle - half, foot)]
        trees.append([(middle, foot - tall), *right, *trunk, *left[::-1]])
    return drawn((shore, width), trees)


def with_lake(chance: np.random.Generator, land: Array, height: int, x: Array, sun: float) -> Array:
    """Put a lake under a landscape that mirrors it.

    :param chance: the source of chance.
    :param land: everything above the shore.
    :param height: height of the whole picture in pixels.
    :param x: horizontal positions, 0 to 1.
    :param sun: horizontal position of the sun, 0 to 1.
    :return: the whole picture.
    """
    shore, width = land.shape[:2]
    depth = height - shore
    down = np.linspace(0, 1, depth)[:, None].repeat(width, 1)
    # Waves look flatter towards the shore: stretch the noise by perspective.
    waves = clouds(chance, (depth * 2, width), (9, 60), 5) - 0.5
    rows = (2 * depth * down[:, 0] ** 0.6).astype(int).clip(0, 2 * depth - 1)
    waves = waves[rows] * (0.15 + down)
    source_rows = np.clip(shore - 1 - (np.arange(depth)[:, None] * 1.25 + waves * 130), 0, shore - 1)
    columns = np.clip(np.arange(width)[None, :] + waves * 60, 0, width - 1)
    water = land[source_rows.astype(int), columns.astype(int)]
    water = 0.5 * water + 0.5 * blurred(water, 6)
    water = blend(water, (30, 46, 84), 0.16 + 0.42 * down)
    path = np.exp(-(((x[:depth] - sun) * (7 - 3 * down)) ** 2))
    water = blend(water, (255, 226, 178), path * smooth(waves / (0.15 + down), 0.06, 0.3) * 0.75)
    water = blend(water, (255, 224, 200), 0.55 * np.exp(-down * 26))
    return np.concatenate([land, water])
