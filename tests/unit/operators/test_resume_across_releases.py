# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What any release has deferred resumes in this one, without an Airflow retry and without paying again.

``deferred_rows.json`` keeps what releases have written into Airflow's database, and what a newer one might.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.sensors.task import ViduTaskSensor
from airflow_provider_vidu.triggers.task import digest_of_ids

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
ROWS = json.loads((Path(__file__).parent / "deferred_rows.json").read_text())


def filled(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: filled(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def resume(made: Any, row: dict[str, Any], context: Any) -> Any:
    """Run a deferred task as Airflow's triggerer and worker do, including its next deferrals."""
    while True:
        method, arguments = row["next_method"], dict(row["next_kwargs"])
        try:
            arguments["event"] = event_of(row)
        except Exception as error:
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            method, arguments = "__fail__", {"error": "Trigger failure", "traceback": lines}
        try:
            return made.resume_execution(method, arguments, context)
        except TaskDeferred as deferred:
            path, options = deferred.trigger.serialize()
            row = {
                "trigger": path,
                "trigger_kwargs": options,
                "next_method": deferred.method_name,
                "next_kwargs": deferred.kwargs or {},
            }


def event_of(row: dict[str, Any]) -> Any:
    if row["trigger"] is None:
        return None
    module, _, name = row["trigger"].rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(row["trigger_kwargs"])))

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['release']}-{row['operator']}-{row['next_method']}")
def test_deferral_of_another_release_resumes_without_a_retry(vidu_emulator, runtime_context, store, row):
    context = runtime_context(store)
    if row["operator"] == "ViduTaskSensor":
        task_id = ViduHook().submit(FIELDS).task_id
        made: Any = ViduTaskSensor(task_id="t", vidu_task=task_id, deferrable=True, poke_interval=0.2)
    else:
        if row["operator"] == "Img2VideoOperator":
            made = Img2VideoOperator(task_id="t", **FIELDS, deferrable=True, poll_interval=0.2)
        else:
            made = Img2VideoBatchOperator(task_id="t", requests=[FIELDS], deferrable=True, poll_interval=0.2)
        with pytest.raises(TaskDeferred) as deferred:
            made.execute(context)
        (task_id,) = deferred.value.trigger.vidu_task_ids
    now = time.time()
    names = {"TASK": task_id, "NOW": now, "END": now + 60, "IDS": digest_of_ids([task_id])}
    result = resume(made, filled(row, names), context)
    (record,) = result if isinstance(result, list) else [getattr(result, "xcom_value", result)]
    assert (record["task_id"], record["state"]) == (task_id, "success")
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("durable", "has_store"), [(False, True), (True, False)], ids=["durable=False", "Airflow below 3.3"]
)
@pytest.mark.parametrize(
    ("method", "arguments"), [("__fail__", {"error": "Trigger failure"}), ("execute_landing", {"task_id": "1"})]
)
def test_nothing_starts_again_without_a_record(
    vidu_emulator, runtime_context, store, method, arguments, durable, has_store, batch
):
    context = runtime_context(store) if has_store else runtime_context()
    options = {"task_id": "t", "deferrable": True, "poll_interval": 0.2, "durable": durable}
    made: Any = (
        Img2VideoBatchOperator(requests=[FIELDS], **options) if batch else Img2VideoOperator(**FIELDS, **options)
    )
    with pytest.raises(TaskDeferred):
        made.execute(context)
    with pytest.raises(Exception, match=r"Trigger failure|execute_landing"):
        made.resume_execution(method, arguments, context)
    assert vidu_emulator.counters.submissions == 1


def test_a_trigger_that_took_too_long_still_fails(runtime_context, store):
    made = Img2VideoOperator(task_id="t", **FIELDS, deferrable=True)
    with pytest.raises(Exception, match="Trigger timeout"):
        made.resume_execution("__fail__", {"error": "Trigger timeout"}, runtime_context(store))
