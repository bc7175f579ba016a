# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Forty images in four ways, and a thousand in one task, through a real Airflow."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from local_airflow import LocalAirflow

from benchmarks.airflow_runs import (
    PARALLELISM,
    database_of,
    finished_run,
    logs_of,
    real_airflow,
    start_run,
    wait_for_dag,
)
from benchmarks.emulated_vidu import API_KEY, IMAGE, MODEL, EmulatedVidu, durations, prompt_of
from benchmarks.report import NotMeasured, Table, Target, format_value, percentile, ratio, spread
from benchmarks.rows import Measured

PYTHON = "PythonOperator, polling in the worker"
HTTP = "HttpOperator + HttpSensor (reschedule)"
MAPPED = "Img2VideoOperator, mapped, deferrable"
BATCH = "Img2VideoBatchOperator, deferrable"

_DAGS = {PYTHON: "forty_python", HTTP: "forty_http", MAPPED: "forty_mapped", BATCH: "forty_batch"}


def measure_forty(*, quick: bool) -> Measured:
    """Turn the same 40 images into videos, each way in turn; eight images, and once, if quick."""
    count, times = (8, 1) if quick else (40, 3)
    bodies = [_body(number, seconds) for number, seconds in enumerate(durations(count, seed=40))]
    walls: dict[str, list[float]] = {}
    longest: list[float] = []
    requests: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    with EmulatedVidu() as vidu, real_airflow(_environment(vidu, VIDU_BENCHMARK_FORTY=json.dumps(bodies))) as airflow:
        wait_for_dag(airflow, "forty_mapped", "the DAGs do not appear")
        for way, dag_id in _DAGS.items():
            try:
                wait_for_dag(airflow, dag_id, "its provider is not installed")
            except NotMeasured as error:
                missing[way] = str(error)
        # The first run warms what all share; the next ones measure what one task costs.
        nothing = [_wall(airflow, "nothing") for _ in range(2 if quick else 4)][1:]
        for _ in range(times):
            for way, dag_id in _DAGS.items():
                if way in missing:
                    continue
                vidu.order("reset")
                walls.setdefault(way, []).append(_wall(airflow, dag_id))
                longest.append(_longest(vidu))
                asked = vidu.get("counters")["requests"]
                requests.setdefault(way, []).append(sum(asked[kind] for kind in ("submit", "poll", "list")) / count)
        database = database_of(airflow)
    middle = {way: percentile(values, 0.5) for way, values in walls.items()}
    most = max(longest)
    start = percentile(nothing, 0.5)
    targets = [
        Target("wall of ours mapped / of the PythonOperator", ratio(middle.get(MAPPED), middle.get(PYTHON)), 0.6, "×"),
        Target(
            "wall of ours batch / of 1.2 longest generations and one task's start",
            ratio(middle.get(BATCH), 1.2 * most + start),
            1.0,
            "×",
        ),
    ]
    lines = [
        [way, *_line(walls.get(way), middle.get(way), middle.get(PYTHON)), spread(requests.get(way, []))]
        if way not in missing
        else [way, f"not measured: {missing[way]}", "", ""]
        for way in _DAGS
    ]
    lines += [
        ["the longest single generation", format_value(most, "s"), "", ""],
        ["a run of one task that does nothing", spread(nothing, "s"), "", ""],
    ]
    notes = [
        f"{count} images, generations of 12 to 33 s, all rendered at once by the local Vidu; LocalExecutor with "
        f"{PARALLELISM} slots on {database}. Wall: from the request to start the run until its last task finishes, by "
        "Airflow's own times.",
        "The PythonOperator polls every 5 s and the HttpSensor every 10 s (at 5 s Airflow fails some of its "
        "reschedules); ours uses its default schedule. No way downloads the videos.",
    ]
    series = {"walls": walls, "longest": most}
    return Measured(
        targets, Table(["way", "wall", "of the PythonOperator's", "requests an image"], lines), notes, series
    )


