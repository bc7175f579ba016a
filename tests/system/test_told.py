# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What real processes tell of a video: asset events, buttons, metrics on the wire, OpenLineage events in a file."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from _support.stage import AIRFLOW
from local_airflow import LocalAirflow
from local_database import own_database

from airflow_provider_vidu.emulator import ViduEmulator

pytestmark = pytest.mark.system


class StatsDServer:
    """A StatsD server that keeps what it is sent."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self.lines += self.socket.recv(65535).decode().splitlines()
            except OSError:
                return

    def counts(self) -> Counter[str]:
        """Return the sums of the counters of this provider."""
        counts: Counter[str] = Counter()
        for line in self.lines:
            name, _, value = line.partition(":")
            if name.startswith("airflow.vidu.") and value.endswith("|c"):
                counts[name.removeprefix("airflow.")] += int(value.removesuffix("|c"))
        return counts


@dataclass
class Told:
    """A run of the DAG ``told`` that has ended, and what listened to it."""

    airflow: LocalAirflow
    vidu: ViduEmulator
    statsd: StatsDServer
    lineage: Path
    videos: Path
    run_id: str = ""
    links: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)

    def ends(self, dag_id: str = "told", run_id: str = "") -> None:
        end = time.monotonic() + 180
        while self.airflow.run_state(dag_id, run_id or self.run_id) in {"queued", "running"}:
            assert time.monotonic() < end, "the run has not ended"
            time.sleep(0.5)

    def record(self, task_id: str, map_index: int = -1, *, dag_id: str = "told", run_id: str = "") -> Any:
        """Return what a task has handed over. Airflow 3.0 shows it as the text that it keeps."""
        path = f"dags/{dag_id}/dagRuns/{run_id or self.run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.airflow.get(path, map_index=map_index)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def buttons(self, task_id: str, map_index: int = -1) -> dict[str, str]:
        path = f"dags/told/dagRuns/{self.run_id}/taskInstances/{task_id}/links"
        return self.airflow.get(path, map_index=map_index)["extra_links"]

    def events(self) -> list[dict[str, Any]]:
        """Return the OpenLineage events of tasks that were completed."""
        events = [json.loads(line) for line in self.lineage.read_text().splitlines()]
        return [event for event in events if event["eventType"] == "COMPLETE"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    statsd = StatsDServer()
    with ViduEmulator(speed=60, seed=3) as vidu, own_database() as database:
        environment = {
            "AIRFLOW_CONN_VIDU_DEFAULT": vidu.connection_json(),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
            "AIRFLOW__METRICS__STATSD_PREFIX": "airflow",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(folder / "lineage.jsonl"), "append": True}
            ),
        }
        dags = Path(__file__).parent / "dags"
        with LocalAirflow(home=folder / "airflow", dags=dags, environment=environment, database=database) as airflow:
            made = Told(airflow, vidu, statsd, folder / "lineage.jsonl", folder / "videos")
            airflow.unpause("told_of")
            made.run_id = airflow.trigger("told", {"output_path": f"{made.videos}/"})
            made.ends()
            yield made
    statsd.socket.close()


def test_the_outlets_events_tell_task_place_and_price(told: Told) -> None:
    record = told.record("one")
    (video,) = record["files"]
    events = {event["uri"]: event["extra"] for event in told.airflow.get("assets/events")["asset_events"]}
    extra = {
        "vidu_task_id": record["task_id"],
        "uri": f"file://{video['path']}",
        "credits": record["credits"],
        "model": "viduq3-turbo",
    }
    assert record["credits"] > 0
    assert extra.items() <= events["file:///told/videos"].items()
    # The alias has got the landed file itself.
    assert extra.items() <= events[extra["uri"]].items()


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow 3.0 runs what is scheduled on an alias, and hands it no events")
def test_a_dag_that_is_scheduled_on_the_videos_runs_and_reads_the_price(told: Told) -> None:
    end = time.monotonic() + 90
    while not (runs := told.airflow.get("dags/told_of/dagRuns", state="success")["dag_runs"]):
        assert time.monotonic() < end, "no DAG was told"
        time.sleep(0.5)
    (extra,) = told.record("tell", dag_id="told_of", run_id=runs[0]["dag_run_id"])
    record = told.record("one")
    assert (extra["vidu_task_id"], extra["credits"]) == (record["task_id"], record["credits"])


@pytest.mark.parametrize(
    ("task_id", "map_index"),
    [("one", -1), ("many", 0), ("many", 1), ("waited", 0), ("waited", 1), ("landed", 0), ("landed", 1)],
)
def test_each_instances_button_leads_to_its_own_task_and_video(told: Told, task_id: str, map_index: int) -> None:
    vidu_task = told.record(task_id, map_index)["task_id"]
    buttons = told.buttons(task_id, map_index)
    page = requests.get(buttons["Vidu task"], timeout=10)
    assert page.ok
    assert f"<h1>Vidu task {vidu_task}</h1>" in page.text
    if task_id == "many":
        # It has only submitted.
        assert not buttons["Vidu video"]
        return
    assert vidu_task in buttons["Vidu video"]
    video = requests.get(buttons["Vidu video"], timeout=30)
    assert video.content[4:8] == b"ftyp"


def test_a_task_that_has_failed_has_the_button_to_look_why(told: Told) -> None:
    assert "911045603801182208" in told.buttons("never")["Vidu task"]
    assert not told.buttons("never")["Vidu video"]


def test_the_metrics_are_on_the_wire(told: Told) -> None:
    counts = told.statsd.counts()
    assert counts["vidu.submitted"] == told.vidu.counters.submissions == 4
    # What ended in the triggerer was seen by no worker's sensor.
    assert counts["vidu.completed"] >= 1
    assert counts["vidu.credits"] >= told.record("one")["credits"]
    assert counts["vidu.failed.CreationPolicyViolation"] == 1
    assert any(line.startswith("airflow.vidu.wait_seconds:") for line in told.statsd.lines)


def test_openlineage_learns_picture_video_and_price(told: Told) -> None:
    (event,) = [event for event in told.events() if event["job"]["name"] == "told.one"]
    record = told.record("one")
    assert [dataset["name"].rpartition("/")[2] for dataset in event["inputs"]] == ["night_sail.webp"]
    (video,) = event["outputs"]
    assert (video["namespace"], video["name"]) == ("file", record["files"][0]["path"])
    assert video["outputFacets"]["outputStatistics"]["size"] == record["files"][0]["bytes"]
    facet = event["run"]["facets"]["vidu"]
    assert (facet["tasks"], facet["models"]) == ([record["task_id"]], ["viduq3-turbo"])
    assert facet["credits"] == record["credits"]
    assert facet["duration"] == record["files"][0]["duration"]


def test_openlineage_learns_what_was_downloaded(told: Told) -> None:
    events = [event for event in told.events() if event["job"]["name"] == "told.landed"]
    names = {dataset["name"] for event in events for dataset in event["outputs"]}
    landed = {file["path"] for index in (0, 1) for file in told.record("landed", index)["files"]}
    assert len(landed) == 4
    assert names == landed


def test_a_worker_ends_the_sensor_where_a_listener_listens(told: Told) -> None:
    assert told.airflow.get("importErrors")["import_errors"] == []
    run_id = told.airflow.trigger("ends_in_triggerer")
    told.ends("ends_in_triggerer", run_id)
    submitted = told.record("submit", dag_id="ends_in_triggerer", run_id=run_id)
    kind, task_id, _ = told.record("kind_and_id", dag_id="ends_in_triggerer", run_id=run_id)
    assert (kind, task_id) == ("dict", submitted["task_id"])
    assert "ends_in_triggerer.wait" in {event["job"]["name"] for event in told.events()}


def test_after_a_clear_the_button_leads_to_the_new_task(told: Told) -> None:
    before = told.record("one")["task_id"]
    told.airflow.send(
        "POST",
        "dags/told/clearTaskInstances",
        {"dag_run_id": told.run_id, "task_ids": ["one"], "dry_run": False, "only_failed": False},
    )
    told.ends()
    after = told.record("one")["task_id"]
    assert after != before
    buttons = told.buttons("one")
    assert after in buttons["Vidu task"]
    assert after in buttons["Vidu video"]


def test_a_pool_that_counts_deferred_tasks_bounds_what_runs_at_vidu(told: Told) -> None:
    before = {task.task_id for task in told.vidu.tasks}
    told.airflow.send("POST", "pools", {"name": "vidu", "slots": 2, "include_deferred": True})
    told.ends("pooled", told.airflow.trigger("pooled"))
    tasks = [task for task in told.vidu.tasks if task.task_id not in before]
    assert len(tasks) == 6
    assert all(task.state == "success" for task in tasks)
    begins = sorted((task.changes[0][1], 1) for task in tasks)
    ends = sorted((task.changes[-1][1], -1) for task in tasks)
    at_once = most = 0
    for _, step in sorted(begins + ends):
        at_once += step
        most = max(most, at_once)
    assert most <= 2
