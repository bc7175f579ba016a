# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A thousand tasks, processed five at a time for 100 minutes in virtual time, by the real triggers, watcher and client.

Only the network is not real: requests reach the local Vidu's state machine without sockets, a tenth of a second later.
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
from benchmarks.report import Table, Target, format_value, percentile, ratio
from benchmarks.rows import Measured
from benchmarks.triggerer import POLL_INTERVAL

#: Tasks in processing at once.
CONCURRENCY = 5
#: Seconds of each processing.
PROCESSING = 30.0
#: Seconds from a request to its reply.
ROUND_TRIP = 0.1

OURS = "ours"
GROUP = "ours, one trigger for all"
POLLERS = f"a poller each, every {POLL_INTERVAL:.0f} s"


@dataclass
class QueueRun:
    """
    One run through the queue.

    :param requests: polls: single queries and pages of the list.
    :param latencies: seconds from the finish of each task to its event.
    :param hours: its length in virtual hours.
    """

    requests: int
    latencies: list[float]
    hours: float


def measure(*, quick: bool) -> Measured:
    """
    Wait for the whole queue.

    :param quick: 100 tasks instead of 1000.
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
    Wait for the same queue at a host without a list.

    :param quick: 100 tasks instead of 1000.
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
        """Wait for tasks with one of our triggers."""
        async for event in self.trigger(task_ids).run():
            if event.payload["status"] != "success":
                raise RuntimeError(f"a wait failed: {event.payload}")
            self.events |= dict.fromkeys(task_ids, self.clock())
            return

    async def poll(self, task_id: str) -> None:
        """Wait for a task as a poller of its own does. Only its requests are counted: nothing has to be parsed."""
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
    async def start(number: int, task_id: str) -> None:
        # Their starts are spread over an interval, like those of triggers that start one after another.
        await asyncio.sleep(POLL_INTERVAL * number / len(queue.task_ids))
        await queue.poll(task_id)

    await asyncio.gather(*(start(number, task_id) for number, task_id in enumerate(queue.task_ids)))


def _run(count: int, *, has_list: bool, wait: Callable[[_Queue], Coroutine[Any, Any, None]]) -> QueueRun:
    from airflow_provider_vidu.client import AsyncViduClient
    from airflow_provider_vidu.hooks.vidu import ViduHook
    from airflow_provider_vidu.triggers.task import ViduTaskTrigger

    queue = _Queue(count, has_list=has_list)

    async def send(self: AsyncViduClient, request: Any) -> Any:
        await asyncio.sleep(ROUND_TRIP / 2)
        answer = queue.wire.exchange(request, lambda operation: None)
        await asyncio.sleep(ROUND_TRIP / 2)
        return answer

    # Each wait would log a line a minute, for 100 minutes.
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
    finished = {task.task_id: task.changes[-1][1] for task in queue.wire.vidu.tasks()}
    requests = queue.wire.requests
    return QueueRun(
        requests=requests["poll"] + requests["list"] + queue.polls,
        # A single trigger has one event, after the last task.
        latencies=[queue.events[max(finished, key=lambda task_id: finished[task_id])] - max(finished.values())]
        if wait is _with_one_trigger
        else [at - finished[task_id] for task_id, at in queue.events.items()],
        hours=(queue.clock() - began) / 3600,
    )


def _table(done: dict[str, QueueRun], count: int) -> Table:
    lines = [
        [
            way,
            format_value(run.requests),
            format_value(run.requests / count),
            *(format_value(percentile(run.latencies, share), "s") for share in (0.5, 0.99, 1.0)),
            format_value(60 * run.hours, "min"),
        ]
        for way, run in done.items()
    ]
    header = ["way", "requests", "a task", "wake latency, median", "p99", "worst", "virtual time"]
    return Table(header, lines)


def _notes(count: int) -> list[str]:
    return [
        f"{count} tasks submitted at once, first in, first out, {CONCURRENCY} at a time, {PROCESSING:.0f} s each; a "
        f"request takes {ROUND_TRIP} s. Virtual time: nothing depends on the machine, and equal code gives equal "
        "figures.",
        "The batch operator waits with one trigger for all; its event comes when the last task has finished, and its "
        "latency is that of the last task.",
    ]


def _series(done: dict[str, QueueRun], count: int) -> dict[str, Any]:
    return {"requests": {way: run.requests / count for way, run in done.items()}}
