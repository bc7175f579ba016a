# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every way of landing a video, from a picture in an object store, into the store that the run's conf names."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator

with DAG(
    dag_id="landing_in_a_bucket",
    schedule=None,
    params={"image": "", "output": ""},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=0.1)},
) as dag:
    request = {"images": "{{ params.image }}", "model": "viduq2-turbo", "duration": 1}
    one = Img2VideoOperator(
        task_id="one", **request, output_path="{{ params.output }}one/", land_cover=True, deferrable=True
    )
    Img2VideoOperator.partial(
        task_id="mapped", **request, output_path="{{ params.output }}mapped/", file_name="{model}/{task_id}"
    ).expand(prompt=["rain", "sun"])
    Img2VideoBatchOperator(
        task_id="batch",
        requests=[{"prompt": "wind"}, {"prompt": "snow"}],
        defaults=request,
        output_path="{{ params.output }}batch/",
    )
    ViduDownloadOperator(
        task_id="fetched", vidu_task=one.output, destination="{{ params.output }}fetched/name.mp4", land_cover=True
    )
