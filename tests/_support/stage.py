# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Helpers for scenarios: a local Vidu whose tasks do not advance by themselves, Dag runs, signals to processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

import psutil
from local_airflow import LocalAirflow
from packaging.version import Version

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.machine.ledger import CHARGED, REFUNDED

AIRFLOW = Version(version("apache-airflow")).release
#: The scheduler of this beta dies when a worker's heartbeat is lost: it adds the next try beside the current one.
DIES_OF_LOST_HEARTBEATS = version("apache-airflow") == "3.4.0b2"
#: Whether a clear discards the task state by default (3.4+).
DISCARDS_STATE = AIRFLOW >= (3, 4)

#: Seconds that each state before the last one lasts at the local Vidu: longer than any scenario, which skips them.
HELD = 3600.0
#: Request timeout of the connections in seconds: a scenario must act within it while a reply is pending.
TIMEOUT = 20.0
#: Seconds for everything that may take long on a busy machine.
WITHIN = 120.0

#: The smallest MP4 that counts as whole.
VIDEO = b"\0\0\0\x0cftypisom\0\0\0\x08moov" + (4096).to_bytes(4, "big") + b"mdat" + b"v" * 4088

T = TypeVar("T")


def eventually(read: Callable[[], T], until: Callable[[T], Any] = bool, *, within: float = WITHIN, message: str) -> T:
    """
    Read a value again and again until it meets a condition, and return it.

    :param within: seconds.
    :param message: what should happen, for the failure.
    :raises AssertionError: if it does not happen in time.
    """
    end = time.monotonic() + within
    while not until(seen := read()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:.0f} s: {message}; last seen: {seen!r}")
        time.sleep(0.2)
    return seen


@dataclass(frozen=True)
class Bill:
    """
    What Vidu received and billed.

    :param submissions: created tasks.
    :param charges: charged tasks.
    :param refunds: refunded tasks.
    :param cancels: requests to cancel, including refused ones.
    """

    submissions: int = 0
    charges: int = 0
    refunds: int = 0
    cancels: int = 0


class Account:
    """
    The local Vidu of one scenario. Its tasks stay ``created``, where Vidu still cancels, until the scenario goes on.

    :param conn_id: id of Airflow's connection to it.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.vidu = ViduEmulator(speed=1, created_seconds=HELD, processing_seconds=HELD, concurrency=1000, video=VIDEO)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variable with the connection."""
        json = self.vidu.connection_json(timeout=TIMEOUT, poll_interval=0.5)
        return {f"AIRFLOW_CONN_{self.conn_id.upper()}": json}

    def process(self) -> None:
        """Start to process the created tasks: from now on Vidu refuses to cancel them."""
        self.vidu.skip(HELD)

    def finish(self) -> None:
        """Finish all created and processing tasks with a video."""
        self.vidu.skip(2 * HELD)

    def finish_all(self) -> None:
        """Finish all tasks that are not final. Unlike :meth:`finish`, skip no time if there are none."""
        if any(task.state not in {"success", "failed"} for task in self.vidu.tasks):
            self.finish()

    def queries(self) -> int:
        """Return how often tasks were queried."""
        return self.vidu.counters.requests["poll"] + self.vidu.counters.requests["list"]

    def bill(self) -> Bill:
        """Return what was received and billed so far."""
        kinds = [entry.kind for entry in self.vidu.ledger.entries]
        counters = self.vidu.counters
        return Bill(counters.submissions, kinds.count(CHARGED), kinds.count(REFUNDED), counters.requests["cancel"])


