# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A chain: animate a picture, extend the video, render the result in a higher resolution.

Each task passes its output to the next one as ``video``. Vidu takes its own videos by id, so nothing is downloaded in
between and no link can expire; only the last task lands a file. You can clear each task by itself: the ones before it
are not paid for again.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_vidu.operators.extend import ExtendVideoOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.operators.upscale import UpscaleVideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_chain",
    description="A picture becomes a video, which is extended and upscaled",
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
            "The mist drifts through the valley, slow push in",
            type="string",
            maxLength=5000,
            title="What happens in the video",
            description="At most 5000 characters.",
        ),
        "next_prompt": Param(
            "The sun rises above the peaks",
            type="string",
            maxLength=2000,
            title="What happens next",
            description="At most 2000 characters.",
        ),
        "upscale_resolution": Param(
            "1080p",
            type="string",
            enum=["1080p", "2K", "4K", "8K"],
            title="Resolution of the result",
            description="Vidu publishes no price for it.",
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
    animate = Img2VideoOperator(
        task_id="animate",
        images="{{ params.image }}",
        prompt="{{ params.prompt }}",
        # Vidu extends videos of at least 4 seconds.
        duration=4,
        resolution="540p",
        deferrable=True,
    )
    longer = ExtendVideoOperator(
        task_id="longer",
        video=animate.output,
        prompt="{{ params.next_prompt }}",
        duration=2,
        resolution="540p",
        deferrable=True,
    )
    UpscaleVideoOperator(
        task_id="sharper",
        video=longer.output,
        upscale_resolution="{{ params.upscale_resolution }}",
        deferrable=True,
        output_path="{{ params.output_path }}",
        # For example mountain_dawn-911045603801182208.mp4: the id keeps the next run from overwriting it.
        file_name="{{ params.image.split('/')[-1].split('.')[0] }}-{task_id}",
    )
