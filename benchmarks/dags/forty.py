# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The same images in four ways; the environment has what to generate, as JSON.

A poller in a worker polls every five seconds; ours uses its default schedule. The sensor is rescheduled every ten:
Airflow fails some of those that return within about six, because their previous process has not quite exited.
"""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

import requests
from airflow.sdk import DAG, task, task_group

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

CONN_ID = "vidu_benchmark"
HTTP_CONN_ID = "vidu_benchmark_http"
POLL_INTERVAL = 5
RESCHEDULE_INTERVAL = 10
DEFAULTS = {"retries": 3, "retry_delay": timedelta(seconds=1)}
BODIES = json.loads(os.environ.get("VIDU_BENCHMARK_FORTY", "[]"))
PROMPTS = [body["prompt"] for body in BODIES]
IMAGE, MODEL = (BODIES[0]["images"][0], BODIES[0]["model"]) if BODIES else ("", "")

with DAG("nothing", schedule=None, default_args=DEFAULTS):

    @task
    def nothing() -> None:
        """Do nothing: what one task costs in Airflow itself."""

    nothing()

with DAG("forty_python", schedule=None, default_args=DEFAULTS):

    @task
    def generate(body: dict) -> str:
        """Submit and poll, as a first version does."""
        url = os.environ["VIDU_BENCHMARK_URL"]
        headers = {"Authorization": f"Token {os.environ['VIDU_BENCHMARK_KEY']}"}
        task_id = requests.post(f"{url}/ent/v2/img2video", json=body, headers=headers, timeout=60).json()["task_id"]
        while True:
            answer = requests.get(f"{url}/ent/v2/tasks/{task_id}/creations", headers=headers, timeout=60).json()
            if answer["state"] in {"success", "failed"}:
                return answer["creations"][0]["url"]
            time.sleep(POLL_INTERVAL)

    generate.expand(body=BODIES)

try:
    from airflow.providers.http.operators.http import HttpOperator
    from airflow.providers.http.sensors.http import HttpSensor
except ImportError:
    pass
else:
    with DAG("forty_http", schedule=None, default_args=DEFAULTS):

        @task_group
        def generation(body: str) -> None:
            """Submit, then wait without a slot. Each sensor starts when its own submission has finished."""
            submit = HttpOperator(
                task_id="submit",
                http_conn_id=HTTP_CONN_ID,
                endpoint="ent/v2/img2video",
                data=body,
                headers={"Content-Type": "application/json"},
                response_filter=lambda response: response.json()["task_id"],
            )
            wait = HttpSensor(
                task_id="wait",
                http_conn_id=HTTP_CONN_ID,
                endpoint="ent/v2/tasks/"
                "{{ ti.xcom_pull(task_ids='generation.submit', map_indexes=ti.map_index) }}/creations",
                response_check=lambda response: response.json()["state"] in {"success", "failed"},
                mode="reschedule",
                poke_interval=RESCHEDULE_INTERVAL,
            )
            submit >> wait

        generation.expand(body=[json.dumps(body) for body in BODIES])

with DAG("forty_mapped", schedule=None, default_args=DEFAULTS):
    Img2VideoOperator.partial(
        task_id="generate", images=IMAGE, model=MODEL, vidu_conn_id=CONN_ID, deferrable=True
    ).expand(prompt=PROMPTS)

with DAG("forty_batch", schedule=None, default_args=DEFAULTS):
    Img2VideoBatchOperator(
        task_id="generate",
        requests=[{"prompt": prompt} for prompt in PROMPTS],
        defaults={"images": IMAGE, "model": MODEL},
        vidu_conn_id=CONN_ID,
        deferrable=True,
    )