class Run:
    """
    A Dag run with one task under test, mapped or not.

    :param dag_id: a DAG of ``dags/waits.py``, ``dags/clears.py`` or ``dags/end_from_trigger.py``.
    :param task_id: the task under test.
    :param conf: further params of the DAG.
    """

    def __init__(
        self, airflow: LocalAirflow, account: Account, dag_id: str, task_id: str = "animate", **conf: str
    ) -> None:
        self.airflow = airflow
        self.account = account
        self.dag_id = dag_id
        self.task_id = task_id
        self.run_id = airflow.trigger(dag_id, {"connection": account.conn_id, **conf})

    def tasks(self) -> list[dict[str, Any]]:
        """Return the task's instances from the public API, in the order of the list or the loop."""
        found = self.airflow.task_instances(self.dag_id, self.run_id)
        return sorted((task for task in found if task["task_id"] == self.task_id), key=_place)

    def task(self) -> dict[str, Any]:
        """Return the only task instance."""
        (task,) = self.tasks()
        return task

    def brief(self) -> list[tuple[int, str | None, int]]:
        """Return (map index, state, try) of each task instance."""
        return [(task["map_index"], task["state"], task["try_number"]) for task in self.tasks()]

    def owners(self) -> list[int | None]:
        """Return the job id of the triggerer that runs each deferred task; None = no triggerer yet."""
        return [(task["trigger"] or {}).get("triggerer_id") for task in self.tasks() if task["state"] == "deferred"]

    def try_number(self) -> int:
        """Return the number of the current try of the only task instance."""
        return int(self.task()["try_number"])

    def wait_until_submitted(self, count: int = 1) -> None:
        """Wait until Vidu has received this many submissions."""
        eventually(
            self.account.bill,
            lambda bill: bill.submissions >= count,
            # Hundreds take a while if all scenarios share two cores.
            within=WITHIN + count,
            message=f"{self} submits; it is {self.brief()}",
        )

    def wait_until_in_worker(self) -> None:
        """Wait until a worker has submitted the task and is polling it."""
        self.wait_until_submitted()
        queries = self.account.queries()
        # A re-attaching try starts with one query, so expect more than that.
        eventually(self.account.queries, lambda now: now > queries + 1, message=f"{self} is polled by its worker")

    def wait_until_in_triggerer(self, count: int = 1) -> None:
        """Wait until this many tasks are deferred and a triggerer is polling them."""
        eventually(
            self.owners,
            lambda owners: len(owners) == count and None not in owners,
            message=f"{count} tasks of {self} wait in a triggerer",
        )
        queries = self.account.queries() + 2 * count
        eventually(self.account.queries, lambda now: now > queries, message=f"{self} is polled by a triggerer")

    def wait_until_ended(self, state: str = "success", *, finishing: bool = False, within: float = WITHIN) -> None:
        """
        Wait until the run has ended in a state.

        :param finishing: finish everything that is submitted meanwhile, so that it appears on the bill.
        :param within: seconds.
        """

        def read() -> tuple[str, list[tuple[int, str | None, int]]]:
            if finishing:
                self.account.finish_all()
            return self.airflow.run_state(self.dag_id, self.run_id), self.brief()

        seen = eventually(read, lambda seen: seen[0] in {"success", "failed"}, within=within, message=f"{self} ends")
        assert seen[0] == state, f"{self} has ended in {seen}"

    def wait_until_tried_again(self, earlier: dict[str, Any]) -> None:
        """Wait until a later try of the same task instance runs, waits or has succeeded."""

        def later() -> list[str]:
            return [
                task["state"]
                for task in self.tasks()
                if _place(task) == _place(earlier) and task["try_number"] > earlier["try_number"]
            ]

        eventually(
            later,
            lambda states: bool({"running", "deferred", "success"} & set(states)),
            message=f"a try of {self} after try {earlier['try_number']}",
        )

    def set_task(self, state: str) -> None:
        """Mark the only task instance with a state, as the UI does."""
        self.airflow.send("PATCH", self._path, {"new_state": state})

    def set_run(self, state: str) -> None:
        """Mark the whole run with a state, as the UI does."""
        self.airflow.send("PATCH", f"dags/{self.dag_id}/dagRuns/{self.run_id}", {"state": state})

    def clear(self, task: dict[str, Any] | None = None, *, keep_task_state: bool = False) -> None:
        """
        Clear the task, as the UI does.

        :param task: the instance to clear; None = all instances.
        :param keep_task_state: tick the box "Keep task state and resume", which Airflow has from 3.4 on. Before, every
            clear keeps the state.
        """
        body: dict[str, Any] = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        if task is None:
            body["task_ids"] = [self.task_id]
        elif task.get("in_loop"):
            # Only the instance's own id distinguishes the iterations of a loop.
            body["task_instance_ids"] = [task["id"]]
        else:
            body["task_ids"] = [[self.task_id, task["map_index"]] if task["map_index"] >= 0 else self.task_id]
        if keep_task_state and DISCARDS_STATE:
            body["keep_task_state"] = True
        self.airflow.send("POST", f"dags/{self.dag_id}/clearTaskInstances", body)

    def record(self) -> dict[str, Any] | None:
        """Return the record of the submission in the task state store; None = there is no store."""
        if AIRFLOW < (3, 3):
            return None
        return dict(self.airflow.get(f"{self._path}/state-store/vidu_submission")["value"])

    def result(self, task: dict[str, Any]) -> Any:
        """Return the result of a task instance."""
        place = {name: task[name] for name in ("region_id", "region_index") if task.get("in_loop")}
        return self.airflow.get(
            f"{self._path}/xcomEntries/return_value", map_index=task["map_index"], deserialize="true", **place
        )["value"]

    def result_of(self, task_id: str) -> Any:
        """Return the result of another task of the run, which is not mapped."""
        path = f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.airflow.get(path, deserialize="true")["value"]
        # Airflow 3.0 shows it as the text that it stores.
        return json.loads(value) if isinstance(value, str) else value

    def printed_commands(self) -> list[str]:
        """Return the shell commands in the task's messages, each once, in order."""
        return list(dict.fromkeys(re.findall(r"curl -X .*? -d '[^']*'", "\n".join(self._texts()))))

    def follow(self, command: str) -> None:
        """Run a command from :meth:`printed_commands` in a shell, as a person would."""
        subprocess.run(
            ["bash", "-c", command + " --silent --fail-with-body"],
            env={**os.environ, "AIRFLOW_TOKEN": self.airflow.token, "NO_PROXY": "127.0.0.1"},
            check=True,
            capture_output=True,
        )

    @property
    def _path(self) -> str:
        return f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{self.task_id}"

    def _texts(self) -> Iterator[str]:
        # Each line of a log is JSON with the text somewhere in it.
        def texts(value: Any) -> Iterator[str]:
            if isinstance(value, str):
                yield value
            elif isinstance(value, (dict, list)):
                for item in value.values() if isinstance(value, dict) else value:
                    yield from texts(item)

        folder = self.airflow.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        for file in sorted(folder.rglob("*.log")):
            for line in file.read_text().splitlines():
                yield from texts(json.loads(line))

    def trigger_logs(self, job: int) -> str:
        """Return what a triggerer, by its job id, has logged about the run's tasks."""
        folder = self.airflow.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return "\n".join(file.read_text() for file in folder.rglob(f"*.trigger.{job}.log"))

    def worker_logs(self) -> str:
        """Return the logs of the task's workers, without those of triggerers."""
        folder = self.airflow.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        files = [file for file in folder.rglob(f"task_id={self.task_id}/**/*.log") if ".trigger." not in file.name]
        assert files, f"no worker of {self} has logged"
        return "\n".join(file.read_text() for file in files)

    def __str__(self) -> str:
        return f"{self.dag_id} ({self.account.conn_id})"


