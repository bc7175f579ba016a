# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A media team's night: videos of many products, some with broken pictures, some refused, within a budget."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

with DAG(
    dag_id="nightly",
    schedule=None,
    params={"folder": "/nowhere"},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
):
    Img2VideoBatchOperator(
        task_id="products",
        requests="{{ params.folder }}/products.jsonl",
        defaults={"model": "viduq2-turbo", "duration": 1, "resolution": "540p", "labels": {"campaign": "spring"}},
        labels_from="rest",
        on_invalid="record",
        on_failure="partial",
        credit_budget=42 * 6,
        output_path="{{ params.folder }}/videos/",
        file_name="{id}",
        manifest_path="{{ params.folder }}/manifest.jsonl",
        report_path="{{ params.folder }}/report.html",
        deferrable=True,
    )
