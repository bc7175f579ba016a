# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Drives many runs, each from its own seed: ``make chaos N=10000``, and ``make chaos SEED=7`` to repeat one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from _support.virtual_time import replaced_by
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import ViduUnavailableError
from airflow_provider_vidu.client import AsyncViduClient, ViduClient
from airflow_provider_vidu.emulator.faults import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.landing import land as landing
from airflow_provider_vidu.landing import many as batch_landing
from airflow_provider_vidu.landing.transfer import Transfer
from airflow_provider_vidu.operators.base import ViduSubmittingOperator
from airflow_provider_vidu.submission.batch import requests as batch_requests
from airflow_provider_vidu.transport.timing import Time
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

from . import accidents
from .batch_world import BatchWorld
from .chance import Chance, Seeded
from .virtual import InLine, VirtualLoop, in_line
from .worker import Broken
from .world import World

# The boxes that make an MP4 count as whole.
MOVIE = b"\0\0\0\x08moov\0\0\0\x08mdat"


def run(chance: Chance, folder: Path, kind: type[World] = World) -> World:
    """
    Run one task instance to its end, and check the promises.

    :raises Broken: a promise was broken; the error's ``world`` has the history.
    """
    # The pauses between a client's retries are random, too.
    random.seed(chance.between(0, 1))
    world = kind(chance, folder)
    try:
        with _in(world):
            world.live()
    except Exception as error:
        error.world = world  # type: ignore[attr-defined]
        raise
    return world


def run_seeds(seeds: range, kind: type[World] = World) -> Counter[str]:
    """
    Run several seeds, and count the accidents, ``runs``, ``submissions`` (by path, too), ``paid`` and ``asked for``.

    :raises Broken: with the seed, the history and the command that repeats the run.
    """
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="vidu-chaos-") as folder:
        for seed in seeds:
            try:
                world = run(Seeded(seed), Path(folder) / str(seed), kind)
            except Exception as error:
                history = "\n".join(error.world.history)  # type: ignore[attr-defined]
                again = f"repeat it: make chaos SEED={seed}{kind.option}"
                raise Broken(f"{history}\n\nseed {seed}: {type(error).__name__}: {error}\n{again}") from error
            totals.update(world.struck)
            totals["runs"] += 1
            for (endpoint, _), times in world.wire.posted.items():
                totals[f"POST /{endpoint}"] += times
            totals["submissions"] += world.wire.requests["submit"]
            totals["paid"] += sum(str(task.state) == "success" for task in world.wire.vidu.tasks())
            totals["asked for"] += world.asked_for
    return totals


