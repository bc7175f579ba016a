# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a batch has submitted is read out of the account's list, or out of its manifest, once its record is gone."""

from __future__ import annotations

import json
import logging
import re

import pytest
from _support.batch_stage import ACCOUNT, Kept, Stage, reply
from PIL import Image

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduInputError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.submission.airflow_try import SubmitLater
from airflow_provider_vidu.submission.batch.recall import (
    is_delivered_by,
    newest_generation,
    read_marker,
    tasks_in_manifest,
)
from airflow_provider_vidu.submission.batch.results import task_record
from airflow_provider_vidu.submission.batch.search import ListedTasks

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
def test_only_own_markers_count(payload, is_own):
    assert (read_marker(payload, task("1"), (MARK,)) is not None) is is_own


def test_newest_generation_counts_and_the_others_are_named():
    found = newest_generation(
        [
            submitted(f"{OLD}:{X}:1", task("1", minute=0)),
            submitted(f"{NEW}:{X}:1", task("2", minute=5)),
            submitted(f"{OLD}:{Y}:1", task("3", minute=1)),
        ]
    )
    assert (found.marker, found.others) == (NEW, (OLD,))
    assert found.tasks.keys() == {X}
    assert newest_generation([]) is None


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
def test_paid_or_running_attempts_count_before_failed_ones(states, attempt):
    found = newest_generation(
        submitted(f"{OLD}:{X}:{number}", task(str(number), state, minute=number))
        for number, state in enumerate(states, start=1)
    )
    assert found.attempts[X] == attempt
    (item,) = found.items
    assert (item.identity, item.task_id, item.attempt) == (X, str(attempt), attempt)


def test_failed_item_may_have_a_later_attempt():
    (item,) = newest_generation([submitted(f"{OLD}:{X}:1", task("1", "failed"))]).items
    assert not item.has_been_sent


def test_manifest_replaces_a_missing_list():
    rows = [
        {**task("1").record(), "payload": f"{OLD}:{X}:1", "error": None},
        {**task("2", "failed").record(), "payload": f"{OLD}:{Y}:3", "error": "failed"},
        {"task_id": None, "payload": f"{OLD}:{Y}:3", "error": "never submitted"},
        {**task("4").record(), "error": "of an older release"},
        {**task("5").record(), "payload": f"avp1:{'b' * 32}:{X}:1", "error": None},
    ]
    found = newest_generation(tasks_in_manifest(rows, (MARK,)))
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
def test_manifest_shows_whether_all_was_delivered(rows, is_delivered):
    found = newest_generation([submitted(f"{OLD}:{X}:1", task("1")), submitted(f"{OLD}:{Y}:1", task("2"))])
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
            "error": None if tasks[item.task_id]["state"] == "success" else "failed",
        }
        for item in batch.items
    ]


def test_clear_of_a_delivered_batch_says_what_it_costs(stage, caplog):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    first = stage.submit(ROWS)
    first.note_returned(whole=True)
    with caplog.at_level(logging.WARNING):
        stage.submit(ROWS, clear=True)
    (warning,) = [text for text in caplog.messages if "a new generation of all" in text]
    assert "(8, 64 credits)" in warning
    assert first.items[0].task_id in warning
    assert len(stage.vidu.tasks) == 16


def test_discarding_clear_submits_only_the_rest(stage, made_of_8):
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert len(stage.vidu.tasks) == 8 + 6
    # From here on it is a record like any other.
    assert [item.task_id for item in stage.submit(ROWS).items] == [item.task_id for item in again.items]


def test_running_tasks_are_waited_for_and_not_cancelled(stage):
    first = stage.submit(ROWS)
    began = stage.clock()
    again = stage.submit(ROWS[::-1], discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items][::-1]
    assert "cancel" not in stage.vidu.requests
    assert stage.clock() - began < SETTLED


