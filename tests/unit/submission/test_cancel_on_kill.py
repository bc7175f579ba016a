# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Only what a user has ended for good is cancelled; every other end leaves the paid task running."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID

import pytest

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduNotFoundError,
    ViduUnavailableError,
)
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.submission import cancel_on_kill
from airflow_provider_vidu.submission.cancel_on_kill import (
    Standing,
    ais_forgotten,
    get_standing,
    standing_of,
    why_cancel,
)
from airflow_provider_vidu.transport import timing
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
def test_state_of_the_airflow_task_decides(states, cancel):
    assert (standing_of(states, "r", "t", -1) is Standing.OVER) is cancel


def test_mapped_instance_has_its_own_key():
    states = {"r": {"t_0": "failed", "t_1": "deferred"}}
    assert standing_of(states, "r", "t", 0) is Standing.OVER
    assert standing_of(states, "r", "t", 1) is Standing.DEFERRED


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


async def test_on_kill_checks_the_state_first(trigger):
    await trigger.on_kill()
    assert trigger.calls == ["asked"]


@pytest.mark.parametrize("change", [{"cancel_on_kill": False}, {"_yielded": True}, {"end_time": 0.0}])
async def test_on_kill_does_nothing_if_off_done_or_late(trigger, change):
    for name, value in change.items():
        setattr(trigger, name, value)
    await trigger.on_kill()
    assert trigger.calls == []


async def test_kill_survives_airflow_cancelling_on_kill(trigger, monkeypatch):
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
@pytest.mark.parametrize(("answer", "cancels"), [(True, 1), (False, 0), (RuntimeError("no supervisor"), 0)])
async def test_deferred_task_is_cancelled_only_if_a_user_ended_it(vidu_emulator, monkeypatch, answer, cancels):
    def ended_by_user(instance):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(cancel_on_kill, "ended_by_user", ended_by_user)
    submitted = ViduHook().submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    made = ViduTaskTrigger("vidu_default", [submitted.task_id], time.time() + 100)
    made.task_instance = SimpleNamespace(task_id="t")
    await made.on_kill()
    assert vidu_emulator.counters.cancels_accepted == cancels
    assert vidu_emulator.ledger.reserved == (0 if cancels else submitted.credits)


async def test_finished_task_is_not_cancelled(vidu_emulator, monkeypatch):
    monkeypatch.setattr(cancel_on_kill, "ended_by_user", lambda instance: True)
    hook = ViduHook()
    submitted = hook.submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    hook.wait_for_task(submitted)
    made = ViduTaskTrigger("vidu_default", [submitted.task_id], time.time() + 100)
    made.task_instance = SimpleNamespace(task_id="t")
    await made.on_kill()
    assert vidu_emulator.counters.requests["cancel"] == 0


NO_LIST = ViduNotFoundError("no such path", http_status=404)


class Host:
    """A client of a host whose list answers, or does not exist."""

    def __init__(self, error=None, list_path="/tasks"):
        self.account = Account(base_url="https://relay.example", api_key="k", list_path=list_path)
        self.error = error

    def list_page(self, **query):
        if self.error:
            raise self.error


class AsyncHost(Host):
    async def list_page(self, **query):
        super().list_page(**query)


@pytest.fixture
def airflow(monkeypatch):
    """An Airflow whose clear discards the state; its replies to the trigger's questions, the last one for ever."""
    airflow = SimpleNamespace(standings=[Standing.CLEARED], noted=[False])

    def reply(replies):
        return replies.pop(0) if len(replies) > 1 else replies[0]

    async def sleep(seconds):
        pass

    monkeypatch.setattr(cancel_on_kill.compat, "clear_discards_state", lambda: True)
    monkeypatch.setattr(cancel_on_kill, "get_standing", lambda instance: reply(airflow.standings))
    monkeypatch.setattr(cancel_on_kill.compat, "read_discarded_note", lambda instance: reply(airflow.noted))
    monkeypatch.setattr(cancel_on_kill, "ASK_GAP", 5.0)
    monkeypatch.setattr(timing, "source", replace(timing.source, asleep=sleep))
    return airflow


