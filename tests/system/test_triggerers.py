# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A triggerer dies, or hangs and returns: another one takes over, and no task is cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psutil
import pytest
from _support.stage import AIRFLOW, Account, Bill, Run, eventually, frozen
from local_airflow import LocalAirflow, members

pytestmark = pytest.mark.system

TASKS = 4

#: These call on_kill in a triggerer that returns after another has taken over, although no user has ended the task.
KILLS_AT_HAND_OVERS = (3, 3, 0) <= AIRFLOW <= (3, 3, 2)


def find_holders(airflow: LocalAirflow, run: Run) -> Iterator[tuple[str, int, int]]:
    """Return (name, job id, number of the run's triggers) of each triggerer process, which has their logs open."""
    for name, process in airflow.processes.items():
        if name.startswith("triggerer"):
            paths = {file.path for pid in members(process) for file in psutil.Process(pid).open_files()}
            found = [re.search(rf"run_id={re.escape(run.run_id)}/.*\.trigger\.(\d+)\.log$", path) for path in paths]
            jobs = [int(match[1]) for match in found if match]
            if jobs:
                yield name, jobs[0], len(jobs)


def wait_until_taken_over(run: Run, job: int) -> None:
    """Wait until another triggerer has taken over all triggers and polls them."""
    eventually(
        run.owners,
        lambda owners: len(owners) == TASKS and not {job, None} & set(owners),
        message=f"the triggers of triggerer job {job} are taken over",
    )
    run.wait_until_in_triggerer(TASKS)


def wait_until_let_go(run: Run, job: int, count: int) -> None:
    """Wait until a returned triggerer has noticed that another has its triggers."""
    eventually(
        lambda: run.trigger_logs(job),
        lambda text: text.count("trigger completed") >= count,
        message=f"triggerer job {job} lets go of {count} triggers",
    )
    if KILLS_AT_HAND_OVERS:
        # Otherwise this test would prove nothing. What on_kill does outlasts the trigger.
        assert run.trigger_logs(job).count("invoking on_kill") >= count
        eventually(
            lambda: (run.trigger_logs(job).count("left running"), run.account.bill().cancels),
            lambda seen: seen[0] >= count or seen[1] > 0,
            message=f"on_kill in triggerer job {job} has decided about {count} triggers",
        )


def test_killed_triggerer_is_replaced_without_submitting_or_cancelling(airflow: LocalAirflow, account: Account) -> None:
    run = Run(airflow, account, "mapped_in_triggerer")
    run.wait_until_in_triggerer(TASKS)
    name, job, _ = next(find_holders(airflow, run))
    airflow.kill_process(name)
    try:
        wait_until_taken_over(run, job)
    finally:
        airflow.start_triggerer(name)
    account.finish()
    run.wait_until_ended()
    assert account.bill() == Bill(submissions=TASKS, charges=TASKS)


def test_returning_triggerer_cancels_nothing(airflow: LocalAirflow, account: Account) -> None:
    run = Run(airflow, account, "mapped_in_triggerer")
    run.wait_until_in_triggerer(TASKS)
    silenced = []
    for _ in range(2):
        # The second time this is the triggerer that has taken over.
        name, job, count = max(find_holders(airflow, run), key=lambda holder: (holder[0] not in silenced, holder[2]))
        silenced.append(name)
        with frozen(*members(airflow.processes[name])):
            wait_until_taken_over(run, job)
        wait_until_let_go(run, job, count)
        assert account.bill() == Bill(submissions=TASKS)
    assert len(set(silenced)) == 2
    account.finish()
    run.wait_until_ended()
    assert account.bill() == Bill(submissions=TASKS, charges=TASKS)