def test_clear_after_a_whole_batch_makes_everything_again(stage, caplog):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    with caplog.at_level(logging.WARNING):
        stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 16
    (warning,) = [text for text in caplog.messages if "a new generation of all" in text]
    assert "(8, 64 credits)" in warning


def test_missing_file_makes_the_clear_mean_the_rest(stage):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    stage.options["is_landed"] = lambda index, task: index != 5
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items]
    assert len(stage.vidu.tasks) == 8


def test_whole_manifest_makes_everything_again_whatever_was_added(stage):
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    rows = manifest_of(stage, first)
    stage.options["read_manifest"] = lambda: rows
    stage.submit([*ROWS, {"images": "https://cdn.example/new.png", "prompt": "x"}], discard=True)
    assert len(stage.vidu.tasks) == 8 + 9


@pytest.mark.parametrize("manifest", [False, True])
def test_temporarily_missing_list_is_not_consent(stage, made_of_8, manifest):
    if manifest:
        rows = manifest_of(stage, stage.submit(ROWS))[:1]
        stage.options["read_manifest"] = lambda: rows
    until = stage.clock() + SETTLED / 2
    stage.vidu.instead = lambda *asked: no_list(*asked) if stage.clock() < until else None
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert len(stage.vidu.tasks) == 8 + 6


def missing_from_look(number, until=10**9):
    """Answer as a host that seems to have no list from a look on."""
    looks = []

    def instead(operation, request):
        if operation == "list" and "task_ids=" not in request.url:
            looks.append(request.url)
            if number <= len(looks) < until:
                return reply(404, {"code": 404, "reason": "NotFound"})
        return None

    return instead


def test_list_that_was_shown_is_never_missing_afterwards(stage):
    for item in stage.submit(ROWS).items:
        stage.vidu.end(item.task_id)
    stage.vidu.instead = missing_from_look(2)
    with pytest.raises(ViduUnavailableError, match="shown before"):
        stage.submit(ROWS, discard=True)
    with pytest.raises(ViduUnavailableError, match="shown before"):
        stage.submit(ROWS)
    assert len(stage.vidu.tasks) == 8


def test_row_that_moves_between_pages_is_searched_again(stage, made_of_8):
    looks = []

    def instead(operation, request):
        if operation != "list" or "task_ids=" in request.url:
            return None
        looks.append(request.url)
        body = {"tasks": list(stage.vidu.tasks.values())}
        return reply(200, {**body, "next_page_token": "p2"} if len(looks) == 1 else body)

    stage.vidu.instead = instead
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert len(stage.vidu.tasks) == 8 + 6


def test_lost_reply_outlives_a_list_that_is_missing_once(stage):
    missing, lost = missing_from_look(1, until=2), []

    def instead(operation, request):
        if operation == "submit" and not lost:
            lost.append(stage.vidu.create(request))
            return reply(502, {"message": "bad gateway"})
        return missing(operation, request)

    stage.vidu.instead = instead
    batch = stage.submit(ROWS)
    assert not batch.errors
    assert len(stage.vidu.tasks) == 8


def test_list_that_was_shown_to_a_lost_reply_is_never_missing_afterwards(stage):
    """The try leaves its worker until the list has settled; when it comes back, the list is missing."""
    lost = []

    def instead(operation, request):
        if operation != "submit" or lost:
            return None
        lost.append(request)
        return reply(502, {"message": "bad gateway"})

    stage.vidu.instead = instead
    with pytest.raises(SubmitLater) as left:
        stage.submit(ROWS, may_leave=True)
    assert lost
    stage.clock.sleep(left.value.seconds)
    stage.vidu.instead = no_list
    stage.tries -= 1
    stage.options["resumed"] = left.value.resumed
    with pytest.raises(ViduUnavailableError, match="shown before"):
        stage.submit(ROWS, may_leave=True)


def test_without_list_the_manifest_shows_the_rest(stage, made_of_8):
    first_items = stage.submit(ROWS[:0] or ROWS)
    rows = manifest_of(stage, first_items)
    noted = []
    stage.vidu.instead = no_list
    stage.options.update(read_manifest=lambda: rows, note_discarded=lambda: noted.append(True))
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items[:2]] == made_of_8[:2]
    assert noted == [True]


