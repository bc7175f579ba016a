# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A video for every picture in every mood, all in one task instance: one worker start, one trigger and one resume, also
for thousands.

The operator checks all requests before it pays for the first one, and ``credit_budget`` limits the bill. A failed
request does not stop the others. The manifest (JSON Lines, one record per request) names it, the report shows it to
people, and clearing the task submits only the failed ones (from Airflow 3.3 on; below, a clear pays for all again).

The next run replaces this run's files: put the run's date into ``output_path`` to keep them. ``requests`` can also be
the path of a JSON Lines file.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

IMAGES = Path(__file__).parent / "images"
MOODS = {
    "dawn": "at dawn, mist rising",
    "noon": "at noon, light shimmering",
    "night": "at night, stars wheeling",
}

with DAG(
    dag_id="example_vidu_batch",
    description="Many videos in one task instance, with a limit on the bill",
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
        "credit_budget": Param(
            1000,
            type="integer",
            minimum=0,
            title="Most credits for the whole batch",
            description="Submitting stops before the bill exceeds it.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def requests(params: dict | None = None) -> list[dict]:
        """
        Build the requests: each picture of a folder in each mood, with both in the file name.

        :param params: the Dag run's params.
        """
        params = params or {}
        folder = ObjectStoragePath(params["folder"])
        pictures = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".jpeg", ".png", ".webp"})
        return [
            {
                "id": f"{picture.stem}-{name}",
                "labels": {"mood": name},
                "images": str(picture),
                "prompt": f"The scene {mood}",
                "output_path": f"{params['output_path'].rstrip('/')}/{picture.stem}-{name}.mp4",
            }
            for picture in pictures
            for name, mood in MOODS.items()
        ]

    batch = Img2VideoBatchOperator(
        task_id="animate",
        requests=requests(),
        defaults={"model": "viduq2-turbo", "duration": 2, "resolution": "540p"},
        credit_budget="{{ params.credit_budget }}",
        manifest_path="{{ params.output_path.rstrip('/') }}/manifest.jsonl",
        report_path="{{ params.output_path.rstrip('/') }}/report.html",
        # The report shows the covers.
        land_cover=True,
        on_failure="partial",
        deferrable=True,
    )

    @task(multiple_outputs=False)
    def bill(records: list[dict]) -> dict:
        """
        Report what was made and what it cost.

        :param records: one per request, in the same order.
        """
        failed = [number for number, record in enumerate(records) if record["error"]]
        return {
            "videos": len(records) - len(failed),
            "failed": failed,
            "credits": sum(r["credits"] or 0 for r in records),
        }

    bill(batch.output)
