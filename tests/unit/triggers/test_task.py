# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The trigger over real HTTP: small events, one session for all waits, only JSON in its arguments."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from _support.virtual_time import replaced_by

from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.transport.timing import Time
from airflow_provider_vidu.triggers.task import ViduTaskTrigger, digest_of_ids
from airflow_provider_vidu.waiting import watcher

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}


@pytest.fixture
def submit(vidu_emulator):
    return lambda prompt="a wait": ViduHook().submit({**FIELDS, "prompt": prompt}).task_id


def trigger(*task_ids, timeout=30.0, **options):
    return ViduTaskTrigger("vidu_default", list(task_ids), timing.now() + timeout, **options)


async def event_of(made):
    (event,) = [event async for event in made.run()]
    return event.payload


def test_trigger_survives_serialisation():
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


async def test_deadline_gives_a_timeout_event(submit):
    event = await event_of(trigger(submit("[emulator:seconds=60]"), timeout=0.5))
    assert (event["status"], event["state"]) == ("timeout", "processing")


async def test_gives_up_on_permanent_errors(submit, vidu_emulator):
    task_id = submit()
    for operation in ("list", "poll"):
        vidu_emulator.faults.add(operation, Fault.refuse(302, location="http://127.0.0.1:9/", times=None))
    event = await event_of(trigger(task_id))
    assert event["status"] == "error"
    assert "redirects" in event["message"]
    assert vidu_emulator.api_key not in str(event)


async def test_an_outage_is_waited_out(submit, vidu_emulator):
    task_id = submit()
    vidu_emulator.faults.add("list", Fault.refuse(503, times=3))
    assert (await event_of(trigger(task_id)))["status"] == "success"


async def test_a_missing_connection_is_an_error_not_an_endless_wait(vidu_emulator):
    event = await event_of(ViduTaskTrigger("no_such_connection", ["1"], timing.now() + 30, poll_interval=0.1))
    assert event["status"] == "error"
    assert "no_such_connection" in event["message"]


async def test_waits_of_an_account_share_one_session(submit, monkeypatch):
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


async def test_cancelled_wait_cancels_nothing_and_closes_its_session(submit, vidu_emulator, clock):
    waits = asyncio.Event()

    async def asleep(seconds):
        waits.set()
        await asyncio.Future()

    task_id = submit("[emulator:seconds=60]")
    with replaced_by(Time(clock, asleep=asleep)):
        wait = asyncio.create_task(event_of(trigger(task_id)))
        await waits.wait()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
    assert vidu_emulator.counters.requests["cancel"] == 0
    assert not watcher._watchers.get(asyncio.get_running_loop())


async def test_worst_task_of_a_group_determines_the_status(submit):
    good, bad = submit(), submit("[emulator:fail=AuditSubmitIllegal]")
    event = await event_of(trigger(good, bad))
    assert event == {
        "status": "failed",
        "counts": {"success": 1, "failed": 1, "timeout": 0, "error": 0},
        "message": "",
        "ids": digest_of_ids([bad, good]),
    }


async def test_event_is_delayed_until_the_worker_has_deferred(submit, clock):
    """After an early event Airflow can mistake the worker's late end for a failure of the next one."""
    task_id = submit()
    ViduHook().wait_for_task(task_id)
    held = trigger(task_id, poll_interval=0.1, not_before=clock() + 6)
    held.task_instance = SimpleNamespace(task_id="t")
    event = await event_of(held)
    assert clock() >= held.not_before
    assert event == await event_of(trigger(task_id, poll_interval=0.1))


def test_a_thousand_ids_travel_as_one_short_text():
    ids = [f"90258199129832{number:04}" for number in range(1000)]
    _, kwargs = ViduTaskTrigger("c", ids, 1.5).serialize()
    assert isinstance(kwargs["vidu_task_ids"], str)
    assert len(json.dumps(kwargs)) < 6000
    assert ViduTaskTrigger(**json.loads(json.dumps(kwargs))).vidu_task_ids == ids


async def test_group_event_has_counts_and_a_digest(submit, vidu_emulator):
    ids = [submit() for _ in range(30)] + [submit("[emulator:seconds=6000]")]
    vidu_emulator.skip(60)
    event = await event_of(trigger(*ids, timeout=3.0))
    assert event == {
        "status": "timeout",
        "counts": {"success": 30, "failed": 0, "timeout": 1, "error": 0},
        "message": "",
        "ids": digest_of_ids(ids),
    }


async def test_refused_group_reports_its_first_error(submit, vidu_emulator):
    ids = [submit(), submit()]
    for operation in ("list", "poll"):
        vidu_emulator.faults.add(operation, Fault.refuse(302, location="http://127.0.0.1:9/", times=None))
    event = await event_of(trigger(*ids))
    assert (event["status"], event["counts"]["error"]) == ("error", 2)
    assert "redirects" in event["message"]


async def ending_of(made):
    (event,) = [event async for event in made.run()]
    return event


INSTANCE = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)


