# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Time that passes only when somebody sleeps, for blocking code and for event loops: weeks in a millisecond."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
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
        # A step that is smaller than the clock's digits would be none, for ever.
        self._clock.now += max(1e-6, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose sleeps take no time.

    :param clock: the run's.
    :param in_worker: it is a worker's, whose sleeps may be ended by a signal.
    """

    def __init__(self, clock: Clock, *, in_worker: bool = False) -> None:
        super().__init__(_NoWaiting(clock, in_worker=in_worker))
        self._virtual = clock
        # Epoch seconds have fewer digits behind the point than a monotonic clock: a timer must not be just missed.
        self._clock_resolution = 1e-5

    def time(self) -> float:
        return self._virtual.now


async def in_line(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:  # ruff: ignore[unused-async]
    """Stand in for ``asyncio.to_thread``: a thread would not know what time it is."""
    return function(*arguments, **named)


class InLine:
    """Stands in for a pool of threads: their order would be chance that no seed tells."""

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
