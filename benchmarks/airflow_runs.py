# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A real Airflow with the benchmarks' DAGs, and its facts about their runs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local_airflow import LocalAirflow
from local_database import own_database

from benchmarks.report import NotMeasured

DAGS = Path(__file__).resolve().parent / "dags"
#: Worker slots.
PARALLELISM = 16
#: Seconds after which a run has failed.
TIMEOUT = 900.0


@contextmanager
def real_airflow(environment: Mapping[str, str]) -> Generator[LocalAirflow, None, None]:
    """Start an Airflow on a PostgreSQL database, or on SQLite if there is no PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="airflow-benchmark-") as home, own_database() as database:
        airflow = LocalAirflow(
            home=Path(home), dags=DAGS, environment=dict(environment), parallelism=PARALLELISM, database=database
        )
        with airflow:
            yield airflow


def database_of(airflow: LocalAirflow) -> str:
    """Return the name of its database system."""
    return "SQLite" if airflow.database is None else "PostgreSQL"


@dataclass(frozen=True)
class Ended:
    """A successful run, with its task instances as the public API returns them."""

    run_id: str
    #: Seconds from the request to start it until its last task finished.
    wall: float
    tasks: list[dict[str, Any]]


def wait_for_dag(airflow: LocalAirflow, dag_id: str, why_not: str) -> None:
    """
    Wait until a DAG is known.

    :raises NotMeasured: it does not appear, or cannot be imported.
    """
    end = time.monotonic() + 90
    while time.monotonic() < end:
        known = {dag["dag_id"] for dag in airflow.get("dags", limit=100)["dags"]}
        if dag_id in known:
            return
        if known:
            # Each file is parsed separately; another round finds the rest.
            time.sleep(15)
            if dag_id in {dag["dag_id"] for dag in airflow.get("dags", limit=100)["dags"]}:
                return
            break
        time.sleep(0.5)
    errors = [error["stack_trace"].strip().splitlines()[-1] for error in airflow.get("importErrors")["import_errors"]]
    raise NotMeasured("; ".join([why_not, *errors]))


def start_run(airflow: LocalAirflow, dag_id: str) -> str:
    """Start a run, and return its id."""
    return airflow.trigger(dag_id)


def finished_run(airflow: LocalAirflow, dag_id: str, run_id: str) -> Ended:
    """
    Wait until a run has finished.

    :raises RuntimeError: it failed, or took too long.
    """
    until(lambda: airflow.run_state(dag_id, run_id) in {"success", "failed"}, f"{dag_id} finishes")
    run = airflow.get(f"dags/{dag_id}/dagRuns/{run_id}")
    tasks = airflow.task_instances(dag_id, run_id)
    if run["state"] != "success":
        states = sorted({str(task["state"]) for task in tasks})
        raise RuntimeError(
            f"{dag_id} finished as {run['state']}, its tasks as {states}; {_last_error(airflow, dag_id)}"
        )
    last = max(epoch_seconds(task["end_date"]) for task in tasks)
    return Ended(run_id, last - epoch_seconds(run["queued_at"]), tasks)


def until(is_so: Callable[[], Any], what: str, *, within: float = TIMEOUT, every: float = 0.5) -> None:
    """
    Check every so many seconds until it is so; each check costs the API server something.

    :raises RuntimeError: it takes too long.
    """
    give_up = time.monotonic() + within
    while not is_so():
        if time.monotonic() > give_up:
            raise RuntimeError(f"not within {within:.0f} s: {what}")
        time.sleep(every)


def epoch_seconds(text: str) -> float:
    """Return a time of Airflow's API as epoch seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def logs_of(airflow: LocalAirflow, dag_id: str, run_id: str) -> dict[Path, str]:
    """Return the log files of a run's tasks, with their text."""
    folder = airflow.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    return {file: file.read_text(errors="replace") for file in sorted(folder.rglob("*.log*"))}


def _last_error(airflow: LocalAirflow, dag_id: str) -> str:
    folder = airflow.home / "logs" / f"dag_id={dag_id}"
    lines = [line for file in folder.rglob("*.log*") for line in file.read_text(errors="replace").splitlines()]
    errors = [line for line in lines if '"level":"error"' in line or '"level":"critical"' in line]
    return errors[-1][:1500] if errors else "no error is logged"
