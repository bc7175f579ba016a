# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Poll x every fault: a wait goes on until its deadline, in a worker and in the triggerer, and costs nothing more."""

from __future__ import annotations

import asyncio

import pytest
from _support.fault_table import one_by_one

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.client import AsyncViduClient, ViduClient
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

REFUSED = "refused connection"
ELSEWHERE = "/storage/elsewhere"

OUTAGES = {
    "refused connection": REFUSED,
    "dropped before accept": Fault.drop_before_accept(),
    "reply lost": Fault.drop_after_accept(),
    "half a reply": Fault.half_reply(),
    "200 with broken JSON": Fault.broken_json(),
    "200 with an error": Fault.error_in_200(),
    "500": Fault.refuse(500),
    "503": Fault.refuse(503),
    "504": Fault.fail_after_accept(504),
    "408": Fault.refuse(408),
    "429": Fault.rate_limit(),
    "429, Retry-After 7": Fault.rate_limit(retry_after=7),
    "429, Retry-After a date": Fault.rate_limit(retry_after="HTTP date"),
}
# Vidu's own reply does not always repeat the id, which is in the path.
ANSWERED = {"200 without id": Fault.no_id()}
# For a read, a hang before accept is the same.
HANGS = {"hang": Fault.hang(1.2)}
# Tolerated if they occur singly.
HICCUPS = {"401": Fault.refuse(401), "403": Fault.refuse(403), "404": Fault.refuse(404)}
# Vidu documents both as transient (Conflict, Canceled).
PASSING_4XX = {"409": Fault.refuse(409), "499": Fault.refuse(499)}
REDIRECTS = {str(status): Fault.refuse(status, location=ELSEWHERE) for status in (302, 307)}


@pytest.fixture
def strike_looks(strike):
    """Inject faults into queries, and into the list that the triggerer polls."""

    def inject(fault, **how):
        for operation in ("poll", "list"):
            strike(operation, fault, **how)

    return inject


@pytest.fixture(params=["worker", "triggerer"])
def wait(request, vidu, clock, monkeypatch):
    """Wait as an Airflow task does, and land the video. Raises the error that ends the wait otherwise."""

    def in_worker(task, submission, submitted, timeout=3600.0):
        return task.finish(submission, submitted, timeout=timeout)

    def in_triggerer(task, submission, submitted, timeout=3600.0):
        async def event():
            trigger = ViduTaskTrigger("vidu_default", [submitted.task_id], clock() + timeout)
            (event,) = [event async for event in trigger.run()]
            return event.payload

        extra = {"timeout": task.account.timeout, "poll_interval": None}
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu.connection_json(**extra))
        payload = asyncio.run(event())
        if payload["status"] != "success":
            # The operator does the same when it resumes with such an event.
            submission.note_left_running()
            raise ViduError(f"{payload['status']}: {payload['message']}")
        return task.finish(submission, submitted)

    return in_worker if request.param == "worker" else in_triggerer


@pytest.fixture
def begin(task_instance, open_client):
    """Submit in a first try, which succeeds."""

    def begin(fault):
        task = task_instance(fault)
        return (task, *task.begin(open_client(task.account)))

    return begin


@one_by_one({**OUTAGES, **ANSWERED, **HANGS, **PASSING_4XX})
def test_wait_survives_an_outage(fault, begin, wait, strike, strike_looks, books):
    task, submission, submitted = begin(fault)
    strike_looks(fault, times=5, lasts=120 if fault == REFUSED else None)
    video = wait(task, submission, submitted)
    assert books.paid == books.created == [video]
    assert (books.requests("submit"), books.requests("cancel")) == (1, 0)


@one_by_one(HICCUPS)
def test_wait_survives_two_consecutive_refusals(fault, begin, wait, strike, strike_looks, books):
    task, submission, submitted = begin(fault)
    strike_looks(fault, times=2)
    video = wait(task, submission, submitted)
    assert books.paid == books.created == [video]


@one_by_one(OUTAGES)
def test_outage_ends_a_wait_only_at_its_deadline(fault, begin, wait, strike, strike_looks, books, clock):
    task, submission, submitted = begin(fault)
    strike_looks(fault, times=None)
    end = clock() + 600
    with pytest.raises(ViduError, match=r"deadline|timeout"):
        wait(task, submission, submitted, timeout=600)
    assert clock() >= end
    strike.stop()
    assert task.run() == submitted.task_id
    assert books.paid == books.created == [submitted.task_id]


@pytest.mark.parametrize("cleared", [False, True], ids=["retry", "clear"])
@one_by_one({**HICCUPS, **PASSING_4XX, **REDIRECTS})
def test_next_try_continues_an_ended_wait(fault, cleared, begin, wait, strike, strike_looks, books):
    task, submission, submitted = begin(fault)
    strike_looks(fault, times=None)
    with pytest.raises(ViduError):
        wait(task, submission, submitted)
    assert books.key_stayed_home
    assert books.requests("download") == 0
    strike.stop()
    assert task.run(cleared=cleared) == submitted.task_id
    assert books.paid == books.created == [submitted.task_id]
    assert books.requests("cancel") == 0


@pytest.mark.parametrize("has_ended", [False, True], ids=["waiting", "ended"])
@pytest.mark.parametrize("cleared", [False, True], ids=["retry", "clear"])
@one_by_one({**OUTAGES, **ANSWERED, **HICCUPS, **PASSING_4XX, **REDIRECTS})
def test_try_that_cannot_query_the_earlier_task_pays_once(
    fault, cleared, has_ended, begin, open_client, strike, books, clock
):
    task, _, submitted = begin(fault)
    clock.sleep(100 if has_ended else 1)
    strike("poll", fault, times=None)
    try:
        submission, known = task.begin(open_client(task.account), cleared=cleared)
        strike.stop()
        video = task.finish(submission, known)
    except ViduError:
        assert books.requests("submit") == 1
        strike.stop()
        video = task.run()
    assert books.paid == [video]
    if has_ended or not cleared:
        assert books.created == [submitted.task_id]


@one_by_one({**OUTAGES, **HANGS})
async def test_both_clients_retry_queries_and_lists(fault, begin, account, strike, clock):
    _, _, submitted = begin(fault)
    times = 1 if fault in HANGS.values() else 2
    for operation in ("poll", "list"):
        strike(operation, fault, times=times, lasts=0 if fault == REFUSED else None)
        with ViduClient(account(fault)) as client:
            ask(client, operation, submitted.task_id)
        strike.stop()
        strike(operation, fault, times=times, lasts=0 if fault == REFUSED else None)
        async with AsyncViduClient(account(fault)) as client:
            await ask(client, operation, submitted.task_id)
        strike.stop()


def ask(client, operation, task_id):
    return client.get_task(task_id) if operation == "poll" else client.list_page()
