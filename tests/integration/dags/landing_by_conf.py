# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One video, landed at the path in the run's conf."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

with DAG(
    dag_id="landing_by_conf",
    schedule=None,
    params={"image": "", "output": ""},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=0.1)},
) as dag:
    Img2VideoOperator(
        task_id="video",
        images="{{ params.image }}",
        model="viduq2-turbo",
        duration=1,
        output_path="{{ params.output }}",
        deferrable=False,
    )
