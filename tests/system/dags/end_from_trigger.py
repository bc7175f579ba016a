# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A sensor that ends in the triggerer, and a plain task that takes its record."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor

IMAGE = str(Path(__file__).resolve().parents[3] / "dags_examples" / "images" / "night_sail.webp")
CONNECTION = "{{ params.connection }}"

with DAG(dag_id="ends_in_triggerer", schedule=None, params={"connection": "vidu_default"}):

    @task
    def kind_and_id(record) -> list[str]:
        """Return the record's Python type, its task id and its link."""
        return [type(record).__name__, record["task_id"], record["creations"][0]["url"]]

    submit = Img2VideoOperator(
        task_id="submit", images=IMAGE, prompt="ends", wait_for_completion=False, vidu_conn_id=CONNECTION
    )
    wait = ViduTaskSensor(
        task_id="wait", vidu_task=submit.output, vidu_conn_id=CONNECTION, deferrable=True, end_from_trigger=True
    )
    kind_and_id(wait.output)
