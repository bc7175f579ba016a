# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A thousand images in one task instance; the environment has the file of requests and the destination."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

if requests := os.environ.get("VIDU_BENCHMARK_THOUSAND"):
    with DAG("thousand_batch", schedule=None):
        Img2VideoBatchOperator(
            task_id="generate",
            requests=requests,
            vidu_conn_id="vidu_benchmark",
            deferrable=True,
            output_path=os.environ["VIDU_BENCHMARK_OUTPUT"],
        )
