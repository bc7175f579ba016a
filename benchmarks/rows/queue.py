# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A thousand tasks in a queue of five, 100 minutes long, in virtual time: the real triggers, watcher, client and parsers.

Only the wire is not real: requests reach the local Vidu's state machine without sockets, a tenth of a second later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

from _support.virtual_time import replaced_by
from chaos.virtual import Clock, VirtualLoop, in_line
from chaos.wire import Wire

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.emulator.machine.submissions import read_submission
from airflow_provider_vidu.transport.timing import Time
from benchmarks.emulated_vidu import API_KEY, IMAGE, MODEL
from benchmarks.report import Table, Target, percentile, ratio, told
from benchmarks.rows import Measured
from benchmarks.triggerer import POLL_INTERVAL

#: Tasks in processing at once.
CONCURRENCY = 5
#: Seconds of each processing.
PROCESSING = 30.0
#: Seconds from a request's begin to its answer.
ROUND_TRIP = 0.1

OURS = "ours"
GROUP = "ours, one trigger for all"
POLLERS = f"a poller each, every {POLL_INTERVAL:.0f} s"


@dataclass
class Waited:
    """
    One run through the queue.

    :param requests: looks: single queries and pages of the list.
    :param latencies: seconds from each task's end to the event that tells it.
    :param hours: virtual hours that it took.
    """

    requests: int
    latencies: list[float]
    hours: float


def measure(*, quick: bool) -> Measured:
    """
    Wait for the whole queue.

    :param quick: 100 tasks.
    """
    count = 100 if quick else 1000
    done = {
        OURS: _run(count, has_list=True, wait=_with_triggers),
        GROUP: _run(count, has_list=True, wait=_with_one_trigger),
        POLLERS: _run(count, has_list=True, wait=_with_pollers),
    }
    targets = [
        Target("requests a task", done[OURS].requests / count, 1.5),
        Target("requests a task, one trigger for all", done[GROUP].requests / count, 1.5),
        Target(
            "median wake latency, ours / pollers",
            ratio(percentile(done[OURS].latencies, 0.5), percentile(done[POLLERS].latencies, 0.5)),
            1.0,
            "×",
            below=True,
        ),
    ]
    return Measured(targets, _table(done, count), _notes(count), _series(done, count))


def measure_without_list(*, quick: bool) -> Measured:
    """
    Wait for the same queue at a host without the list.

    :param quick: 100 tasks.
    """
    count = 100 if quick else 1000
    done = {
        OURS: _run(count, has_list=False, wait=_with_triggers),
        POLLERS: _run(count, has_list=False, wait=_with_pollers),
    }
    targets = [
        Target("requests of ours / of pollers", ratio(done[OURS].requests, done[POLLERS].requests), 1.0, "×"),
        Target(
            "median wake latency, ours / pollers",
            ratio(percentile(done[OURS].latencies, 0.5), percentile(done[POLLERS].latencies, 0.5)),
            1.0,
            "×",
            below=True,
        ),
    ]
    return Measured(targets, _table(done, count), _notes(count), _series(done, count))


class _Queue:
    def __init__(self, count: int, *, has_list: bool) -> None:
        self.clock = Clock()
        settings = Settings(concurrency=CONCURRENCY, processing_seconds=PROCESSING, created_seconds=0.0, credits=10**9)
        self.wire = Wire(self.clock, settings, timeout=60.0, settle_seconds=60.0, latency=0.0)
        self.wire.quirks.has_list = has_list
        self.account = Account(base_url="http://127.0.0.1:1", api_key=API_KEY)
        body = f'{{"model": "{MODEL}", "images": ["{IMAGE}"], "prompt": "a cat"}}'.encode()
        self.task_ids = [self.wire.vidu.create(API_KEY, read_submission(body)).task_id for _ in range(count)]
        self.events: dict[str, float] = {}
        self.polls = 0

    def trigger(self, task_ids: list[str]) -> Any:
        """Return our trigger for these tasks."""
        from airflow_provider_vidu.triggers.task import ViduTaskTrigger

        hints = {"submitted_at": self.clock(), "model": MODEL, "duration": 5, "resolution": "720p"}
        return ViduTaskTrigger("queue", task_ids, end_time=self.clock() + 86_400, hints=hints)

    async def first_event(self, task_ids: list[str]) -> None:
        """Wait for tasks with one trigger of ours."""
        async for event in self.trigger(task_ids).run():
            if event.payload["status"] != "success":
                raise RuntimeError(f"a wait ended badly: {event.payload}")
            self.events |= dict.fromkeys(task_ids, self.clock())
            return

    async def poll(self, task_id: str) -> None:
        """Wait for a task as a poller of its own does. Only its questions are counted: nothing has to be parsed."""
        account = self.wire.vidu.account_of(API_KEY)
        while True:
            self.polls += 1
            await asyncio.sleep(ROUND_TRIP / 2)
            ended = self.wire.vidu.find(account, task_id).is_final
            await asyncio.sleep(ROUND_TRIP / 2)
            if ended:
                self.events[task_id] = self.clock()
                return
            await asyncio.sleep(POLL_INTERVAL)


