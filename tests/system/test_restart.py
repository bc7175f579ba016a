# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""All of Airflow stops in the middle of a wait and starts again."""

from __future__ import annotations

import pytest
from _support.stage import Account, Bill, Run
from local_airflow import LocalAirflow

pytestmark = pytest.mark.system


def test_a_restart_of_all_of_airflow_submits_and_cancels_nothing(
    airflow: LocalAirflow, account: Account, another_account: Account
) -> None:
    deferred = Run(airflow, account, "in_triggerer")
    in_worker = Run(airflow, another_account, "in_worker")
    deferred.wait_until_in_triggerer()
    in_worker.wait_until_in_worker()
    earlier = in_worker.task()
    airflow.stop()
    assert [run.account.bill() for run in (deferred, in_worker)] == [Bill(submissions=1)] * 2
    airflow.start()
    deferred.wait_until_in_triggerer()
    in_worker.wait_until_tried_again(earlier)
    in_worker.wait_until_in_worker()
    for run in (deferred, in_worker):
        run.account.finish()
        run.wait_until_ended()
        assert run.account.bill() == Bill(submissions=1, charges=1)
