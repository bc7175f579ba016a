# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A task that ends in the triggerer passes its record on like any other task."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _support.stage import Account, Run
from local_airflow import LocalAirflow

from airflow_provider_vidu import compat

pytestmark = pytest.mark.system


def ended_in_triggerer(airflow: LocalAirflow, account: Account) -> Run:
    run = Run(airflow, account, "ends_in_triggerer", "wait")
    run.wait_until_in_triggerer()
    account.finish()
    run.wait_until_ended()
    return run


@pytest.mark.plays(scenario=ended_in_triggerer)
def test_a_plain_task_behind_it_gets_the_record(play: Callable[[], Run]) -> None:
    run = play()
    (vidu_task,) = run.account.vidu.tasks
    kind, task_id, url = run.result_of("kind_and_id")
    assert (kind, task_id) == ("dict", vidu_task.task_id)
    assert url.startswith(run.account.vidu.url)


@pytest.mark.skipif(
    compat.task_success_event() is None or not compat.takes_xcoms_of_triggers(),
    reason="in this Airflow a trigger cannot finish a task with a result",
)
@pytest.mark.plays(scenario=ended_in_triggerer)
def test_no_worker_resumes_it(play: Callable[[], Run]) -> None:
    assert "has its video after" not in play().worker_logs()
