# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Two hundred tasks finish at the same moment: how long a real triggerer and real workers take to report it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local_airflow import LocalAirflow

from benchmarks.airflow_runs import (
    DAGS,
    PARALLELISM,
    database_of,
    epoch_seconds,
    finished_run,
    logs_of,
    real_airflow,
    start_run,
    until,
    wait_for_dag,
)
from benchmarks.emulated_vidu import EmulatedVidu
from benchmarks.report import Table, Target, format_value, percentile
from benchmarks.rows import Measured

WORKERS = "resumed on a worker"
TRIGGERER = "end_from_trigger"
ALONE = "Airflow alone"

#: Seconds that the tasks would take if they were not skipped.
HELD = 36_000.0
#: Seconds from the last defer until the tasks finish: an event that comes earlier may be delayed.
SETTLED = 10.0

#: Seconds for the last lines of the trigger logs.
LATE_LINES = 10.0

_MAP_INDEX = re.compile(r"map_index=(\d+)")
_FIRED = re.compile(r'"timestamp":\s*"([^"]+)"')


def measure(*, quick: bool) -> Measured:
    """Let 200 deferred sensors wait, and finish all their tasks at once; ten of them if quick."""
    count = 10 if quick else 200
    ways = {
        WORKERS: "completions_on_workers",
        TRIGGERER: "completions_in_triggerer",
        ALONE: "completions_of_airflow_alone",
    }
    delays: dict[str, list[float]] = {}
    wakes: dict[str, list[float]] = {}
    with EmulatedVidu() as workers, EmulatedVidu() as triggerer, tempfile.TemporaryDirectory() as folder:
        vidus = {WORKERS: workers, TRIGGERER: triggerer}
        ids = {
            way: [task_id for task_id, _ in asyncio.run(vidu.submitted([HELD] * count))] for way, vidu in vidus.items()
        }
        end_file = Path(folder) / "end"
        ending: dict[str, Callable[[], object]] = {
            WORKERS: lambda: workers.order("skip", seconds=2 * HELD),
            TRIGGERER: lambda: triggerer.order("skip", seconds=2 * HELD),
            ALONE: end_file.touch,
        }
        environment = {
            "AIRFLOW_CONN_VIDU_WORKERS": workers.connection(),
            "AIRFLOW_CONN_VIDU_TRIGGERER": triggerer.connection(),
            "PYTHONPATH": os.pathsep.join([str(DAGS.parents[1]), os.environ.get("PYTHONPATH", "")]),
            "VIDU_BENCHMARK_END_FILE": str(end_file),
            "VIDU_BENCHMARK_WORKER_IDS": json.dumps(ids[WORKERS]),
            "VIDU_BENCHMARK_TRIGGER_IDS": json.dumps(ids[TRIGGERER]),
        }
        with real_airflow(environment) as airflow:
            for way, dag_id in ways.items():
                wait_for_dag(airflow, dag_id, "the DAGs do not appear")
                delays[way], wakes[way] = _complete(airflow, dag_id, ending[way], count)
            database = database_of(airflow)
    target = Target(
        f"from trigger event to task success, {TRIGGERER}, median",
        percentile(delays[TRIGGERER], 0.5),
        0.3,
        "s",
    )
    lines = []
    for way in ways:
        shares = [format_value(percentile(delays[way], share), "s") for share in (0.5, 0.95, 1.0)]
        lines.append([way, *shares, *(format_value(percentile(wakes[way], share), "s") for share in (0.5, 1.0))])
    header = ["way", "event to success, median", "p95", "worst", "finish to event, median", "worst"]
    notes = [
        f"{count} deferred sensors whose tasks all finish at one moment. LocalExecutor with {PARALLELISM} slots on "
        f"{database}, one triggerer. The event's time is that of its line in the task's trigger log; the success's is "
        "the task instance's end date. Events with such a line: "
        + ", ".join(f"{len(found)} of {way}" for way, found in delays.items())
        + ".",
        f"{ALONE} is the same number of triggers that wait for a file, send no requests, and end their tasks with a "
        "record of the same size: what Airflow itself needs. A triggerer collects events once a second and writes "
        "those of all its triggers to the database one after another (`TriggerRunnerSupervisor.handle_events`), each "
        "with its XCom and a request for the success callback: with this many at once, the median is the time for "
        "half of them.",
    ]
    return Measured([target], Table(header, lines), notes)


def _complete(
    airflow: LocalAirflow, dag_id: str, end_all: Callable[[], object], count: int
) -> tuple[list[float], list[float]]:
    run_id = start_run(airflow, dag_id)
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
    until(
        lambda: airflow.get(path, state="deferred", limit=1)["total_entries"] == count,
        f"all {count} sensors of {dag_id} are deferred",
        every=2.0,
    )
    time.sleep(SETTLED)
    ended_at = time.time()
    end_all()
    run = finished_run(airflow, dag_id, run_id)
    fired = _fired(airflow, dag_id, run_id)
    if len(fired) < count:
        # The triggerer may not have written all of its lines yet.
        time.sleep(LATE_LINES)
        fired = _fired(airflow, dag_id, run_id)
    if len(fired) < count / 2:
        raise RuntimeError(f"{len(fired)} of {count} events were found in the trigger logs of {dag_id}")
    success = {task["map_index"]: epoch_seconds(task["end_date"]) for task in run.tasks}
    return [success[index] - at for index, at in fired.items()], [at - ended_at for at in fired.values()]


def _fired(airflow: LocalAirflow, dag_id: str, run_id: str) -> dict[int, float]:
    """Return when each trigger yielded its event, by map index."""
    fired: dict[int, float] = {}
    for file, text in logs_of(airflow, dag_id, run_id).items():
        for line in text.splitlines():
            if (
                "Trigger fired event" in line
                and (at := _FIRED.search(line))
                and (index := _MAP_INDEX.search(str(file)))
            ):
                fired[int(index.group(1))] = epoch_seconds(at.group(1))
    return fired