@pytest.fixture
def pushed(monkeypatch):
    """What the trigger pushes through Airflow's SDK, by key."""
    from airflow.sdk.execution_time.xcom import XCom

    found = {}
    monkeypatch.setattr(XCom, "set", lambda key, value, **place: found.update({key: (value, place)}))
    return found


def ending(*task_ids, **options):
    made = trigger(*task_ids, end_task=True, **options)
    made.task_instance = INSTANCE
    return made


async def test_success_ends_the_airflow_task_with_its_record_immediately(submit, pushed):
    task_id = submit()
    known = {"task_id": task_id, "model": "m"}
    event = await ending_of(ending(task_id, known=known, not_before=timing.now() + 600))
    assert type(event).__name__ == "TaskSuccessEvent"
    record, place = pushed["return_value"]
    assert place == {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
    assert (record["task_id"], record["state"], record["files"]) == (task_id, "success", [])
    assert record["model"]
    assert record["creations"][0]["url"].startswith("http")
    assert json.loads(json.dumps(record)) == record


async def test_the_record_does_not_travel_in_the_event(submit, pushed):
    event = await ending_of(ending(submit(), known={}))
    assert "return_value" not in event.xcoms


async def test_worker_finishes_if_the_record_cannot_be_pushed(submit, monkeypatch):
    from airflow.sdk.execution_time.xcom import XCom

    def refuse(*_, **__):
        raise RuntimeError("the bucket is gone")

    monkeypatch.setattr(XCom, "set", refuse)
    event = await ending_of(ending(submit(), known={}))
    assert (type(event).__name__, event.payload["status"]) == ("TriggerEvent", "success")


async def test_worker_finishes_if_the_triggerer_accepts_no_xcom(submit, pushed, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.compat.takes_xcoms_of_triggers", lambda: False)
    event = await ending_of(ending(submit(), known={}))
    assert (type(event).__name__, pushed) == ("TriggerEvent", {})


async def test_dag_test_resumes_it_with_an_ordinary_event(submit, pushed):
    """dag.test() runs the trigger itself, without a task instance."""
    event = await ending_of(trigger(submit(), end_task=True, known={}))
    assert (event.payload["status"], pushed) == ("success", {})


async def test_a_row_without_links_is_queried_for_the_record(submit, monkeypatch, vidu_emulator, pushed):
    from airflow_provider_vidu.emulator.machine import answers

    real = answers.list_row
    monkeypatch.setattr(
        "airflow_provider_vidu.emulator.http.server.list_row",
        lambda *arguments, **named: {**real(*arguments, **named), "creations": []},
        raising=False,
    )
    monkeypatch.setattr(answers, "list_row", lambda *arguments, **named: {**real(*arguments, **named), "creations": []})
    task_id = submit()
    await ending_of(ending(task_id, known={"task_id": task_id}))
    assert pushed["return_value"][0]["creations"][0]["url"]
    assert vidu_emulator.counters.requests["poll"] == 1


async def test_without_a_known_record_none_is_pushed(submit, pushed):
    event = await ending_of(ending(submit()))
    assert type(event).__name__ == "TaskSuccessEvent"
    assert pushed == {}


async def test_links_work_without_a_worker(submit, vidu_emulator):
    task_id = submit()
    event = await ending_of(ending(task_id))
    assert event.xcoms["_link_ViduTaskLink"] == f"{vidu_emulator.url}/emulator/tasks/{task_id}"
    assert event.xcoms["_link_ViduVideoLink"].startswith(f"{vidu_emulator.url}/storage/")


@pytest.mark.parametrize(
    ("prompt", "status"),
    [
        ("[emulator:fail=AuditSubmitIllegal]", "failed"),
        ("[emulator:no-creation:9]", "success"),
        ("[emulator:seconds=6000]", "timeout"),
    ],
)
async def test_anything_but_a_video_resumes_on_a_worker(prompt, status, submit):
    event = await ending_of(ending(submit(prompt), known={}, timeout=2.0))
    assert type(event).__name__ == "TriggerEvent"
    assert event.payload["status"] == status


async def test_worker_finishes_if_a_trigger_cannot(submit, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.compat.task_success_event", lambda: None)
    event = await ending_of(ending(submit(), known={}))
    assert event.payload["status"] == "success"


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1, credits=10**5)
async def test_kill_cancels_the_whole_group_and_reports_it(submit, vidu_emulator, monkeypatch):
    lines = []
    monkeypatch.setattr("airflow_provider_vidu.submission.cancel_on_kill.ended_by_user", lambda instance: True)
    monkeypatch.setattr(ViduTaskTrigger, "log", SimpleNamespace(info=lambda *line: lines.append(line[0] % line[1:])))
    made = trigger(*[submit() for _ in range(120)])
    made.task_instance = SimpleNamespace(task_id="t")
    await made.on_kill()
    assert vidu_emulator.counters.cancels_accepted == 120
    assert any("120 cancelled, 0 had finished, 0 refused" in line for line in lines)