@contextmanager
def _in(world: World) -> Generator[None, None, None]:
    """Replace time, network, triggerer threads and Airflow's answers by the world's."""

    def fault_for(operation: str) -> Fault | None:
        if world.calm or not world.chance.happens(accidents.FAULT):
            return None
        fault = accidents.fault_of(world.chance, operation)
        world.note("fault", f"{operation}: {fault.kind} {fault.status or ''}")
        return fault

    def send(self: ViduClient, request: Any) -> Any:
        worker = world.worker
        assert worker is not None
        worker.step(f"before {request.method} {request.url[-30:]}")
        try:
            answer = world.wire.exchange(request, fault_for)
        except BaseException:
            worker.step(f"after a lost reply to {request.method} {request.url[-30:]}")
            raise
        worker.step(f"after {request.method} {request.url[-30:]}")
        return answer

    async def asend(self: AsyncViduClient, request: Any) -> Any:
        await asyncio.sleep(0)
        # The batch operator uses it in its worker, too.
        return world.wire.exchange(request, fault_for) if world.state == "deferred" else send(self, request)

    def run_virtually(work: Any) -> Any:
        loop = VirtualLoop(world.clock, in_worker=True)
        try:
            return loop.run_until_complete(work)
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left))
            loop.close()

    def receive(transfer: Any, url: str) -> None:
        assert world.worker is not None
        world.worker.step("fetching the video")
        if not world.calm and world.chance.happens(accidents.FAULT):
            world.note("fault", "download: breaks off")
            transfer.fruitless += 1
            raise ViduUnavailableError("The transfer broke off.")
        transfer.restart()
        transfer._keep((8 + len(url)).to_bytes(4, "big") + b"ftyp" + url.encode() + MOVIE)

    log = UserLog(world)
    with ExitStack() as stack:
        enter = stack.enter_context
        # The loops' own sleeps are virtual.
        enter(replaced_by(Time(world.clock, world.clock.sleep)))
        enter(mock.patch.object(asyncio, "to_thread", in_line))
        enter(mock.patch.object(ViduClient, "_send", send))
        enter(mock.patch.object(AsyncViduClient, "_send", asend))
        enter(mock.patch.object(ViduHook, "account", world.account))
        enter(mock.patch.object(ViduHook, "aget_account", mock.AsyncMock(return_value=world.account)))
        enter(mock.patch.object(Transfer, "receive", receive))
        enter(mock.patch.object(landing, "probe_link", return_value=(None, None)))
        enter(mock.patch.object(RuntimeTaskInstance, "get_task_states", world.task_states))
        enter(mock.patch.object(compat, "clear_discards_state", return_value=world.discards))
        enter(
            mock.patch.object(
                compat, "read_discarded_note", lambda instance: world.reported_discarded > instance.try_number
            )
        )
        enter(mock.patch.object(asyncio, "run", run_virtually))
        enter(mock.patch.object(batch_requests, "ThreadPoolExecutor", InLine))
        enter(mock.patch.object(batch_landing, "ThreadPoolExecutor", InLine))
        enter(mock.patch.object(ViduSubmittingOperator, "log", log))
        enter(mock.patch.object(ViduTaskTrigger, "log", log))
        yield


class UserLog:
    """A log that the simulated user reads."""

    def __init__(self, world: World) -> None:
        self._world = world

    def warning(self, text: str, *arguments: Any) -> None:
        self._world.on_warning(text % arguments)

    def info(self, text: str, *arguments: Any) -> None:
        text % arguments

    debug = error = exception = info


def main() -> None:
    """Parse the command line, drive the runs and print the figures."""
    parser = argparse.ArgumentParser(description="Random accidents over the real operator; the ledger is the judge.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, default=None, help="show this one run")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--batch", action="store_true", help="of the batch operator")
    asked = parser.parse_args()
    kind = BatchWorld if asked.batch else World
    logging.disable(logging.CRITICAL)
    if asked.seed is not None:
        with tempfile.TemporaryDirectory(prefix="vidu-chaos-") as folder:
            try:
                world = run(Seeded(asked.seed), Path(folder), kind)
            except Exception as error:
                print("\n".join(error.world.history))  # type: ignore[attr-defined]
                raise
        print("\n".join(world.history))
        return
    began = time.monotonic()
    end = asked.first + asked.runs
    shards = [range(first, min(first + 50, end)) for first in range(asked.first, end, 50)]
    totals: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool(
        asked.jobs, initializer=logging.disable, initargs=(logging.CRITICAL,)
    ) as pool:
        for counted in pool.imap_unordered(partial(run_seeds, kind=kind), shards):
            totals.update(counted)
            if sys.stderr.isatty():
                print(f"\r{totals['runs']} runs", end="", file=sys.stderr)
    print(f"\r{totals.pop('runs')} runs in {time.monotonic() - began:.0f} s: 0 double charges, 0 lost videos")
    for name in ("asked for", "paid", "submissions"):
        print(f"  {totals.pop(name):8d}  {'generations ' if name == 'asked for' else ''}{name}")
    for name, count in sorted(totals.items(), key=lambda item: -item[1]):
        print(f"  {count:8d}  {name}")


if __name__ == "__main__":
    main()
