# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A video for every picture of a folder: one mapped task instance each, all waiting in the triggerer.

``max_active_tis_per_dag`` keeps the account's queue short; Vidu runs five tasks at once by default and lets the rest
wait.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_folder",
    schedule=None,
    catchup=False,
    params={"folder": f"file://{IMAGES}", "output_path": "vidu-videos/", "duration": 4, "resolution": "540p"},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def pictures(params: dict | None = None) -> list[str]:
        """
        List the pictures of a folder on any object store.

        :param params: of the Dag run.
        """
        folder = ObjectStoragePath((params or {})["folder"])
        return sorted(str(path) for path in folder.iterdir() if path.suffix in {".jpg", ".jpeg", ".png", ".webp"})

    Img2VideoOperator.partial(
        task_id="animate",
        prompt="Gentle camera movement, natural light",
        model="viduq3-turbo",
        duration="{{ params.duration }}",
        resolution="{{ params.resolution }}",
        deferrable=True,
        output_path="{{ params.output_path }}",
        max_active_tis_per_dag=16,
    ).expand(images=pictures())
