# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every example runs once with a real scheduler, triggerer and worker, as in ``make up``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _support.stage import WITHIN, eventually
from local_airflow import LocalAirflow
from local_database import own_database

from airflow_provider_vidu.emulator import ViduEmulator

pytestmark = pytest.mark.system

FOLDER = Path(__file__).resolve().parents[2] / "dags_examples"
# A review waits for a person, and costs are those of earlier runs' manifests: tests/integration runs both.
ALONE = {"example_vidu_costs.py", "example_vidu_review.py"}
FILES = sorted(path.name for path in FOLDER.glob("example_*.py") if path.name not in ALONE)


@dataclass
class Examples:
    """One run of each example's DAGs, concurrently."""

    airflow: LocalAirflow
    vidu: ViduEmulator
    work: Path
    dags: dict[str, list[str]] = field(default_factory=dict)

    def play(self) -> None:
        """Read the folder, start every DAG that users start by hand, and wait until all have ended."""
        self.dags = eventually(self._read, lambda read: read.keys() >= set(FILES), message="every example is read")
        started = [dag_id for name, dag_ids in self.dags.items() if name in FILES for dag_id in dag_ids]
        for dag_id in started:
            self.airflow.unpause(dag_id)
        for dag_id in started:
            if not self._waits_for_assets(dag_id):
                # Without a logical date, as for runs started by the API or an asset.
                self.airflow.trigger(dag_id)
        # A run that has not ended by then fails in its own test.
        end = time.monotonic() + 2 * WITHIN
        while time.monotonic() < end and not all(map(self.has_ended, started)):
            time.sleep(1)

    def _read(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for dag in self.airflow.get("dags", limit=100)["dags"]:
            found.setdefault(Path(dag["fileloc"]).name, []).append(dag["dag_id"])
        return found

    def _waits_for_assets(self, dag_id: str) -> bool:
        return "Asset" in str(self.airflow.get(f"dags/{dag_id}")["timetable_summary"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG."""
        return list(self.airflow.get(f"dags/{dag_id}/dagRuns", limit=100)["dag_runs"])

    def has_ended(self, dag_id: str) -> bool:
        """Check whether a DAG has run and none of its runs is active."""
        return bool(states := self.states(dag_id)) and states <= {"success", "failed"}

    def states(self, dag_id: str) -> set[str]:
        """Return the states of its runs."""
        return {run["state"] for run in self.runs(dag_id)}

    def tasks(self, dag_id: str) -> list[tuple[str, int, str, int]]:
        """Return (task, map index, state, try) of all its runs."""
        return [
            (task["task_id"], task["map_index"], task["state"], task["try_number"])
            for run in self.runs(dag_id)
            for task in self.airflow.task_instances(dag_id, run["dag_run_id"])
        ]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    folder = tmp_path_factory.mktemp("examples")
    with ViduEmulator(speed=60, seed=3) as vidu, own_database() as database:
        airflow = LocalAirflow(
            home=folder / "airflow",
            dags=FOLDER,
            environment={"AIRFLOW_CONN_VIDU_DEFAULT": vidu.connection_json()},
            database=database,
            work=folder,
        )
        with airflow:
            played = Examples(airflow, vidu, folder)
            played.play()
            yield played
        assert not airflow.find_left_behind(), "processes have outlived their Airflow"


def test_no_example_fails_to_import(examples: Examples) -> None:
    errors = examples.airflow.get("importErrors")["import_errors"]
    assert {error["filename"]: error["stack_trace"] for error in errors} == {}


@pytest.mark.parametrize("file", FILES)
def test_every_run_of_an_example_succeeds(examples: Examples, file: str) -> None:
    for dag_id in examples.dags[file]:
        # On a busy machine Airflow may try a task again by itself.
        assert examples.states(dag_id) == {"success"}, examples.tasks(dag_id)


def test_every_video_lands_below_the_working_directory(examples: Examples) -> None:
    assert {path.suffix for path in examples.work.glob("vidu-videos/**/*") if path.is_file()} >= {".mp4", ".jpg"}


def test_the_grid_names_each_video_by_its_picture(examples: Examples) -> None:
    (run,) = examples.runs("example_vidu_folder")
    tasks = examples.airflow.task_instances("example_vidu_folder", run["dag_run_id"])
    labels = {task["rendered_map_index"] for task in tasks if task["task_id"] == "animate"}
    assert labels == {path.name for path in (FOLDER / "images").iterdir() if path.is_file()}
