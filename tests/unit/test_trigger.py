# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The trigger over real HTTP: small equal events, one session for all, nothing but JSON across the wire."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from airflow_provider_vidu import watcher
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}


@pytest.fixture
def submit(vidu_emulator):
    return lambda prompt="a wait": ViduHook().submit({**FIELDS, "prompt": prompt}).task_id


def trigger(*task_ids, timeout=30.0, **options):
    return ViduTaskTrigger("vidu_default", list(task_ids), time.time() + timeout, **options)


async def event_of(made):
    (event,) = [event async for event in made.run()]
    return event.payload


def test_it_comes_back_from_the_database_as_it_went():
    made = ViduTaskTrigger("c", ["1", 2], 1.5, 3.0, False, {"model": "m"}, 7.5)
    path, kwargs = made.serialize()
    assert path == "airflow_provider_vidu.triggers.task.ViduTaskTrigger"
    again = ViduTaskTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)
    assert again.vidu_task_ids == ["1", "2"]


async def test_a_success_is_a_small_event_without_links_and_times(submit):
    task_id = submit()
    event = await event_of(trigger(task_id))
    assert event == {
        "status": "success",
        "task_id": task_id,
        "task_ids": [task_id],
        "state": "success",
        "err_code": None,
        "message": "",
    }
    assert await event_of(trigger(task_id)) == event


async def test_a_failure_carries_its_code(submit):
    event = await event_of(trigger(submit("[emulator:fail=CreationPolicyViolation]")))
    assert (event["status"], event["err_code"]) == ("failed", "CreationPolicyViolation")


async def test_the_deadline_is_its_own(submit):
    event = await event_of(trigger(submit("[emulator:seconds=60]"), timeout=0.5))
    assert (event["status"], event["state"]) == ("timeout", "processing")


async def test_it_gives_up_on_what_waiting_does_not_mend(submit, vidu_emulator):
    task_id = submit()
    vidu_emulator.faults.add("poll", Fault.refuse(302, location="http://127.0.0.1:9/", times=None))
    event = await event_of(trigger(task_id))
    assert event["status"] == "error"
    assert "redirects" in event["message"]
    assert vidu_emulator.api_key not in str(event)


async def test_an_outage_is_waited_out(submit, vidu_emulator):
    task_id = submit()
    vidu_emulator.faults.add("poll", Fault.refuse(503, times=3))
    assert (await event_of(trigger(task_id)))["status"] == "success"


async def test_a_missing_connection_is_an_error_not_an_endless_wait(vidu_emulator):
    event = await event_of(ViduTaskTrigger("no_such_connection", ["1"], time.time() + 30, poll_interval=0.1))
    assert event["status"] == "error"
    assert "no_such_connection" in event["message"]


async def test_all_waits_of_an_account_share_one_session_which_the_last_one_closes(submit, monkeypatch):
    opened = []
    real = ViduHook.aget_account

    async def look_up(self):
        opened.append(self.vidu_conn_id)
        return await real(self)

    monkeypatch.setattr(ViduHook, "aget_account", look_up)
    task_ids = [submit() for _ in range(10)]
    events = await asyncio.gather(*(event_of(trigger(task_id)) for task_id in task_ids))
    assert {event["status"] for event in events} == {"success"}
    assert opened == ["vidu_default"]
    assert not watcher._watchers.get(asyncio.get_running_loop())


async def test_a_cancelled_wait_cancels_nothing_at_vidu_and_leaves_no_session(submit, vidu_emulator):
    wait = asyncio.create_task(event_of(trigger(submit("[emulator:seconds=60]"))))
    await asyncio.sleep(0.2)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    assert vidu_emulator.counters.requests["cancel"] == 0
    assert not watcher._watchers.get(asyncio.get_running_loop())


async def test_one_trigger_waits_for_many_and_the_worst_gives_the_status(submit):
    good, bad = submit(), submit("[emulator:fail=AuditSubmitIllegal]")
    event = await event_of(trigger(good, bad))
    assert (event["status"], event["task_ids"]) == ("failed", [good, bad])
    assert "task_id" not in event


async def test_no_event_leaves_while_the_worker_that_deferred_may_still_be_ending(submit):
    """An early event can make Airflow take the worker's late end for a failure of the next one."""
    task_id = submit()
    ViduHook().wait_for_task(task_id)
    held = trigger(task_id, poll_interval=0.1, not_before=time.time() + 0.8)
    held.task_instance = SimpleNamespace(task_id="t")
    began = time.monotonic()
    event = await event_of(held)
    assert time.monotonic() - began >= 0.7
    assert event == await event_of(trigger(task_id, poll_interval=0.1))
