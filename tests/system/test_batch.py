# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Two hundred requests in one task instance: each is paid for once despite crashes, and a kill refunds all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _support.stage import AIRFLOW, Account, Bill, Run, eventually, kill
from local_airflow import LocalAirflow

from airflow_provider_vidu.emulator import Fault

pytestmark = pytest.mark.system

SIZE = 200
ALL_VIDEOS = Bill(submissions=SIZE, charges=SIZE)

needs_trigger_kills = pytest.mark.skipif(
    AIRFLOW < (3, 3), reason="below Airflow 3.3 a trigger cannot know that a user has ended its task"
)
needs_state_store = pytest.mark.skipif(
    AIRFLOW < (3, 3), reason="below Airflow 3.3 there is no record, so a clear always generates again"
)


def delivered(run: Run) -> list[str]:
    """Return the ids of the delivered videos."""
    path = f"dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/animate/xcomEntries/return_value"
    records = run.airflow.get(path, deserialize="true")["value"]
    return [record["task_id"] for record in records if record["state"] == "success"]


def killed_midway(airflow: LocalAirflow, account: Account) -> Run:
    # Slow enough to kill the worker in the middle.
    account.vidu.faults.add("submit", Fault.hang(0.5, times=SIZE))
    run = Run(airflow, account, "batch_in_triggerer")
    run.wait_until_submitted(60)
    first = run.task()
    kill(first)
    assert account.bill().submissions < SIZE
    run.wait_until_tried_again(first)
    run.wait_until_submitted(SIZE)
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=killed_midway)
def test_worker_killed_during_submission_pays_for_nothing_twice(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ALL_VIDEOS
    assert len(set(delivered(run))) == SIZE


def undisturbed(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "batch_in_triggerer")
    run.wait_until_submitted(SIZE)
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=undisturbed)
def test_a_batch_is_one_try_and_few_requests(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ALL_VIDEOS
    assert len(set(delivered(run))) == SIZE
    assert run.try_number() == 1
    assert run.account.vidu.counters.requests["poll"] < SIZE


def marked_failed(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "batch_in_triggerer")
    run.wait_until_submitted(SIZE)
    run.wait_until_in_triggerer()
    run.set_task("failed")
    run.wait_until_ended("failed")
    eventually(account.bill, lambda bill: bill.refunds == SIZE, message=f"all of {run} is cancelled at Vidu")
    return run


@needs_trigger_kills
@pytest.mark.plays(scenario=marked_failed)
def test_marking_a_deferred_batch_failed_cancels_all_of_it(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=SIZE, refunds=SIZE, cancels=SIZE)


def cleared_while_it_waits(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "batch_in_triggerer")
    run.wait_until_submitted(SIZE)
    run.wait_until_in_triggerer()
    earlier = run.task()
    run.clear()
    run.wait_until_tried_again(earlier)
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@needs_state_store
@pytest.mark.plays(scenario=cleared_while_it_waits)
def test_clearing_a_waiting_batch_re_attaches_to_all_tasks(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ALL_VIDEOS


def killed_while_it_waits(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "batch_in_worker")
    run.wait_until_submitted(SIZE)
    run.wait_until_in_worker()
    first = run.task()
    kill(first)
    run.wait_until_tried_again(first)
    run.wait_until_in_worker()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=killed_while_it_waits)
def test_killed_worker_with_a_waiting_batch_re_attaches(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == ALL_VIDEOS
