# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A clock that can be moved forward."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Maximum sum of all skips, in seconds: 100 years. Dates end soon after.
MAX_SKIP_SECONDS = 100 * 365.25 * 86_400


class Clock:
    """Returns the time of day in epoch seconds, plus what was skipped."""

    def __init__(self, base: Callable[[], float] = time.time) -> None:
        self._base = base
        self._skipped = 0.0

    def __call__(self) -> float:
        """Return epoch seconds."""
        return self._base() + self._skipped

    def skip(self, seconds: float) -> None:
        """
        Move the clock forward.

        :raises ValueError: less than 0, too many, or not a number.
        """
        if not 0 <= seconds <= MAX_SKIP_SECONDS - self._skipped:
            raise ValueError("seconds must be a number, at least 0, and all skips together at most 100 years")
        self._skipped += seconds
