# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A kill cancels what Vidu still cancels, each once, within its time, and tells the fate of every id."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from _support.virtual_time import replaced_by

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduConfigurationError, ViduRequestError, ViduUnavailableError
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.transport.timing import Time
from airflow_provider_vidu.waiting import cancel as cancel_module
from airflow_provider_vidu.waiting.cancel import CancelCheck, CancelReport, cancel_and_verify, cancel_unfinished

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
pytestmark = pytest.mark.usefixtures("clock")

LOG = logging.getLogger("test")


@pytest.fixture
def submit(vidu_emulator):
    def submit(count, prompt="[emulator:seconds=600]"):
        hook = ViduHook()
        return [hook.submit({**FIELDS, "prompt": prompt}).task_id for _ in range(count)]

    return submit


class Host:
    """A relay without a list. Its rules for a cancel are its own: ``cancels`` says what comes of each."""

    def __init__(self, states, cancels=lambda task_id: True, effect=lambda task_id: True):
        self.account = Account(api_key="k", list_path=None)
        self.states, self.cancels, self.effect = dict(states), cancels, effect
        self.asked = []
        self.hangs = False

    async def get_task(self, task_id, *, retry=True):
        await asyncio.sleep(3600 if self.hangs else 0)
        return ViduTask(task_id=task_id, state=self.states[task_id], credits=int(task_id))

    async def cancel_task(self, task_id):
        self.asked.append(task_id)
        reply = self.cancels(task_id)
        if isinstance(reply, Exception):
            raise reply
        if self.effect(task_id):
            self.states[task_id] = "failed"

    async def cancel(self, seconds=5.0):
        return await cancel_unfinished(self, list(self.states), seconds=seconds, log=LOG)


REFUSED = ViduRequestError("Vidu answered: task state is scheduled, can not cancel", http_status=400)


STATES = {
    "cancelled": ViduTask(task_id="1", state="failed", err_code="UserCancelled"),
    **{state: ViduTask(task_id="1", state=state) for state in ("failed", "processing", "success")},
    "outage": ViduUnavailableError("503"),
}


@pytest.mark.parametrize(
    ("answers", "is_cancelled"),
    [
        (["cancelled"], True),
        (["processing", "cancelled"], True),
        (["outage", "outage", "cancelled"], True),
        (["failed", "failed"], True),
        (["processing", "processing", "failed", "failed"], True),
        (["success"], False),
        (["failed", "success"], False),
        (["processing", "processing", "processing"], False),
        (["failed", "processing", "processing"], False),
        (["failed", "outage", "processing"], False),
        (["outage", "outage", "outage"], False),
    ],
    ids=str,
)
def test_a_cancel_counts_once_the_task_shows_it(answers, is_cancelled):
    """A gateway's error may look like a failed task, and another one would be paid for."""
    check = CancelCheck()
    assert [check.on_query(STATES[name]) for name in answers] == [None] * (len(answers) - 1) + [is_cancelled]


@pytest.mark.parametrize("refusal", [None, REFUSED], ids=["accepted", "refused"])
@pytest.mark.parametrize(("answers", "is_cancelled"), [(["cancelled"], True), (["processing"] * 3, False)])
def test_one_cancel_is_verified_like_many(answers, is_cancelled, refusal):
    left = [STATES[name] for name in answers]
    client = SimpleNamespace(cancel_task=Mock(side_effect=refusal), get_task=lambda task_id, *, retry: left.pop(0))
    assert cancel_and_verify(client, "1", LOG) is is_cancelled
    # One query is enough if Vidu refused the cancel.
    assert len(left) == (2 if refusal and not is_cancelled else 0)


async def test_a_failed_query_is_no_cancel():
    """Its items would be submitted again."""
    host = Host({"1": "processing"}, effect=lambda task_id: False)
    answers = iter(["processing", "failed", "processing", "processing"])
    get_task = host.get_task

    async def shown(task_id, *, retry=True):
        host.states["1"] = next(answers)
        return await get_task(task_id)

    host.get_task = shown
    assert await host.cancel() == CancelReport(refused=("1",), credits={"1": 1})


async def test_a_host_that_cancels_while_processing_is_asked_to():
    host = Host({"1": "processing", "2": "queueing", "3": "processing", "4": "success"})
    assert await host.cancel() == CancelReport(cancelled=("1", "2", "3"), ended=("4",))
    # What has not begun comes first: it is what a host cancels most surely.
    assert host.asked == ["2", "1", "3"]


async def test_a_refusal_is_reported_as_answered_with_its_price(caplog):
    host = Host({"1": "processing", "20": "processing"}, lambda task_id: REFUSED if task_id == "20" else True)
    with caplog.at_level(logging.WARNING):
        assert await host.cancel() == CancelReport(cancelled=("1",), refused=("20",), credits={"20": 20})
    assert "Vidu task 20 was not cancelled: Vidu answered: task state is scheduled" in caplog.text


async def test_accepted_cancels_are_verified_on_the_task():
    host = Host({"1": "processing", "2": "queueing"}, effect=lambda task_id: task_id == "2")
    assert await host.cancel() == CancelReport(cancelled=("2",), refused=("1",), credits={"1": 1})


async def test_a_yes_that_shows_late_is_a_cancel():
    host = Host({"1": "processing"}, effect=lambda task_id: False)
    get_task, queries = host.get_task, []

    async def late(task_id, *, retry=True):
        queries.append(task_id)
        host.states["1"] = "failed" if len(queries) >= 3 else "processing"
        return await get_task(task_id)

    host.get_task = late
    assert await host.cancel() == CancelReport(cancelled=("1",))