def _place(task: dict[str, Any]) -> tuple[int, int]:
    return task["map_index"], task.get("region_index", -1)


def worker_of(task: dict[str, Any]) -> psutil.Process:
    """Return the process that runs a task instance's current try."""
    title = f"airflow worker -- {task['id']}"

    def found() -> list[psutil.Process]:
        return [process for process in psutil.process_iter(["cmdline"]) if title in _title(process)]

    (process,) = eventually(found, lambda processes: len(processes) == 1, message=f"a process {title!r}")
    return process


def kill(task: dict[str, Any]) -> None:
    """Kill the worker that runs a task instance's current try, as an out-of-memory killer does."""
    worker = worker_of(task)
    if AIRFLOW < (3, 3):
        # There the supervisor of a killed task fails it without a retry, so kill the supervisor too.
        psutil.Process(worker.ppid()).kill()
    worker.kill()


def evict(task: dict[str, Any]) -> None:
    """Ask the worker that runs a task instance's current try to stop, as a pod's eviction does."""
    worker = worker_of(task)
    # A pod's signal goes to the supervisor. Only 3.3 forwards it; from 3.4 on the supervisor waits for the task.
    os.kill(worker.ppid() if (3, 3) <= AIRFLOW < (3, 4) else worker.pid, signal.SIGTERM)


def _title(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())


@contextmanager
def frozen(*pids: int) -> Generator[None, None, None]:
    """Stop processes as a suspended machine does, and continue them at the end."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)
