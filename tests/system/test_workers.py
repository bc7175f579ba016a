# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Workers are killed, evicted, out of time or lost and back again: each video is made and billed once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _support.stage import (
    AIRFLOW,
    DIES_OF_LOST_HEARTBEATS,
    TIMEOUT,
    WITHIN,
    Account,
    Bill,
    Run,
    eventually,
    evict,
    frozen,
    kill,
    worker_of,
)
from local_airflow import LocalAirflow

from airflow_provider_vidu.emulator import Fault

pytestmark = pytest.mark.system

ONE_VIDEO = Bill(submissions=1, charges=1)


def killed_before_the_reply(airflow: LocalAirflow, account: Account) -> Run:
    account.vidu.faults.add("submit", Fault.hang(TIMEOUT * 2))
    run = Run(airflow, account, "in_worker")
    run.wait_until_submitted()
    first = run.task()
    kill(first)
    record = run.record()
    # Otherwise this would be another scenario: here the id must be unknown.
    assert record is None or (record["phase"], record["task_id"]) == ("intent", None)
    run.wait_until_tried_again(first)
    run.wait_until_in_worker()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=killed_before_the_reply)
def test_worker_killed_before_the_reply_does_not_submit_twice(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def killed_while_it_waits(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_worker")
    run.wait_until_in_worker()
    first = run.task()
    kill(first)
    run.wait_until_tried_again(first)
    run.wait_until_in_worker()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=killed_while_it_waits)
def test_next_worker_re_attaches_after_a_kill(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def evicted(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_worker")
    run.wait_until_in_worker()
    first = run.task()
    evict(first)
    run.wait_until_tried_again(first)
    run.wait_until_in_worker()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=evicted)
def test_an_evicted_worker_cancels_nothing_and_the_retry_re_attaches(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def out_of_time_in_a_worker(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_worker_limited")
    run.wait_until_in_worker()
    first = run.task()
    # Our own deadline comes first, unless a query lasts until Airflow's timeout strikes.
    account.vidu.faults.add("poll", Fault.hang(TIMEOUT))
    run.wait_until_tried_again(first)
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=out_of_time_in_a_worker)
def test_an_execution_timeout_in_a_worker_cancels_nothing(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def out_of_time_while_deferred(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_triggerer_limited")
    run.wait_until_in_triggerer()
    run.wait_until_tried_again(run.task())
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=out_of_time_while_deferred)
def test_an_execution_timeout_while_deferred_cancels_nothing(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def given_up_and_back_again(airflow: LocalAirflow, account: Account) -> Run:
    account.vidu.faults.add("submit", Fault.rate_limit(retry_after=1, times=None))
    run = Run(airflow, account, "in_worker")

    def refused() -> int:
        return account.vidu.counters.faults["submit"]

    eventually(refused, lambda count: count >= 2, message=f"{run} waits out a full queue")
    first = run.task()
    worker = worker_of(first)
    with frozen(worker.ppid(), worker.pid):
        run.wait_until_tried_again(first)
        count = refused()
        eventually(refused, lambda now: now >= count + 2, message=f"the next try of {run} waits out a full queue")
        account.vidu.faults.clear("submit")
    worker.wait(WITHIN)
    run.wait_until_submitted()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="below Airflow 3.3 no store refuses the intent of a lost worker")
@pytest.mark.skipif(DIES_OF_LOST_HEARTBEATS, reason="the scheduler of Airflow 3.4.0b2 crashes on a lost heartbeat")
@pytest.mark.plays(scenario=given_up_and_back_again)
def test_returning_lost_worker_does_not_submit(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() > 1


def out_of_the_worker_for_a_full_queue(airflow: LocalAirflow, account: Account) -> Run:
    account.vidu.faults.add("submit", Fault.rate_limit(reason="QuotaExceeded", retry_after=31))
    run = Run(airflow, account, "in_triggerer")
    eventually(
        run.brief,
        lambda brief: brief == [(-1, "deferred", 1)],
        message=f"{run} leaves the worker, with nothing submitted",
    )
    assert account.bill() == Bill()
    run.wait_until_submitted()
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=out_of_the_worker_for_a_full_queue)
def test_full_queue_is_waited_out_in_the_triggerer(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ONE_VIDEO
    assert run.try_number() == 1
