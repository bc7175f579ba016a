# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Submit in one task, wait in another: for pipelines that do something in between, or pass the id on.

Retrying or clearing the sensor never submits and never cancels. To make another video, clear ``submit``.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_submit_and_wait",
    description="Submit in one task, wait in another",
    schedule=None,
    catchup=False,
    params={
        "image": Param(
            str(IMAGES / "night_sail.webp"),
            type="string",
            title="Picture",
            description="A path on the worker, or a URL such as s3://conn_id@bucket/cat.png.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:
    submit = Img2VideoOperator(
        task_id="submit",
        images="{{ params.image }}",
        prompt="The boat glides to the right, moonlight glitters on the water",
        model="viduq2-turbo",
        duration=4,
        resolution="540p",
        wait_for_completion=False,
    )

    wait = ViduTaskSensor(task_id="wait", vidu_task=submit.output, deferrable=True)

    @task
    def announce(video: dict) -> str:
        """
        Report what was made. The link expires within 24 hours: land the video to keep it.

        :param video: the task record.
        """
        print(f"Vidu task {video['task_id']} cost {video['credits']} credits.")
        return video["creations"][0]["id"]

    announce(wait.output)
