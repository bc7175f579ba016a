# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A whole Airflow on this machine: API server, scheduler, DAG processor and triggerers, on free ports, in one folder.

For the demo, and for tests that need real processes. Everything it writes is in ``home``. Every process runs in its own
session, and exactly those sessions are ended.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

#: Seconds within which Airflow has to answer after its start.
START_TIMEOUT = 180.0

_LEAVE = 20.0


class AirflowDidNotStart(RuntimeError):
    """Airflow did not start; the text says where its logs are."""


@dataclass
class LocalAirflow:
    """
    One Airflow installation of the running Python's environment.

    :param home: its ``AIRFLOW_HOME``; created where missing.
    :param dags: the folder with the DAG files.
    :param environment: further variables for all processes, for example ``AIRFLOW_CONN_…``.
    :param triggerers: how many triggerers to start.
    :param parallelism: task processes at once.
    :param database: SQLAlchemy's URL of an empty database; None = SQLite in ``home``, on which several triggerers lock
        each other out.
    :param port: of the API server; 0 = a free one.
    :param work: the working directory of all processes, to which paths in DAGs are relative; None = ``home``.
    """

    home: Path
    dags: Path
    environment: dict[str, str] = field(default_factory=dict)
    triggerers: int = 1
    parallelism: int = 8
    database: str | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = 0
    work: Path | None = None

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.port = self.port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._session = requests.Session()
        self._session.trust_env = False
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self._base = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(self.home),
            "HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags.resolve()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(self.parallelism),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database or f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            # The default is not a string, which newer releases of PyJWT refuse on Airflow 3.0.
            "AIRFLOW__API_AUTH__JWT_ISSUER": "local-airflow",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__CORE__FERNET_KEY": _fernet_key(),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **self.environment,
        }

    def __enter__(self) -> LocalAirflow:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """
        Migrate the database, start every process, and wait until the API answers and all report healthy.

        :raises AirflowDidNotStart: not within ``START_TIMEOUT``, or a process died.
        """
        try:
            subprocess.run(
                [self._airflow, "db", "migrate"],
                env=self._base,
                stdout=(self.home / "logs" / "migrate.out").open("wb"),
                stderr=subprocess.STDOUT,
                check=True,
            )
            self.start_process("api-server", "api-server")
            self.start_process("dag-processor", "dag-processor")
            # Their log servers listen on every address; on one machine the API server reads the files itself.
            self.start_process("scheduler", "scheduler", "--skip-serve-logs")
            for number in range(self.triggerers):
                self.start_triggerer(f"triggerer-{number}")
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def start_process(self, name: str, command: str, *options: str, environment: dict[str, str] | None = None) -> None:
        """Start one Airflow process in its own session; ``environment`` has further variables for it alone."""
        with (self.home / "logs" / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [self._airflow, command, *options],
                env={**self._base, **(environment or {})},
                cwd=self.work or self.home,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_triggerer(self, name: str) -> None:
        """Start one triggerer."""
        self.start_process(name, "triggerer", "--skip-serve-logs")

    def kill_process(self, name: str) -> None:
        """Kill one process with all its children at once, as a crash of its machine would."""
        process = self.processes.pop(name)
        _end_session(process)

    def stop(self) -> None:
        """Stop every process that was started, and wait until they have exited."""
        for process in self.processes.values():
            _signal_group(process, signal.SIGTERM)
        end = time.monotonic() + _LEAVE
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
        for process in self.processes.values():
            _end_session(process)
        self.processes.clear()

    def find_left_behind(self) -> list[psutil.Process]:
        """
        Return the running processes of this Airflow's folder, also those of an earlier start.

        Their environment identifies them; a process that has renamed itself has lost it, and is identified by its new
        name and its folder.
        """
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                named = process.environ().get("AIRFLOW_HOME") == str(self.home)
                here = process.cwd() == str(self.work or self.home)
                if named or (here and " ".join(process.cmdline()).startswith("airflow ")):
                    found.append(process)
        return found

    def kill_left_behind(self) -> None:
        """Kill the processes that :meth:`stop` does not know."""
        for process in self.find_left_behind():
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(_LEAVE)

    def get(self, path: str, **query: Any) -> Any:
        """Read from the public REST API."""
        answer = self._session.get(f"{self.url}/api/v2/{path}", params=query, headers=self._headers(), timeout=120)
        answer.raise_for_status()
        return answer.json()

    def send(self, method: str, path: str, body: Any) -> Any:
        """Write through the public REST API."""
        url = f"{self.url}/api/v2/{path}"
        answer = self._session.request(method, url, json=body, headers=self._headers(), timeout=120)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG, as soon as it is known."""
        end = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.send("PATCH", f"dags/{dag_id}", {"is_paused": False})
                break
            except requests.HTTPError as error:
                if error.response.status_code != 404 or time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a Dag run, as soon as the DAG is known, and return its id."""
        self.unpause(dag_id)
        run = self.send("POST", f"dags/{dag_id}/dagRuns", {"conf": conf or {}, "logical_date": None})
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a Dag run."""
        return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, mapped ones included."""
        found: list[dict[str, Any]] = []
        while True:
            # A page has at most a hundred.
            page = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100, offset=len(found))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    @property
    def _airflow(self) -> str:
        return str(Path(sys.executable).parent / "airflow")

    @property
    def token(self) -> str:
        """A token of the public REST API."""
        if not hasattr(self, "_token"):
            answer = self._session.get(f"{self.url}/auth/token", timeout=30)
            answer.raise_for_status()
            self._token: str = answer.json()["access_token"]
        return self._token

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _wait_until_healthy(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        missing: Any = "the API server"
        while time.monotonic() < end:
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead:
                raise AirflowDidNotStart(f"{', '.join(dead)} exited at once; see {self.home / 'logs'}.")
            with contextlib.suppress(requests.RequestException, KeyError):
                health = self.get("monitor/health")
                parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
                missing = [part for part in parts if health[part]["status"] != "healthy"]
                if not missing:
                    return
            time.sleep(0.5)
        raise AirflowDidNotStart(f"{missing} did not start in {START_TIMEOUT:.0f} s; see {self.home / 'logs'}.")


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def members(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the ids of all processes in the session of a started one, itself first."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == process.pid:
                found.append(pid)
    return sorted(found, key=lambda pid: (pid != process.pid, pid))


def _end_session(process: subprocess.Popen[bytes]) -> None:
    # Not the group: a task runs in its own group, and outlives a killed parent.
    for pid in members(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
