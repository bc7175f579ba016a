# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Puts another time in the place of the package's."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.transport.timing import Time


class Clock(Protocol):
    """A clock whose time passes only when ``sleep`` is called."""

    def __call__(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@contextmanager
def replaced_by(time: Time) -> Generator[None, None, None]:
    """Let the package live in another time, in all threads."""
    before, timing.source = timing.source, time
    try:
        yield
    finally:
        timing.source = before


def jumping(clock: Clock) -> Time:
    """Return a time in which each sleep moves the clock, in threads and on ordinary event loops."""

    async def asleep(seconds: float) -> None:
        clock.sleep(max(0.0, seconds))
        await asyncio.sleep(0)

    return Time(clock, clock.sleep, asleep)
