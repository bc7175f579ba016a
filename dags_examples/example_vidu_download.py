# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Submit, wait, land: three tasks, so that each can be retried by itself. A second DAG runs for every video that lands.

The landing may be retried or cleared as often as you like: it submits nothing, and what stands there already is not
fetched again. The file is an asset, and its event tells what it cost.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, AssetAlias, task

from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor

IMAGES = Path(__file__).parent / "images"
VIDEOS = AssetAlias("vidu_videos")

with DAG(
    dag_id="example_vidu_download",
    schedule=None,
    catchup=False,
    params={"image": str(IMAGES / "ceramic_mug.png"), "output_path": "vidu-videos/"},
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
        file_name="{model}/{task_id}",
        land_cover=True,
        land_watermarked=True,
        outlets=[VIDEOS],
    )

with DAG(
    dag_id="example_vidu_new_video",
    schedule=[VIDEOS],
    catchup=False,
    tags=["example", "vidu"],
    doc_md="Runs when `example_vidu_download` has landed a video, and tells what it has cost.",
):

    @task
    def tell(triggering_asset_events=None) -> list[str]:
        """
        Tell of every file that has landed.

        :param triggering_asset_events: Airflow's: the events by asset, and by alias.
        """
        # Each event stands there by its asset, and by its alias too. (Airflow 3.0 hands none to this DAG.)
        videos = {event.extra["uri"]: event.extra for events in triggering_asset_events.values() for event in events}
        lines = [f"{uri}: Vidu task {told['vidu_task_id']}, {told['credits']} credits" for uri, told in videos.items()]
        print("\n".join(lines))
        return lines

    tell()
