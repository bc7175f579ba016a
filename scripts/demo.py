# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
``make demo``: the example pictures become videos, through a real Airflow and the local Vidu, all on this machine.

No account, no internet, no cost, nothing outside this folder. Videos and a contact sheet are in ``.demo`` afterwards.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from local_airflow import LocalAirflow
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.report.contact_sheet import make_contact_sheet

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "dags_examples" / "images"
DAG_ID = "example_vidu_folder"
TASK_ID = "animate"

#: The local Vidu renders this many times faster than the real one.
SPEED = 8
#: Seconds after which the demo has failed.
TIMEOUT = 600.0

_UNFINISHED = {"queued", "running"}
_WORDS = {
    None: "waits for Airflow",
    "none": "waits for Airflow",
    "scheduled": "waits for Airflow",
    "queued": "waits for Airflow",
    "running": "at work",
    "deferred": "Vidu renders it; no worker waits",
    "success": "landed",
}


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / ".demo", help="folder for everything the demo writes")
    output = parser.parse_args().output.resolve()
    console = Console()
    shutil.rmtree(output, ignore_errors=True)
    videos = output / "videos"
    videos.mkdir(parents=True)
    pictures = sorted(path for path in IMAGES.iterdir() if path.suffix in {".jpg", ".png", ".webp"})
    began = time.monotonic()
    with ViduEmulator(speed=SPEED, seed=1) as vidu:
        console.print("This costs nothing: a local Vidu renders the videos on this machine, and nothing is billed.")
        console.print(f"Local Vidu at {vidu.url}. Starting Airflow (database, API server, scheduler, triggerer) …")
        environment = {"AIRFLOW_CONN_VIDU_DEFAULT": vidu.connection_json()}
        airflow = LocalAirflow(home=output / "airflow", dags=ROOT / "dags_examples", environment=environment)
        with airflow:
            console.print(f"Airflow is up at {airflow.url} after {time.monotonic() - began:.0f} s.")
            run_id = airflow.trigger(
                DAG_ID, {"folder": f"file://{IMAGES}", "output_path": f"{videos}/", "duration": 4, "resolution": "540p"}
            )
            console.print(f"DAG {DAG_ID}: {len(pictures)} pictures become {len(pictures)} videos.")
            state = _follow(airflow, run_id, len(pictures), console)
            if state != "success":
                console.print(f"[red]The run ended in {state}.[/red] The logs are in {output / 'airflow' / 'logs'}.")
                return 1
            landed = [_read_landed_path(airflow, run_id, index) for index in range(len(pictures))]
        charged = vidu.ledger.charged
    sheet = output / "contact_sheet.png"
    rows = [
        {"image": str(picture), "files": [{"kind": "video", "path": str(video)}]}
        for picture, video in zip(pictures, landed, strict=True)
    ]
    make_contact_sheet(rows, sheet)
    console.print(f"\n{len(landed)} videos in {time.monotonic() - began:.0f} s:")
    for picture, video in zip(pictures, landed, strict=True):
        console.print(f"  {picture.name:20} -> {video}", soft_wrap=True)
    console.print(f"Contact sheet: {sheet}", soft_wrap=True)
    console.print(
        f"Cost: nothing. The local Vidu has counted {charged} credits; Vidu itself would have billed about as many."
    )
    return 0


def _follow(airflow: LocalAirflow, run_id: str, expected: int, console: Console) -> str:
    """Show the state of each mapped task until the run has finished; return the run's state."""
    end = time.monotonic() + TIMEOUT
    said: dict[int, str] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("videos", total=expected)
        while time.monotonic() < end:
            instances = [item for item in airflow.task_instances(DAG_ID, run_id) if item["task_id"] == TASK_ID]
            for item in instances:
                word = _WORDS.get(item["state"], str(item["state"]))
                if item["map_index"] >= 0 and said.get(item["map_index"]) != word:
                    said[item["map_index"]] = word
                    progress.console.print(f"  picture {item['map_index'] + 1}: {word}")
            progress.update(bar, completed=sum(word == _WORDS["success"] for word in said.values()))
            state = airflow.run_state(DAG_ID, run_id)
            if state not in _UNFINISHED:
                return state
            time.sleep(1)
    return "a timeout"


def _read_landed_path(airflow: LocalAirflow, run_id: str, map_index: int) -> Path:
    record = airflow.get(
        f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries/return_value",
        map_index=map_index,
        deserialize=True,
    )["value"]
    return Path(record["files"][0]["path"])


if __name__ == "__main__":
    sys.exit(main())
