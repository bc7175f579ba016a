# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One image in, one video out, in one task.

The task submits, waits without a worker slot, and lands the video at ``output_path``. A retry re-attaches to what an
earlier try has submitted; only a clear submits anew.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_one_step",
    schedule=None,
    catchup=False,
    params={"image": str(IMAGES / "mountain_dawn.jpg"), "output_path": "vidu-videos/"},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:
    Img2VideoOperator(
        task_id="animate",
        images="{{ params.image }}",
        prompt="The mist drifts through the valley while the sun rises, slow push in",
        model="viduq3-turbo",
        duration=5,
        resolution="720p",
        deferrable=True,
        output_path="{{ params.output_path }}",
    )
