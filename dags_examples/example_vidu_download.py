# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Submit, wait and land in three tasks, so that you can retry each by itself. A second DAG runs for every landed video.

You can retry or clear ``land`` as often as you like: it submits nothing, and does not fetch a file that is already
there. ``wait`` finishes in the triggerer, without a worker, unless a listener such as OpenLineage's waits for its
success. The file is an asset, and its event has the price.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetAlias, Param, task

from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor

IMAGES = Path(__file__).parent / "images"
VIDEOS = AssetAlias("vidu_videos")

with DAG(
    dag_id="example_vidu_download",
    description="Submit, wait and land in three tasks; the file is an asset",
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
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:
    submit = Img2VideoOperator(
        task_id="submit",
        images="{{ params.image }}",
        prompt="The mug turns slowly, steam rises from it",
        model="viduq2-turbo",
        duration=2,
        resolution="540p",
        watermark=True,
        wait_for_completion=False,
    )
    wait = ViduTaskSensor(task_id="wait", vidu_task=submit.output, deferrable=True, end_from_trigger=True)
    land = ViduDownloadOperator(
        task_id="land",
        vidu_task=wait.output,
        destination="{{ params.output_path }}",
        file_name="{model}/{{ params.image.split('/')[-1].split('.')[0] }}-{task_id}",
        land_cover=True,
        land_watermarked=True,
        outlets=[VIDEOS],
    )

with DAG(
    dag_id="example_vidu_new_video",
    description="Runs for every video that example_vidu_download has landed",
    schedule=[VIDEOS],
    catchup=False,
    tags=["example", "vidu"],
    doc_md="Runs when `example_vidu_download` has landed a video, and reports the price.",
):

    @task
    def report(triggering_asset_events=None) -> list[str]:
        """
        Report every landed file.

        :param triggering_asset_events: Airflow's events, by asset and by alias.
        """
        # Each event appears under its asset and under its alias. (Airflow 3.0 passes no events to this DAG.)
        videos = {event.extra["uri"]: event.extra for events in triggering_asset_events.values() for event in events}
        lines = [f"{uri}: Vidu task {made['vidu_task_id']}, {made['credits']} credits" for uri, made in videos.items()]
        print("\n".join(lines))
        return lines

    report()
