# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One DAG for each way of waiting; the run's conf has the request."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

with DAG(
    dag_id="operator_by_conf",
    schedule=None,
    params={"image": "", "prompt": "a test", "deferrable": "", "model": "viduq2-turbo", "duration": 1, "output": ""},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=0.1)},
) as dag:
    for name, settings in {
        "in_worker": {"deferrable": False},
        "deferred": {"deferrable": True},
        "submit_only": {"wait_for_completion": False},
    }.items():
        Img2VideoOperator(
            task_id=name,
            images="{{ params.image }}",
            # The emulator counts failures by prompt, so each task needs its own prompt.
            prompt="{{ params.prompt }}{{ task.task_id if 'emulator' in params.prompt }}",
            model="{{ params.model }}",
            duration="{{ params.duration }}",
            output_path="{{ params.output }}" if name != "submit_only" else None,
            poll_interval=0.2,
            **settings,
        )
