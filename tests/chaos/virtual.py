# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Time that passes only when somebody sleeps, for blocking code and for event loops: weeks in a millisecond."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class Clock:
    """
    The time of a run.

    :param now: epoch seconds.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        #: Called with each sleep's seconds before it; may raise, as a signal does.
        self.on_sleep: Callable[[float], None] = lambda seconds: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass in a worker."""
        self.on_sleep(seconds)
        self.now += max(0.0, seconds)


class _NoWaiting(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Lets the clock jump where an event loop would sleep."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits for something that will never happen")
        self._clock.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose sleeps take no time.

    :param clock: the run's.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(_NoWaiting(clock))
        self._virtual = clock
        # Epoch seconds have fewer digits behind the point than a monotonic clock: a timer must not be just missed.
        self._clock_resolution = 1e-5

    def time(self) -> float:
        return self._virtual.now


async def in_line(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:  # ruff: ignore[unused-async]
    """Stand in for ``asyncio.to_thread``: a thread would not know what time it is."""
    return function(*arguments, **named)
