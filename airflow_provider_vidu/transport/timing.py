# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The only place where the package reads the time and waits, so that a test can replace both at once.

Time limits of a single exchange count on the monotonic clock instead: those are always real.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Time:
    """
    A source of time; the default is the real one.

    :param now: returns epoch seconds.
    :param sleep: waits, in a thread, so many seconds.
    :param asleep: waits on an event loop.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = asyncio.sleep


#: The source that the whole process uses.
source = Time()


def now() -> float:
    """Return epoch seconds."""
    return source.now()


def sleep(seconds: float) -> None:
    """Wait in a thread."""
    source.sleep(seconds)


def asleep(seconds: float) -> Awaitable[None]:
    """Wait on an event loop."""
    # No coroutine of its own: thousands of triggers wait here.
    return source.asleep(seconds)
