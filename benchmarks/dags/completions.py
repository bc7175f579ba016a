# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Many sensors whose tasks finish at once, on workers and in the triggerer; the environment has the ids."""

from __future__ import annotations

import json
import os

from airflow.sdk import DAG, BaseOperator

from airflow_provider_vidu.sensors.task import ViduTaskSensor

WORKER_IDS = json.loads(os.environ.get("VIDU_BENCHMARK_WORKER_IDS", "[]"))
TRIGGER_IDS = json.loads(os.environ.get("VIDU_BENCHMARK_TRIGGER_IDS", "[]"))
#: The tasks that send no requests end when this file appears.
END_FILE = os.environ.get("VIDU_BENCHMARK_END_FILE", "")


class EndedByAirflowAlone(BaseOperator):
    """Defers to a trigger that only ends its task, with a record as long as a sensor's."""

    def __init__(self, vidu_task: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.vidu_task = vidu_task

    def execute(self, context):
        """Defer."""
        from benchmarks.pollers import EndingTrigger

        record = {"task_id": self.vidu_task, "state": "success", "creations": [{"id": "1", "url": "u" * 200}]}
        self.defer(trigger=EndingTrigger(END_FILE, record), method_name="execute")


if END_FILE:
    with DAG("completions_of_airflow_alone", schedule=None):
        EndedByAirflowAlone.partial(task_id="wait").expand(vidu_task=TRIGGER_IDS)

if WORKER_IDS:
    with DAG("completions_on_workers", schedule=None):
        ViduTaskSensor.partial(task_id="wait", vidu_conn_id="vidu_workers", deferrable=True).expand(
            vidu_task=WORKER_IDS
        )

if TRIGGER_IDS:
    with DAG("completions_in_triggerer", schedule=None):
        ViduTaskSensor.partial(
            task_id="wait", vidu_conn_id="vidu_triggerer", deferrable=True, end_from_trigger=True
        ).expand(vidu_task=TRIGGER_IDS)
