# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a user ends is cancelled at Vidu, once; what a user clears is paid for once more at the most."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from local_airflow import LocalAirflow
from stage import AIRFLOW, Account, Bill, Run, eventually

from airflow_provider_vidu.emulator import Fault

pytestmark = pytest.mark.system

CANCELLED = Bill(submissions=1, refunds=1, cancels=1)

needs_trigger_kills = pytest.mark.skipif(
    AIRFLOW < (3, 3), reason="below Airflow 3.3 nobody tells a trigger that a user has ended its task"
)
needs_state_store = pytest.mark.skipif(
    AIRFLOW < (3, 3), reason="below Airflow 3.3 a clear is a new generation always: there is no record to find"
)


def is_cancelled(run: Run) -> Run:
    eventually(run.account.bill, lambda bill: bill.refunds, told=f"{run} is cancelled at Vidu")
    return run


def ended(state: str, dag_id: str, act: Callable[[Run], None]) -> Callable[[LocalAirflow, Account], Run]:
    """Make the scenario of a waiting task that a user ends, and with it its run."""

    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, dag_id)
        run.waits_in_worker() if dag_id == "in_worker" else run.waits_in_triggerer()
        act(run)
        run.ends(state)
        return is_cancelled(run)

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
def test_failing_the_dag_run_of_a_deferred_task_cancels_it_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


@pytest.mark.plays(scenario=marked_failed_in_worker)
def test_marking_a_task_failed_that_waits_in_a_worker_cancels_it_once(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == CANCELLED


def cleared_in_the_queue(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_triggerer")
    run.waits_in_triggerer()
    run.clear()
    run.is_submitted(2)
    run.waits_in_triggerer()
    account.finish()
    run.ends()
    return run


@needs_state_store
@pytest.mark.plays(scenario=cleared_in_the_queue)
def test_clearing_what_vidu_still_cancels_is_one_new_generation_and_one_charge(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=2, charges=1, refunds=1, cancels=1)


def cleared_in_processing(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_triggerer")
    run.waits_in_triggerer()
    account.process()
    earlier = run.task()
    run.clear()
    run.is_tried_again(earlier)
    run.waits_in_triggerer()
    account.finish()
    run.ends()
    return run


@needs_state_store
@pytest.mark.plays(scenario=cleared_in_processing)
def test_clearing_what_vidu_does_not_cancel_any_more_re_attaches(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=1, charges=1, cancels=1)


def cleared_when_done(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "in_triggerer")
    run.waits_in_triggerer()
    account.finish()
    run.ends()
    run.clear()
    run.is_submitted(2)
    run.waits_in_triggerer()
    account.finish()
    run.ends()
    return run


@pytest.mark.plays(scenario=cleared_when_done)
def test_clearing_a_finished_task_is_exactly_one_new_generation(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=2, charges=2)


def adopted_by_hand(airflow: LocalAirflow, account: Account) -> Run:
    # A relay: the reply is lost, and there is no list in which it could be looked up.
    account.vidu.quirks.has_list = False
    account.vidu.faults.add("submit", Fault.drop_after_accept())
    run = Run(airflow, account, "in_triggerer")
    run.ends("failed")
    (command,) = set(re.findall(r"curl -X PUT .*?}'", "\n".join(texts_of(run))))
    (lost,) = account.vidu.tasks
    subprocess.run(
        ["bash", "-c", command.replace("THE-VIDU-TASK-ID", lost.task_id) + " --silent --fail-with-body"],
        env={**os.environ, "AIRFLOW_TOKEN": airflow.token, "NO_PROXY": "127.0.0.1"},
        check=True,
        capture_output=True,
    )
    run.clear()
    run.waits_in_triggerer()
    account.finish()
    run.ends()
    return run


def texts_of(run: Run) -> Iterator[str]:
    """Read what the run's tasks have logged, as a person reads it."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            for item in value.values() if isinstance(value, dict) else value:
                yield from texts(item)

    for file in (run.airflow.home / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}").rglob("*.log"):
        for line in file.read_text().splitlines():
            yield from texts(json.loads(line))


@needs_state_store
@pytest.mark.skipif(shutil.which("curl") is None, reason="the command is one of curl's")
@pytest.mark.plays(scenario=adopted_by_hand)
def test_the_command_that_a_message_prints_adopts_what_was_lost(play: Callable[[], Run]) -> None:
    run = play()
    assert run.account.bill() == Bill(submissions=1, charges=1)
