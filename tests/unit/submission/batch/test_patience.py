# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""One refusal is no verdict on a paid task, and no outage keeps a batch between worker and triggerer for ever."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from _support.batch_stage import Kept, Stage, reply

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduError,
    ViduNoCreationError,
    ViduStillRunningError,
    ViduUnavailableError,
)
from airflow_provider_vidu.submission.airflow_try import Try
from airflow_provider_vidu.submission.batch.store import BatchStore, Header, Item
from airflow_provider_vidu.submission.record import Phase
from airflow_provider_vidu.submission.state_writer import StateWriter
from airflow_provider_vidu.waiting.next_poll import REFUSALS

ROWS = [{"images": f"https://cdn.example/{name}.png", "prompt": "x"} for name in "abc"]
SECONDS_OF_A_HICCUP = 4.0
# What would be untrue of a task that is paid for.
UNTRUE = ("Nothing was created", "nothing is billed", "is not billed", "Nothing is billed")


@pytest.fixture
def stage(store):
    return Stage(store)


def refusing(stage: Stage, status: int, seconds: float = float("inf")) -> Any:
    until = stage.clock() + seconds
    body = {"code": status, "reason": {404: "TaskNotFound"}.get(status, "Forbidden"), "message": "no"}
    if status == 400:
        body["reason"] = "FieldInvalid"

    def instead(operation: str, request: Any) -> Any:
        if operation == "list" and status in {400, 404}:
            # The list is fine, and leaves them out.
            return reply(200, {"tasks": []}) if stage.clock() < until else None
        return reply(status, body) if operation != "submit" and stage.clock() < until else None

    return instead


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_that_passes_ends_nothing(stage, status):
    stage.submit(ROWS)
    stage.vidu.instead = refusing(stage, status, SECONDS_OF_A_HICCUP)
    again = stage.submit(ROWS)
    assert len(again.running) == 3
    assert again.errors == {}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_is_reported_correctly_for_paid_tasks(stage, status):
    first = stage.submit(ROWS)
    stage.vidu.instead = refusing(stage, status)
    stage.vidu.requests.clear()
    with pytest.raises(ViduAuthError) as raised:
        stage.submit(ROWS)
    message = str(raised.value)
    assert not any(words in message for words in UNTRUE)
    assert str(first.items[0].task_id) in message
    assert "may be billed" in message
    assert "nothing is lost" in message
    assert "it waits for what was submitted, and submits nothing unless some of that has failed." in message
    # One bulk call for all, as often as a wait would query.
    assert len(stage.vidu.requests) <= 2 * REFUSALS
    stage.vidu.instead = lambda operation, request: None
    assert len(stage.submit(ROWS).running) == 3
    assert len(stage.vidu.tasks) == 3


def test_refused_key_names_the_rest_only_if_there_is_one(stage):
    stage.options["credit_budget"] = 16
    stage.submit(ROWS)
    stage.vidu.instead = refusing(stage, 401)
    with pytest.raises(ViduAuthError, match="it submits only what is missing"):
        stage.submit(ROWS)


def logged(stage: Stage, caplog: Any, rows: Any, **settings: Any) -> str:
    caplog.clear()
    with caplog.at_level(logging.INFO):
        stage.submit(rows, **settings).log_progress(now=True)
    return caplog.text


@pytest.mark.parametrize("clear", [False, True])
def test_try_logs_what_it_has_submitted_itself(stage, caplog, clear):
    assert "Submitted 2 of 2, 16 credits committed." in logged(stage, caplog, ROWS[:2])
    said = logged(stage, caplog, ROWS[:2], clear=clear)
    assert "2 of 2 requests were sent before. Only those that failed are sent again." in said
    assert "Nothing was submitted now: 2 of 2 requests are at Vidu, 16 credits in all." in said
    said = logged(stage, caplog, ROWS, clear=clear)
    assert "2 of 3 requests were sent before. Only those that failed or were never sent are sent now." in said
    assert "Submitted 1 request now: 3 of 3 requests are at Vidu, 24 credits in all." in said


