# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
``make up``: a whole Airflow with its UI, the local Vidu, the example DAGs and the connection, to click around in.

No account, no internet, nothing outside this folder: what it writes is in ``.up``. Ctrl-C ends every process.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from local_airflow import AirflowDidNotStart, LocalAirflow
from rich.console import Console
from rich.markup import escape

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY
from airflow_provider_vidu.provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
DAGS = ROOT / "dags_examples"
FIRST_DAG = "example_vidu_folder"
CONNECTION = "vidu_default"

#: The local Vidu renders this many times faster than the real one: slow enough to watch it.
SPEED = 8
#: Seconds within which the example DAGs must have been read.
DAGS_TIMEOUT = 60.0


def main() -> int:
    """Start everything, print where it is, and stop it at the first signal, or when a part of Airflow has died."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of Airflow's UI; by default a free one")
    parser.add_argument("--output", type=Path, default=ROOT / ".up", help="folder for everything that is written")
    options = parser.parse_args()
    output = options.output.resolve()
    videos = output / "vidu-videos"
    console = Console()
    output.mkdir(parents=True, exist_ok=True)
    with (output / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print(
                f"[red]It is already running in {escape(str(output))}.[/red] Stop that one first.", soft_wrap=True
            )
            return 1
        end = _StopOnce()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        try:
            _check_port_is_free(options.port)
            _run(output, options.port, console)
        except KeyboardInterrupt:
            kept = f" The videos are kept in {escape(str(videos))}." if videos.is_dir() else ""
            console.print(f"Stopped.{kept}", soft_wrap=True)
        except (AirflowDidNotStart, OSError) as error:
            console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
            return 1
    return 0


class _StopOnce:
    """Turns the first signal into a KeyboardInterrupt: a second Ctrl-C must not interrupt the stopping."""

    def __init__(self) -> None:
        self._stopping = False

    def __call__(self, number: int, frame: Any) -> None:
        if not self._stopping:
            self._stopping = True
            raise KeyboardInterrupt


def _check_port_is_free(port: int) -> None:
    # Otherwise another server on this port would be taken for our Airflow.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(f"Port {port} cannot be used ({error.strerror}): choose another, or omit it.") from error


def _run(output: Path, port: int, console: Console) -> None:
    began = time.monotonic()
    home = output / "airflow"
    shutil.rmtree(home, ignore_errors=True)
    airflow = LocalAirflow(home=home, dags=DAGS, port=port, work=output)
    # An earlier start that was killed may have left processes behind.
    airflow.kill_left_behind()
    # It accepts only its own key, so that the connection test can refuse a wrong one.
    with ViduEmulator(speed=SPEED, api_keys={DEFAULT_API_KEY}) as vidu:
        console.print("Starting Airflow (database, API server, scheduler, triggerer), about 20 seconds …")
        try:
            with airflow:
                airflow.send("POST", "connections", connection(vidu))
                _unpause(airflow)
                console.print(
                    _summary(airflow, vidu, output / "vidu-videos", time.monotonic() - began),
                    soft_wrap=True,
                    highlight=False,
                )
                while not (dead := [name for name, one in airflow.processes.items() if one.poll() is not None]):
                    time.sleep(1)
            raise AirflowDidNotStart(f"{', '.join(dead)} exited by itself; see {home / 'logs'}.")
        finally:
            # A signal just after the start of a process can come before it is noted: `stop` would miss it.
            airflow.kill_left_behind()


def connection(vidu: ViduEmulator) -> dict[str, Any]:
    """
    Return the connection to a local Vidu as the UI's form would save it, for the public REST API.

    The form of a saved connection shows only the extra fields that it has. Host and port are separate, because the
    form's Test fails without a port on Airflow 3.3.1 and 3.3.2.
    """
    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    untouched = {name: field["schema"].get("default") for name, field in fields.items()}
    known = json.loads(vidu.connection_json())
    return {
        "connection_id": CONNECTION,
        "conn_type": "vidu",
        "description": "The local Vidu: nothing is billed",
        "host": "127.0.0.1",
        "port": vidu.port,
        "password": known["password"],
        "extra": json.dumps({**untouched, **known["extra"]}),
    }


def _unpause(airflow: LocalAirflow) -> None:
    # DAGs with a schedule stay paused: nothing starts without a click.
    unread = {path.name for path in DAGS.glob("example_*.py")}
    end = time.monotonic() + DAGS_TIMEOUT
    while unread and time.monotonic() < end:
        time.sleep(0.5)
        dags = airflow.get("dags", limit=100)["dags"]
        unread -= {Path(dag["fileloc"]).name for dag in dags}
    for dag in dags:
        if dag["next_dagrun_run_after"] is None:
            airflow.send("PATCH", f"dags/{dag['dag_id']}", {"is_paused": False})


def _summary(airflow: LocalAirflow, vidu: ViduEmulator, videos: Path, seconds: float) -> str:
    return f"""
[bold green]Airflow is up[/bold green] after {seconds:.0f} s.

  [bold]Airflow[/bold]      {airflow.url}
               no login: every visitor is admin, and only this machine reaches it
  [bold]Local Vidu[/bold]   {vidu.url}/emulator/
               its requests and what it charged; nothing is billed
  [bold]Videos[/bold]       {escape(str(videos))}

What to click first:

  1. {airflow.url}/dags/{FIRST_DAG}
     Press [bold]Trigger[/bold], and Trigger again in the form: four pictures become four videos in a minute.
  2. Click the run, the task [bold]animate[/bold], then one of its four map indexes: its log says what happens, and
     under Details the buttons [bold]Vidu task[/bold] and [bold]Vidu video[/bold] lead to it.
  3. {airflow.url}/connections
     [bold]Test[/bold] the connection {CONNECTION}, then give it a wrong key and test again.

Ctrl-C ends all of it.
"""


if __name__ == "__main__":
    sys.exit(main())