async def _with_triggers(queue: _Queue) -> None:
    await asyncio.gather(*(queue.first_event([task_id]) for task_id in queue.task_ids))


async def _with_one_trigger(queue: _Queue) -> None:
    await queue.first_event(queue.task_ids)


async def _with_pollers(queue: _Queue) -> None:
    async def begin(number: int, task_id: str) -> None:
        # Their begins are spread over an interval, as those of triggers that start one after another.
        await asyncio.sleep(POLL_INTERVAL * number / len(queue.task_ids))
        await queue.poll(task_id)

    await asyncio.gather(*(begin(number, task_id) for number, task_id in enumerate(queue.task_ids)))


def _run(count: int, *, has_list: bool, wait: Callable[[_Queue], Coroutine[Any, Any, None]]) -> Waited:
    from airflow_provider_vidu.client import AsyncViduClient
    from airflow_provider_vidu.hooks.vidu import ViduHook
    from airflow_provider_vidu.triggers.task import ViduTaskTrigger

    queue = _Queue(count, has_list=has_list)

    async def send(self: AsyncViduClient, request: Any) -> Any:
        await asyncio.sleep(ROUND_TRIP / 2)
        answer = queue.wire.exchange(request, lambda operation: None)
        await asyncio.sleep(ROUND_TRIP / 2)
        return answer

    # A line a minute and wait, for 100 minutes.
    quiet = logging.getLogger("benchmarks.queue")
    quiet.setLevel(logging.WARNING)
    began = queue.clock()
    with ExitStack() as stack:
        for patch in (
            replaced_by(Time(queue.clock)),
            mock.patch.object(asyncio, "to_thread", in_line),
            mock.patch.object(AsyncViduClient, "_send", send),
            mock.patch.object(ViduHook, "aget_account", mock.AsyncMock(return_value=queue.account)),
            mock.patch.object(ViduTaskTrigger, "log", quiet),
        ):
            stack.enter_context(patch)
        loop = VirtualLoop(queue.clock)
        try:
            loop.run_until_complete(wait(queue))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    ended = {task.task_id: task.changes[-1][1] for task in queue.wire.vidu.tasks()}
    asked = queue.wire.requests
    return Waited(
        requests=asked["poll"] + asked["list"] + queue.polls,
        # One trigger for all tells of the last one only.
        latencies=[queue.events[max(ended, key=lambda task_id: ended[task_id])] - max(ended.values())]
        if wait is _with_one_trigger
        else [at - ended[task_id] for task_id, at in queue.events.items()],
        hours=(queue.clock() - began) / 3600,
    )


def _table(done: dict[str, Waited], count: int) -> Table:
    lines = [
        [
            way,
            told(waited.requests),
            told(waited.requests / count),
            *(told(percentile(waited.latencies, share), "s") for share in (0.5, 0.99, 1.0)),
            told(60 * waited.hours, "min"),
        ]
        for way, waited in done.items()
    ]
    header = ["way", "requests", "a task", "wake latency, median", "p99", "worst", "virtual time"]
    return Table(header, lines)


def _notes(count: int) -> list[str]:
    return [
        f"{count} tasks submitted at once, first in, first out, {CONCURRENCY} at a time, {PROCESSING:.0f} s each; a "
        f"request takes {ROUND_TRIP} s. Virtual time: nothing depends on the machine, and equal code gives equal "
        "figures.",
        "One trigger for all is what the batch operator waits with; it tells when the last task has ended, and its "
        "latency is that one's.",
    ]


def _series(done: dict[str, Waited], count: int) -> dict[str, Any]:
    return {"requests": {way: waited.requests / count for way, waited in done.items()}}
