# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Two hundred tasks end at the same moment: how long a real triggerer and real workers take to say so."""

from __future__ import annotations

import asyncio
import json
import re
import time

from local_airflow import LocalAirflow

from benchmarks.airflow_runs import PARALLELISM, begin, database_of, end, is_there, logs_of, moment, real_airflow, until
from benchmarks.emulated_vidu import EmulatedVidu
from benchmarks.report import NotMeasured, Table, Target, percentile, told
from benchmarks.rows import Measured

WORKERS = "resumed on a worker"
TRIGGERER = "end_from_trigger"

#: Seconds that the tasks would take if nobody skipped them.
HELD = 36_000.0
#: Seconds after the last defer before the tasks end: an event that comes earlier may be held back.
SETTLED = 10.0

_MAP_INDEX = re.compile(r"map_index=(\d+)")
_FIRED = re.compile(r'"timestamp":\s*"([^"]+)"')


def measure(*, quick: bool) -> Measured:
    """
    Let 200 deferred sensors wait, and end all their tasks at once.

    :param quick: ten of them.
    """
    count = 10 if quick else 200
    ways = {WORKERS: "completions_on_workers", TRIGGERER: "completions_in_triggerer"}
    delays: dict[str, list[float]] = {}
    wakes: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    with EmulatedVidu() as workers, EmulatedVidu() as triggerer:
        vidus = {WORKERS: workers, TRIGGERER: triggerer}
        ids = {
            way: [task_id for task_id, _ in asyncio.run(vidu.submitted([HELD] * count))] for way, vidu in vidus.items()
        }
        environment = {
            "AIRFLOW_CONN_VIDU_WORKERS": workers.connection(),
            "AIRFLOW_CONN_VIDU_TRIGGERER": triggerer.connection(),
            "VIDU_BENCHMARK_WORKER_IDS": json.dumps(ids[WORKERS]),
            "VIDU_BENCHMARK_TRIGGER_IDS": json.dumps(ids[TRIGGERER]),
        }
        with real_airflow(environment) as airflow:
            for way, dag_id in ways.items():
                try:
                    is_there(airflow, dag_id, "this version's sensor has no end_from_trigger")
                except NotMeasured as error:
                    missing[way] = str(error)
                    continue
                delays[way], wakes[way] = _complete(airflow, dag_id, vidus[way], count)
            database = database_of(airflow)
    target = Target(
        f"from trigger event to task success, {TRIGGERER}, median",
        percentile(delays[TRIGGERER], 0.5) if TRIGGERER in delays else None,
        0.3,
        "s",
        reason=missing.get(TRIGGERER, ""),
    )
    lines = []
    for way in ways:
        if way in missing:
            lines.append([way, f"not measured: {missing[way]}", "", "", "", ""])
            continue
        shares = [told(percentile(delays[way], share), "s") for share in (0.5, 0.95, 1.0)]
        lines.append([way, *shares, *(told(percentile(wakes[way], share), "s") for share in (0.5, 1.0))])
    header = ["way", "event to success, median", "p95", "worst", "end to event, median", "worst"]
    notes = [
        f"{count} sensors, deferred; all their tasks end at one moment. LocalExecutor with {PARALLELISM} slots on "
        f"{database}, one triggerer. The event's time is its line in the task's trigger log, the success's is the task "
        "instance's end date.",
    ]
    return Measured([target], Table(header, lines), notes, {"delays": delays})


def _complete(airflow: LocalAirflow, dag_id: str, vidu: EmulatedVidu, count: int) -> tuple[list[float], list[float]]:
    run_id = begin(airflow, dag_id)
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
    until(
        lambda: airflow.get(path, state="deferred", limit=1)["total_entries"] == count,
        f"all {count} sensors of {dag_id} are deferred",
        every=2.0,
    )
    time.sleep(SETTLED)
    ended_at = time.time()
    vidu.tell("skip", seconds=2 * HELD)
    run = end(airflow, dag_id, run_id)
    fired: dict[int, float] = {}
    for file, text in logs_of(airflow, dag_id, run_id).items():
        for line in text.splitlines():
            if (
                "Trigger fired event" in line
                and (at := _FIRED.search(line))
                and (index := _MAP_INDEX.search(str(file)))
            ):
                fired[int(index.group(1))] = moment(at.group(1))
    if len(fired) != count:
        raise RuntimeError(f"{len(fired)} of {count} events were found in the trigger logs of {dag_id}")
    success = {task["map_index"]: moment(task["end_date"]) for task in run.tasks}
    return [success[index] - at for index, at in fired.items()], [at - ended_at for at in fired.values()]