async def test_a_yes_that_there_is_no_time_to_verify_is_reported_as_one():
    host = Host({"1": "processing"})

    def cancels(task_id):
        host.hangs = True
        return True

    host.cancels = cancels
    assert await host.cancel(seconds=0.4) == CancelReport(unverified=("1",))


async def test_what_is_submitted_again_has_time_of_its_own_to_be_verified():
    """Slow cancels have used up the time; an item whose cancel is not verified would fail for good in a retry."""
    host = Host({"1": "processing"})
    get_task, slow = host.get_task, [3600]

    async def slow_at_first(task_id, *, retry=True):
        if host.asked and slow:
            await asyncio.sleep(slow.pop())
        return await get_task(task_id)

    host.get_task = slow_at_first
    report = await cancel_unfinished(host, ["1"], seconds=0.4, verify_seconds=5.0, log=LOG)
    assert report == CancelReport(cancelled=("1",))


async def test_a_query_that_hangs_keeps_no_cancel_from_being_sent():
    host = Host({"1": "processing", "2": "queueing"})
    host.hangs = True
    report = await host.cancel(seconds=0.4)
    assert sorted(host.asked) == ["1", "2"]
    assert report == CancelReport(unverified=("1", "2"))


async def test_a_host_without_a_cancel_is_reported_for_each_task(caplog):
    lacks = ViduConfigurationError("This host has no cancel: it answered with a web page.", http_status=200)
    host = Host({"1": "processing", "2": "queueing"}, lambda task_id: lacks)
    report = await host.cancel()
    assert (report.refused, report.credits) == (("1", "2"), {"1": 1, "2": 2})
    assert "This host has no cancel" in caplog.text


async def cancel(task_ids, seconds=10.0):
    async with await ViduHook().aget_conn() as client:
        return await cancel_unfinished(client, task_ids, seconds=seconds, log=LOG)


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1, credits=10**6)
async def test_a_thousand_queued_tasks_are_cancelled_and_refunded(submit, vidu_emulator):
    task_ids = submit(1000)
    report = await cancel(task_ids, 60.0)
    assert set(report.cancelled) == set(task_ids)
    assert (report.ended, report.refused, report.unreachable) == ((), (), ())
    assert vidu_emulator.counters.cancels_accepted == 1000
    # Ten pages before, and ten that show the tasks cancelled.
    assert vidu_emulator.counters.requests["list"] == 20
    assert vidu_emulator.ledger.reserved == 0


@pytest.mark.vidu_emulator(concurrency=2, speed=200, seed=1)
async def test_finished_and_unknown_tasks_are_not_cancelled(submit, vidu_emulator):
    (ended,) = submit(1, "[emulator:fail=AuditSubmitIllegal]")
    ViduHook().get_conn()
    vidu_emulator.skip(60)
    running = submit(2)
    vidu_emulator.skip(0.1)
    waiting = submit(3)
    report = await cancel([ended, *running, *waiting, "902581991298326528"])
    assert report == CancelReport(
        cancelled=tuple(waiting),
        ended=(ended,),
        refused=tuple(running),
        unreachable=("902581991298326528",),
        credits=dict.fromkeys(running, 8),
    )
    assert vidu_emulator.counters.requests["cancel"] == 5


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_failed_queries_are_repeated_and_cancels_are_not(submit, vidu_emulator):
    (task_id,) = submit(1)
    vidu_emulator.faults.add("list", Fault.refuse(503))
    vidu_emulator.faults.add("cancel", Fault.drop_after_accept())
    report = await cancel([task_id])
    assert report.cancelled == (task_id,)
    assert vidu_emulator.counters.requests["cancel"] == 1


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_a_refused_cancel_does_not_stop_the_others(submit, vidu_emulator):
    task_ids = submit(10)
    vidu_emulator.faults.add("cancel", Fault.refuse(400, times=4))
    report = await cancel(task_ids)
    assert (len(report.refused), len(report.cancelled)) == (4, 6)


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_a_429_has_cancelled_nothing_and_is_tried_again(submit, vidu_emulator):
    task_ids = submit(40)
    vidu_emulator.faults.add("cancel", Fault.rate_limit(retry_after=0, times=20))
    report = await cancel(task_ids)
    assert set(report.cancelled) == set(task_ids)
    assert vidu_emulator.ledger.reserved == 0


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_an_unreadable_task_does_not_stop_the_other_cancels(submit, monkeypatch):
    task_ids = submit(3)
    get_tasks = cancel_module.BulkQuery.get_tasks

    async def blind(self, asked):
        seen = await get_tasks(self, asked)
        return {**seen, task_ids[0]: ViduUnavailableError("500")} if task_ids[0] in seen else seen

    monkeypatch.setattr(cancel_module.BulkQuery, "get_tasks", blind)
    report = await cancel(task_ids)
    assert (set(report.cancelled), report.unverified) == (set(task_ids[1:]), (task_ids[0],))


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_tasks_not_reached_in_time_are_reported(submit, vidu_emulator):
    task_ids = submit(3)
    vidu_emulator.faults.add("list", Fault.refuse(503, times=None))
    vidu_emulator.faults.add("poll", Fault.refuse(503, times=None))
    with replaced_by(Time(asleep=asyncio.sleep)):
        report = await cancel(task_ids, 0.3)
    assert report == CancelReport(unreachable=tuple(task_ids))
    assert vidu_emulator.counters.requests["cancel"] == 0