@pytest.mark.parametrize("has_list", [True, False])
def test_video_that_the_manifest_calls_undelivered_is_not_paid_again(stage, has_list):
    for item in stage.submit(ROWS).items:
        stage.vidu.end(item.task_id)
    rows = manifest_of(stage, stage.submit(ROWS))
    rows[3]["error"] = "The video is made and not landed yet."
    stage.options["read_manifest"] = lambda: rows
    if not has_list:
        stage.vidu.instead = no_list
    stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8


@pytest.fixture
def lost_one(stage):
    """A batch of which one reply was lost, and the manifest that shows it. The host has no list."""

    def instead(operation, request):
        if operation == "submit" and b"/7.png" in request.body:
            stage.vidu.create(request)
            return reply(504, {})
        return no_list(operation, request)

    stage.vidu.instead = instead
    batch = stage.submit(ROWS)
    records = [
        task_record(request, item, batch.generation, batch.tasks.get(index), [], batch.errors.get(index))
        for index, (request, item) in enumerate(zip(batch.requests, batch.items, strict=True))
    ]
    stage.vidu.instead = no_list
    stage.options["read_manifest"] = lambda: json.loads(json.dumps(records))
    return batch


def test_item_in_doubt_in_the_manifest_is_not_submitted_again(stage, lost_one):
    sent = stage.vidu.requests.count("submit")
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in lost_one.items]
    assert list(again.errors) == list(lost_one.errors) == [7]
    assert isinstance(again.errors[7], ViduSubmissionInDoubtError)
    assert lost_one.items[7].marker(lost_one.generation) in str(again.errors[7])
    assert stage.vidu.requests.count("submit") == sent


def test_item_in_doubt_in_the_manifest_is_found_once_the_list_is_back(stage, lost_one):
    sent = stage.vidu.requests.count("submit")
    stage.submit(ROWS, discard=True)
    stage.vidu.instead = lambda *_: None
    again = stage.submit(ROWS)
    assert not again.errors
    assert stage.vidu.requests.count("submit") == sent


def test_item_in_doubt_in_the_manifest_is_submitted_again_under_a_new_marker(stage, lost_one):
    again = stage.submit(ROWS, discard=True, on_unknown="resubmit")
    assert not again.errors
    assert again.items[7].attempt == lost_one.items[7].attempt + 1


def test_without_list_and_manifest_all_is_submitted(stage, made_of_8):
    noted = []
    stage.vidu.instead = no_list
    stage.options["note_discarded"] = lambda: noted.append(True)
    stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 16
    assert noted == [True]


def test_own_payload_without_a_marker_stops_before_anything_is_sent(stage):
    rows = [{**row, "payload": "order-17"} for row in ROWS]
    stage.submit(rows)
    with pytest.raises(ViduSubmissionInDoubtError, match="may have submitted"):
        stage.submit(rows, discard=True)
    assert len(stage.vidu.tasks) == 8
    # What the message prints.
    stage.store.values["vidu_batch"] = {"task_id": None}
    stage.submit(rows, clear=True)
    assert len(stage.vidu.tasks) == 16


@pytest.mark.parametrize("cut", [0, 8, 37, 45])
def test_payloads_that_the_list_empties_or_cuts_are_queried(stage, cut):
    first = stage.submit(ROWS)
    listed(stage, lambda: [{**row, "payload": row["payload"][:cut]} for row in stage.vidu.tasks.values()])
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items]
    assert len(stage.vidu.tasks) == 8


def test_incomplete_list_stops_before_anything_is_sent(stage):
    stage.submit(ROWS)
    rows = [{"id": "1", "state": "success", "payload": "x"}]
    listed(stage, lambda: rows)
    real = stage.vidu.instead
    stage.vidu.instead = lambda operation, request: (
        reply(200, {"object": "list", "data": rows, "has_more": True}) if real(operation, request) else None
    )
    with pytest.raises(ViduSubmissionInDoubtError):
        stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8


