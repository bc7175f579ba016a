# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What is counted, and that a metrics backend that is down costs no video."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from _support.batch_drive import drive
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_vidu.api.errors import ViduAuthError, ViduTaskFailedError
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.sensors.task import ViduTaskSensor

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
TAGS = {"model": "viduq2-turbo"}


@pytest.fixture
def told(monkeypatch):
    """What Airflow's Stats were told."""
    told = []
    stats = SimpleNamespace(
        incr=lambda name, count, tags: told.append((name, count, tags)),
        timing=lambda name, value, tags: told.append((name, value, tags)),
    )
    monkeypatch.setattr("airflow.providers.common.compat.sdk.Stats", stats)
    return told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ViduTaskFailedError("x", reason="CreationPolicyViolation"), "CreationPolicyViolation"),
        (ViduAuthError("x"), "ViduAuthError"),
        (ViduTaskFailedError("x", reason="a reason: of/nobody"), "a_reason__of_nobody"),
    ],
)
def test_a_failure_is_counted_by_its_reason_with_and_without_tags(told, error, reason):
    metrics.failed(error, "viduq2-turbo")
    assert told == [("vidu.failed", 1, {**TAGS, "reason": reason}), (f"vidu.failed.{reason}", 1, TAGS)]


def test_a_generation_is_counted_once_with_what_it_cost(told, vidu_emulator, runtime_context, store):
    drive(Img2VideoOperator(task_id="t", poll_interval=0.2, deferrable=True, **FIELDS), runtime_context(store))
    assert told[:3] == [("vidu.submitted", 1, TAGS), ("vidu.completed", 1, TAGS), ("vidu.credits", 8, TAGS)]
    (name, waited, tags), *rest = told[3:]
    assert (name, tags, rest) == ("vidu.wait_seconds", TAGS, [])
    assert timedelta() < waited < timedelta(minutes=2)


def test_a_retry_that_re_attaches_counts_no_second_submission(told, vidu_emulator, runtime_context, store):
    drive(Img2VideoOperator(task_id="t", wait_for_completion=False, **FIELDS), runtime_context(store))
    store.set("vidu_submission", {**store.get("vidu_submission"), "phase": "submitted"})
    drive(Img2VideoOperator(task_id="t", poll_interval=0.2, **FIELDS), runtime_context(store, try_number=2))
    assert [name for name, *_ in told].count("vidu.submitted") == 1


def test_submit_and_sensor_count_one_end(told, vidu_emulator, runtime_context, store):
    submit = Img2VideoOperator(task_id="t", wait_for_completion=False, **FIELDS)
    record, _ = drive(submit, runtime_context(store))
    drive(ViduTaskSensor(task_id="s", vidu_task=record, deferrable=True, poke_interval=0.2), runtime_context())
    assert [name for name, *_ in told] == ["vidu.submitted", "vidu.completed", "vidu.credits", "vidu.wait_seconds"]


def test_a_failed_generation_is_counted(told, vidu_emulator, runtime_context, store):
    prompt = "[emulator:fail=CreationPolicyViolation]"
    with pytest.raises(AirflowFailException):
        drive(Img2VideoOperator(task_id="t", poll_interval=0.2, prompt=prompt, **FIELDS), runtime_context(store))
    assert [name for name, *_ in told] == ["vidu.submitted", "vidu.failed", "vidu.failed.CreationPolicyViolation"]


def test_a_batch_counts_each_of_its_generations(told, vidu_emulator, runtime_context, store):
    requests = [{**FIELDS, "prompt": str(number)} for number in range(5)]
    requests.append({**FIELDS, "prompt": "[emulator:fail=CreationPolicyViolation]"})
    made = Img2VideoBatchOperator(task_id="t", poll_interval=0.2, requests=requests, on_failure="partial")
    drive(made, runtime_context(store))
    counts = {name: sum(count for told_name, count, _ in told if told_name == name) for name, *_ in told}
    assert counts == {
        "vidu.submitted": 6,
        "vidu.completed": 5,
        "vidu.credits": 40,
        "vidu.failed": 1,
        "vidu.failed.CreationPolicyViolation": 1,
    }


def test_a_backend_that_is_down_costs_nothing(monkeypatch):
    def down(*arguments, **named):
        raise OSError("unreachable")

    stats = SimpleNamespace(incr=down, timing=down)
    monkeypatch.setattr("airflow.providers.common.compat.sdk.Stats", stats)
    metrics.completed("viduq2-turbo", 8, 4.0)
