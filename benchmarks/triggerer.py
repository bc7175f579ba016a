# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Runs triggers on one event loop, as Airflow's triggerer does, in a separate process.

``python -m benchmarks.triggerer`` is that process: it reads tasks from its standard input, a line each, as they are
submitted, and finally writes one line of JSON. :func:`run` starts and feeds it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TextIO

from benchmarks.emulated_vidu import MODEL, EmulatedVidu, Report
from benchmarks.report import percentile

#: One trigger of this provider for each task.
OURS = "ours"
#: One poller for each task, a session for each poll.
POLLERS = "a poller each, session per poll"
#: One poller for each task, one session for all.
SHARED = "a poller each, shared session"
#: Triggers that wait for nothing.
IDLE = "idle"

CONN_ID = "vidu_benchmark"
#: Seconds between two polls of a poller.
POLL_INTERVAL = 5.0
#: Seconds that the loop's probe sleeps.
PROBE = 0.005
#: Waits before the measured ones.
WARMING = 200
#: Seconds between two samples of the memory.
SAMPLE = 1.0


@dataclass(frozen=True)
class Plan:
    """What the process does."""

    #: One of the constants above.
    way: str
    #: How many tasks it gets.
    count: int
    #: Measure the loop's lag; that takes CPU itself.
    probe: bool = False
    #: Stop so many seconds after the last trigger has started; None = when all have finished.
    stop_after: float | None = None
    #: Seconds to the triggers' deadline.
    timeout: float = 3600.0


@dataclass
class Run:
    """What the process has measured. Moments are epoch seconds, sizes resident bytes."""

    #: Task id, moment and status of each event.
    events: list[tuple[str, float, str]] = field(default_factory=list)
    #: Seconds of CPU, and of time, from the first trigger's start to the finish.
    cpu: float = 0.0
    wall: float = 0.0
    #: When the last trigger started.
    started: float = 0.0
    #: Seconds by which the loop's probe woke late.
    lags: list[float] = field(default_factory=list)
    #: Moment, size and number of waiting triggers.
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    #: Size before the first trigger.
    base: int = 0
    #: Polls that the local Vidu counted.
    requests: int = 0
    #: When each task finished there.
    finished: dict[str, float] = field(default_factory=dict)

    @property
    def latencies(self) -> list[float]:
        """Seconds from when each task finished to its trigger's event."""
        return [at - self.finished[task_id] for task_id, at, _ in self.events if task_id in self.finished]

    @property
    def failures(self) -> int:
        """Events other than success."""
        return sum(status != "success" for _, _, status in self.events)

    def latency(self, share: float) -> float:
        """Return the wake latency at a share, 0 to 1, of the ranked ones."""
        return percentile(self.latencies, share)

    def held(self) -> int:
        """Return the resident bytes while all waited: the median sample with the most waits."""
        most = max((waits for _, _, waits in self.samples), default=0)
        return int(percentile([size for _, size, waits in self.samples if waits >= 0.98 * most], 0.5))


async def run(
    plan: Plan,
    vidu: EmulatedVidu,
    submit: Callable[[Report], Awaitable[None]],
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Run:
    """
    Let a fresh process wait for tasks, for each from its submission on.

    :raises RuntimeError: the process died.
    """
    environment = {
        **os.environ,
        f"AIRFLOW_CONN_{CONN_ID.upper()}": vidu.connection(),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # For the pollers; ours has it in its connection.
        **({"SSL_CERT_FILE": vidu.certificates} if vidu.certificates else {}),
    }
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.triggerer",
            json.dumps(plan.__dict__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            limit=2**30,
        )
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        async def report(task_id: str, submitted_at: float) -> None:
            requests.write(json.dumps([task_id, submitted_at]).encode() + b"\n")
            await requests.drain()

        try:
            # Some waits before, so that imports, the first look-up and the threads' first memory are not measured.
            for task_id, _ in await vidu.submitted([0.0] * WARMING):
                await report(task_id, time.time() - 60)
            await _expect(process, b"warm", errors)
            vidu.order("reset")
            another = asyncio.ensure_future(beside()) if beside else None
            await submit(report)
            measured = json.loads(await answers.readline() or "null")
            if measured is None:
                raise RuntimeError(f"the measured process died: {_tail(errors)}")
            if another is not None:
                await another
        finally:
            if process.returncode is None:
                requests.close()
                try:
                    await asyncio.wait_for(process.wait(), 10)
                except asyncio.TimeoutError:
                    process.kill()
                    await process.wait()
    return Run(**measured, requests=vidu.polls(), finished=await asyncio.to_thread(vidu.finished))


async def _expect(process: asyncio.subprocess.Process, word: bytes, errors: Any) -> None:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 120)
    if line.strip() != word:
        raise RuntimeError(f"the measured process said {line!r} instead of {word!r}: {_tail(errors)}")