@pytest.mark.parametrize("status", [400, 404])
def test_refused_task_keeps_no_other_from_its_video(stage, status):
    first = stage.submit(ROWS)
    lost = str(first.items[1].task_id)
    refused = refusing(stage, status)

    def instead(operation: str, request: Any) -> Any:
        return refused(operation, request) if operation == "query" and request.task_id == lost else None

    held, stage.vidu.instead = stage.vidu.tasks.pop(lost), instead
    again = stage.submit(ROWS)
    assert list(again.errors) == [1]
    assert len(again.running) == 2
    message = str(again.errors[1])
    assert not any(words in message for words in UNTRUE)
    assert lost in message
    assert "billed" in message
    stage.vidu.tasks[lost], stage.vidu.instead = held, lambda operation, request: None
    assert len(stage.submit(ROWS, clear=True).running) == 3
    assert len(stage.vidu.tasks) == 3


# -- an outage after the wait ---------------------------------------------------------------------------------


def outage(operation: str, request: Any) -> Any:
    return reply(503, {}) if operation != "submit" else None


def test_ended_wait_is_not_repeated_without_an_answer(stage):
    batch = stage.submit(ROWS)
    for task_id in stage.vidu.tasks:
        stage.vidu.end(task_id)
    stage.vidu.instead = outage

    async def act(batch):
        await batch.continue_after_wait()
        await batch.query_until_answered()

    with pytest.raises(ViduUnavailableError, match="3 Vidu tasks") as raised:
        stage.resume(batch, act)
    assert raised.value.fate is Fate.RETRYABLE
    assert "nothing is lost" in str(raised.value)
    stage.vidu.instead = lambda operation, request: None
    again = stage.submit(ROWS)
    assert not again.running
    assert len(stage.vidu.tasks) == 3


def test_outage_that_passes_in_place_costs_no_retry(stage):
    batch = stage.submit(ROWS)
    until = stage.clock() + SECONDS_OF_A_HICCUP
    for task_id in stage.vidu.tasks:
        stage.vidu.end(task_id)
    stage.vidu.instead = lambda operation, request: outage(operation, request) if stage.clock() < until else None

    async def act(batch):
        await batch.continue_after_wait()
        await batch.query_until_answered()

    stage.resume(batch, act)
    assert not batch.running


def test_running_tasks_are_waited_for(stage):
    batch = stage.submit(ROWS)

    async def act(batch):
        await batch.continue_after_wait()
        await batch.query_until_answered()

    stage.resume(batch, act)
    assert len(batch.running) == 3


def test_answer_that_never_changes_ends_the_wait(stage):
    """As of a host whose list lags behind its single queries."""
    batch = stage.submit(ROWS)

    async def act(batch):
        await batch.continue_after_wait()
        await batch.query_until_answered(lambda: len(batch.running) == 3)

    with pytest.raises(ViduUnavailableError, match="still shows them as running"):
        stage.resume(batch, act)


def test_queries_of_an_outage_end_with_the_worker(stage):
    batch = stage.submit(ROWS)
    stage.vidu.instead = outage

    def stop():
        raise ViduStillRunningError("The task was told to stop.")

    async def act(batch):
        await batch.continue_after_wait()
        batch.stop = stop
        await batch.query_until_answered()

    with pytest.raises(ViduStillRunningError, match="told to stop"):
        stage.resume(batch, act)