def test_missing_second_page_is_an_outage_and_no_missing_list(stage):
    stage.submit(ROWS)
    first = reply(200, {"tasks": [{"id": "1", "state": "success", "payload": "x"}], "next_page_token": "p2"})

    def instead(operation, asked):
        if operation != "list":
            return None
        return reply(404, {"code": 404, "reason": "NotFound"}) if "page_token" in asked.url else first

    stage.vidu.instead = instead
    with pytest.raises(ViduUnavailableError, match="cannot be read now"):
        stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8


@pytest.fixture(params=[500, 403, 422])
def foreign(request, stage):
    """Add a task of another application that no query shows, and return the status of its query."""

    def instead(operation, asked):
        if operation == "query" and asked.task_id == "555":
            return reply(request.param, {"message": "unsupported task type"})
        if operation == "list" and "task_ids=" not in asked.url:
            row = {"id": "555", "state": "success", "created_at": "2027-01-15T08:00:00Z"}
            return reply(200, {"tasks": [row, *stage.vidu.tasks.values()]})
        return None

    stage.vidu.instead = instead
    return request.param


def test_own_tasks_are_attached_to_beside_an_unqueryable_row(stage, foreign):
    first = stage.submit(ROWS)
    again = stage.submit(ROWS, discard=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items]
    assert len(stage.vidu.tasks) == 8
    assert not again.errors


def test_nothing_missing_is_sent_beside_an_unqueryable_row(stage, foreign):
    first = stage.submit(ROWS[:7])
    if foreign == 500:
        with pytest.raises(ViduUnavailableError, match="555"):
            stage.submit(ROWS, discard=True)
        # What was found is remembered.
        stage.vidu.instead = lambda operation, asked: None
        again = stage.submit(ROWS)
        assert len(stage.vidu.tasks) == 8
    else:
        again = stage.submit(ROWS, discard=True)
        assert list(again.errors) == [7]
        assert len(stage.vidu.tasks) == 7
    assert [item.task_id for item in again.items[:7]] == [item.task_id for item in first.items]


def test_lost_reply_is_found_beside_an_unqueryable_row(stage, foreign):
    real, lost = stage.vidu.instead, []

    def instead(operation, asked):
        if operation == "submit" and not lost:
            lost.append(stage.vidu.create(asked))
            return 504, {}, b"upstream timed out"
        return real(operation, asked)

    stage.vidu.instead = instead
    batch = stage.submit(ROWS)
    assert len(stage.vidu.tasks) == 8
    assert not batch.errors
    assert batch.lost == []


def test_host_that_hides_payloads_stops_before_anything_is_sent(stage):
    stage.submit(ROWS)

    def instead(operation, request):
        if operation not in ("list", "query"):
            return None
        bare = {task_id: {**row, "payload": None} for task_id, row in stage.vidu.tasks.items()}
        return reply(200, {"tasks": list(bare.values())} if operation == "list" else bare[request.task_id])

    stage.vidu.instead = instead
    with pytest.raises(ViduSubmissionInDoubtError, match="Vidu tasks that may belong to it: 900"):
        stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8


def test_plain_retry_without_a_record_does_not_search(stage):
    stage.tries = 1
    stage.submit(ROWS)
    assert "list" not in stage.vidu.requests


def test_nothing_found_is_submitted_once_the_list_has_settled(stage):
    stage.tries = 1
    began = stage.clock()
    stage.submit(ROWS, discard=True)
    assert len(stage.vidu.tasks) == 8
    assert stage.clock() - began >= SETTLED


