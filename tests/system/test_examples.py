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
from _support.stage import AIRFLOW, WITHIN, eventually
from local_airflow import LocalAirflow
from local_database import own_database

from airflow_provider_vidu.emulator import ViduEmulator

pytestmark = pytest.mark.system

FOLDER = Path(__file__).resolve().parents[2] / "dags_examples"
REVIEW = "example_vidu_review"
FILES = sorted(path.name for path in FOLDER.glob("example_*.py") if path.stem != REVIEW or AIRFLOW >= (3, 1))


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
        started = [dag_id for dag_ids in self.dags.values() for dag_id in dag_ids]
        for dag_id in started:
            self.airflow.unpause(dag_id)
        for dag_id in started:
            if not self._waits_for_assets(dag_id):
                # Without a logical date, as for runs started by the API or an asset.
                self.airflow.trigger(dag_id)
        # A run that has not ended by then fails in its own test.
        end = time.monotonic() + 2 * WITHIN
        while time.monotonic() < end and not all(map(self.has_ended, started)):
            for form in self.forms():
                self.answer(form, form["options"][:1])
            time.sleep(1)

    def _read(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for dag in self.airflow.get("dags", limit=100)["dags"]:
            found.setdefault(Path(dag["fileloc"]).name, []).append(dag["dag_id"])
        return found

    def _waits_for_assets(self, dag_id: str) -> bool:
        return "Asset" in str(self.airflow.get(f"dags/{dag_id}")["timetable_summary"])

    def forms(self) -> list[dict[str, Any]]:
        """Return the forms that wait for a person; none where Airflow has no forms."""
        if AIRFLOW < (3, 1):
            return []
        path = "dags/~/dagRuns/~/hitlDetails"
        forms = self.airflow.get(path, response_received=False)["hitl_details"]
        return [form for form in forms if form["task_instance"]["state"] in {"deferred", "awaiting_input"}]

    def answer(self, form: dict[str, Any], options: list[str]) -> None:
        """Answer a form as a person does."""
        task = form["task_instance"]
        path = f"dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
        self.airflow.send("PATCH", f"{path}/{task['map_index']}/hitlDetails", {"chosen_options": options})

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


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow 3.0 has no human in the loop")
def test_only_the_rejected_video_is_made_again(examples: Examples) -> None:
    airflow, before = examples.airflow, len(examples.vidu.tasks)
    known = {run["dag_run_id"] for run in examples.runs(REVIEW)}
    output = examples.work / "reviewed"

    def published() -> set[str]:
        return {path.stem for path in output.glob("published/*")}

    def ended(run_id: str) -> None:
        state = eventually(
            lambda: airflow.run_state(REVIEW, run_id), {"success", "failed"}.__contains__, message=f"{run_id} has ended"
        )
        assert state == "success", airflow.task_instances(REVIEW, run_id)

    first = airflow.trigger(REVIEW, {"output_path": f"file://{output}"})
    (form,) = eventually(examples.forms, message="the review waits for an answer")
    assert form["task_instance"]["dag_run_id"] == first
    assert not published()
    examples.answer(form, ["city"])
    ended(first)
    assert published() == {"mug", "mountain"}

    (form,) = eventually(examples.forms, message="the new video waits for a review")
    assert form["options"][1:] == ["city"]
    second = form["task_instance"]["dag_run_id"]
    # A retry that does not know of its run starts no second one.
    task = {"dag_run_id": first, "task_ids": [["again", 0]], "only_failed": False, "dry_run": False}
    airflow.send("POST", f"dags/{REVIEW}/clearTaskInstances", {**task, "reset_dag_runs": True})
    ended(first)
    assert {run["dag_run_id"] for run in examples.runs(REVIEW)} - known == {first, second}
    examples.answer(form, form["options"][:1])
    ended(second)
    assert published() == {"mug", "mountain", "city"}

    made = [(task.fields["prompt"].split()[0], task.fields["seed"]) for task in examples.vidu.tasks[before:]]
    assert sorted(made) == [("Cars", 1), ("Cars", 2), ("Mist", 1), ("Steam", 1)]
    assert examples.vidu.ledger.charged == sum(task.credits for task in examples.vidu.tasks if task.state == "success")