# -- a success without a link ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clear", [False, True], ids=["retry", "clear"])
def test_success_without_a_link_is_never_paid_again(stage, clear):
    batch = stage.submit(ROWS)
    for task_id in stage.vidu.tasks:
        stage.vidu.end(task_id)
    paid = str(batch.items[0].task_id)
    stage.vidu.tasks[paid]["creations"] = []

    async def act(batch):
        await batch.continue_after_wait()
        await batch.fetch_missing_links()

    stage.resume(batch, act)
    assert isinstance(batch.errors[0], ViduNoCreationError)
    message = str(batch.errors[0])
    assert paid in message
    assert "again" in message
    assert "submit" not in message.replace("submits nothing", "")
    assert batch.items[0].phase is Phase.SUBMITTED
    batch.note_returned(whole=False)
    again = stage.submit(ROWS, clear=clear)
    assert again.items[0].task_id == paid
    assert len(stage.vidu.tasks) == 3
    stage.vidu.end(paid)
    stage.resume(again, act)
    assert again.tasks[0].video_url


# -- a store that is down -------------------------------------------------------------------------------------


class Failing(Kept):
    def __init__(self, clock: Any, failures: int) -> None:
        super().__init__()
        self.clock, self.failures = clock, failures
        self.moments: list[float] = []

    def set(self, key: str, value: Any) -> None:
        self.moments.append(self.clock())
        if len(self.moments) <= self.failures:
            raise RuntimeError("store is down")
        super().set(key, value)


def written(clock: Any, failures: int, *, stop: Any = lambda: None) -> tuple[Failing, BatchStore]:
    store = Failing(clock, failures)
    log = logging.getLogger(__name__)
    kept = BatchStore(store, Try(), log, StateWriter(clock, clock.sleep, stop, log))
    kept.header, kept.items = Header("g", 1, 1, 0, "a"), [Item("a" * 16)]
    kept.update(0, phase=Phase.SUBMITTED, task_id="911")
    return store, kept


def test_failed_writes_are_repeated_after_one_and_two_seconds(clock):
    store, kept = written(clock, 2)
    began = clock()
    kept.write(needed=False)
    assert [moment - began for moment in store.moments] == [0.0, 1.0, 3.0]
    assert store.values


def test_store_outage_does_not_delay_every_write(clock, caplog):
    store, kept = written(clock, 1000)
    for number in range(10):
        kept.update(0, attempt=number)
        kept.write(needed=False)
    assert clock.slept == pytest.approx(3.0)
    assert "911" in caplog.text
    clock.sleep(60)
    kept.write(needed=False)
    assert len(store.moments) == 3 + 9 + 3


def test_needed_write_is_tried_once(clock):
    store, kept = written(clock, 1000)
    with pytest.raises(ViduUnavailableError):
        kept.write(needed=True)
    assert len(store.moments) == 1


def test_stopping_worker_does_not_wait_for_the_store(clock):
    def stop():
        raise ViduError("The task was told to stop.")

    store, kept = written(clock, 1000, stop=stop)
    kept.write(needed=False)
    assert len(store.moments) == 1
    assert clock.slept == 0


def test_id_that_vidu_does_not_know_is_found_by_its_marker():
    """A gateway answered the POST with the id of its own request."""
    stage = Stage(Kept())

    def instead(operation, request):
        if operation != "submit":
            return None
        created = stage.vidu.create(request)
        return reply(200, {**created, "id": "req-7", "task_id": "req-7"})

    stage.vidu.instead = instead
    first = stage.submit(ROWS[:1])
    assert first.items[0].task_id == "req-7"
    stage.vidu.instead = lambda operation, request: None
    again = stage.submit(ROWS[:1])
    assert [item.task_id for item in again.items] == list(stage.vidu.tasks)
    assert not again.errors
    assert len(stage.vidu.tasks) == 1


@pytest.fixture
def behind_a_gateway():
    """A batch whose ids are those of a gateway's requests: no query knows them."""
    stage = Stage(Kept())
    numbers = itertools.count()

    def instead(operation, request):
        if operation != "submit":
            return None
        created = stage.vidu.create(request)
        request_id = f"req-{next(numbers)}"
        return reply(200, {**created, "id": request_id, "task_id": request_id})

    stage.vidu.instead = instead
    stage.options["credit_budget"] = 40
    stage.submit(ROWS)
    stage.vidu.instead = lambda operation, request: None
    return stage


