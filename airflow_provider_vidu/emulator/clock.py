# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A clock that can be put forward."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """
    Tells the time of day in epoch seconds, plus what was skipped.

    :param base: the time without what was skipped.
    """

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._skipped = 0.0

    def __call__(self) -> float:
        """Return epoch seconds."""
        return self._base() + self._skipped

    def skip(self, seconds: float) -> None:
        """
        Put the clock forward.

        :param seconds: at least 0: a clock that goes back would undo what has happened.
        :raises ValueError: less than 0.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must be at least 0, not {seconds}")
        self._skipped += seconds
