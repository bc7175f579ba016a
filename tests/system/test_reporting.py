# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What real processes report about a video: asset events, buttons, StatsD metrics, OpenLineage events in a file."""

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
    """A StatsD server that keeps the lines it receives."""

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
class Reporting:
    """A finished run of the DAG ``reporting``, and everything that listened to it."""

    airflow: LocalAirflow
    vidu: ViduEmulator
    statsd: StatsDServer
    lineage: Path
    videos: Path
    run_id: str = ""
    links: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)

    def wait_until_ended(self, dag_id: str = "reporting", run_id: str = "") -> None:
        end = time.monotonic() + 180
        while self.airflow.run_state(dag_id, run_id or self.run_id) in {"queued", "running"}:
            assert time.monotonic() < end, "the run has not ended"
            time.sleep(0.5)

    def record(self, task_id: str, map_index: int = -1, *, dag_id: str = "reporting", run_id: str = "") -> Any:
        """Return a task's XCom. Airflow 3.0 shows it as the text that it stores."""
        path = f"dags/{dag_id}/dagRuns/{run_id or self.run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.airflow.get(path, map_index=map_index)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def buttons(self, task_id: str, map_index: int = -1) -> dict[str, str]:
        path = f"dags/reporting/dagRuns/{self.run_id}/taskInstances/{task_id}/links"
        return self.airflow.get(path, map_index=map_index)["extra_links"]

    def events(self) -> list[dict[str, Any]]:
        """Return the OpenLineage events of tasks that were completed."""
        events = [json.loads(line) for line in self.lineage.read_text().splitlines()]
        return [event for event in events if event["eventType"] == "COMPLETE"]


@pytest.fixture(scope="module")
def reporting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reporting]:
    folder = tmp_path_factory.mktemp("reporting")
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
            made = Reporting(airflow, vidu, statsd, folder / "lineage.jsonl", folder / "videos")
            airflow.unpause("reading_events")
            made.run_id = airflow.trigger("reporting", {"output_path": f"{made.videos}/"})
            made.wait_until_ended()
            yield made
    statsd.socket.close()


def test_outlet_events_contain_task_path_and_price(reporting: Reporting) -> None:
    record = reporting.record("one")
    (video,) = record["files"]
    events = {event["uri"]: event["extra"] for event in reporting.airflow.get("assets/events")["asset_events"]}
    extra = {
        "vidu_task_id": record["task_id"],
        "uri": f"file://{video['path']}",
        "credits": record["credits"],
        "model": "viduq3-turbo",
    }
    assert record["credits"] > 0
    assert extra.items() <= events["file:///reported/videos"].items()
    # The alias has an event for the landed file itself.
    assert extra.items() <= events[extra["uri"]].items()


@pytest.mark.skipif(
    AIRFLOW < (3, 1), reason="Airflow 3.0 runs DAGs that are scheduled on an alias, but passes no events"
)
def test_dag_scheduled_on_the_videos_reads_the_price(reporting: Reporting) -> None:
    end = time.monotonic() + 90
    while not (runs := reporting.airflow.get("dags/reading_events/dagRuns", state="success")["dag_runs"]):
        assert time.monotonic() < end, "no DAG has run for the videos"
        time.sleep(0.5)
    (extra,) = reporting.record("read_events", dag_id="reading_events", run_id=runs[0]["dag_run_id"])
    record = reporting.record("one")
    assert (extra["vidu_task_id"], extra["credits"]) == (record["task_id"], record["credits"])


@pytest.mark.parametrize(
    ("task_id", "map_index"),
    [("one", -1), ("many", 0), ("many", 1), ("waited", 0), ("waited", 1), ("landed", 0), ("landed", 1)],
)
def test_each_instance_links_to_its_own_task_and_video(reporting: Reporting, task_id: str, map_index: int) -> None:
    vidu_task = reporting.record(task_id, map_index)["task_id"]
    buttons = reporting.buttons(task_id, map_index)
    page = requests.get(buttons["Vidu task"], timeout=10)
    assert page.ok
    assert f"<h1>Vidu task {vidu_task}</h1>" in page.text
    if task_id == "many":
        # This task has only submitted.
        assert not buttons["Vidu video"]
        return
    assert vidu_task in buttons["Vidu video"]
    video = requests.get(buttons["Vidu video"], timeout=30)
    assert video.content[4:8] == b"ftyp"