def test_task_that_its_marker_finds_counts_once_in_the_budget(behind_a_gateway):
    again = behind_a_gateway.submit(ROWS)
    assert again.budget.spent == 24


def test_clear_searches_for_an_unknown_id_before_it_pays_again(behind_a_gateway):
    stage = behind_a_gateway
    again = stage.submit(ROWS, clear=True, on_unknown="resubmit")
    assert [item.task_id for item in again.items] == list(stage.vidu.tasks)
    assert len(stage.vidu.tasks) == 3


def test_unknown_id_and_a_broken_list_hold_up_no_other_video():
    stage = Stage(Kept())
    first = stage.submit(ROWS)
    gone = str(first.items[0].task_id)
    held = stage.vidu.tasks.pop(gone)
    for task_id in stage.vidu.tasks:
        stage.vidu.end(task_id)
    stage.vidu.instead = lambda operation, request: (
        reply(503, {}) if operation == "list" and "task_ids=" not in request.url else None
    )
    again = stage.submit(ROWS)
    assert [task.succeeded for task in again.tasks.values()] == [True, True]
    assert list(again.errors) == [0]
    assert again.errors[0].fate is Fate.RETRYABLE
    stage.vidu.tasks[gone], stage.vidu.instead = held, lambda operation, request: None
    assert not stage.submit(ROWS).errors
    assert stage.vidu.requests.count("submit") == 3


def test_try_that_resumes_pays_for_no_lost_reply_again():
    """Whatever on_unknown says, only the next try may: a try can resume many times."""
    stage = Stage(Kept())
    lost = []

    def instead(operation, request):
        if operation == "submit" and not lost:
            lost.append(stage.vidu.create(request))
            return reply(502, {"message": "bad gateway"})
        return reply(404, {"code": 404, "reason": "NotFound"}) if operation == "list" else None

    stage.vidu.instead = instead
    first = stage.submit(ROWS, on_unknown="resubmit")
    assert len(first.errors) == 1
    stage.tries -= 1
    stage.options["resumed"] = first.resumed
    resumed = stage.submit(ROWS, on_unknown="resubmit")
    assert resumed.errors.keys() == first.errors.keys()
    assert stage.vidu.requests.count("submit") == 3


@pytest.mark.parametrize("later", [86400, -60], ids=["a day later", "a slow clock"])
@pytest.mark.parametrize("list_", ["missing", "unreadable"])
def test_clear_counts_until_an_unsure_search_has_decided(list_, later):
    """The search needs a second walk, and by then the header has noted the clear. A worker's clock may be slow."""
    stage = Stage(Kept())
    stage.submit(ROWS[:2])
    stage.vidu.end("9001")
    del stage.vidu.tasks["9000"]
    stage.clock.sleep(later)
    answer = {
        "missing": reply(404, {"code": 404, "message": "no such path"}),
        "unreadable": reply(200, {"tasks": [{"id": "77", "state": "success"}]}),
    }[list_]
    stage.vidu.instead = lambda operation, request: (
        answer if operation == "list" and "task_ids=" not in request.url else None
    )
    again = stage.submit(ROWS[:2], clear=True, on_unknown="resubmit")
    assert not again.errors
    assert stage.vidu.requests.count("submit") == 3
    # Once for each clear.
    stage.submit(ROWS[:2], on_unknown="resubmit")
    assert stage.vidu.requests.count("submit") == 3


def test_clear_counts_although_no_query_was_answered_at_first():
    stage = Stage(Kept())
    stage.submit(ROWS[:2])
    stage.vidu.end("9000")
    stage.vidu.end("9001", "failed", "CreationPolicyViolation")
    stage.clock.sleep(1000)
    assert stage.submit(ROWS[:2]).errors
    stage.vidu.instead = outage
    cleared = stage.submit(ROWS[:2], clear=True)
    stage.vidu.instead = lambda operation, request: None
    stage.resume(cleared, lambda batch: batch.continue_after_wait())
    assert not cleared.errors
    assert stage.vidu.requests.count("submit") == 3


