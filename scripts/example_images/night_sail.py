# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A sailing boat on the glitter path of a full moon."""

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
    stars,
)


def paint() -> Image.Image:
    """Paint a sailing boat on the glitter path of a full moon (1:1).

    :return: the picture, 1024 by 1024 pixels.
    """
    chance = np.random.default_rng(8)
    size = 1024 * OVERSIZE
    horizon = int(size * 0.6)
    x = np.linspace(0, 1, size)[None, :].repeat(horizon, 0)
    y = (np.arange(horizon) / size)[:, None].repeat(size, 1)
    moon = (0.66, 0.25)
    distance = np.hypot(x - moon[0], y - moon[1])
    sky = gradient([(0, (7, 12, 34)), (0.3, (17, 30, 68)), (0.5, (34, 58, 104)), (0.6, (62, 92, 136))], y)
    sky = blend(sky, (232, 240, 255), stars(chance, horizon, size) * smooth(distance, 0.1, 0.4))
    veil = smooth(clouds(chance, (horizon, size), (2, 7), 6), 0.48, 0.9) * smooth(y, 0.05, 0.3)
    sky = blend(sky, (150, 172, 210), veil * (0.16 + 0.6 * np.exp(-distance * 5)))
    sky = blend(sky, (150, 178, 226), 0.55 * np.exp(-distance * 6))
    maria = smooth(clouds(chance, (horizon, size), (24, 15), 4), 0.5, 0.72)
    disc = smooth(distance, 0.0735, 0.0715)
    sky = blend(sky, gradient([(0, (255, 250, 232)), (1, (214, 212, 206))], maria), disc)
    sky = blend(sky, (255, 246, 224), 0.5 * np.exp(-((distance / 0.1) ** 2)) * (1 - 0.8 * disc))
    canvas = np.concatenate([sky, moonlit_sea(chance, size, size - horizon, moon[0])])
    return finished(with_boat(canvas, (0.37 * size, 0.672 * size), 0.3 * size), 2)


def moonlit_sea(chance: np.random.Generator, width: int, depth: int, moon: float) -> Array:
    """Paint waves that break the moon into a path of sparks.

    :param chance: the source of chance.
    :param width: width of the sea in pixels.
    :param depth: height of the sea in the picture in pixels.
    :param moon: horizontal position of the moon, 0 to 1.
    :return: the colours of the sea.
    """
    down = np.linspace(0.002, 1, depth)[:, None].repeat(width, 1)
    x = np.linspace(0, 1, width)[None, :].repeat(depth, 0)
    # Perspective: the same wave is a hair near the horizon and a hill at the beholder's feet.
    swell = clouds(chance, (3 * depth, width), (6, 26), 5)
    ripples = clouds(chance, (3 * depth, width), (34, 190), 3)
    rows = (3 * depth * np.log1p(30 * down[:, 0]) / np.log(31)).astype(int).clip(0, 3 * depth - 1)
    swell, ripples = swell[rows], ripples[rows]
    sea = gradient([(0, (58, 86, 128)), (0.12, (30, 54, 96)), (0.5, (15, 31, 64)), (1, (7, 15, 36))], down)
    sea = blend(sea, (66, 100, 150), 0.6 * smooth(swell + 0.35 * ripples, 0.66, 1.0) * (0.4 + 0.6 * down))
    sea = blend(sea, (4, 9, 24), 0.5 * smooth(swell, 0.5, 0.2))
    spread = 0.05 + 0.13 * down
    path = np.exp(-(((x - moon) / spread) ** 2))
    sparks = smooth(ripples + 0.5 * (swell - 0.5), 0.73 - 0.27 * path, 0.83 - 0.25 * path)
    sea = blend(sea, (168, 192, 226), 0.3 * path)
    sea = blend(sea, (255, 247, 226), sparks * path**0.7 * (1 - 0.25 * down))
    return blend(sea, (170, 196, 230), 0.5 * np.exp(-down * 60))