@pytest.mark.parametrize(
    ("standings", "noted", "forgotten"),
    [
        ([Standing.CLEARED], [False], True),
        ([Standing.RUNNING], [True], True),
        ([Standing.RUNNING, Standing.RUNNING], [False, True], True),
        # The next try has a record: it attaches, or cancels for itself.
        ([Standing.RUNNING, Standing.DEFERRED], [False], False),
        ([Standing.DEFERRED], [False], False),
        # It had none, and waits for what it has submitted since.
        ([Standing.DEFERRED], [True], True),
        ([Standing.RUNNING], [False], False),
        ([Standing.UNKNOWN], [False], False),
    ],
)
async def test_without_list_only_unknown_tasks_count_as_forgotten(airflow, standings, noted, forgotten):
    airflow.standings, airflow.noted = standings, noted
    assert await ais_forgotten(SimpleNamespace(), AsyncHost(NO_LIST), ["1"]) is forgotten


async def test_running_batch_is_forgotten_if_the_next_try_says_so(airflow):
    """With its record kept it would wait for what runs."""
    airflow.standings, airflow.noted = [Standing.CLEARED, Standing.RUNNING, Standing.DEFERRED], [False]
    assert await ais_forgotten(SimpleNamespace(), AsyncHost(NO_LIST), ["1", "2"]) is False
    airflow.standings, airflow.noted = [Standing.CLEARED, Standing.RUNNING], [True]
    assert await ais_forgotten(SimpleNamespace(), AsyncHost(NO_LIST), ["1", "2"]) is True


@pytest.mark.parametrize(
    ("host", "forgotten"),
    [
        ((None,), False),
        ((ViduUnavailableError("HTTP 502", http_status=502),), False),
        ((ViduAuthError("key", http_status=401),), False),
        ((NO_LIST,), True),
        ((ViduConfigurationError("no list"), None), True),
    ],
    ids=["a list", "a list that is down", "a refused key", "no such path", "the connection says so"],
)
async def test_with_a_list_nothing_is_forgotten(airflow, host, forgotten):
    assert await ais_forgotten(SimpleNamespace(), AsyncHost(*host), ["1"]) is forgotten
    assert (why_cancel(SimpleNamespace(), Host(*host)) is not None) is forgotten


def test_below_airflow_3_4_nothing_is_forgotten(airflow, monkeypatch):
    monkeypatch.setattr(cancel_on_kill.compat, "clear_discards_state", lambda: False)
    assert why_cancel(SimpleNamespace(), Host(NO_LIST)) is None


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
@pytest.mark.parametrize("refuses", [False, True])
async def test_forgotten_task_is_cancelled_or_reported(vidu_emulator, monkeypatch, refuses):
    async def forgotten(*asked):  # ruff: ignore[unused-async]
        return True

    monkeypatch.setattr(cancel_on_kill.compat, "clear_discards_state", lambda: True)
    monkeypatch.setattr(cancel_on_kill, "ended_by_user", lambda instance: False)
    monkeypatch.setattr(cancel_on_kill, "ais_forgotten", forgotten)
    if refuses:
        vidu_emulator.faults.add("cancel", Fault.refuse(400, reason="BadRequest", times=None))
    submitted = ViduHook().submit({"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1})
    made = ViduTaskTrigger("vidu_default", [submitted.task_id], time.time() + 100)
    made.task_instance = SimpleNamespace(task_id="t")
    errors = []
    monkeypatch.setattr(
        ViduTaskTrigger,
        "log",
        SimpleNamespace(
            info=lambda *line: None, warning=lambda *line: None, error=lambda *line: errors.append(line[0] % line[1:])
        ),
    )
    await made.on_kill()
    assert vidu_emulator.counters.cancels_accepted == (0 if refuses else 1)
    assert [f"{submitted.task_id} ({submitted.credits} credits)" in line for line in errors] == [True] * refuses


@pytest.mark.parametrize(
    ("is_active", "standing"), [(True, Standing.UNKNOWN), (False, Standing.OVER), (None, Standing.OVER)]
)
def test_iteration_of_a_loop_is_over_with_its_run(monkeypatch, is_active, standing):
    """Airflow reports the state of the latest iteration only."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda **asked: {"r": {"t": "failed"}})
    monkeypatch.setattr(cancel_on_kill.compat, "query_run_activity", lambda dag_id, run_id: is_active)
    instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, region_id=UUID(int=3), region_index=1)
    assert get_standing(instance) is standing


def test_mapped_instance_in_a_region_is_queried_by_index(monkeypatch):
    """On Airflow 3.4 every mapped instance is in one."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    monkeypatch.setattr(
        RuntimeTaskInstance, "get_task_states", lambda **asked: {"r": {f"t_{asked['map_index']}": "failed"}}
    )
    instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=2, region_id=UUID(int=3), region_index=2)
    assert get_standing(instance) is Standing.OVER
