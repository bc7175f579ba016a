# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Vidu's other endpoints, one task each: a video from a text, between two frames, with the things of reference pictures,
from a template, and a batch that mixes endpoints.

All of them wait, retry, clear and land like ``Img2VideoOperator``. The settings that they share are in
``default_args``. The batch also renders the first task's video in a higher resolution.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_vidu.operators.batch import ViduBatchOperator
from airflow_provider_vidu.operators.generate import ViduGenerateOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator
from airflow_provider_vidu.operators.start_end2video import StartEnd2VideoOperator
from airflow_provider_vidu.operators.text2video import Text2VideoOperator

HERE = Path(__file__).parent
IMAGES = HERE / "images"

with DAG(
    dag_id="example_vidu_family",
    description="Text, two frames, references, a template and a mixed batch",
    schedule=None,
    catchup=False,
    params={
        "prompt": Param(
            "A lighthouse at dawn, waves break on the rocks below",
            type="string",
            minLength=1,
            maxLength=5000,
            title="What happens in the video from a text",
            description="At most 5000 characters.",
        ),
        "template": Param(
            "orbit_dolly",
            type="string",
            minLength=1,
            title="Template",
            description="A name from Vidu's list of templates. The example animates a single picture with it.",
        ),
        "output_path": Param(
            "vidu-videos/",
            type="string",
            title="Folder for the videos",
            description="A folder of the worker, or a URL such as s3://conn_id@bucket/videos/. It ends with a slash.",
        ),
    },
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "deferrable": True,
        "output_path": "{{ params.output_path }}",
    },
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:
    lighthouse = Text2VideoOperator(
        task_id="lighthouse",
        prompt="{{ params.prompt }}",
        aspect_ratio="16:9",
        duration=2,
        resolution="540p",
        file_name="lighthouse-{task_id}",
    )

    StartEnd2VideoOperator(
        task_id="nightfall",
        images=[str(IMAGES / "mountain_dawn.jpg"), str(HERE / "frames" / "mountain_night.jpg")],
        prompt="Night falls over the lake",
        duration=3,
        resolution="540p",
        file_name="nightfall-{task_id}",
    )

    Reference2VideoOperator(
        task_id="coffee_sea",
        subjects=[
            {"name": "boat", "images": [str(IMAGES / "night_sail.webp")]},
            {"name": "mug", "images": [str(IMAGES / "ceramic_mug.png")]},
        ],
        prompt="@boat sails across the coffee in @mug",
        duration=3,
        resolution="540p",
        file_name="coffee_sea-{task_id}",
    )

    ViduGenerateOperator(
        task_id="template",
        endpoint="template",
        request={
            "template": "{{ params.template }}",
            "images": [str(IMAGES / "city_dusk.jpg")],
            "prompt": "The camera circles above the water",
        },
        file_name="template-{task_id}",
    )

    ViduBatchOperator(
        task_id="batch",
        endpoint="text2video",
        requests=[
            {"prompt": "A paper boat on a rainy street", "duration": 2, "resolution": "540p"},
            {
                "endpoint": "img2video",
                "images": str(IMAGES / "ceramic_mug.png"),
                "prompt": "Steam rises from the mug",
                "duration": 2,
                "resolution": "540p",
            },
            {"endpoint": "upscale-new", "video": lighthouse.output, "upscale_resolution": "1080p"},
        ],
        file_name="batch-{index}-{task_id}",
    )
