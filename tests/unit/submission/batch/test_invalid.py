# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Invalid requests of a batch are errors of their items; no paid task is mistaken for that of an invalid request."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from _support.batch_stage import Kept, Stage
from PIL import Image

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.submission.batch.requests import check_requests

ROWS = [{"images": f"https://cdn.example/{name}.png", "prompt": "x"} for name in "abc"]
BROKEN = {"images": "data:image/png;base64,AAAA", "prompt": "x"}


def check_again(requests, unsent):
    checked = check_requests(requests, logging.getLogger(__name__))
    return [one if one.number in unsent else other for one, other in zip(checked, requests, strict=True)]


@pytest.fixture
def stage():
    stage = Stage(Kept())
    stage.options |= {
        "records_invalid": True,
        "check": check_again,
    }
    return stage


def submissions(stage: Stage) -> int:
    return stage.vidu.requests.count("submit")


def test_invalid_request_does_not_stop_the_others(stage):
    batch = stage.submit([ROWS[0], BROKEN, ROWS[1], BROKEN])
    assert list(batch.errors) == [1, 3]
    assert {type(error) for error in batch.errors.values()} == {ViduInputError}
    assert isinstance(batch.errors[1], ViduInputError)
    assert len(batch.running) == submissions(stage) == 2


def test_invalid_request_stops_the_batch_unless_it_is_recorded(stage):
    stage.options["records_invalid"] = False
    with pytest.raises(ViduInputError, match="item 1: images"):
        stage.submit([ROWS[0], BROKEN])
    assert submissions(stage) == 0


def test_invalid_row_of_another_product_never_gets_a_paid_video(stage):
    stage.submit(ROWS)
    stage.vidu.end("9000")
    with pytest.raises(ViduInputError, match="item 0"):
        stage.submit([{"images": "/no/such/teapot.png", "prompt": "x"}, *ROWS[1:]], clear=True)
    assert submissions(stage) == 3


def test_batch_of_invalid_requests_sends_nothing(stage):
    assert list(stage.submit([BROKEN, BROKEN]).errors) == [0, 1]
    assert submissions(stage) == 0


@pytest.mark.parametrize("clear", [False, True])
def test_next_try_submits_what_was_fixed_and_nothing_else(stage, clear):
    stage.submit([ROWS[0], BROKEN, BROKEN])
    again = stage.submit([ROWS[0], ROWS[1], BROKEN], clear=clear)
    assert [(index, type(error)) for index, error in again.errors.items()] == [(2, ViduInputError)]
    assert submissions(stage) == 2
    assert list(stage.submit([ROWS[0], ROWS[1], BROKEN], clear=clear).errors) == [2]
    assert submissions(stage) == 2


@pytest.mark.parametrize("clear", [False, True])
def test_paid_item_is_kept_although_its_picture_is_gone_now(stage, clear, tmp_path):
    picture = tmp_path / "a.png"
    Image.new("RGB", (300, 300)).save(picture)
    rows = [{"images": str(picture), "prompt": "x"}, *ROWS[1:]]
    stage.submit(rows)
    stage.vidu.end("9000")
    picture.unlink()
    again = stage.submit(rows, clear=clear)
    assert not again.errors
    assert again.tasks[0].succeeded
    assert submissions(stage) == 3


@pytest.mark.parametrize("rows", [[BROKEN, ROWS[1]], [BROKEN, *ROWS]], ids=["one removed", "one added"])
def test_broken_picture_beside_another_change_is_not_guessed(stage, rows):
    """Without its place, nothing shows whether the paid task is that of the broken request."""
    stage.submit(ROWS)
    if len(rows) > len(ROWS):
        rows = [BROKEN, *ROWS[1:], {**ROWS[0], "prompt": "new"}]
    with pytest.raises(ViduInputError, match="item 0: images"):
        stage.submit(rows, clear=True)
    assert submissions(stage) == 3
    assert "cancel" not in stage.vidu.requests


def test_bad_name_beside_a_removed_row_stops_only_its_item(stage):
    """Unlike a broken picture, it does not hide which task is the request's."""
    stage.submit(ROWS)

    def with_bad_names(requests):
        error = ViduInputError("file_name: no")
        return [replace(one, problem=error) if one.number < 2 else one for one in requests]

    rows = [ROWS[1], {**ROWS[0], "prompt": "new"}, ROWS[2]]
    again = stage.submit(rows, clear=True, change=with_bad_names)
    assert list(again.errors) == [1]
    assert [item.task_id for item in again.items] == ["9001", None, "9002"]
    assert submissions(stage) == 3


def test_discarding_clear_does_not_mistake_a_broken_row(stage):
    stage.submit(ROWS[:2])
    with pytest.raises(ViduInputError, match="item 0: images"):
        stage.submit([BROKEN, ROWS[1]], discard=True)
    assert submissions(stage) == 2
    assert "cancel" not in stage.vidu.requests


def test_resumed_worker_still_knows_what_is_invalid(stage):
    rows = [ROWS[0], BROKEN, ROWS[1]]
    first = stage.submit(rows)
    stage.vidu.end("9000")
    stage.options["resumed"] = first.resumed

    async def resume(batch, asked):
        assert await batch.resume(asked)

    resumed = stage._run(rows, resume, {})
    assert list(resumed.errors) == [1]
    assert isinstance(resumed.errors[1], ViduInputError)
    assert "images" in resumed.errors[1].message
    assert submissions(stage) == 2


@pytest.mark.parametrize("has_store", [True, False])
def test_request_with_a_bad_name_is_sent_in_no_try(has_store):
    """Without a store its item is taken for a lost submission, which no list shows."""
    stage = Stage(Kept() if has_store else None)
    stage.options["records_invalid"] = True

    def second_has_a_bad_name(requests):
        error = ViduInputError("file_name: no")
        return [replace(one, problem=error) if one.number == 1 else one for one in requests]

    for clear in (False, False, has_store):
        batch = stage.submit(ROWS[:2], change=second_has_a_bad_name, clear=clear)
        assert list(batch.errors) == [1]
        assert isinstance(batch.errors[1], ViduInputError)
    assert submissions(stage) == 1


def test_failed_task_whose_request_has_become_invalid_is_not_submitted_again(stage):
    stage.submit(ROWS[:1])
    stage.vidu.end("9000", "failed", "InternalServiceFailure")
    error = ViduInputError("file_name: no")
    again = stage.submit(ROWS[:1], change=lambda requests: [replace(requests[0], problem=error)], clear=True)
    assert isinstance(again.errors[0], ViduInputError)
    assert submissions(stage) == 1


@pytest.mark.parametrize("tries", [1, 2])
def test_without_a_store_invalid_requests_are_not_searched_for(tries):
    stage = Stage(None)
    stage.options["records_invalid"] = True
    for _ in range(tries):
        batch = stage.submit([ROWS[0], BROKEN])
    assert list(batch.errors) == [1]
    assert ("may be billed" in batch.errors[1].advice) is (tries > 1)
    assert submissions(stage) == 1
    stage.vidu.requests.clear()
    stage.submit([BROKEN])
    assert stage.vidu.requests == []