def _tail(errors: Any) -> str:
    errors.seek(0)
    return errors.read()[-2000:].decode("utf-8", "replace")


# -- the measured process -------------------------------------------------------------------------------------


def _trigger(plan: Plan, task_id: str, submitted_at: float) -> Any:
    from airflow_provider_vidu.triggers.task import ViduTaskTrigger
    from benchmarks.pollers import IdleTrigger, PollerTrigger

    if plan.way in {POLLERS, SHARED}:
        return PollerTrigger(CONN_ID, task_id, POLL_INTERVAL, shared_session=plan.way == SHARED)
    arguments: dict[str, Any] = {
        "vidu_conn_id": CONN_ID,
        "vidu_task_ids": [task_id],
        "end_time": time.time() + plan.timeout,
        "cancel_on_kill": True,
        "hints": {"submitted_at": submitted_at, "model": MODEL, "duration": 5, "resolution": "720p"},
    }
    return IdleTrigger(**arguments) if plan.way == IDLE else ViduTaskTrigger(**arguments)


class _Measured:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.run = Run()
        self.waits = 0

    async def one(self, task_id: str, submitted_at: float) -> None:
        self.waits += 1
        try:
            async for event in _trigger(self.plan, task_id, submitted_at).run():
                self.run.events.append((task_id, time.time(), str(event.payload.get("status"))))
                return
        except Exception as error:
            self.run.events.append((task_id, time.time(), repr(error)))
        finally:
            self.waits -= 1

    async def probe(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(PROBE)
            self.run.lags.append(round(loop.time() - before - PROBE, 6))

    async def sample(self) -> None:
        import psutil

        process = psutil.Process()
        while True:
            self.run.samples.append((time.time(), process.memory_info().rss, self.waits))
            await asyncio.sleep(SAMPLE)


async def _wait(plan: Plan, answer: TextIO) -> None:
    import psutil

    from benchmarks import pollers

    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def next_task() -> tuple[str, float]:
        task_id, submitted_at = json.loads(await lines.readline())
        return task_id, submitted_at

    # Load the watcher's session, the parser and all late imports; an idle trigger needs none of them.
    warming = _Measured(Plan(OURS if plan.way == IDLE else plan.way, WARMING))
    first_tasks = [await next_task() for _ in range(WARMING)]
    await asyncio.gather(*(warming.one(*task) for task in first_tasks))
    print("warm", file=answer, flush=True)
    measured = _Measured(plan)
    beside = [loop.create_task(measured.sample())]
    if plan.probe:
        beside.append(loop.create_task(measured.probe()))
    first = await next_task()
    began, cpu = time.time(), resource.getrusage(resource.RUSAGE_SELF)
    measured.run.base = psutil.Process().memory_info().rss
    running = [loop.create_task(measured.one(*first))]
    for _ in range(plan.count - 1):
        running.append(loop.create_task(measured.one(*await next_task())))
    measured.run.started = time.time()
    await asyncio.wait(running, timeout=plan.stop_after)
    after = resource.getrusage(resource.RUSAGE_SELF)
    measured.run.cpu = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    measured.run.wall = time.time() - began
    for task in (*running, *beside):
        task.cancel()
    await asyncio.gather(*running, *beside, return_exceptions=True)
    await pollers.close()
    fields = vars(measured.run)
    kept = {name: value for name, value in fields.items() if name not in {"requests", "finished"}}
    print(json.dumps(kept), file=answer, flush=True)


if __name__ == "__main__":
    # Airflow logs to the standard output: written, as in a triggerer, and discarded.
    with os.fdopen(os.dup(1), "w") as own, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        asyncio.run(_wait(Plan(**json.loads(sys.argv[1])), own))
