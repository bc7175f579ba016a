# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What is known of a video without decoding it; this module loads without PyAV."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class VideoFacts(NamedTuple):
    """Width and height, frames per second, and seconds."""

    size: tuple[int, int]
    rate: Fraction
    seconds: float

    @property
    def frames(self) -> int:
        """The number of frames."""
        return max(1, round(self.seconds * self.rate))
