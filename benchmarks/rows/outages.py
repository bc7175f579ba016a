# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A storm of 429 and an outage of a minute, while a thousand triggers wait: which fail, and how often they poll."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks.emulated_vidu import EmulatedVidu
from benchmarks.report import Table, Target, format_value
from benchmarks.rows import Measured
from benchmarks.triggerer import OURS, Plan, run

#: Seconds between two readings of the local Vidu's counters.
READ_EVERY = 0.25
#: Seconds within which the rate has to have fallen.
WITHIN = 2.0
#: "Fallen" is this share of the rate before.
FALLEN = 0.5


def measure(*, quick: bool) -> Measured:
    """Refuse everything for a while, twice, and let the tasks finish afterwards; smaller and shorter if quick."""
    count = 100 if quick else 1000
    calm, storm, between, outage, after = (15, 10, 10, 15, 10) if quick else (25, 20, 90, 60, 40)
    troubles = [
        ("429 storm", calm, calm + storm, {"kind": "refuse", "status": 429, "reason": "TooManyRequests"}),
        (
            "outage (503)",
            calm + storm + between,
            calm + storm + between + outage,
            {"kind": "refuse", "status": 503},
        ),
    ]
    end = calm + storm + between + outage + after
    with EmulatedVidu() as vidu:
        done, readings = asyncio.run(_run(vidu, count, troubles, end))
    bad = count - sum(status == "success" for _, _, status in done.events)
    targets = [Target("waits that failed", float(bad), 0.0)]
    lines = []
    for name, begin, finish, _ in troubles:
        before = _rate(readings, max(0.0, begin - 12.0), begin)
        during = _rate(readings, begin + WITHIN, finish)
        recovered = _recovered(readings, finish, before)
        targets.append(
            Target(
                f"{name}: request rate from {WITHIN:.0f} s on / before",
                None if before == 0 else during / before,
                FALLEN,
                "×",
                reason="there was no request before",
            )
        )
        lines.append(
            [
                name,
                format_value(before, "/s"),
                format_value(_rate(readings, begin, begin + WITHIN), "/s"),
                format_value(during, "/s"),
                format_value(recovered, "s"),
            ]
        )
    lines.append(
        [
            "wake latency afterwards",
            "",
            "",
            "",
            f"{format_value(done.latency(0.5), 's')} (p99 {format_value(done.latency(0.99), 's')})",
        ]
    )
    header = ["trouble", "requests before", f"first {WITHIN:.0f} s", "then", "until polled again as before"]
    notes = [
        f"{count} waits. The local Vidu answers every query and every list with 429 (no Retry-After), later with 503, "
        "and counts them all. Refused requests count as requests.",
        f"The rate has fallen when it is at most {FALLEN} of the rate before. It has recovered at the first five "
        "seconds with at least half that rate, counted from when the trouble ends.",
    ]
    bins: dict[int, int] = {}
    for (earlier, was), (later, now) in pairwise(readings):
        if later > earlier:
            bins[int(later)] = bins.get(int(later), 0) + now - was
    series = {
        "rate": sorted(bins.items()),
        "troubles": [(name, begin, finish) for name, begin, finish, _ in troubles],
    }
    return Measured(targets, Table(header, lines), notes, series)


async def _run(vidu: EmulatedVidu, count: int, troubles: Sequence[Any], end: float) -> tuple[Any, list[Any]]:
    readings: list[tuple[float, int]] = []
    # Long enough that no task finishes before the last trouble is over, and spread over ten seconds.
    seconds = [end + 10.0 * number / count for number in range(count)]

    async def beside() -> None:
        began = time.monotonic()
        steps = sorted(
            [(begin, fault) for _, begin, _, fault in troubles] + [(finish, None) for _, _, finish, _ in troubles],
            key=lambda step: step[0],
        )
        while (now := time.monotonic() - began) < end + 15.0:
            while steps and steps[0][0] <= now:
                _, fault = steps.pop(0)
                await asyncio.to_thread(_strike, vidu, fault)
            readings.append((time.monotonic() - began, await asyncio.to_thread(vidu.polls)))
            await asyncio.sleep(READ_EVERY)

    done = await run(Plan(OURS, count), vidu, lambda report: vidu.submit(seconds, report), beside)
    return done, readings


def _strike(vidu: EmulatedVidu, fault: dict[str, Any] | None) -> None:
    if fault is None:
        vidu.clear_faults()
        return
    for operation in ("poll", "list"):
        vidu.order("faults", operation=operation, times=None, **fault)


def _rate(readings: Sequence[tuple[float, int]], begin: float, finish: float) -> float:
    within = [reading for reading in readings if begin <= reading[0] <= finish]
    if len(within) < 2:
        return 0.0
    return (within[-1][1] - within[0][1]) / (within[-1][0] - within[0][0])


def _recovered(readings: Sequence[tuple[float, int]], finish: float, before: float) -> float | None:
    # Polls come in rounds: a shorter window would see the gap between two of them.
    for at, _ in readings:
        if at >= finish and _rate(readings, at, at + 5.0) >= before / 2:
            return at - finish
    return None
