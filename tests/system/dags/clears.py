# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Tasks for users to clear: in a batch, in a task group, in a loop, and with a landed file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task_group

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

IMAGE = str(Path(__file__).resolve().parents[3] / "dags_examples" / "images" / "night_sail.webp")

EACH = {
    "params": {"connection": "vidu_default", "output_path": None},
    "default_args": {"retries": 8, "retry_delay": timedelta(seconds=1)},
    "max_active_runs": 32,
}
SINGLE = {
    "task_id": "animate",
    "images": IMAGE,
    "prompt": "a test",
    "vidu_conn_id": "{{ params.connection }}",
    "deferrable": True,
}

with DAG(dag_id="batch_of_eight", schedule=None, **EACH):
    Img2VideoBatchOperator(
        task_id="animate",
        requests=[
            {"prompt": f"number {number}" + (" [emulator:fail=CreationPolicyViolation:1]" if number >= 2 else "")}
            for number in range(8)
        ],
        defaults={"images": IMAGE, "model": "viduq2-turbo", "duration": 1},
        vidu_conn_id="{{ params.connection }}",
        deferrable=True,
    )

with DAG(dag_id="landed_in_triggerer", schedule=None, **EACH):
    Img2VideoOperator(output_path="{{ params.output_path }}", **SINGLE)

with DAG(dag_id="grouped_in_triggerer", schedule=None, **EACH):

    @task_group
    def shots() -> None:
        Img2VideoOperator(**SINGLE)

    shots()

# Airflow 3.4 can repeat a group; older versions have no such method.
if hasattr(shots, "loop"):
    with DAG(dag_id="looped_in_triggerer", schedule=None, **EACH):

        @task_group
        def takes() -> None:
            Img2VideoOperator(**SINGLE)

        takes.loop(max_iterations=2)
