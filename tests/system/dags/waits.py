# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One DAG for each way of waiting; the run's conf names the connection, and with it the local Vidu."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

IMAGE = str(Path(__file__).resolve().parents[3] / "dags_examples" / "images" / "night_sail.webp")

for dag_id, settings in {
    "in_worker": {"deferrable": False},
    # Airflow ends this one itself if a query hangs for longer than our own deadline precedes it (5 s).
    "in_worker_limited": {"deferrable": False, "execution_timeout": timedelta(seconds=15)},
    "in_triggerer": {"deferrable": True},
    "in_triggerer_limited": {"deferrable": True, "execution_timeout": timedelta(seconds=15)},
}.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        params={"connection": "vidu_default"},
        default_args={"retries": 8, "retry_delay": timedelta(seconds=1)},
        max_active_runs=32,
    ):
        Img2VideoOperator(
            task_id="animate", images=IMAGE, prompt="a test", vidu_conn_id="{{ params.connection }}", **settings
        )

with DAG(
    dag_id="mapped_in_triggerer",
    schedule=None,
    params={"connection": "vidu_default"},
    default_args={"retries": 8, "retry_delay": timedelta(seconds=1)},
):
    Img2VideoOperator.partial(
        task_id="animate", images=IMAGE, vidu_conn_id="{{ params.connection }}", deferrable=True
    ).expand(prompt=["dawn", "noon", "dusk", "night"])

for dag_id, deferrable in {"batch_in_worker": False, "batch_in_triggerer": True}.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        params={"connection": "vidu_default"},
        default_args={"retries": 8, "retry_delay": timedelta(seconds=1)},
        max_active_runs=32,
    ):
        Img2VideoBatchOperator(
            task_id="animate",
            requests=[{"prompt": f"number {number}"} for number in range(200)],
            defaults={"images": IMAGE, "model": "viduq2-turbo", "duration": 1},
            vidu_conn_id="{{ params.connection }}",
            deferrable=deferrable,
        )
