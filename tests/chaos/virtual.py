# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Time that passes only in sleeps, for blocking code and for event loops: weeks in a millisecond."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any


class Clock:
    """The time of a run, in epoch seconds."""

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
    """Moves the clock forward where an event loop would sleep."""

    def __init__(self, clock: Clock, *, in_worker: bool) -> None:
        super().__init__()
        self._clock = clock
        self._in_worker = in_worker

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits for something that will never happen")
        if self._in_worker:
            self._clock.on_sleep(timeout)
        # A smaller step than the clock can represent would never pass.
        self._clock.now += max(1e-6, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose sleeps take no time; ``in_worker``, a signal may end them."""

    def __init__(self, clock: Clock, *, in_worker: bool = False) -> None:
        super().__init__(_NoWaiting(clock, in_worker=in_worker))
        self._virtual = clock
        # Epoch seconds have fewer decimals than a monotonic clock: no timer may be missed by rounding.
        self._clock_resolution = 1e-5

    def time(self) -> float:
        return self._virtual.now


async def in_line(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:  # ruff: ignore[unused-async]
    """Replace ``asyncio.to_thread``: a thread would not follow the virtual time."""
    return function(*arguments, **named)


class InLine:
    """Replaces a pool of threads, whose order no seed determines."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __enter__(self) -> InLine:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def map(self, function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        return map(function, values)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, **named: Any) -> None:
        pass
