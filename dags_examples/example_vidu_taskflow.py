# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The hook in TaskFlow, for logic that no operator has, with the same protection.

``submit_once`` keeps a record for the task instance: a retry of ``animate`` finds the Vidu task of the earlier try.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, get_current_context, task

from airflow_provider_vidu.hooks.vidu import ViduHook

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_taskflow",
    description="The hook in TaskFlow, with the same protection",
    schedule=None,
    catchup=False,
    params={
        "image": Param(
            str(IMAGES / "ceramic_mug.png"),
            type="string",
            title="Picture",
            description="A path on the worker, or a URL such as s3://conn_id@bucket/cat.png.",
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

    @task
    def enough_credits() -> int:
        """Fail before anything is submitted if the account runs low."""
        credits = ViduHook().get_credits().total
        if credits < 100:
            raise RuntimeError(f"Only {credits} credits left.")
        return credits

    @task(multiple_outputs=False)
    def animate(credits_left: int, params: dict | None = None) -> dict:
        """
        Submit once, wait in this worker, land the video.

        :param credits_left: the account's balance.
        :param params: the Dag run's params.
        """
        params = params or {}
        hook = ViduHook()
        submitted = hook.submit_once(
            get_current_context(),
            {
                "images": params["image"],
                "prompt": "Steam rises from the mug, morning light wanders over the table",
                "model": "viduq3-pro" if credits_left > 1000 else "viduq3-turbo",
                "duration": 3,
                "resolution": "540p",
            },
        )
        video = hook.wait_for_task(submitted, poll_interval=2)
        landed = hook.download(video, params["output_path"])
        return video.record([landed])

    animate(enough_credits())
