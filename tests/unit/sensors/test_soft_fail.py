# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One table of what ``soft_fail`` skips, tested in each of the sensor's modes."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.sensors.task import ViduTaskSensor

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
MODES = {
    "poke": {"mode": "poke", "deferrable": False},
    "reschedule": {"mode": "reschedule", "deferrable": False},
    "deferrable": {"deferrable": True},
    "resumed": {"deferrable": True},
}
# What happens; how the sensor ends with soft_fail.
TABLE = {
    "failed": "skipped",
    "moderated": "skipped",
    "no creation": "skipped",
    "unknown task": "skipped",
    "deadline": "skipped",
    "wrong key": "failed",
    "forbidden": "failed",
    "no connection": "failed",
    "empty id": "failed",
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.waiting.wait.REFUSAL_GAP", 0.0)
    monkeypatch.setattr("airflow_provider_vidu.waiting.wait.EMPTY_GAP", 0.0)


def end(vidu, context, mode, what, *, soft_fail=True, **more):
    switch = {
        "failed": "fail=SystemError",
        "moderated": "fail=TaskPromptPolicyViolation",
        "no creation": "no-creation:99",
    }
    running = what in {"deadline", "wrong key", "forbidden", "unknown task"}
    prompt = "[emulator:seconds=600]" if running else f"[emulator:{switch.get(what, 'seconds=1')}]"
    given = ViduHook().submit({**FIELDS, "prompt": prompt}).task_id
    if not running:
        vidu.skip(1000)
    statuses = {"wrong key": 401, "forbidden": 403, "unknown task": 404}
    if what in statuses:
        vidu.faults.add("poll", Fault.refuse(statuses[what], times=None))
    settings = {"timeout": timedelta(seconds=0.001) if what == "deadline" else timedelta(seconds=600), **MODES[mode]}
    if what == "no connection":
        settings["vidu_conn_id"] = "vidu_nowhere"
    made = ViduTaskSensor(
        task_id="t",
        vidu_task=" " if what == "empty id" else given,
        poke_interval=0.01,
        soft_fail=soft_fail,
        **{**settings, **more},
    )
    if mode != "resumed":
        try:
            return made.execute(context)
        except TaskDeferred as deferred:
            # The trigger gives up or ends; the worker finds the cause itself.
            kwargs = deferred.kwargs
    else:
        kwargs = {"task_id": given, "end_time": time.time() - 1 if what == "deadline" else time.time() + 600}
    event = {"status": "timeout" if what == "deadline" else "error"}
    return made.resume_execution("execute_complete", {"event": event, **kwargs}, context)


def context_of(runtime_context):
    context = runtime_context()
    context["ti"].get_first_reschedule_date = lambda context: None
    return context


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("what", "ending"), TABLE.items())
def test_soft_fail_skips_the_same_in_every_mode(vidu_emulator, runtime_context, mode, what, ending):
    if mode == "resumed" and what == "empty id":
        pytest.skip("an empty id is never deferred")
    with pytest.raises(AirflowException) as raised:
        end(vidu_emulator, context_of(runtime_context), mode, what)
    assert ("skipped" if isinstance(raised.value, AirflowSkipException) else "failed") == ending


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_skipped_without_soft_fail(vidu_emulator, runtime_context, mode):
    with pytest.raises(AirflowException) as raised:
        end(vidu_emulator, context_of(runtime_context), mode, "failed", soft_fail=False)
    assert not isinstance(raised.value, AirflowSkipException)


def test_silent_fail_does_not_wait_out_a_wrong_key(vidu_emulator, runtime_context):
    with pytest.raises(AirflowFailException):
        end(
            vidu_emulator,
            context_of(runtime_context),
            "poke",
            "wrong key",
            silent_fail=True,
            timeout=timedelta(seconds=1),
        )


def test_skip_logs_its_reason(vidu_emulator, runtime_context, caplog):
    with pytest.raises(AirflowSkipException):
        end(vidu_emulator, context_of(runtime_context), "poke", "failed")
    assert "The video failed at Vidu" in "".join(one.message for one in caplog.records if one.levelname == "WARNING")