def test_paid_one_of_equal_requests_is_recalled(stage):
    first = stage.submit([ROWS[0], ROWS[0]])
    stage.vidu.end(first.items[0].task_id, "failed", "AuditSubmitIllegal")
    stage.vidu.end(first.items[1].task_id)
    stage.options["is_landed"] = lambda index, task: False
    again = stage.submit([ROWS[0]], discard=True)
    assert again.items[0].task_id == first.items[1].task_id
    assert len(stage.vidu.tasks) == 2


def test_clear_after_fewer_retries_is_seen(stage):
    """Airflow sets max_tries to the try's number plus the retries, which may be the old sum."""
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id)
    first.note_returned(whole=True)
    stage.first_try = 2
    stage.submit(ROWS)
    assert len(stage.vidu.tasks) == 16


def listed(stage, rows):
    """Let the walk through the list show some of the tasks."""

    def instead(operation, request):
        if operation == "list" and "task_ids=" not in request.url:
            return reply(200, {"tasks": rows()})
        return None

    stage.vidu.instead = instead


def test_link_with_another_query_stops_before_anything_is_sent(stage):
    """It may be the same picture, signed again by an unknown scheme."""
    first = stage.submit([{"images": "https://cdn.example/a.png?token=one"}])
    stage.vidu.end(first.items[0].task_id)
    stage.options["is_landed"] = lambda index, task: False
    with pytest.raises(ViduError, match="differs only in its query"):
        stage.submit([{"images": "https://cdn.example/a.png?token=two"}], discard=True)
    assert len(stage.vidu.tasks) == 1


def test_recalled_item_remembers_its_link(stage):
    one, two = ({"images": f"https://cdn.example/a.png?token={token}"} for token in ("one", "two"))
    stage.submit([one, ROWS[0]])
    stage.vidu.end(stage.submit([one, ROWS[0]], discard=True).items[0].task_id)
    with pytest.raises(ViduError, match="differs only in its query"):
        stage.submit([two, ROWS[0]], clear=True)
    assert len(stage.vidu.tasks) == 2


def test_newer_generation_that_does_not_show_yet_is_waited_for(stage):
    first = stage.submit(ROWS)
    old = {item.task_id for item in first.items}
    for task_id in old:
        stage.vidu.end(task_id)
    first.note_returned(whole=True)
    second = [item.task_id for item in stage.submit(ROWS, clear=True).items]
    shown_at = stage.clock() + 40
    listed(stage, lambda: [row for one, row in stage.vidu.tasks.items() if one in old or stage.clock() >= shown_at])
    stage.options["is_landed"] = lambda index, task: False
    assert [item.task_id for item in stage.submit(ROWS, discard=True).items] == second


def test_running_one_of_equal_requests_is_found_late(stage):
    failed, running = (item.task_id for item in stage.submit([ROWS[0], ROWS[0]]).items)
    stage.vidu.end(failed, "failed", "AuditSubmitIllegal")
    shown_at = stage.clock() + 40
    listed(stage, lambda: [row for one, row in stage.vidu.tasks.items() if one != running or stage.clock() >= shown_at])
    assert stage.submit([ROWS[0]], discard=True).items[0].task_id == running
    assert len(stage.vidu.tasks) == 2


def test_header_written_after_the_clear_does_not_stop_the_search(stage):
    """Airflow discards the state of a running task at once; its worker may write once more before it ends."""
    first = stage.submit(ROWS)
    stage.store.values.clear()
    first.note_returned(whole=True)
    again = stage.submit(ROWS, clear=True)
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items]


def test_missing_pictures_give_no_row_another_rows_video(stage, tmp_path):
    rows = [{"images": str(tmp_path / f"{number}.png"), "prompt": str(number)} for number in range(2)]
    for number in range(2):
        Image.new("RGB", (300, 300), (number * 80, 0, 0)).save(tmp_path / f"{number}.png")
    stage.submit(rows)
    for number in range(2):
        (tmp_path / f"{number}.png").unlink()
    listed(stage, lambda: list(stage.vidu.tasks.values())[::-1])
    with pytest.raises(ViduInputError):
        stage.submit(rows, discard=True)
    assert len(stage.vidu.tasks) == 2


