# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A thousand waits on one event loop: ours against one poller a trigger, with the list and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from benchmarks.emulated_vidu import EmulatedVidu, durations
from benchmarks.report import Table, Target, percentile, ratio, spread
from benchmarks.rows import Measured
from benchmarks.triggerer import OURS, POLL_INTERVAL, POLLERS, SHARED, Plan, Run, run

#: Submissions a second; each starts a wait.
RATE = 200.0

Runs = Mapping[str, Sequence[Run]]


def measure(*, quick: bool) -> Measured:
    """Let 1000 triggers wait for generations of about 20 s; fewer, and once, if quick."""
    runs, count = _runs([OURS, POLLERS, SHARED], quick=quick, has_list=True)
    targets = []
    for theirs in (POLLERS, SHARED):
        shares = _shares(runs, theirs)
        more = ""
        if theirs == SHARED:
            more = ", of pollers with one session"
        targets += [
            Target(f"requests of ours / of pollers{more}", shares["requests"], 1 / 40, "share"),
            Target(f"median wake latency, ours / pollers{more}", shares["median"], 1.0, "×", below=True),
            Target(f"p99 wake latency, ours / pollers{more}", shares["p99"], 1.0, "×", below=True),
        ]
        if theirs == POLLERS:
            targets.append(Target("CPU of ours / of pollers", shares["CPU"], 0.1, "share"))
    notes = [
        *_notes(count),
        "The triggers of apache-airflow-providers-http open a session for every poll. One session shared by all "
        "pollers is cheaper, and is shown for comparison.",
    ]
    latencies = {way: [value for run in done for value in run.latencies] for way, done in runs.items()}
    requests = {way: percentile([run.requests / count for run in done], 0.5) for way, done in runs.items()}
    return Measured(targets, _table(runs, count), notes, {"latencies": latencies, "requests": requests})


def measure_without_list(*, quick: bool) -> Measured:
    """Let as many wait for a host that has no list."""
    runs, count = _runs([OURS, SHARED], quick=quick, has_list=False)
    shares = _shares(runs, SHARED)
    targets = [
        Target("requests of ours / of pollers", shares["requests"], 1.0, "×"),
        Target("median wake latency, ours / pollers", shares["median"], 1.0, "×", below=True),
        Target("p99 wake latency, ours / pollers", shares["p99"], 1.0, "×", below=True),
    ]
    notes = [
        *_notes(count),
        "Without a list every poll is a request. The schedule saves requests at first and spends them just after the "
        "earliest plausible finish, when most of these tasks finish; after that it polls as often as a poller.",
    ]
    return Measured(targets, _table(runs, count), notes)


def _runs(ways: Sequence[str], *, quick: bool, has_list: bool) -> tuple[Runs, int]:
    count, times = (150, 1) if quick else (1000, 2)
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    with EmulatedVidu(tls=True) as vidu:
        for number in range(times):
            seconds = durations(count, seed=number)
            for way in ways:
                runs[way].append(asyncio.run(_run(vidu, way, seconds, has_list=has_list)))
    return runs, count


async def _run(vidu: EmulatedVidu, way: str, seconds: Sequence[float], *, has_list: bool) -> Run:
    async def without_list() -> None:
        # A reset restores the list.
        await asyncio.to_thread(vidu.order, "quirks", has_list=has_list)

    plan = Plan(way, len(seconds))
    done = await run(plan, vidu, lambda report: vidu.submit(seconds, report, rate=RATE), without_list)
    if len(done.latencies) != len(seconds) or done.failures:
        raise RuntimeError(
            f"{way}: {len(done.latencies)} of {len(seconds)} waits ended, {done.failures} of them in failure"
        )
    return done


def _of(runs: Sequence[Run]) -> dict[str, list[float]]:
    return {
        "requests": [run.requests for run in runs],
        "median": [run.latency(0.5) for run in runs],
        "p99": [run.latency(0.99) for run in runs],
        "worst": [run.latency(1.0) for run in runs],
        "CPU": [run.cpu for run in runs],
    }


def _shares(runs: Runs, theirs: str) -> dict[str, float | None]:
    ours, others = _of(runs[OURS]), _of(runs[theirs])
    return {name: ratio(percentile(ours[name], 0.5), percentile(others[name], 0.5)) for name in ours}


def _table(runs: Runs, count: int) -> Table:
    lines = []
    for way, done in runs.items():
        figures = _of(done)
        lines.append(
            [
                way,
                spread(figures["requests"]),
                spread([value / count for value in figures["requests"]]),
                spread(figures["median"], "s"),
                spread(figures["p99"], "s"),
                spread(figures["worst"], "s"),
                spread(figures["CPU"], "s"),
            ]
        )
    return Table(["way", "requests", "a wait", "wake latency, median", "p99", "worst", "CPU"], lines)


def _notes(count: int) -> list[str]:
    return [
        f"{count} waits that start within {count / RATE:.0f} s, each when its task is submitted. The generations take "
        "a median of 20 s (log-normal, 12 to 33 s) and are the same for every way.",
        f"A poller polls every {POLL_INTERVAL:.0f} s from its start and looks its connection up once. Ours uses its "
        "default schedule. All use https, as Vidu does.",
        "The connection comes from the environment, at almost no cost. In a triggerer each look-up costs the "
        "supervisor about 20 ms more: once for all of ours, once for each poller.",
    ]
