# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Metrics count each generation once, and a metrics backend that is down fails no task."""

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
def counted(monkeypatch):
    """The calls of Airflow's Stats."""
    counted = []
    stats = SimpleNamespace(
        incr=lambda name, count, tags: counted.append((name, count, tags)),
        timing=lambda name, value, tags: counted.append((name, value, tags)),
    )
    monkeypatch.setattr("airflow.providers.common.compat.sdk.Stats", stats)
    return counted


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ViduTaskFailedError("x", reason="CreationPolicyViolation"), "CreationPolicyViolation"),
        (ViduAuthError("x"), "ViduAuthError"),
        (ViduTaskFailedError("x", reason="a reason: of/no one"), "a_reason__of_no_one"),
    ],
)
def test_failure_is_counted_by_reason_with_and_without_tags(counted, error, reason):
    metrics.failed(error, "viduq2-turbo")
    assert counted == [("vidu.failed", 1, {**TAGS, "reason": reason}), (f"vidu.failed.{reason}", 1, TAGS)]


def test_generation_is_counted_once_with_its_credits(counted, vidu_emulator, runtime_context, store):
    drive(Img2VideoOperator(task_id="t", poll_interval=0.2, deferrable=True, **FIELDS), runtime_context(store))
    assert counted[:3] == [("vidu.submitted", 1, TAGS), ("vidu.completed", 1, TAGS), ("vidu.credits", 8, TAGS)]
    (name, waited, tags), *rest = counted[3:]
    assert (name, tags, rest) == ("vidu.wait_seconds", TAGS, [])
    assert timedelta() < waited < timedelta(minutes=2)


def test_re_attaching_retry_counts_no_second_submission(counted, vidu_emulator, runtime_context, store):
    drive(Img2VideoOperator(task_id="t", wait_for_completion=False, **FIELDS), runtime_context(store))
    store.set("vidu_submission", {**store.get("vidu_submission"), "phase": "submitted"})
    drive(Img2VideoOperator(task_id="t", poll_interval=0.2, **FIELDS), runtime_context(store, try_number=2))
    assert [name for name, *_ in counted].count("vidu.submitted") == 1


def test_submit_and_sensor_count_one_completion(counted, vidu_emulator, runtime_context, store):
    submit = Img2VideoOperator(task_id="t", wait_for_completion=False, **FIELDS)
    record, _ = drive(submit, runtime_context(store))
    drive(ViduTaskSensor(task_id="s", vidu_task=record, deferrable=True, poke_interval=0.2), runtime_context())
    assert [name for name, *_ in counted] == ["vidu.submitted", "vidu.completed", "vidu.credits", "vidu.wait_seconds"]


def test_failed_generation_is_counted(counted, vidu_emulator, runtime_context, store):
    prompt = "[emulator:fail=CreationPolicyViolation]"
    with pytest.raises(AirflowFailException):
        drive(Img2VideoOperator(task_id="t", poll_interval=0.2, prompt=prompt, **FIELDS), runtime_context(store))
    assert [name for name, *_ in counted] == ["vidu.submitted", "vidu.failed", "vidu.failed.CreationPolicyViolation"]


def test_batch_counts_each_generation(counted, vidu_emulator, runtime_context, store):
    requests = [{**FIELDS, "prompt": str(number)} for number in range(5)]
    requests.append({**FIELDS, "prompt": "[emulator:fail=CreationPolicyViolation]"})
    made = Img2VideoBatchOperator(task_id="t", poll_interval=0.2, requests=requests, on_failure="partial")
    drive(made, runtime_context(store))
    counts = {name: sum(count for counted_name, count, _ in counted if counted_name == name) for name, *_ in counted}
    assert counts == {
        "vidu.submitted": 6,
        "vidu.completed": 5,
        "vidu.credits": 40,
        "vidu.failed": 1,
        "vidu.failed.CreationPolicyViolation": 1,
    }


def test_metrics_backend_that_is_down_fails_nothing(monkeypatch):
    def down(*arguments, **named):
        raise OSError("unreachable")

    stats = SimpleNamespace(incr=down, timing=down)
    monkeypatch.setattr("airflow.providers.common.compat.sdk.Stats", stats)
    metrics.completed("viduq2-turbo", 8, 4.0)
