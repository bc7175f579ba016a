# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a batch has submitted is read out of the account's list, or out of its manifest, once its record is gone."""

from __future__ import annotations

import logging

import pytest
from batch_stage import ACCOUNT, Kept, Stage, reply

from airflow_provider_vidu.api.errors import ViduSubmissionInDoubtError
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.batch.recall import is_delivered_by, newest, of_manifest, read_marker

MARK = "avp1:" + "a" * 16
OLD, NEW = MARK + "0" * 16, MARK + "1" * 16
X, Y = "1" * 16, "2" * 16


def task(task_id: str, state: str = "success", minute: int = 0, **more) -> ViduTask:
    return ViduTask(task_id=task_id, state=state, created_at=f"2026-01-01T10:{minute:02}:00Z", **more)


def submitted(marker: str, task_: ViduTask):
    return read_marker(marker, task_, (MARK,))


@pytest.mark.parametrize(
    ("payload", "is_own"),
    [
        (f"{OLD}:{X}:1", True),
        (f"{OLD}:{X}-2:13.c2VhbA==", True),
        (f"sku 7 {OLD}:{X}:1", True),
        (f"avp1:{'b' * 32}:{X}:1", False),
        (OLD, False),
        ("sku 7", False),
        ("", False),
    ],
)
def test_only_this_task_instances_markers_count(payload, is_own):
    assert (read_marker(payload, task("1"), (MARK,)) is not None) is is_own


def test_the_newest_generation_counts_and_the_others_are_named():
    found = newest(
        [
            submitted(f"{OLD}:{X}:1", task("1", minute=0)),
            submitted(f"{NEW}:{X}:1", task("2", minute=5)),
            submitted(f"{OLD}:{Y}:1", task("3", minute=1)),
        ]
    )
    assert (found.marker, found.others) == (NEW, (OLD,))
    assert found.tasks.keys() == {X}
    assert newest([]) is None


@pytest.mark.parametrize(
    ("states", "attempt"),
    [
        (["success"], 1),
        (["failed", "success"], 2),
        (["failed", "processing"], 2),
        (["success", "failed"], 1),
        (["processing", "failed"], 1),
    ],
)
def test_what_is_paid_or_running_counts_before_what_has_failed(states, attempt):
    found = newest(
        submitted(f"{OLD}:{X}:{number}", task(str(number), state, minute=number))
        for number, state in enumerate(states, start=1)
    )
    assert found.attempts[X] == attempt
    (item,) = found.items
    assert (item.identity, item.task_id, item.attempt) == (X, str(attempt), attempt)


def test_what_has_failed_may_have_a_later_attempt_that_does_not_show_yet():
    (item,) = newest([submitted(f"{OLD}:{X}:1", task("1", "failed"))]).items
    assert not item.has_been_sent


def test_a_manifest_tells_the_same_where_there_is_no_list():
    rows = [
        {**task("1").record(), "marker": f"{OLD}:{X}:1", "error": None},
        {**task("2", "failed").record(), "marker": f"{OLD}:{Y}:3", "error": "failed"},
        {"task_id": None, "marker": f"{OLD}:{Y}:3", "error": "never submitted"},
        {**task("4").record(), "error": "of an older release"},
        {**task("5").record(), "marker": f"avp1:{'b' * 32}:{X}:1", "error": None},
    ]
    found = newest(of_manifest(rows, (MARK,)))
    assert {identity: one.task_id for identity, one in found.tasks.items()} == {X: "1", Y: "2"}
    assert found.attempts[Y] == 3


@pytest.mark.parametrize(
    ("rows", "is_delivered"),
    [
        ([("1", None), ("2", None)], True),
        # Rows of requests that have been taken out since do not matter.
        ([("1", None), ("2", None), ("9", None)], True),
        ([("1", None), ("2", "failed")], False),
        # The manifest is an older generation's.
        ([("1", None)], False),
        ([], False),
    ],
)
def test_a_manifest_shows_whether_all_was_delivered(rows, is_delivered):
    found = newest([submitted(f"{OLD}:{X}:1", task("1")), submitted(f"{OLD}:{Y}:1", task("2"))])
    assert is_delivered_by(found, [{"task_id": id_, "error": error} for id_, error in rows]) is is_delivered


# -- tries of a batch, in virtual time ----------------------------------------------------------------------------

ROWS = [{"images": f"https://cdn.example/{number}.png", "prompt": "x"} for number in range(8)]
SETTLED = ACCOUNT.timeout + ACCOUNT.settle_seconds


@pytest.fixture
def stage():
    return Stage(Kept())


