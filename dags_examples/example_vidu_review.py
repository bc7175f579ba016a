# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A person reviews the videos of a batch before they are published. Rejected ones are made again, with the next seed.

``review`` waits for an answer without taking a worker slot. The answer is given in Airflow's UI (the task's tab
*Required Action*) or through its REST API. The form shows each video's cover, id, labels and prompt, a link to the
video, and a list of the ids to choose from. It does not play videos. Covers and links come straight from Vidu: the link
to a video expires within 24 hours, a cover perhaps within one. The landed files, covers included, are in a folder of
the run below ``review/``, and stay.

What is not rejected is copied to ``published/``. The rest is made again by another run of this DAG, which ends in a
review of its own; nothing else is paid for again.

The form needs Airflow 3.1 or newer. On Airflow 3.0 this file defines no DAG.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator

try:
    from airflow.providers.standard.operators.hitl import HITLOperator
except AirflowOptionalProviderFeatureException:
    HITLOperator = None

IMAGES = Path(__file__).parent / "images"
REQUESTS = [
    {"id": "mug", "images": f"{IMAGES}/ceramic_mug.png", "prompt": "Steam rises from the mug"},
    {"id": "city", "images": f"{IMAGES}/city_dusk.jpg", "prompt": "Cars pass, their lights streak by"},
    {"id": "mountain", "images": f"{IMAGES}/mountain_dawn.jpg", "prompt": "Mist drifts through the valley"},
]
#: The choice that rejects no video: Airflow accepts no empty answer.
NONE = "none, publish all"

if HITLOperator is not None:
    with DAG(
        dag_id="example_vidu_review",
        description="A person reviews a batch; rejected videos are made again, the others are published",
        schedule=None,
        catchup=False,
        params={
            "requests": Param(
                [{**request, "seed": 1, "labels": {"campaign": "autumn"}} for request in REQUESTS],
                type="array",
                items={"type": "object", "required": ["id", "images", "seed"]},
                # Records of larger batches have no links in XCom, and so many are too much for one review.
                maxItems=300,
                title="Requests",
                description="Each with an id of its own, Vidu's fields by their API names, and labels if you like.",
            ),
            "output_path": Param(
                f"file://{Path.cwd() / 'vidu-videos'}",
                type="string",
                title="Folder for the videos",
                description="A URL such as file:///videos or s3://conn_id@bucket/videos, without a slash at its end.",
            ),
        },
        default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
        render_template_as_native_obj=True,
        tags=["example", "vidu"],
        doc_md=__doc__,
    ) as dag:
        batch = Img2VideoBatchOperator(
            task_id="animate",
            requests="{{ params.requests }}",
            defaults={"model": "viduq2-turbo", "duration": 2, "resolution": "540p"},
            output_path="{{ params.output_path }}/review/{{ dag_run.run_after | ts_nodash }}/",
            manifest_path="{{ params.output_path }}/review/{{ dag_run.run_after | ts_nodash }}/manifest.jsonl",
            land_cover=True,
            # What could be made is reviewed, even if some requests fail; if all fail, there is nothing to review.
            on_failure="skip",
            deferrable=True,
        )

        @task
        def form(records: list[dict]) -> list[dict]:
            """
            Build the form: a row for each request, and the ids of the videos to choose from.

            :param records: one per request; those with an error have no video.
            """

            def row(*cells: str) -> str:
                return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"

            made = [record for record in records if not record["error"]]
            rows = [row("Cover", "Id", "Labels", "Prompt", "Video"), row(*["---"] * 5)]
            for record in records:
                labels = ", ".join(f"{name}: {value}" for name, value in record["labels"].items())
                cover, video = "", record["err_code"]
                if record in made:
                    (creation,) = record["creations"]
                    cover, video = f"![no longer at Vidu]({creation['cover_url']})", f"[open]({creation['url']})"
                rows.append(row(cover, record["id"], labels, record["prompt"], video))
            return [{"body": "\n".join(rows), "options": [NONE, *(record["id"] for record in made)]}]

        # Mapped over one form: options are no template field, and the ids are not known before.
        review = HITLOperator.partial(
            task_id="review", subject="Which videos should be made again?", multiple=True, defaults=[NONE]
        ).expand_kwargs(form(batch.output))

        @task
        def publish(records: list[dict], answers: list[dict], params: dict | None = None) -> list[str]:
            """
            Copy the videos that were not rejected, each under its id.

            :param records: one per request.
            :param answers: the answer to the form.
            :param params: the Dag run's params.
            """
            (answer,) = answers
            folder = ObjectStoragePath(f"{(params or {})['output_path']}/published")
            folder.mkdir(parents=True, exist_ok=True)
            published = []
            for record in records:
                if not record["error"] and record["id"] not in answer["chosen_options"]:
                    (video,) = (file["path"] for file in record["files"] if file["kind"] == "video")
                    ObjectStoragePath(video).copy(folder / f"{record['id']}.mp4")
                    published.append(record["id"])
            return published

        @task
        def next_round(answers: list[dict], params: dict | None = None) -> list[dict]:
            """
            Return the run that makes the rejected videos again; an empty list if there are none.

            :param answers: the answer to the form.
            :param params: the Dag run's params.
            """
            params = params or {}
            (answer,) = answers
            rejected = [
                {**request, "seed": request["seed"] + 1}
                for request in params["requests"]
                if request["id"] in answer["chosen_options"]
            ]
            # Named by the answer: a retry after a lost reply starts no second run, and pays for nothing twice.
            run_id = f"again__{answer['responded_at'].isoformat()}"
            return [{"trigger_run_id": run_id, "conf": {**params, "requests": rejected}}] if rejected else []

        publish(batch.output, review.output)
        TriggerDagRunOperator.partial(
            task_id="again", trigger_dag_id="example_vidu_review", skip_when_already_exists=True
        ).expand_kwargs(next_round(review.output))
