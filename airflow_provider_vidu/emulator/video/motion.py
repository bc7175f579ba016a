# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The camera of the emulator's videos: a slow, seeded push into the picture."""

from __future__ import annotations

import math
import random

# How far the camera goes in within five seconds, as a share of the picture's size.
TRAVEL = {"auto": 0.16, "small": 0.08, "medium": 0.2, "large": 0.32}


class CameraMove:
    """A push-in that begins with the whole picture and ends at a point the seed chooses.

    The view begins as the whole picture, because the submitted image *is* the first frame of an
    image-to-video result. From there it goes in and slides sideways at the same time.

    :param seed: any integer, 0 included; the same seed makes the same move.
    :param movement_amplitude: ``auto``, ``small``, ``medium`` or ``large``.
    :param duration: length of the move in seconds; a longer move goes farther, though not in proportion.
    :raises ValueError: if the amplitude is none of the four.
    """

    def __init__(self, seed: int, movement_amplitude: str, duration: float) -> None:
        if movement_amplitude not in TRAVEL:
            known = ", ".join(TRAVEL)
            raise ValueError(f"movement_amplitude must be one of {known}, not {movement_amplitude!r}")
        chance = random.Random(seed)
        pace = min(max(math.pow(duration / 5, 0.6), 0.5), 2.0)
        self._travel: float = min(TRAVEL[movement_amplitude] * pace, 0.5)
        self._direction = chance.uniform(0, 2 * math.pi)
        self._turn = chance.choice((-1, 1)) * chance.uniform(0.8, 1.6)

    @property
    def closest(self) -> float:
        """The magnification at the end of the move; 1.0 shows the whole picture."""
        return 1 + self._travel

    def view(self, progress: float) -> tuple[float, float, float, float]:
        """Where the camera looks.

        :param progress: how much of the move has passed, 0.0 (first frame) to 1.0 (last frame).
        :return: left, top, right and bottom of the view as shares (0.0 to 1.0) of the picture.
        """
        eased = ease(progress)
        side = 1 / (1 + self._travel * eased)
        angle = self._direction + self._turn * eased
        left = (1 - side) * (0.5 + 0.5 * math.cos(angle))
        top = (1 - side) * (0.5 + 0.5 * math.sin(angle))
        return left, top, min(left + side, 1.0), min(top + side, 1.0)


def ease(progress: float) -> float:
    """Start and end softly, but never from a standstill.

    A pure ease-in would show a still for the first half second; half of the speed is there from the
    first frame on.

    :param progress: 0.0 to 1.0.
    :return: the eased progress, 0.0 to 1.0.
    """
    smooth = progress * progress * (3 - 2 * progress)
    return 0.5 * progress + 0.5 * smooth