@pytest.fixture
def made_of_8(stage):
    """A batch of 8 of which 2 have their video and 6 have failed."""
    batch = stage.submit(ROWS)
    ids = [item.task_id for item in batch.items]
    for number, task_id in enumerate(ids):
        stage.vidu.end(task_id, *(() if number < 2 else ("failed", "AuditSubmitIllegal")))
    return ids


def no_list(operation, request):
    return reply(404, {"code": 404, "reason": "NotFound"}) if operation == "list" else None


def manifest_of(stage, batch):
    tasks = stage.vidu.tasks
    return [
        {
            **tasks[item.task_id],
            "marker": item.marker(batch.generation),
            "error": None if tasks[item.task_id]["state"] == "success" else "failed",
        }
        for item in batch.items
    ]


def test_a_discarding_clear_submits_the_rest_alone(stage, made_of_8):
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert len(stage.vidu.tasks) == 8 + 6
    # From here on it is a record like any other.
    assert [item.task_id for item in stage.submit(ROWS).items] == [item.task_id for item in again.items]


def test_what_runs_is_waited_for_and_not_cancelled(stage):
    first = stage.submit(ROWS)
    began = stage.clock()
    again = stage.submit(ROWS[::-1], discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items][::-1]
    assert "cancel" not in stage.vidu.requests
    assert stage.clock() - began < SETTLED


def test_after_all_was_made_a_clear_means_all_again_and_says_so(stage, caplog):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    with caplog.at_level(logging.WARNING):
        stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 16
    (warning,) = [text for text in caplog.messages if "a new generation of all" in text]
    assert "(8, 64 credits)" in warning


def test_a_video_that_is_not_at_its_destination_makes_it_the_rest(stage):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    stage.options["is_landed"] = lambda index, task: index != 5
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items]
    assert len(stage.vidu.tasks) == 8


def test_a_manifest_of_a_whole_batch_means_all_again_whatever_was_added(stage):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    rows = manifest_of(stage, first)
    stage.options["read_manifest"] = lambda: rows
    stage.submit([*ROWS, {"images": "https://cdn.example/new.png", "prompt": "x"}], discard=True)
    assert len(stage.vidu.tasks) == 8 + 9


def test_without_a_list_the_manifest_tells_the_rest(stage, made_of_8):
    first_items = stage.submit(ROWS[:0] or ROWS)
    rows = manifest_of(stage, first_items)
    noted = []
    stage.vidu.instead = no_list
    stage.options.update(read_manifest=lambda: rows, note_discarded=lambda: noted.append(True))
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert noted == [True]


def test_without_a_list_and_a_manifest_all_is_submitted_and_the_trigger_is_told(stage, made_of_8):
    noted = []
    stage.vidu.instead = no_list
    stage.options["note_discarded"] = lambda: noted.append(True)
    stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 16
    assert noted == [True]


def test_an_own_payload_without_a_marker_stops_before_anything_is_sent(stage):
    rows = [{**row, "payload": "order-17"} for row in ROWS]
    stage.submit(rows)
    with pytest.raises(ViduSubmissionInDoubtError, match="may have submitted"):
        stage.submit(rows, discard=True)
    assert len(stage.vidu.tasks) == 8
    # What the message prints.
    stage.store.values["vidu_batch"] = {"task_id": None}
    stage.submit(rows, clear=True)
    assert len(stage.vidu.tasks) == 16


def test_a_plain_retry_without_a_record_does_not_search(stage):
    stage.tries = 1
    stage.submit(ROWS)
    assert "list" not in stage.vidu.requests


def test_nothing_found_is_submitted_once_the_list_has_settled(stage):
    stage.tries = 1
    began = stage.clock()
    stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8
    assert stage.clock() - began >= SETTLED


def test_of_equal_requests_the_paid_one_is_found_again(stage):
    first = stage.submit([ROWS[0], ROWS[0]])
    stage.vidu.end(first.items[0].task_id, "failed", "AuditSubmitIllegal")
    stage.vidu.end(first.items[1].task_id)
    stage.options["is_landed"] = lambda index, task: False
    again = stage.submit([ROWS[0]], discard=True)
    assert again.items[0].task_id == first.items[1].task_id
    assert len(stage.vidu.tasks) == 2


def test_a_clear_after_fewer_retries_is_seen(stage):
    """Airflow sets max_tries to the try's number plus the retries, which may be the old sum."""
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    first.note_returned(whole=True)
    stage.first_try = 2
    stage.submit(ROWS)
    assert len(stage.vidu.tasks) == 16
