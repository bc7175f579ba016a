# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One picture in, one video out, in one task.

The task submits, waits without a worker slot, and lands the video at ``output_path``. A retry re-attaches to the task
that an earlier try submitted; only a clear submits again.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_one_step",
    description="One picture in, one video out, in one task",
    schedule=None,
    catchup=False,
    params={
        "image": Param(
            str(IMAGES / "mountain_dawn.jpg"),
            type="string",
            title="Picture",
            description="A path on the worker, or a URL such as s3://conn_id@bucket/cat.png.",
        ),
        "prompt": Param(
            "The mist drifts through the valley while the sun rises, slow push in",
            type="string",
            maxLength=5000,
            title="What happens in the video",
            description="At most 5000 characters.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=1,
            maximum=16,
            title="Seconds of video",
            description="Each second costs credits.",
        ),
        "resolution": Param(
            "720p",
            type="string",
            enum=["540p", "720p", "1080p"],
            title="Resolution",
            description="1080p costs the most.",
        ),
        "output_path": Param(
            "vidu-videos/",
            type="string",
            title="Folder for the videos",
            description="A folder of the worker, or a URL such as s3://conn_id@bucket/videos/. It ends with a slash.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:
    Img2VideoOperator(
        task_id="animate",
        images="{{ params.image }}",
        prompt="{{ params.prompt }}",
        model="viduq3-turbo",
        duration="{{ params.duration }}",
        resolution="{{ params.resolution }}",
        deferrable=True,
        output_path="{{ params.output_path }}",
        # For example mountain_dawn-911045603801182208.mp4: the id keeps the next run from overwriting it.
        file_name="{{ params.image.split('/')[-1].split('.')[0] }}-{task_id}",
    )
