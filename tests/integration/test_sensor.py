# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sensor through Airflow: poke, reschedule and deferrable behave alike, and none of them submits or cancels."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook

DAG_ID = "sensor_by_conf"
ALL = ("poke", "reschedule", "deferred", "ended_in_triggerer", "soft_poke", "soft_deferred")


@pytest.fixture
def submitted(vidu_emulator):
    def submit(prompt="a wait"):
        fields = {"images": "https://example.com/a.png", "prompt": prompt, "model": "viduq2-turbo", "duration": 1}
        return ViduHook().submit(fields).task_id

    return submit


def test_every_mode_returns_the_same_record(run_dag, vidu_emulator, submitted):
    task_id = submitted()
    result = run_dag(DAG_ID, {"vidu_task": task_id})
    assert result.state == "success"
    records = [result.xcom(mode) for mode in ALL]
    for record in records:
        assert record["task_id"] == task_id
        assert record["creations"][0]["url"].startswith(vidu_emulator.url)
    assert vidu_emulator.counters.submissions == 1


@pytest.mark.parametrize("err_code", ["CreationPolicyViolation", "InternalServiceFailure"])
def test_failed_task_fails_every_mode_and_names_itself(run_dag, vidu_emulator, submitted, err_code, capfd):
    task_id = submitted(f"[emulator:fail={err_code}]")
    result = run_dag(DAG_ID, {"vidu_task": task_id})
    states = result.states()
    assert {mode: states[mode, -1] for mode in ALL} == {
        "poke": "failed",
        "reschedule": "failed",
        "deferred": "failed",
        "ended_in_triggerer": "failed",
        "soft_poke": "skipped",
        "soft_deferred": "skipped",
    }
    assert result.tries()["deferred", -1] == 1
    output = "".join(capfd.readouterr())
    assert f"Vidu task {task_id}" in output
    assert "Clear the task that submitted it, not this one." in output
    assert vidu_emulator.counters.requests["cancel"] == 0


@pytest.mark.vidu_emulator(processing_seconds=3)
def test_an_outage_is_waited_out_in_every_mode(run_dag, vidu_emulator, submitted):
    task_id = submitted()
    vidu_emulator.faults.add("poll", Fault.refuse(503, times=12))
    result = run_dag(DAG_ID, {"vidu_task": task_id})
    assert result.state == "success"


@pytest.mark.vidu_emulator(processing_seconds=2)
def test_dag_test_treats_an_ending_trigger_as_an_event(run_dag, submitted):
    """dag.test() has no triggerer: the event of the inline trigger resumes the task, with the same record."""
    result = run_dag(DAG_ID, {"vidu_task": submitted()})
    assert result.xcom("ended_in_triggerer")["state"] == "success"


def test_non_task_is_reported(run_dag, vidu_emulator, capfd):
    result = run_dag(DAG_ID, {"vidu_task": ""})
    assert result.states()["poke", -1] == "failed"
    assert "vidu_task must be a Vidu task id or a task record" in "".join(capfd.readouterr())
    assert vidu_emulator.counters.requests["poll"] == 0
