# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``make up``: everything that it prints is there, and one Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from _support.stage import eventually
from local_airflow import LocalAirflow

ROOT = Path(__file__).resolve().parents[2]
#: Seconds for the start on a busy machine, and for the stop.
WITHIN = 240.0


@contextmanager
def up(output: Path, *, word: str) -> Generator[tuple[subprocess.Popen[bytes], Path], None, None]:
    """Start it in its own session, as a terminal does, until it has printed a word."""
    said = output.with_suffix(".out")
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "up.py", "--output", output],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "200"},
        )
    try:
        eventually(lambda: said.read_text(), lambda text: word in text, within=WITHIN, message=f"up.py prints {word!r}")
        yield process, said
    finally:
        process.kill()
        process.wait()
        of(output).kill_left_behind()


def of(output: Path) -> LocalAirflow:
    """Return the Airflow of a folder, to find its processes."""
    return LocalAirflow(home=output / "airflow", dags=ROOT / "dags_examples", work=output)


def test_up_starts_everything_and_ctrl_c_stops_every_process(tmp_path: Path):
    output = tmp_path / "up"
    with up(output, word="Ctrl-C ends all of it") as (process, said):
        text = said.read_text()
        url = re.search(r"Airflow +(http://127\.0\.0\.1:\d+)\n", text)
        vidu = re.search(r"Local Vidu +(http://\S+)\n", text)
        assert url, text
        assert vidu, text
        api = f"{url[1]}/api/v2"
        # As in a new browser: no password is needed.
        visitor = requests.Session()
        visitor.trust_env = False
        assert visitor.get(url[1], timeout=30).status_code == 200
        token = visitor.get(f"{url[1]}/auth/token", timeout=30).json()["access_token"]
        visitor.headers["Authorization"] = f"Bearer {token}"
        assert visitor.get(vidu[1], timeout=30).json()["url"] in vidu[1]

        (connection,) = visitor.get(f"{api}/connections", timeout=30).json()["connections"]
        assert connection["connection_id"] == "vidu_default"
        tested = visitor.post(f"{api}/connections/test", json={**connection, "port": connection["port"]}, timeout=60)
        assert tested.json()["status"], tested.text

        dags = visitor.get(f"{api}/dags", params={"limit": 100}, timeout=30).json()["dags"]
        examples = {path.name for path in (ROOT / "dags_examples").glob("example_*.py")}
        assert {Path(dag["fileloc"]).name for dag in dags} == examples
        # A DAG that a click starts can run at once; one with a schedule stays paused.
        assert {dag["dag_id"] for dag in dags if dag["is_paused"]} == {
            "example_vidu_costs",
            "example_vidu_orphans",
            "example_vidu_product_videos",
        }

        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(WITHIN) == 0, said.read_text()
        assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
        assert of(output).find_left_behind() == []
        with pytest.raises(requests.ConnectionError):
            visitor.get(url[1], timeout=5)
        assert "Traceback" not in said.read_text()


def test_stop_during_the_start_leaves_nothing_behind(tmp_path: Path):
    output = tmp_path / "up"
    with up(output, word="Starting Airflow") as (process, said):
        eventually(of(output).find_left_behind, within=WITHIN, message="the first process of Airflow runs")
        process.terminate()
        # An impatient user presses twice.
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(WITHIN) == 0, said.read_text()
        assert of(output).find_left_behind() == []
        assert "Traceback" not in said.read_text()