def test_failed_task_links_to_its_vidu_task(reporting: Reporting) -> None:
    assert "911045603801182208" in reporting.buttons("never")["Vidu task"]
    assert not reporting.buttons("never")["Vidu video"]


def test_metrics_are_sent_to_statsd(reporting: Reporting) -> None:
    counts = reporting.statsd.counts()
    assert counts["vidu.submitted"] == reporting.vidu.counters.submissions == 4
    # No worker's sensor has seen the tasks that ended in the triggerer.
    assert counts["vidu.completed"] >= 1
    assert counts["vidu.credits"] >= reporting.record("one")["credits"]
    assert counts["vidu.failed.CreationPolicyViolation"] == 1
    assert any(line.startswith("airflow.vidu.wait_seconds:") for line in reporting.statsd.lines)


def test_openlineage_gets_picture_video_and_price(reporting: Reporting) -> None:
    (event,) = [event for event in reporting.events() if event["job"]["name"] == "reporting.one"]
    record = reporting.record("one")
    assert [dataset["name"].rpartition("/")[2] for dataset in event["inputs"]] == ["night_sail.webp"]
    (video,) = event["outputs"]
    assert (video["namespace"], video["name"]) == ("file", record["files"][0]["path"])
    assert video["outputFacets"]["outputStatistics"]["size"] == record["files"][0]["bytes"]
    facet = event["run"]["facets"]["vidu"]
    assert (facet["tasks"], facet["models"]) == ([record["task_id"]], ["viduq3-turbo"])
    assert facet["credits"] == record["credits"]
    assert facet["duration"] == record["files"][0]["duration"]


def test_openlineage_gets_downloaded_files(reporting: Reporting) -> None:
    events = [event for event in reporting.events() if event["job"]["name"] == "reporting.landed"]
    names = {dataset["name"] for event in events for dataset in event["outputs"]}
    landed = {file["path"] for index in (0, 1) for file in reporting.record("landed", index)["files"]}
    assert len(landed) == 4
    assert names == landed


def test_worker_ends_the_sensor_if_there_is_a_listener(reporting: Reporting) -> None:
    assert reporting.airflow.get("importErrors")["import_errors"] == []
    run_id = reporting.airflow.trigger("ends_in_triggerer")
    reporting.wait_until_ended("ends_in_triggerer", run_id)
    submitted = reporting.record("submit", dag_id="ends_in_triggerer", run_id=run_id)
    kind, task_id, _ = reporting.record("kind_and_id", dag_id="ends_in_triggerer", run_id=run_id)
    assert (kind, task_id) == ("dict", submitted["task_id"])
    assert "ends_in_triggerer.wait" in {event["job"]["name"] for event in reporting.events()}


def test_after_a_clear_the_link_leads_to_the_new_task(reporting: Reporting) -> None:
    before = reporting.record("one")["task_id"]
    reporting.airflow.send(
        "POST",
        "dags/reporting/clearTaskInstances",
        {"dag_run_id": reporting.run_id, "task_ids": ["one"], "dry_run": False, "only_failed": False},
    )
    reporting.wait_until_ended()
    after = reporting.record("one")["task_id"]
    assert after != before
    buttons = reporting.buttons("one")
    assert after in buttons["Vidu task"]
    assert after in buttons["Vidu video"]


def test_pool_with_deferred_tasks_limits_tasks_at_vidu(reporting: Reporting) -> None:
    before = {task.task_id for task in reporting.vidu.tasks}
    reporting.airflow.send("POST", "pools", {"name": "vidu", "slots": 2, "include_deferred": True})
    reporting.wait_until_ended("pooled", reporting.airflow.trigger("pooled"))
    tasks = [task for task in reporting.vidu.tasks if task.task_id not in before]
    assert len(tasks) == 6
    assert all(task.state == "success" for task in tasks)
    begins = sorted((task.changes[0][1], 1) for task in tasks)
    ends = sorted((task.changes[-1][1], -1) for task in tasks)
    at_once = most = 0
    for _, step in sorted(begins + ends):
        at_once += step
        most = max(most, at_once)
    assert most <= 2
