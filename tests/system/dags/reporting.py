# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""DAGs for everything that reports on a video: outlets, buttons, metrics, lineage."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetAlias, task

from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor

VIDEOS = AssetAlias("reported_videos")
IMAGES = Path(__file__).resolve().parents[3] / "dags_examples" / "images"

with DAG(
    dag_id="reporting",
    schedule=None,
    params={"output_path": "/nowhere/"},
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
):
    Img2VideoOperator(
        task_id="one",
        images=str(IMAGES / "night_sail.webp"),
        prompt="one",
        duration=1,
        deferrable=True,
        output_path="{{ params.output_path }}",
        outlets=[Asset("file:///reported/videos"), VIDEOS],
    )
    many = Img2VideoOperator.partial(
        task_id="many", prompt="many", duration=1, deferrable=True, wait_for_completion=False
    ).expand(images=[str(IMAGES / "night_sail.webp"), str(IMAGES / "city_dusk.jpg")])
    waited = ViduTaskSensor.partial(task_id="waited", deferrable=True, end_from_trigger=True, poke_interval=0.5).expand(
        vidu_task=many.output
    )
    landed = ViduDownloadOperator.partial(
        task_id="landed", destination="{{ params.output_path }}", land_cover=True
    ).expand(vidu_task=waited.output)
    Img2VideoOperator(
        task_id="refused",
        images=str(IMAGES / "night_sail.webp"),
        prompt="[emulator:fail=CreationPolicyViolation]",
        duration=1,
        retries=0,
    )
    ViduTaskSensor(task_id="never", vidu_task="911045603801182208", timeout=5, poke_interval=0.5, retries=0)

with DAG(dag_id="reading_events", schedule=[VIDEOS], catchup=False, max_active_runs=1):

    @task
    def read_events(triggering_asset_events=None) -> list[dict]:
        """Return the events' extras, each once: an event comes by its asset and by its alias."""
        extras = {event.extra["uri"]: event.extra for events in triggering_asset_events.values() for event in events}
        return list(extras.values())

    read_events()

# The recipe of docs/money.md: a pool that counts deferred tasks.
with DAG(dag_id="pooled", schedule=None, default_args={"pool": "vidu"}):
    Img2VideoOperator.partial(task_id="many", prompt="many", duration=1, deferrable=True).expand(
        images=[str(IMAGES / "night_sail.webp")] * 6
    )
