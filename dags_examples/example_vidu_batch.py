# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A video for every picture and every mood in one task instance: thousands cost one worker start, one trigger, one resume.

All requests are checked before the first one is paid for; ``credit_budget`` bounds the bill. What fails does not stop
the rest: the manifest (JSON Lines, one record a request) tells which, and clearing the task submits those alone (from
Airflow 3.3 on; before, a clear pays for all again).
``requests`` may as well be the path of a JSON Lines file.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, task

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

IMAGES = Path(__file__).parent / "images"
MOODS = ("at dawn, mist rising", "at noon, light shimmering", "at night, stars wheeling")

with DAG(
    dag_id="example_vidu_batch",
    schedule=None,
    catchup=False,
    params={"folder": f"file://{IMAGES}", "output_path": "vidu-videos/", "credit_budget": 1000},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def requests(params: dict | None = None) -> list[dict]:
        """
        Make the requests: each picture of a folder in each mood.

        :param params: of the Dag run.
        """
        folder = ObjectStoragePath((params or {})["folder"])
        pictures = sorted(str(path) for path in folder.iterdir() if path.suffix in {".jpg", ".jpeg", ".png", ".webp"})
        return [{"images": picture, "prompt": f"The scene {mood}"} for picture in pictures for mood in MOODS]

    batch = Img2VideoBatchOperator(
        task_id="animate",
        requests=requests(),
        defaults={"model": "viduq2-turbo", "duration": 2, "resolution": "540p"},
        credit_budget="{{ params.credit_budget }}",
        output_path="{{ params.output_path }}",
        manifest_path="{{ params.output_path }}/manifest.jsonl",
        on_failure="partial",
        deferrable=True,
    )

    @task(multiple_outputs=False)
    def bill(records: list[dict]) -> dict:
        """
        Tell what was made and what it cost.

        :param records: one a request, in their order.
        """
        failed = [number for number, record in enumerate(records) if record["error"]]
        return {
            "videos": len(records) - len(failed),
            "failed": failed,
            "credits": sum(r["credits"] or 0 for r in records),
        }

    bill(batch.output)
