# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A video with a limit on its price, which also leaves a minimum in the account.

The operator checks the limit twice: against the catalogue's estimate before it sends anything, and against Vidu's price
after. If that is too high, the operator cancels the task at once; if Vidu has already started it, the video is kept and
landed. `balance` reports what is left.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoOperator

IMAGES = Path(__file__).parent / "images"

with DAG(
    dag_id="example_vidu_budget",
    description="A video with a limit on what it costs",
    schedule=None,
    catchup=False,
    params={
        "image": Param(
            str(IMAGES / "city_dusk.jpg"),
            type="string",
            title="Picture",
            description="A path on the worker, or a URL such as s3://conn_id@bucket/cat.png.",
        ),
        "max_credits": Param(
            20,
            type="integer",
            minimum=0,
            title="Most credits for the video",
            description="A more expensive video is not submitted, or is cancelled at once.",
        ),
        "output_path": Param(
            "vidu-videos/",
            type="string",
            title="Folder for the videos",
            description="A folder of the worker, or a URL such as s3://conn_id@bucket/videos/. It ends with a slash.",
        ),
    },
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def estimate(model: str, duration: int, resolution: str) -> int | None:
        """
        Return the price by the catalogue; None = unknown. The catalogue never guesses.

        :param model: the model's name.
        :param duration: seconds.
        :param resolution: for example 720p.
        """
        from airflow_provider_vidu.api.catalog import PRICES_AS_OF, estimate_credits

        credits = estimate_credits({"model": model, "duration": duration, "resolution": resolution})
        print(f"About {credits} credits, by the prices of {PRICES_AS_OF}.")
        return credits

    animate = Img2VideoOperator(
        task_id="animate",
        images="{{ params.image }}",
        prompt="Cars pass, their lights streak by",
        model="viduq2-turbo",
        duration=2,
        resolution="540p",
        max_credits="{{ params.max_credits }}",
        min_remaining_credits=100,
        deferrable=True,
        output_path="{{ params.output_path }}",
    )

    @task
    def balance() -> int:
        """Return the credits left in the account."""
        from airflow_provider_vidu.hooks.vidu import ViduHook

        return ViduHook().get_credits().total

    estimate("viduq2-turbo", 2, "540p") >> animate >> balance()
