# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Only what a user has ended for good is cancelled; every other end leaves the paid task running."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from airflow_provider_vidu import kill_guard
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.kill_guard import may_cancel
from airflow_provider_vidu.triggers.task import ViduTaskTrigger


@pytest.mark.parametrize(
    ("states", "cancel"),
    [
        ({"r": {"t": "failed"}}, True),
        ({"r": {"t": "success"}}, True),
        ({"r": {"t": "skipped"}}, True),
        ({"r": {"t": "removed"}}, True),
        ({"r": {"t": "deferred"}}, False),
        ({"r": {"t": "scheduled"}}, False),
        ({"r": {"t": "queued"}}, False),
        ({"r": {"t": "running"}}, False),
        ({"r": {"t": "up_for_retry"}}, False),
        ({"r": {"t": None}}, False),
        ({}, True),
        ({"r": {}}, True),
        ({"r": {"another": "failed"}}, False),
        (None, False),
    ],
)
def test_the_state_of_the_airflow_task_decides(states, cancel):
    assert may_cancel(states, "r", "t", -1) is cancel


def test_a_mapped_instance_is_looked_up_under_its_own_key():
    states = {"r": {"t_0": "failed", "t_1": "deferred"}}
    assert may_cancel(states, "r", "t", 0) is True
    assert may_cancel(states, "r", "t", 1) is False


@pytest.fixture
def trigger(monkeypatch):
    calls = []

    async def cancel(self):
        await asyncio.sleep(0)
        calls.append("asked")

    monkeypatch.setattr(ViduTaskTrigger, "_cancel_unfinished", cancel)
    made = ViduTaskTrigger("vidu_default", ["1"], time.time() + 100)
    made.calls = calls
    return made


async def test_on_kill_asks_first(trigger):
    await trigger.on_kill()
    assert trigger.calls == ["asked"]


@pytest.mark.parametrize("change", [{"cancel_on_kill": False}, {"_yielded": True}, {"end_time": 0.0}])
async def test_on_kill_does_nothing_when_switched_off_done_or_past_the_deadline(trigger, change):
    for name, value in change.items():
        setattr(trigger, name, value)
    await trigger.on_kill()
    assert trigger.calls == []


async def test_a_kill_outlives_airflows_own_cancelling_of_on_kill(trigger, monkeypatch):
    ended = asyncio.Event()
    going = asyncio.Event()

    async def slow(self):
        await going.wait()
        ended.set()

    monkeypatch.setattr(ViduTaskTrigger, "_cancel_unfinished", slow)
    kill = asyncio.create_task(trigger.on_kill())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kill.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kill
    going.set()
    await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
@pytest.mark.parametrize(("told", "cancels"), [(True, 1), (False, 0), (RuntimeError("no supervisor"), 0)])
async def test_a_deferred_task_is_cancelled_at_vidu_only_when_airflow_says_that_a_user_has_ended_it(
    vidu_emulator, monkeypatch, told, cancels
):
    def ended_by_user(instance):
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(kill_guard, "ended_by_user", ended_by_user)
    submitted = ViduHook().submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    made = ViduTaskTrigger("vidu_default", [submitted.task_id], time.time() + 100)
    made.task_instance = SimpleNamespace(task_id="t")
    await made.on_kill()
    assert vidu_emulator.counters.cancels_accepted == cancels
    assert vidu_emulator.ledger.reserved == (0 if cancels else submitted.credits)


async def test_a_finished_task_is_not_cancelled(vidu_emulator, monkeypatch):
    monkeypatch.setattr(kill_guard, "ended_by_user", lambda instance: True)
    hook = ViduHook()
    submitted = hook.submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    hook.wait_for_task(submitted)
    made = ViduTaskTrigger("vidu_default", [submitted.task_id], time.time() + 100)
    made.task_instance = SimpleNamespace(task_id="t")
    await made.on_kill()
    assert vidu_emulator.counters.requests["cancel"] == 0