def with_boat(canvas: Array, foot: Point, tall: float) -> Array:
    """Put a small sailing boat with a lantern into a picture.

    :param canvas: the picture.
    :param foot: where the mast meets the deck, x and y in pixels.
    :param tall: length of the mast in pixels.
    :return: the picture with the boat and its reflection.
    """
    shape = canvas.shape[:2]
    left, deck = foot

    def at(*points: Point) -> list[Point]:
        return [(left + across * tall, deck - up * tall) for across, up in points]

    bend = np.linspace(0, 1, 24)
    leech = [(-0.02 - 0.4 * (1 - t) - 0.07 * np.sin(np.pi * t), 0.1 + 0.84 * t) for t in bend]
    luff = [(0.035 + 0.4 * (1 - t), 0.06 + 0.8 * t - 0.06 * np.sin(np.pi * t)) for t in bend]
    mainsail = drawn(shape, [at((-0.02, 0.1), *leech, (-0.02, 0.94))])
    foresail = drawn(shape, [at(*luff, (0.1, 0.13))])
    keel = [(-0.47 + 0.98 * t, -0.075 * np.sin(np.pi * t) ** 0.6 - 0.008) for t in bend]
    hull = drawn(shape, [at((-0.48, 0.055), (-0.1, 0.03), (0.25, 0.035), (0.56, 0.085), *keel[::-1])])
    rig = drawn(
        shape,
        [at((-0.008, 0), (-0.005, 1), (0.005, 1), (0.008, 0)), at((-0.44, 0.085), (0, 0.08), (0, 0.095))],
    )
    cabin = drawn(shape, [at((-0.16, 0.03), (-0.14, 0.085), (0.12, 0.085), (0.16, 0.03))])
    boat = np.maximum.reduce([mainsail, foresail, hull, rig, cabin])
    waterline = int(deck + 0.045 * tall)
    canvas = with_reflection(canvas, boat, waterline)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    across, up = (columns - left) / tall, (deck - rows) / tall
    cloth = gradient(
        [(0, (58, 74, 112)), (0.5, (128, 148, 188)), (1, (226, 232, 240))],
        np.clip(0.62 + 0.75 * across + 0.25 * up + 0.05 * np.sin(up * 40 + across * 9), 0, 1),
    )
    canvas = blend(canvas, cloth, mainsail * 0.97)
    seams = smooth(np.abs((up * 7 + across * 0.7) % 1 - 0.5), 0.47, 0.49)
    canvas = blend(canvas, (48, 62, 96), 0.35 * seams * mainsail)
    canvas = blend(canvas, np.clip(cloth * 1.06, 0, 1), foresail * 0.95)
    canvas = blend(canvas, (24, 26, 40), np.maximum(rig, cabin))
    wood = gradient([(-0.07, (18, 16, 26)), (0.02, (40, 32, 40)), (0.08, (96, 70, 62))], up + 0.06 * across)
    canvas = blend(canvas, wood, hull)
    lamp = np.hypot(across + 0.2, up - 0.13)
    canvas = blend(canvas, (255, 176, 84), 0.75 * np.exp(-lamp * 17))
    return blend(canvas, (255, 240, 200), smooth(lamp, 0.017, 0.008))


def with_reflection(canvas: Array, boat: Array, waterline: int) -> Array:
    """Darken the water under a boat with the boat's broken mirror image.

    :param canvas: the picture.
    :param boat: mask of the boat.
    :param waterline: the row in which boat and water meet.
    :return: the picture with the reflection.
    """
    chance = np.random.default_rng(3)
    rows, columns = boat.shape
    depth = rows - waterline
    down = np.arange(depth)
    wobble = clouds(chance, (depth, columns), (7, 70), 4) - 0.5
    across = np.arange(columns)[None, :] + wobble * (12 + 0.4 * down[:, None])
    up = np.clip(waterline - (1.15 * down[:, None] + 50 * wobble), 0, rows - 1)
    mirror = boat[up.astype(int), across.clip(0, columns - 1).astype(int)]
    fade = np.exp(-down / (0.16 * rows))[:, None]
    below = blend(canvas[waterline:], (10, 18, 42), 0.75 * blurred(mirror, 3) * fade)
    return np.concatenate([canvas[:waterline], below])
