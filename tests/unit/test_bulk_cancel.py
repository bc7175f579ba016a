# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A kill cancels what Vidu still cancels, each once, within its time, and tells the fate of every id."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_vidu import bulk_cancel
from airflow_provider_vidu.api.errors import ViduUnavailableError
from airflow_provider_vidu.bulk_cancel import CancelReport, cancel_unfinished
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1}
LOG = logging.getLogger("test")


@pytest.fixture
def submit(vidu_emulator):
    def submit(count, prompt="[emulator:seconds=600]"):
        hook = ViduHook()
        return [hook.submit({**FIELDS, "prompt": prompt}).task_id for _ in range(count)]

    return submit


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
    assert vidu_emulator.counters.requests["list"] == 10
    assert vidu_emulator.ledger.reserved == 0


@pytest.mark.vidu_emulator(concurrency=2, speed=200, seed=1)
async def test_what_is_processing_has_ended_or_is_unknown_is_told_and_not_asked_to_cancel(submit, vidu_emulator):
    (ended,) = submit(1, "[emulator:fail=AuditSubmitIllegal]")
    ViduHook().get_conn()
    vidu_emulator.skip(60)
    running = submit(2)
    vidu_emulator.skip(0.1)
    waiting = submit(3)
    report = await cancel([ended, *running, *waiting, "902581991298326528"])
    assert report == CancelReport(
        cancelled=report.cancelled, ended=(ended,), refused=tuple(running), unreachable=("902581991298326528",)
    )
    assert set(report.cancelled) == set(waiting)
    assert vidu_emulator.counters.requests["cancel"] == 3


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_a_look_that_fails_is_repeated_and_a_cancel_is_not(submit, vidu_emulator):
    (task_id,) = submit(1)
    vidu_emulator.faults.add("list", Fault.refuse(503))
    vidu_emulator.faults.add("cancel", Fault.drop_after_accept())
    report = await cancel([task_id])
    assert report.cancelled == (task_id,)
    assert vidu_emulator.counters.requests["cancel"] == 1


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_a_refused_cancel_raises_nothing_and_goes_on_with_the_others(submit, vidu_emulator):
    task_ids = submit(10)
    vidu_emulator.faults.add("cancel", Fault.refuse(400, times=4))
    report = await cancel(task_ids)
    assert (len(report.refused), len(report.cancelled)) == (4, 6)


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_a_429_has_cancelled_nothing_and_is_tried_again(submit, vidu_emulator, monkeypatch):
    monkeypatch.setattr(bulk_cancel, "LOOK_GAP", 0.01)
    task_ids = submit(40)
    vidu_emulator.faults.add("cancel", Fault.rate_limit(retry_after=0, times=20))
    report = await cancel(task_ids)
    assert set(report.cancelled) == set(task_ids)
    assert vidu_emulator.ledger.reserved == 0


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_one_task_that_cannot_be_seen_keeps_no_other_from_being_cancelled(submit, monkeypatch):
    monkeypatch.setattr(bulk_cancel, "LOOK_GAP", 0.01)
    task_ids = submit(3)
    get_tasks = bulk_cancel.BulkQuery.get_tasks

    async def blind(self, asked):
        seen = await get_tasks(self, asked)
        return {**seen, task_ids[0]: ViduUnavailableError("500")} if task_ids[0] in seen else seen

    monkeypatch.setattr(bulk_cancel.BulkQuery, "get_tasks", blind)
    report = await cancel(task_ids)
    assert set(report.cancelled) == set(task_ids)


@pytest.mark.vidu_emulator(concurrency=0, speed=200, seed=1)
async def test_what_is_not_reached_within_the_time_is_told(submit, vidu_emulator):
    task_ids = submit(3)
    vidu_emulator.faults.add("list", Fault.refuse(503, times=None))
    vidu_emulator.faults.add("poll", Fault.refuse(503, times=None))
    report = await cancel(task_ids, 0.3)
    assert report == CancelReport(unreachable=tuple(task_ids))
    assert vidu_emulator.counters.requests["cancel"] == 0
