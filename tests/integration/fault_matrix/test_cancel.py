# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Cancel x every fault: a clear of a running task, and a kill of a deferred one, pay at most once.

After a cancel whose reply is lost it is unknown whether the task continues. Both cases must end correctly.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from _support.fault_table import one_by_one, one_by_one_for_each_endpoint
from _support.virtual_time import jumping, replaced_by

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.submission import cancel_on_kill
from airflow_provider_vidu.triggers.task import KILL_TIMEOUT, ViduTaskTrigger

REFUSED = "refused connection"
ELSEWHERE = "/storage/elsewhere"

# Vidu has not cancelled, and the task continues.
NOT_CANCELLED = {
    "refused connection": REFUSED,
    "dropped before accept": Fault.drop_before_accept(),
    "500 before accept": Fault.refuse(500),
    "503 before accept": Fault.refuse(503),
    "408 before accept": Fault.refuse(408),
    "409 before accept": Fault.refuse(409),
    "499 before accept": Fault.refuse(499),
    "400": Fault.refuse(400),
    "401": Fault.refuse(401),
    "403": Fault.refuse(403),
    "404": Fault.refuse(404),
    "405": Fault.refuse(405),
    "302": Fault.refuse(302, location=ELSEWHERE),
    "303": Fault.refuse(303, location=ELSEWHERE),
    "307": Fault.refuse(307, location=ELSEWHERE),
    "429": Fault.rate_limit(),
    "429, Retry-After 7": Fault.rate_limit(retry_after=7),
    "429, Retry-After a date": Fault.rate_limit(retry_after="HTTP date"),
    "200 with an error": Fault.error_in_200(),
}
# There is only one kill, so it retries after a 429 while there is time.
ASKED_AGAIN = (NOT_CANCELLED["429"], NOT_CANCELLED["429, Retry-After 7"])
# Vidu has cancelled, and its client has got no confirmation.
CANCELLED = {
    "reply lost": Fault.drop_after_accept(),
    "half a reply": Fault.half_reply(),
    "500 after accept": Fault.fail_after_accept(500),
    "503 after accept": Fault.fail_after_accept(503),
    "408 after accept": Fault.fail_after_accept(408),
    "409 after accept": Fault.fail_after_accept(409),
    "499 after accept": Fault.fail_after_accept(499),
    "hang after accept": Fault.hang(1.2),
}
# Vidu has cancelled, and its client has got some kind of confirmation.
CONFIRMED = {"well": None, "200 with broken JSON": Fault.broken_json()}


@pytest.fixture
def submitted(task_instance, open_client):
    """Make a task instance whose worker died while it waited; Vidu still cancels its task for 20 s."""

    def submitted(fault=None, **extra):
        task = task_instance(fault, **extra)
        return task, task.begin(open_client(task.account))[1].task_id

    return submitted


@pytest.fixture
def clear(strike, open_client):
    """Start a cleared try whose cancel meets the fault."""

    def clear(task, fault):
        client = open_client(task.account)
        if fault == REFUSED:
            # Only now, since the query before it must succeed.
            cancel = client.cancel_task
            client.cancel_task = lambda task_id: (strike("cancel", fault), cancel(task_id))
        elif fault is not None:
            strike("cancel", fault)
        submission, known = task.begin(client, cleared=True)
        strike.stop()
        return submission, known

    return clear


@one_by_one_for_each_endpoint(NOT_CANCELLED)
def test_a_clear_whose_cancel_did_nothing_attaches_and_pays_once(fault, submitted, clear, books):
    task, first = submitted(fault)
    video = task.finish(*clear(task, fault))
    assert books.paid == books.created == [video] == [first]
    assert books.key_stayed_home
    assert books.requests("download") == 1


@one_by_one_for_each_endpoint({**CANCELLED, **CONFIRMED})
def test_clear_with_an_accepted_cancel_submits_again(fault, submitted, clear, books):
    task, first = submitted(fault)
    video = task.finish(*clear(task, fault))
    assert books.paid == [video]
    assert books.created == [first, video]


@one_by_one({**CANCELLED, **NOT_CANCELLED})
def test_clear_that_cannot_verify_its_cancel_pays_once(fault, submitted, clear, strike, books, monkeypatch):
    task, _ = submitted(fault)
    # The query before the cancel succeeds; every later one fails.
    strike("poll", Fault.refuse(503, after=1), times=None)
    try:
        video = task.finish(*clear(task, fault))
    except ViduError:
        # It has attached to the task that it cancelled. The next clear corrects that.
        video = task.run(cleared=True)
    assert books.paid == [video]


@pytest.mark.parametrize("seconds", [5, 25], ids=["while it waits", "once it is processed"])
def test_late_cancel_pays_once(seconds, submitted, clear, strike, books, vidu):
    fault = Fault.hang_before_accept(1.2)
    task, _ = submitted(fault)
    strike.expect_late_request(seconds, lambda: vidu.counters.cancels_accepted + vidu.counters.cancels_refused)
    submission, known = clear(task, fault)
    try:
        video = task.finish(submission, known)
    except ViduError:
        video = task.run(cleared=True)
    assert books.paid == [video]
    assert len(books.created) == (2 if seconds == 5 else 1)


@pytest.mark.parametrize("extra", [{}, {"cancel_path": None}], ids=["404", "the connection says so"])
def test_clear_on_a_host_without_cancel_pays_once(extra, submitted, clear, books, vidu):
    vidu.quirks.has_cancel = False
    task, first = submitted(**extra)
    video = task.finish(*clear(task, None))
    assert books.paid == books.created == [video] == [first]


@pytest.fixture
def kill(vidu, clock, strike, monkeypatch):
    """End a deferred task instance by hand: its trigger's cancel meets the fault."""

    async def killed(task, task_id):
        trigger = ViduTaskTrigger("vidu_default", [task_id], clock() + 3600)
        trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
        await trigger.on_kill()

    jump = jumping(clock)

    async def asleep(seconds):
        # A wait_for counts real seconds.
        if seconds > KILL_TIMEOUT:
            raise asyncio.TimeoutError
        await jump.asleep(seconds)

    def kill(task, task_id, fault):
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu.connection_json(timeout=task.account.timeout))
        monkeypatch.setattr(cancel_on_kill, "ended_by_user", lambda instance: True)
        if fault == REFUSED:
            cancel = AsyncViduClient.cancel_task

            async def cancel_task(client, task_id):
                strike("cancel", fault)
                await cancel(client, task_id)

            monkeypatch.setattr(AsyncViduClient, "cancel_task", cancel_task)
        elif fault is not None:
            strike("cancel", fault)
        with replaced_by(replace(jump, asleep=asleep)):
            asyncio.run(killed(task, task_id))
        strike.stop()

    return kill


@one_by_one({**NOT_CANCELLED, **CANCELLED, **CONFIRMED})
def test_clear_after_a_kill_pays_once(fault, submitted, kill, books, clock, vidu):
    task, first = submitted(fault)
    kill(task, first, fault)
    assert books.requests("cancel") == (0 if fault == REFUSED else 2 if fault in ASKED_AGAIN else 1)
    assert books.requests("submit") == 1
    assert books.key_stayed_home
    clock.sleep(30)
    video = task.run(cleared=True)
    assert books.paid == [video]
    goes_on = fault in NOT_CANCELLED.values() and fault not in ASKED_AGAIN
    assert books.created == ([first] if goes_on else [first, video])
