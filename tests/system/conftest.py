# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One real Airflow for the whole directory, a local Vidu for each scenario, and the scenarios of a module side by side.

A scenario is a function that plays with processes and returns its :class:`stage.Run`; the test that is marked with it
(``@pytest.mark.plays``) says what Vidu may have billed. Most of a scenario is waiting, so a module's scenarios are
played concurrently, each in its own thread; the tests check the outcome afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from _support.stage import Account, Run
from local_airflow import LocalAirflow
from local_database import own_database

Scenario = Callable[[LocalAirflow, Account], Run]

#: Enough for the scenarios of all modules.
ACCOUNTS = 48

# Airflow's own times, shortened: when a silent triggerer is replaced, and a silent worker counts as lost.
QUICK = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "12",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "4",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
}


@pytest.fixture(scope="session")
def accounts() -> Iterator[list[Account]]:
    """A local Vidu for each scenario; tests take them from the list's end."""
    accounts = [Account(f"vidu_{number}") for number in range(ACCOUNTS)]
    try:
        for account in accounts:
            account.vidu.start()
        yield list(accounts)
    finally:
        for account in accounts:
            account.vidu.stop()


@pytest.fixture(scope="session")
def airflow(accounts: list[Account], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """The only Airflow, with two triggerers."""
    environment = dict(QUICK)
    for account in accounts:
        environment |= account.environment
    with own_database() as database:
        airflow = LocalAirflow(
            home=tmp_path_factory.mktemp("airflow"),
            dags=Path(__file__).parent / "dags",
            environment=environment,
            triggerers=2,
            parallelism=16,
            database=database,
        )
        with airflow:
            yield airflow
        assert not airflow.find_left_behind(), "processes have outlived their Airflow"


@pytest.fixture
def account(accounts: list[Account]) -> Account:
    """An unused local Vidu."""
    return accounts.pop()


another_account = account


@pytest.fixture(scope="module")
def stage(
    airflow: LocalAirflow, accounts: list[Account], request: pytest.FixtureRequest
) -> Iterator[dict[Scenario, Future[Run]]]:
    """Play the scenarios of the module's selected tests concurrently."""
    items = [item for item in request.session.items if item.path == request.path and not _skips(item)]
    scenarios = {mark.kwargs["scenario"] for item in items for mark in item.iter_markers("plays")}
    # On SQLite Airflow's processes already lock each other out, so play one scenario after another.
    with ThreadPoolExecutor(1 if airflow.database is None else max(1, len(scenarios))) as pool:
        futures = {scenario: pool.submit(scenario, airflow, accounts.pop()) for scenario in scenarios}
        wait(futures.values())
        yield futures


@pytest.fixture
def play(stage: dict[Scenario, Future[Run]], request: pytest.FixtureRequest) -> Callable[[], Run]:
    """Return a function that returns the run of the test's scenario, or raises its error."""
    return stage[request.node.get_closest_marker("plays").kwargs["scenario"]].result


def _skips(item: pytest.Item) -> bool:
    return any(mark.args[0] for mark in item.iter_markers("skipif"))
