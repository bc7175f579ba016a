# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A task that a user ends is cancelled at Vidu once; clearing a finished task generates once more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _support.stage import AIRFLOW, Account, Bill, Run, eventually
from local_airflow import LocalAirflow

pytestmark = pytest.mark.system

CANCELLED = Bill(submissions=1, refunds=1, cancels=1)

needs_trigger_kills = pytest.mark.skipif(
    AIRFLOW < (3, 3), reason="below Airflow 3.3 a trigger cannot know that a user has ended its task"
)


def wait_until_cancelled(run: Run) -> Run:
    eventually(run.account.bill, lambda bill: bill.refunds, message=f"{run} is cancelled at Vidu")
    return run


def ended(state: str, dag_id: str, act: Callable[[Run], None]) -> Callable[[LocalAirflow, Account], Run]:
    """Make the scenario of a waiting task that a user ends."""

    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, dag_id)
        run.wait_until_in_worker() if dag_id == "in_worker" else run.wait_until_in_triggerer()
        act(run)
        run.wait_until_ended(state)
        return wait_until_cancelled(run)

    return scenario


marked_failed = ended("failed", "in_triggerer", lambda run: run.set_task("failed"))
marked_successful = ended("success", "in_triggerer", lambda run: run.set_task("success"))
run_marked_failed = ended("failed", "in_triggerer", lambda run: run.set_run("failed"))
marked_failed_in_worker = ended("failed", "in_worker", lambda run: run.set_task("failed"))


@needs_trigger_kills
@pytest.mark.plays(scenario=marked_failed)
def test_marking_a_deferred_task_failed_cancels_it_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


@needs_trigger_kills
@pytest.mark.plays(scenario=marked_successful)
def test_marking_a_deferred_task_successful_cancels_it_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


@needs_trigger_kills
@pytest.mark.plays(scenario=run_marked_failed)
def test_failing_a_deferred_tasks_run_cancels_it_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


@pytest.mark.plays(scenario=marked_failed_in_worker)
def test_marking_a_waiting_worker_failed_cancels_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


def cleared_when_done(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_triggerer")
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    run.clear()
    run.wait_until_submitted(2)
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=cleared_when_done)
def test_clearing_a_finished_task_is_exactly_one_new_generation(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=2, charges=2)