def test_resubmitted_attempt_has_a_marker_of_its_own(stage):
    """The list shows a failed attempt, and a row that may be a later one: on_unknown='resubmit' sends it again."""
    first = stage.submit(ROWS)
    for item in first.items:
        stage.vidu.end(item.task_id, "failed", "InternalServiceFailure")
    stage.vidu.tasks["1"] = {"task_id": "1", "state": "success", "created_at": "2027-01-15T08:00:00Z"}
    stage.submit(ROWS, discard=True, on_unknown="resubmit")
    markers = [task["payload"] for task_id, task in stage.vidu.tasks.items() if task_id != "1"]
    assert len(markers) == 16
    assert len(set(markers)) == 16


def test_advice_for_a_recalled_item_names_a_part_of_its_marker(stage):
    """How often it was sent is unknown: a marker with a number would be one that no task has."""
    first = stage.submit(ROWS)
    hidden = first.items[0].task_id
    rows = stage.vidu.tasks.values()
    listed(stage, lambda: [{**row, "payload": None} if row["id"] == hidden else row for row in rows])
    of_list = stage.vidu.instead
    stage.vidu.instead = lambda operation, request: (
        reply(404, {"code": 404, "reason": "TaskNotFound"})
        if operation == "query" and request.task_id == hidden
        else of_list(operation, request)
    )
    again = stage.submit(ROWS, discard=True)
    (error,) = again.errors.values()
    marker = re.search(r"contains (\S+:)\. ", error.advice)[1]
    assert stage.vidu.tasks[hidden]["payload"].startswith(marker)
    # A task that is adopted then keeps its number: the next attempt does not bear its marker.
    stage.vidu.instead = lambda operation, request: None
    key = json.loads(re.findall(r"value (\{.*?\}),", error.advice)[0])
    stage.store.set("vidu_batch_adopted", dict.fromkeys(key, hidden))
    adopted = stage.submit(ROWS, clear=True)
    assert (adopted.items[0].task_id, adopted.items[0].attempt) == (hidden, 1)


@pytest.mark.parametrize("hides", ["an outage", "a row that moves"])
def test_search_that_may_miss_the_newest_generation_writes_nothing(stage, hides):
    first = stage.submit(ROWS[:2])
    for item in first.items:
        stage.vidu.end(item.task_id)
    stage.submit(ROWS[:2]).note_returned(whole=True)
    second = stage.submit(ROWS[:2], discard=True)
    assert len(stage.vidu.tasks) == 4
    # A file of the first generation is no longer at its destination.
    stage.options["is_landed"] = lambda index, task: task.task_id != first.items[0].task_id
    newest = [item.task_id for item in second.items]

    def instead(operation, request):
        if operation == "query" and hides == "an outage" and request.task_id in newest:
            return reply(503, {})
        if operation != "list" or "task_ids=" in request.url:
            return None
        rows = list(stage.vidu.tasks.values())
        if hides == "an outage":
            return reply(200, {"tasks": [{**row, "payload": None} for row in rows]})
        # While the first page was read, the newest rows moved onto it.
        page = rows[1:2] if "page_token" in request.url else rows[:2]
        return reply(200, {"tasks": page, **({} if "page_token" in request.url else {"next_page_token": "2"})})

    stage.vidu.instead = instead
    with pytest.raises(ViduUnavailableError):
        stage.submit(ROWS[:2], discard=True)
    stage.vidu.instead = lambda operation, request: None
    healthy = stage.submit(ROWS[:2])
    assert [item.task_id for item in healthy.items] == newest
    assert len(stage.vidu.tasks) == 4


def test_next_attempt_has_a_marker_of_its_own_whatever_the_order_of_the_list():
    listed = ListedTasks()
    for number in (1, 2):
        listed.by_attempt[X][number] = ViduTask(task_id=str(number), state="failed")
    assert listed.find(X, 0) == (2, listed.by_attempt[X][2])
