# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What a user clears is paid for again only if that is what a clear means.

From Airflow 3.4 on a clear discards what the task instance has noted unless the user asks to keep it; up to 3.3 every
clear keeps it. Each scenario is played for both, where there are both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from _support.stage import AIRFLOW, DISCARDS_STATE, TIMEOUT, WITHIN, Account, Run, eventually
from local_airflow import LocalAirflow

from airflow_provider_vidu.emulator import Fault

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        AIRFLOW < (3, 3), reason="below Airflow 3.3 there is no record, so a clear always generates again"
    ),
]

Scenario = Callable[[LocalAirflow, Account], Run]
Play = Callable[[], Run]


@dataclass(frozen=True)
class Clear:
    """
    One way of clearing.

    :param keeps: the user asks to keep the state.
    """

    keeps: bool

    def __call__(self, run: Run, task: dict[str, Any] | None = None) -> None:
        run.clear(task, keep_task_state=self.keeps)


def for_each_clear(make: Callable[[Clear], Scenario], *marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    """Run a test for the default clear and for one that keeps the state, each with its own scenario."""
    return pytest.mark.parametrize(
        "clear",
        [
            pytest.param(clear, marks=[*marks, pytest.mark.plays(scenario=make(clear))], id=name)
            for name, clear in {"default clear": Clear(keeps=False), "clear that keeps": Clear(keeps=True)}.items()
            # Airflow 3.3 has only one kind of clear.
            if DISCARDS_STATE or not clear.keeps
        ],
    )


def paid(run: Run) -> tuple[int, int]:
    """Return the number of created and of charged tasks."""
    bill = run.account.bill()
    return bill.submissions, bill.charges


def cleared_in_processing(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "in_triggerer")
        run.wait_until_in_triggerer()
        account.process()
        earlier = run.task()
        clear(run)
        run.wait_until_tried_again(earlier)
        run.wait_until_in_triggerer()
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(cleared_in_processing)
def test_clearing_a_task_past_cancelling_re_attaches(play: Play, clear: Clear) -> None:
    assert paid(play()) == (1, 1)


def cleared_in_the_queue(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "in_triggerer")
        run.wait_until_in_triggerer()
        clear(run)
        run.wait_until_submitted(2)
        run.wait_until_in_triggerer()
        account.finish()
        run.wait_until_ended()
        return run

    return scenario


@for_each_clear(cleared_in_the_queue)
def test_clearing_a_cancellable_task_is_charged_once(play: Play, clear: Clear) -> None:
    assert paid(play()) == (2, 1)


def cleared_on_a_relay(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        account.vidu.quirks.has_list = False
        connection = json.loads(account.vidu.connection_json(timeout=TIMEOUT, poll_interval=0.5, list_path=None))
        relay = f"{account.conn_id}_relay"
        airflow.send(
            "POST", "connections", {**connection, "connection_id": relay, "extra": json.dumps(connection["extra"])}
        )
        run = Run(airflow, account, "in_triggerer", connection=relay)
        run.wait_until_in_triggerer()
        clear(run)
        run.wait_until_submitted(2)
        eventually(account.bill, lambda bill: bill.refunds, message=f"the earlier task of {run} is cancelled")
        run.wait_until_in_triggerer()
        account.finish()
        run.wait_until_ended()
        return run

    return scenario


@for_each_clear(cleared_on_a_relay)
def test_clear_without_a_list_cancels_the_earlier_task(play: Play, clear: Clear) -> None:
    assert paid(play()) == (2, 1)


def failed_in_part(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "batch_of_eight")
        run.wait_until_submitted(8)
        run.wait_until_in_triggerer()
        account.finish()
        run.wait_until_ended("failed")
        assert paid(run) == (8, 2)
        clear(run)
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(failed_in_part)
def test_clearing_a_batch_submits_exactly_what_failed(play: Play, clear: Clear) -> None:
    assert paid(play()) == (14, 8)


def adopted_by_hand(airflow: LocalAirflow, account: Account) -> Run:
    # A relay: the reply is lost, and there is no list to search.
    account.vidu.quirks.has_list = False
    account.vidu.faults.add("submit", Fault.drop_after_accept())
    run = Run(airflow, account, "in_triggerer")
    run.wait_until_ended("failed")
    commands = run.printed_commands()
    (lost,) = account.vidu.tasks
    (adopt,) = [command for command in commands if "THE-VIDU-TASK-ID" in command]
    run.follow(adopt.replace("THE-VIDU-TASK-ID", lost.task_id))
    clears = [command for command in commands if "clearTaskInstances" in command]
    if clears:
        run.follow(*clears)
    else:
        run.clear(keep_task_state=True)
    run.wait_until_in_triggerer()
    run.wait_until_ended(finishing=True)
    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's")
@pytest.mark.plays(scenario=adopted_by_hand)
def test_printed_commands_adopt_a_lost_task(play: Play) -> None:
    assert paid(play()) == (1, 1)


def one_of_many_cleared(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "mapped_in_triggerer")
        run.wait_until_in_triggerer(4)
        account.process()
        earlier = run.tasks()[1]
        clear(run, earlier)
        run.wait_until_tried_again(earlier)
        run.wait_until_in_triggerer(4)
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(one_of_many_cleared)
def test_a_cleared_mapped_instance_re_attaches_to_its_own_task(play: Play, clear: Clear) -> None:
    run = play()
    assert paid(run) == (4, 4)
    assert [task["try_number"] for task in run.tasks()] == [1, 2, 1, 1]
    assert len({run.result(task)["task_id"] for task in run.tasks()}) == 4


def cleared_in_a_group(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "grouped_in_triggerer", "shots.animate")
        run.wait_until_in_triggerer()
        account.process()
        earlier = run.task()
        clear(run)
        run.wait_until_tried_again(earlier)
        run.wait_until_in_triggerer()
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(cleared_in_a_group)
def test_a_cleared_instance_in_a_task_group_re_attaches(play: Play, clear: Clear) -> None:
    assert paid(play()) == (1, 1)


def cleared_in_a_loop(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "looped_in_triggerer", "takes.animate")
        run.wait_until_in_triggerer()
        account.finish()
        run.wait_until_submitted(2)
        run.wait_until_in_triggerer()
        account.process()
        earlier = run.tasks()[1]
        clear(run, earlier)
        run.wait_until_tried_again(earlier)
        run.wait_until_in_triggerer()
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(cleared_in_a_loop, pytest.mark.skipif(AIRFLOW < (3, 4), reason="Airflow has dynamic loops from 3.4 on"))
def test_cleared_loop_iteration_re_attaches_to_its_own_task(play: Play, clear: Clear) -> None:
    run = play()
    assert paid(run) == (2, 2)
    assert [task["try_number"] for task in run.tasks()] == [1, 2]
    # By name, run and map index the iterations are the same task instance.
    assert len({run.result(task)["task_id"] for task in run.tasks()}) == 2


def first_iteration_cleared_after_the_loop(clear: Clear) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        run = Run(airflow, account, "looped_in_triggerer", "takes.animate")
        # Two iterations and their gates, one after the other.
        run.wait_until_ended(finishing=True, within=2 * WITHIN)
        clear(run, run.tasks()[0])
        run.wait_until_submitted(3)
        run.wait_until_in_triggerer()
        account.process()
        earlier = run.tasks()[0]
        # Airflow reports the state of the last iteration only, and that has succeeded.
        clear(run, earlier)
        run.wait_until_tried_again(earlier)
        run.wait_until_in_triggerer()
        run.wait_until_ended(finishing=True)
        return run

    return scenario


@for_each_clear(
    first_iteration_cleared_after_the_loop,
    pytest.mark.skipif(AIRFLOW < (3, 4), reason="Airflow has dynamic loops from 3.4 on"),
)
def test_clearing_a_past_iteration_twice_is_one_new_generation(play: Play, clear: Clear) -> None:
    assert paid(play()) == (3, 3)


def landed(clear: Clear, *, removed: bool) -> Scenario:
    def scenario(airflow: LocalAirflow, account: Account) -> Run:
        folder = airflow.home / "videos" / f"{account.conn_id}"
        run = Run(airflow, account, "landed_in_triggerer", output_path=f"{folder}/")
        run.wait_until_in_triggerer()
        account.finish()
        run.wait_until_ended()
        (video,) = folder.iterdir()
        if removed:
            video.unlink()
        clear(run)
        run.wait_until_ended(finishing=True)
        # The delivered file is there, whichever generation it is from.
        assert all((folder / f"{task.task_id}.mp4").exists() for task in account.vidu.tasks[-1:])
        return run

    return scenario


@for_each_clear(lambda clear: landed(clear, removed=False))
def test_clearing_what_has_landed_is_one_new_generation(play: Play, clear: Clear) -> None:
    assert paid(play()) == (2, 2)


@for_each_clear(lambda clear: landed(clear, removed=True))
def test_removed_file_lands_again_unless_kept_as_returned(play: Play, clear: Clear) -> None:
    # A kept state says that the video was delivered, so a clear generates another one.
    expected = (1, 1) if DISCARDS_STATE and not clear.keeps else (2, 2)
    assert paid(play()) == expected