def test_failed_task_that_its_marker_finds_costs_no_budget():
    stage = Stage(Kept())
    stage.options["credit_budget"] = 16
    wrong = iter(["gateway-1"])

    def instead(operation, request):
        if operation != "submit":
            return None
        created = stage.vidu.create(request)
        return reply(200, {**created, "id": (named := next(wrong, created["id"])), "task_id": named})

    stage.vidu.instead = instead
    stage.submit(ROWS[:2])
    stage.vidu.end("9000", "failed", "InternalServiceFailure")
    again = stage.submit(ROWS[:2])
    assert again.stopped is None
    assert len(again.running) == 2


def test_row_that_returns_does_not_bear_the_marker_of_its_cancelled_task():
    stage = Stage(Kept())
    stage.submit(ROWS[:2])
    for _ in range(3):
        stage.submit(ROWS[:1], clear=True)
        stage.submit(ROWS[:2], clear=True)
    markers = [task["payload"] for task in stage.vidu.tasks.values()]
    assert len(set(markers)) == len(markers) == 5


def test_clear_sends_a_refused_item_once():
    stage = Stage(Kept())
    stage.vidu.instead = lambda operation, request: (
        reply(400, {"code": 400, "reason": "FieldInvalid", "message": "no"}) if operation == "submit" else None
    )
    for clear in (False, True, False, False):
        assert stage.submit(ROWS[:1], clear=clear).errors
        stage.clock.sleep(60)
    assert stage.vidu.requests.count("submit") == 2


def test_outage_marks_no_item_that_its_marker_has_found(behind_a_gateway):
    """Two ids are unknown; one is found by its marker, and a row that cannot be queried may be the other."""
    stage = behind_a_gateway
    rows = list(stage.vidu.tasks.values())
    hidden = rows[1]["id"]

    def instead(operation, request):
        if operation == "query" and request.task_id == hidden:
            return reply(503, {})
        if operation == "list" and "task_ids=" not in request.url:
            return reply(200, {"tasks": [{**row, "payload": None} if row["id"] == hidden else row for row in rows]})
        return None

    stage.vidu.instead = instead
    again = stage.submit(ROWS)
    assert list(again.errors) == [1]
    assert len(again.running) == 2


def test_task_that_is_gone_is_not_submitted_again():
    stage = Stage(Kept())
    stage.submit(ROWS[:1])
    stage.vidu.tasks.clear()
    again = stage.submit(ROWS[:1])
    assert "does not know this task" in str(again.errors[0])
    assert stage.vidu.requests.count("submit") == 1
    cleared = stage.submit(ROWS[:1], clear=True, on_unknown="resubmit")
    assert not cleared.errors
    assert stage.vidu.requests.count("submit") == 2


@pytest.mark.parametrize("ended", [("success",), ("failed", "InternalServiceFailure")], ids=["paid", "unbilled"])
def test_budget_that_waited_for_a_lost_submission_decides_on_the_rest(ended):
    stage = Stage(Kept())
    stage.options["credit_budget"] = 8
    lost = []

    def instead(operation, request):
        if operation != "submit" or lost:
            return None
        lost.append(stage.vidu.create(request)["task_id"])
        stage.vidu.end(lost[0], *ended)
        return reply(504, {"message": "gateway timeout"})

    stage.vidu.instead = instead
    batch = stage.submit(ROWS)
    unsent = [index for index, item in enumerate(batch.items) if not item.has_been_sent]
    assert unsent
    # What was not sent says why, so that the batch does not succeed without it.
    assert batch.stopped is not None or all(index in batch.errors for index in unsent)
