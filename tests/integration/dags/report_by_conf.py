# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A batch whose requests, videos and report are in the folder that the run's conf names."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

with DAG(dag_id="report_by_conf", schedule=None, params={"folder": ""}) as dag:
    Img2VideoBatchOperator(
        task_id="batch",
        requests="{{ params.folder }}/requests.jsonl",
        defaults={"model": "viduq2-turbo", "duration": 1},
        output_path="{{ params.folder }}/videos/",
        report_path="{{ params.folder }}/report.html",
        poll_interval=0.2,
    )
