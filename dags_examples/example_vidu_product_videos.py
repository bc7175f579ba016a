# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A media team's daily run: read a manifest of products, make a video of each, write a summary with the bill.

The manifest is a JSON list at any ``ObjectStoragePath``: ``[{"sku", "image", "prompt", …}]``, with image paths relative
to the manifest. A failed video does not stop the others: the summary names the product, and you can clear its task
instance alone. The payload contains the SKU and the marker by which a lost submission is found again.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

HERE = Path(__file__).parent

with DAG(
    dag_id="example_vidu_product_videos",
    description="A video for each product of a manifest, and a summary with the bill",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={
        "manifest": Param(
            f"file://{HERE / 'products.json'}",
            type="string",
            title="List of products",
            description="A JSON list at a URL such as file:///data/products.json or s3://conn_id@bucket/products.json.",
        ),
        "output_path": Param(
            f"file://{Path.cwd() / 'vidu-videos'}",
            type="string",
            title="Folder for the videos",
            description="A URL such as file:///data/videos or s3://conn_id@bucket/videos, without a slash at its end.",
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def products(params: dict | None = None) -> list[dict]:
        """
        Read the manifest and turn each product into the arguments of one mapped task.

        :param params: the Dag run's params.
        """
        manifest = ObjectStoragePath((params or {})["manifest"])
        listed = json.loads(manifest.read_text())
        return [
            {
                "images": str(manifest.parent / product["image"]),
                "prompt": product["prompt"],
                "duration": product.get("duration", 4),
                # {marker} is filled in when the task is submitted; the record's payload has the SKU.
                "payload": f"{product['sku']} {{marker}}",
                "file_name": f"{product['sku']}-{{task_id}}",
            }
            for product in listed
        ]

    asked = products()
    videos = Img2VideoOperator.partial(
        task_id="video",
        model="viduq3-turbo",
        resolution="540p",
        watermark=True,
        deferrable=True,
        # The day in the path keeps tomorrow's run from overwriting today's videos. Not {{ ds }}: a run started by an
        # API call or an asset has no logical date, and no ds.
        output_path="{{ params.output_path }}/{{ dag_run.run_after | ds }}/",
        map_index_template="{{ task.payload.split()[0] }}",
        max_active_tis_per_dag=16,
    ).expand_kwargs(asked)

    @task(trigger_rule="all_done", multiple_outputs=False)
    def summary(asked: list[dict], made: list[dict], params: dict | None = None, dag_run=None) -> dict:
        """
        Write what was made and what it cost.

        :param asked: the arguments of all mapped tasks.
        :param made: the task records of those that succeeded.
        :param params: the Dag run's params.
        :param dag_run: the Dag run, for the day.
        """
        by_sku = {(record["payload"] or "").split(" ")[0]: record for record in made}
        wanted = [product["payload"].split(" ")[0] for product in asked]
        summed = {
            "videos": {sku: by_sku[sku]["files"][0]["path"] for sku in wanted if sku in by_sku},
            "failed": [sku for sku in wanted if sku not in by_sku],
            "credits": sum(record["credits"] or 0 for record in made),
        }
        target = ObjectStoragePath(f"{(params or {})['output_path']}/{dag_run.run_after:%Y-%m-%d}/summary.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(summed, indent=2))
        print(json.dumps(summed, indent=2))
        return summed

    summary(asked, videos.output)
