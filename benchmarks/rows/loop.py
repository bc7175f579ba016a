# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""How long many waits block the triggerer's event loop, what memory they take, and whether it grows."""

from __future__ import annotations

import asyncio

from benchmarks.emulated_vidu import EmulatedVidu, Report, durations
from benchmarks.report import Table, Target, format_value, percentile
from benchmarks.rows import Measured
from benchmarks.triggerer import IDLE, OURS, PROBE, Plan, Run, run

#: Waits started a second: a triggerer starts 50 triggers a round.
RATE = 500.0
#: What a soak's tasks take: longer than it lasts.
FOR_EVER = 100_000.0

_KILOBYTE = 1024


def measure_lag(*, quick: bool) -> Measured:
    """Probe a loop on which 1000, and then 10 000, triggers wait from start to finish; a tenth of them if quick."""
    targets: list[Target] = []
    lines: list[list[str]] = []
    beyond: dict[int, float] = {}
    for count, limit in ((100, 20.0), (1000, 50.0)) if quick else ((1000, 20.0), (10_000, 50.0)):
        with EmulatedVidu() as vidu:
            idle = asyncio.run(_run(vidu, IDLE, count, quick=quick))
            ours = asyncio.run(_run(vidu, OURS, count, quick=quick))
        p99 = 1000 * percentile(ours.lags, 0.99)
        total, alone = _each(ours, count), _each(idle, count)
        beyond[count] = count * (total - alone)
        targets.append(Target(f"loop lag with {count} waits, p99", p99, limit, "ms", below=True))
        for way, done, kilobytes in ((OURS, ours, total), (IDLE, idle, alone)):
            shares = [format_value(1000 * percentile(done.lags, share), "ms") for share in (0.5, 0.99, 0.999, 1.0)]
            lines.append(
                [
                    f"{count} {way}",
                    *shares,
                    format_value(kilobytes, "KB"),
                    format_value(done.cpu, "s"),
                    str(done.requests),
                ]
            )
    (few, at_few), (many, at_many) = beyond.items()
    each = (at_many - at_few) / (many - few)
    targets.append(Target("memory a wait beyond trigger and asyncio task", each, 3.0, "KB", below=True))
    header = ["waits", "lag, median", "p99", "p99.9", "worst", "memory a wait", "CPU", "requests"]
    notes = [
        f"A coroutine sleeps {1000 * PROBE:.0f} ms in a loop and records how late it wakes, from the first trigger's "
        "start to the last one's event.",
        "`idle` is the same number of triggers with the same fields that wait for nothing: the cost of trigger, "
        "generator and asyncio task alone. Memory is the process's resident memory while all wait, less that before "
        "the first one, divided by their number.",
        f"The target's memory a wait is what each wait from {few} to {many} adds, less what an idle one adds. The "
        f"first waits take {format_value(max(0.0, at_few - few * each), 'KB')} more in all, once: the responses that "
        "are read and the threads that read them.",
    ]
    return Measured(targets, Table(header, lines), notes)


def measure_soak(*, quick: bool) -> Measured:
    """Let 10 000 triggers wait for ten minutes, and watch the memory; 500 for half a minute if quick."""
    count, seconds, settled = (500, 30.0, 10.0) if quick else (10_000, 600.0, 60.0)
    with EmulatedVidu() as vidu:
        done = asyncio.run(_soak(vidu, count, seconds))
    samples = [(at - done.started, size / 2**20) for at, size, _ in done.samples if at >= done.started]
    after = [(at, size) for at, size in samples if at >= settled]
    tenth = max(1, len(after) // 10)
    first, last = (percentile([size for _, size in part], 0.5) for part in (after[:tenth], after[-tenth:]))
    growth = 100 * (last / first - 1)
    targets = [
        Target(f"resident memory at the end, beyond that after {settled:.0f} s", growth, 1.0, "%"),
        Target("waits that ended although their tasks had not", float(len(done.events)), 0.0, ""),
    ]
    line = [
        str(count),
        f"{seconds:.0f} s",
        format_value(done.base / 2**20, "MB"),
        format_value(first, "MB"),
        format_value(last, "MB"),
        format_value(max(size for _, size in after), "MB"),
        format_value(100 * done.cpu / done.wall, "%"),
        str(done.requests),
        format_value(done.requests / done.wall, ""),
    ]
    header = ["waits", "for", "memory before", "first tenth", "last tenth", "most", "of a core", "requests", "a second"]
    notes = [
        f"The tenths are of the time from {settled:.0f} s after the last trigger's start; flat means at most 1 % "
        "more. All tasks stay in processing, so that no wait ends."
    ]
    return Measured(targets, Table(header, [line]), notes)


async def _run(vidu: EmulatedVidu, way: str, count: int, *, quick: bool) -> Run:
    # All wait at once for a while, in the schedule's usual stretch, and then end over half a minute.
    median = 20.0 if quick else 30.0 + count / RATE
    seconds = durations(count, seed=3, median=median)

    async def paced(report: Report) -> None:
        # Submitted before the first wait starts: the cores are left to the measured process and the local Vidu.
        for number, task in enumerate(await vidu.submitted(seconds)):
            await report(*task)
            if number % 50 == 49:
                await asyncio.sleep(50 / RATE)

    stop_after = 10.0 if way == IDLE else None
    done = await run(Plan(way, count, probe=True, stop_after=stop_after), vidu, paced)
    if done.failures:
        raise RuntimeError(f"{way}: {done.failures} of {count} waits failed")
    return done


async def _soak(vidu: EmulatedVidu, count: int, seconds: float) -> Run:
    plan = Plan(OURS, count, stop_after=seconds, timeout=FOR_EVER)
    return await run(plan, vidu, lambda report: vidu.submit([FOR_EVER] * count, report))


def _each(done: Run, count: int) -> float:
    return (done.held() - done.base) / count / _KILOBYTE
