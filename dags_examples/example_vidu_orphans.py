# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A daily search for orphans: Vidu tasks that still run although their Dag run is over or deleted.

The DAG lists only tasks that this Airflow has submitted, even if several Airflows share the account. It cancels nothing
by itself: check the list, then run this DAG with the ids in ``cancel``.
"""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Param, task

from airflow_provider_vidu.hooks.vidu import ViduHook

with DAG(
    dag_id="example_vidu_orphans",
    description="A daily search for Vidu tasks whose Dag run is over",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "cancel": Param(
            [],
            type="array",
            items={"type": "string"},
            title="Vidu tasks to cancel",
            description="Ids from the list of find_orphans, one per line. Empty: only list them.",
        ),
    },
    tags=["example", "vidu"],
    doc_md=__doc__,
) as dag:

    @task
    def find_orphans() -> list[dict]:
        """List the orphans, each with the Airflow task that submitted it."""
        return [
            {
                "vidu_task": orphan.vidu_task.task_id,
                "state": orphan.vidu_task.state,
                "credits": orphan.vidu_task.credits,
                "submitted_by": f"{orphan.dag_id}.{orphan.task_id} of {orphan.run_id}",
                "run_is_gone": orphan.run_is_gone,
            }
            for orphan in ViduHook().find_orphans()
        ]

    @task
    def cancel(orphans: list[dict], params: dict | None = None) -> list[str]:
        """
        Cancel the tasks in the Dag run's params that are still orphans.

        :param orphans: the list of ``find_orphans``.
        :param params: the Dag run's params.
        """
        asked = {str(task_id) for task_id in (params or {})["cancel"]}
        chosen = [orphan["vidu_task"] for orphan in orphans if orphan["vidu_task"] in asked]
        for task_id in chosen:
            ViduHook().cancel_task(task_id)
        return chosen

    cancel(find_orphans())
