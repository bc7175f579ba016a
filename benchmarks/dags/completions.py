# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Many sensors whose tasks end at once, told on workers and in the triggerer; the ids come by the environment."""

from __future__ import annotations

import inspect
import json
import os

from airflow.sdk import DAG

from airflow_provider_vidu.sensors.task import ViduTaskSensor

WORKER_IDS = json.loads(os.environ.get("VIDU_BENCHMARK_WORKER_IDS", "[]"))
TRIGGER_IDS = json.loads(os.environ.get("VIDU_BENCHMARK_TRIGGER_IDS", "[]"))

if WORKER_IDS:
    with DAG("completions_on_workers", schedule=None):
        ViduTaskSensor.partial(task_id="wait", vidu_conn_id="vidu_workers", deferrable=True).expand(
            vidu_task=WORKER_IDS
        )

if TRIGGER_IDS and "end_from_trigger" in inspect.signature(ViduTaskSensor.__init__).parameters:
    with DAG("completions_in_triggerer", schedule=None):
        ViduTaskSensor.partial(
            task_id="wait", vidu_conn_id="vidu_triggerer", deferrable=True, end_from_trigger=True
        ).expand(vidu_task=TRIGGER_IDS)