def measure_thousand(*, quick: bool) -> Measured:
    """Turn 1000 images into 1000 files with one task instance; 50 images if quick."""
    count = 50 if quick else 1000
    bodies = [_body(number, seconds) for number, seconds in enumerate(durations(count, seed=1000))]
    with tempfile.TemporaryDirectory(prefix="videos-benchmark-") as folder, EmulatedVidu() as vidu:
        # In a file, as such a batch would be: it is more than one variable can hold.
        requests_file = Path(folder) / "requests.jsonl"
        requests_file.write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
        environment = _environment(
            vidu, VIDU_BENCHMARK_THOUSAND=str(requests_file), VIDU_BENCHMARK_OUTPUT=f"{folder}/videos/"
        )
        with real_airflow(environment) as airflow:
            wait_for_dag(airflow, "thousand_batch", "the DAG does not appear")
            run = finished_run(airflow, "thousand_batch", start_run(airflow, "thousand_batch"))
            events = _events(airflow, "thousand_batch", run.run_id)
            logs = logs_of(airflow, "thousand_batch", run.run_id)
            database = database_of(airflow)
        asked = vidu.get("counters")["requests"]
        submissions = vidu.get("counters")["submissions"]
        longest = _longest(vidu)
        videos = sum(file.stat().st_size > 0 for file in Path(folder).rglob("*.mp4"))
    triggers = sum(text.count("Trigger fired event") for text in logs.values())
    requests = asked["submit"] + asked["poll"] + asked["list"]
    targets = [
        Target("API requests a video", requests / count, 2.0),
        Target("times the task ran on a worker: one execute, one resume", float(events["running"]), 2.0),
        Target("triggers", float(triggers), 1.0),
        Target("videos that are missing", float(count - videos), 0.0),
    ]
    names = [
        "images",
        "videos",
        "submissions",
        "queries",
        "list pages",
        "execute",
        "resumes",
        "triggers",
        "wall",
        "longest generation",
    ]
    line = [
        str(count),
        str(videos),
        f"{asked['submit']} ({submissions} accepted)",
        str(asked["poll"]),
        str(asked["list"]),
        str(min(1, events["running"])),
        str(max(0, events["running"] - 1)),
        str(triggers),
        format_value(run.wall, "s"),
        format_value(longest, "s"),
    ]
    notes = [
        f"One task instance; LocalExecutor on {database}. Runs on a worker are counted from Airflow's audit "
        "log, triggers from the events in the task's trigger logs. Downloads go to the storage and are not API "
        "requests.",
        f"Airflow's audit log: {', '.join(f'{kind} {number}' for kind, number in sorted(events.items()))}.",
    ]
    return Measured(targets, Table(names, [line]), notes)


def _body(number: int, seconds: float) -> dict[str, Any]:
    return {"model": MODEL, "images": [IMAGE], "prompt": f"{prompt_of(seconds)} number {number}"}


def _environment(vidu: EmulatedVidu, **more: str) -> dict[str, str]:
    http = {"conn_type": "http", "host": vidu.url, "extra": {"Authorization": f"Token {API_KEY}"}}
    return {
        "AIRFLOW_CONN_VIDU_BENCHMARK": vidu.connection(),
        "AIRFLOW_CONN_VIDU_BENCHMARK_HTTP": json.dumps(http),
        "VIDU_BENCHMARK_URL": vidu.url,
        "VIDU_BENCHMARK_KEY": API_KEY,
        **more,
    }


def _wall(airflow: LocalAirflow, dag_id: str) -> float:
    return finished_run(airflow, dag_id, start_run(airflow, dag_id)).wall


def _longest(vidu: EmulatedVidu) -> float:
    return max((task["changes"][-1]["at"] - task["changes"][0]["at"] for task in vidu.get("tasks")), default=0.0)


def _line(walls: list[float] | None, middle: float | None, python: float | None) -> list[str]:
    return [spread(walls or [], "s"), format_value(ratio(middle, python), "×")]


def _events(airflow: LocalAirflow, dag_id: str, run_id: str) -> Counter[str]:
    entries = airflow.get("eventLogs", dag_id=dag_id, run_id=run_id, limit=100)["event_logs"]
    return Counter(entry["event"] for entry in entries if entry["task_id"] == "generate")
