# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A video for every picture in a folder: one mapped task instance each, all waiting in the triggerer.

``max_active_tis_per_dag`` keeps the account's queue short. By default Vidu runs five tasks at once, and the rest wait.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_folder",
    description="A video for every picture in a folder, one mapped task instance each",
    schedule=None,
    catchup=False,
    params={
        "folder": Param(
            f"file://{IMAGES}",
            type="string",
            title="Folder with the pictures",
            description="A URL such as file:///data/pictures or s3://conn_id@bucket/pictures.",
        ),
        "output_path": Param(
            "vidu-videos/",
            type="string",
            title="Folder for the videos",
            description="A folder of the worker, or a URL such as s3://conn_id@bucket/videos/. It ends with a slash.",
        ),
        "model": Param(
            "viduq3-turbo",
            type="string",
            enum=["viduq3-turbo", "viduq3-pro", "viduq2-turbo", "viduq2-pro"],
            title="Model",
            description="The turbo models are faster and cost less.",
        ),
        "duration": Param(
            4,
            type="integer",
            minimum=1,
            maximum=10,
            title="Seconds of each video",
            description="Each second costs credits.",
        ),
        "resolution": Param(
            "540p",
            type="string",
            enum=["540p", "720p", "1080p"],
            title="Resolution",
            description="1080p costs the most.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def pictures(params: dict | None = None) -> list[dict]:
        """
        List the pictures in a folder on any object store, each with the name of its video.

        :param params: the Dag run's params.
        """
        folder = ObjectStoragePath((params or {})["folder"])
        found = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".jpeg", ".png", ".webp"})
        # {task_id} is filled in when the video lands, so the next run does not overwrite this run's videos.
        return [{"images": str(path), "file_name": f"{path.stem}-{{task_id}}"} for path in found]

    Img2VideoOperator.partial(
        task_id="animate",
        prompt="Gentle camera movement, natural light",
        model="{{ params.model }}",
        duration="{{ params.duration }}",
        resolution="{{ params.resolution }}",
        deferrable=True,
        output_path="{{ params.output_path }}",
        # The grid then shows each instance by its picture, not by a number.
        map_index_template="{{ task.images.split('/')[-1] }}",
        max_active_tis_per_dag=16,
    ).expand_kwargs(pictures())
