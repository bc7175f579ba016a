# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The protocol carried out: whatever dies between two steps, at most one generation is billed."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduError,
    ViduInputError,
    ViduModerationError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduSubmissionInDoubtError,
    ViduTaskFailedError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.http_messages import parse_create
from airflow_provider_vidu.submission.task_list import MAX_PARALLEL

WIRE = {"images": ["https://x.example/a.png"], "model": "viduq3-turbo", "prompt": "p"}
LOST = ("accepted", ViduSubmissionInDoubtError("The reply was lost."))
NEVER_ARRIVED = ViduSubmissionInDoubtError("The reply was lost.")


class WorkerDied(BaseException):
    """SIGKILL: nothing may catch it."""


def test_intent_is_written_before_the_post_and_the_id_after(make, store, vidu):
    task = make().submit(lambda: WIRE)
    assert [write["phase"] for write in store.writes] == ["intent", "submitted"]
    assert store.writes[1]["task_id"] == task.task_id
    assert vidu.submissions[0]["payload"] == store.writes[0]["marker"]


def test_retry_attaches_and_keeps_the_facts_of_the_create_answer(make, vidu):
    first = make().submit(lambda: WIRE)
    again = make(try_number=2).submit(lambda: WIRE)
    assert again.task_id == first.task_id
    assert again.model == "viduq3-turbo"
    assert len(vidu.submissions) == 1


def test_refused_unknown_model_is_named(make, vidu):
    vidu.replies = [ViduRequestError("Vidu answered: no", reason="FieldInvalid", http_status=400)]
    with pytest.raises(ViduRequestError, match=r"Model 'viduq3-trubo' \(viduq3-turbo\?\) is not in"):
        make().submit(lambda: {**WIRE, "model": "viduq3-trubo"})


def test_reply_lost_after_acceptance_is_found_by_its_marker(make, vidu):
    vidu.replies = [LOST]
    task = make().submit(lambda: WIRE)
    assert task.task_id in vidu.tasks
    assert len(vidu.submissions) == 1


def test_lost_submission_that_shows_late_is_found(make, vidu, clock):
    vidu.replies, vidu.list_lag = [LOST], 45.0
    make().submit(lambda: WIRE)
    assert len(vidu.tasks) == 1
    assert clock.slept >= 45


def test_submission_that_never_arrived_is_resent_after_the_list_settles(make, vidu, clock):
    vidu.replies = [NEVER_ARRIVED]
    make().submit(lambda: WIRE)
    assert len(vidu.tasks) == 1
    assert clock.slept >= vidu.account.timeout + vidu.account.settle_seconds


VIDUS_OWN = {"code": 500, "reason": "InternalServiceFailure", "message": "no", "metadata": {"trace_id": "t"}}
CREATED = {"task_id": "", "state": "created", "model": "viduq2", "credits": 8, "created_at": "2026-01-20T04:01:53Z"}


@pytest.mark.parametrize(
    ("status", "answer", "ends"),
    [
        (500, VIDUS_OWN, True),
        (409, {**VIDUS_OWN, "code": 409, "reason": "Conflict"}, True),
        (500, {"code": "upstream_error", "message": json.dumps(VIDUS_OWN), "data": None}, True),
        (200, VIDUS_OWN, True),
        (200, CREATED, True),
        (502, VIDUS_OWN, False),
        (504, VIDUS_OWN, False),
        (500, {"error": {"code": "do_request_failed", "message": "upstream request timeout"}}, False),
        (500, {"code": 504, "reason": "GATEWAY_TIMEOUT", "message": "no"}, False),
        (500, {"message": json.dumps({**VIDUS_OWN, "code": 499, "reason": "Canceled"})}, False),
        (500, "<html><h1>500 Internal Server Error</h1><hr>nginx</html>", False),
        (409, {}, False),
        (202, {"message": "accepted, queued"}, False),
        (200, "<html>please wait</html>", False),
        (200, {}, False),
    ],
)
def test_reply_of_vidu_settles_sooner_than_a_gateways(make, vidu, clock, status, answer, ends):
    """A gateway that gives up ends nothing behind it."""
    vidu.replies = [refusal_of(status, answer)]
    assert isinstance(vidu.replies[0], ViduSubmissionInDoubtError)
    make().submit(lambda: WIRE)
    whole = vidu.account.timeout + vidu.account.settle_seconds
    assert clock.slept == (vidu.account.settle_seconds if ends else whole)


def test_submission_accepted_after_a_gateway_timeout_is_found(make, vidu):
    vidu.replies = [("accepted", ViduSubmissionInDoubtError("HTTP 504", http_status=504))]
    vidu.list_lag = 70
    make().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_fast_clock_delays_nothing_by_days(make, vidu, store, clock):
    vidu.replies = [("accepted", WorkerDied())]
    with pytest.raises(WorkerDied):
        make().submit(lambda: WIRE)
    vidu.tasks.clear()
    held = store.values["vidu_submission"]
    held.update(attempted_at=held["attempted_at"] + 3 * 86_400, not_after=held["not_after"] + 3 * 86_400)
    make(try_number=2).submit(lambda: WIRE)
    assert clock.slept <= vidu.account.timeout + vidu.account.settle_seconds


def test_clear_cancels_nothing_if_the_new_request_cannot_be_built(make, vidu):
    make().submit(lambda: WIRE)

    def build():
        raise OSError("the store of the images is down")

    with pytest.raises(OSError, match="is down"):
        make(try_number=2, max_tries=3).submit(build)
    assert vidu.cancels == []


def test_cancel_that_vidu_ignores_submits_nothing(make, vidu, monkeypatch):
    first = make().submit(lambda: WIRE)
    monkeypatch.setattr(vidu, "cancel_task", lambda task_id: None)
    assert make(try_number=2, max_tries=3).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_payloads_that_a_list_cuts_are_still_recognised(make, vidu, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.compat.encrypt_parts", lambda parts: "x" * 300)
    vidu.replies = [("accepted", WorkerDied())]
    with pytest.raises(WorkerDied):
        make().submit(lambda: WIRE)
    for row in vidu.tasks.values():
        row["payload"] = row["payload"][:128]
    make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_without_store_a_worker_with_other_retries_still_searches(make, vidu):
    """There a clear shows only in the task's number of retries, which workers may see differently."""
    first = make(with_store=False).submit(lambda: WIRE)
    again = make(try_number=2, first_try=3, with_store=False).submit(lambda: WIRE)
    assert again.task_id == first.task_id


def test_without_store_a_missing_image_loses_no_paid_video(make, vidu):
    first = make(with_store=False).submit(lambda: WIRE)

    def gone():
        raise ViduInputError("images: /in/cat.png does not exist.")

    assert make(try_number=2, with_store=False).submit(gone).task_id == first.task_id


def test_host_that_keeps_losing_submissions_costs_only_a_retry(make, vidu):
    vidu.replies = [NEVER_ARRIVED] * 10
    with pytest.raises(ViduUnavailableError, match="created nothing in 3 attempts"):
        make().submit(lambda: WIRE)


def test_next_try_searches_after_a_worker_died_in_the_post(make, vidu, store):
    vidu.replies = [("accepted", WorkerDied())]
    with pytest.raises(WorkerDied):
        make().submit(lambda: WIRE)
    assert store.values["vidu_submission"]["phase"] == "intent"
    task = make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert task.task_id in vidu.tasks


def test_without_list_a_lost_reply_fails_safely(make, vidu):
    vidu.replies, vidu.list_error = [LOST], ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduSubmissionInDoubtError, match="record that nothing was created") as raised:
        make().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert "list_path: null" in str(raised.value)


def test_nothing_advises_a_setting_that_is_already_set(make, vidu, caplog):
    vidu.account = replace(vidu.account, list_path=None)
    vidu.replies, vidu.list_error = [LOST], ViduConfigurationError("This host has no task list.")
    with caplog.at_level(logging.WARNING), pytest.raises(ViduSubmissionInDoubtError, match="your consent") as raised:
        make().submit(lambda: WIRE)
    assert "list_path" not in str(raised.value) + caplog.text


def test_final_message_has_the_reply_that_caused_the_doubt(make, vidu):
    lost = ViduSubmissionInDoubtError("The submission was answered with HTTP 500: on fire.", http_status=500)
    vidu.replies, vidu.list_error = [("accepted", lost)], ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduSubmissionInDoubtError, match="HTTP 500: on fire"):
        make().submit(lambda: WIRE)
    vidu.list_error, vidu.replies = None, [lost] * 10
    vidu.tasks.clear()
    with pytest.raises(ViduUnavailableError, match=r"created nothing in 3 attempts\. .*HTTP 500: on fire"):
        make(with_store=False).submit(lambda: WIRE)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ((403, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}}), ViduCreditError),
        ((429, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}}), ViduCreditError),
        ((503, {"error": {"message": "no channel", "code": "model_not_found"}}), ViduUnavailableError),
        ((500, {"message": '{"code": 400, "reason": "AuditSubmitIllegal", "message": "no"}'}), ViduModerationError),
    ],
    ids=["403", "429", "503", "500"],
)
def test_refusal_that_created_nothing_leaves_nothing_in_doubt(make, vidu, store, clock, refusal, kind):
    status, answer = refusal
    vidu.replies = [refusal_of(status, answer)]
    with pytest.raises(kind) as raised:
        make().submit(lambda: WIRE)
    assert clock.slept == 0
    assert store.values["vidu_submission"]["phase"] == "new"
    assert raised.value.fate is (Fate.RETRYABLE if kind is ViduUnavailableError else Fate.PERMANENT)
    make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.tasks) == 1


def refusal_of(status, answer):
    try:
        parse_create(status, {}, answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())
    except ViduError as error:
        return error
    raise AssertionError("a refusal raises")


def test_resubmit_is_the_users_choice(make, vidu):
    vidu.replies, vidu.list_error = [NEVER_ARRIVED], ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make(on_unknown="resubmit").submit(lambda: WIRE)
    # Not at once, three times over: the next try does, and only if there is one.
    assert len(vidu.submissions) == 1
    assert raised.value.fate is Fate.RETRYABLE
    make(try_number=2, on_unknown="resubmit").submit(lambda: WIRE)
    assert len(vidu.submissions) == 2


FOREIGN = {
    500: ViduUnavailableError("Vidu answered: unsupported task type", http_status=500),
    429: ViduRateLimitError("Vidu answered: slow down", http_status=429),
    403: ViduAuthError("Vidu answered: not yours", http_status=403),
    422: ViduRequestError("Vidu answered: unsupported task type", http_status=422),
}


@pytest.fixture(params=FOREIGN)
def foreign(request, vidu):
    """A task of another application, without a payload in the list, that no query shows."""
    vidu.add("555", None)
    vidu.broken["555"] = FOREIGN[request.param]
    return vidu.broken["555"]


def test_foreign_row_does_not_stop_the_look_up(make, vidu, foreign):
    vidu.replies = [LOST]
    assert make().submit(lambda: WIRE).task_id == "900001"
    assert "555" not in vidu.queried


def test_own_task_is_found_behind_an_unqueryable_row(make, vidu, foreign):
    vidu.replies, vidu.list_payload = [LOST], False
    assert make().submit(lambda: WIRE).task_id == "900001"


@pytest.mark.parametrize("on_unknown", ["fail", "resubmit"])
def test_unqueryable_row_may_be_the_lost_submission(make, vidu, foreign, on_unknown):
    vidu.replies = [NEVER_ARRIVED]
    with pytest.raises(ViduError, match="555") as raised:
        make(on_unknown=on_unknown).submit(lambda: WIRE)
    assert isinstance(raised.value, ViduUnavailableError) is (foreign.fate is Fate.RETRYABLE)
    assert isinstance(raised.value, ViduSubmissionInDoubtError) is (foreign.fate is not Fate.RETRYABLE)
    assert len(vidu.submissions) == 1
    if foreign.fate is Fate.RETRYABLE:
        with pytest.raises(ViduUnavailableError):
            make(try_number=2, on_unknown=on_unknown).submit(lambda: WIRE)
        assert len(vidu.submissions) == 1


def test_without_store_a_failed_attempt_hides_no_other(make, vidu, foreign):
    """All attempts have one marker there: another one may be the row that cannot be queried."""
    first = make(with_store=False).submit(lambda: WIRE)
    vidu.finish(first.task_id, "failed", err_code="InternalServiceFailure")
    with pytest.raises(ViduError, match="555"):
        make(with_store=False, try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_outage_ends_the_queries_of_rows(make, vidu):
    for number in range(49):
        vidu.add(str(number), None)
    vidu.replies, vidu.outage = [NEVER_ARRIVED], ViduUnavailableError("HTTP 503", http_status=503)
    with pytest.raises(ViduUnavailableError):
        make().submit(lambda: WIRE)
    assert len(vidu.queried) == MAX_PARALLEL


def test_unknown_id_is_looked_up_by_its_marker(make, vidu, store):
    """A gateway may have answered the POST with an id of its own."""
    real = make().submit(lambda: WIRE)
    store.values["vidu_submission"]["task_id"] = "req-7"
    assert make(try_number=2).submit(lambda: WIRE).task_id == real.task_id
    assert store.values["vidu_submission"]["task_id"] == real.task_id
    assert len(vidu.submissions) == 1


def test_unknown_id_in_no_list_submits_nothing(make, vidu, store):
    make().submit(lambda: WIRE)
    vidu.tasks.clear()
    with pytest.raises(ViduError, match="does not know the earlier task"):
        make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_list_without_payload_is_completed_by_single_queries(make, vidu):
    vidu.replies, vidu.list_payload = [LOST], False
    make().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


CUTS = {
    "emptied": lambda payload: "",
    "at 30": lambda payload: payload[:30],
    "at 100": lambda payload: payload[:100],
    "at 42": lambda payload: payload[:42],
    "with an ellipsis": lambda payload: payload if len(payload) < 25 else f"{payload[:20].rstrip()}…",
}
PAYLOADS = {
    "the marker": "",
    "at its start": "{marker} of ACME",
    "at its end": "order 4711 of ACME, " + "line " * 20 + "{marker}",
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_payload_that_a_list_empties_or_cuts_is_queried(make, vidu, monkeypatch, payload, cut):
    monkeypatch.setattr("airflow_provider_vidu.compat.encrypt_parts", lambda parts: "x" * 300)
    vidu.add("1", "order-17")
    vidu.add("2", f"avp1:{'0' * 32}.{'y' * 90}")
    vidu.replies, vidu.as_listed = [LOST], lambda payload: cut(payload)
    task = make().submit(lambda: {**WIRE, "payload": payload})
    assert len(vidu.submissions) == 1
    assert task.task_id == "900001"


def test_payload_that_is_listed_but_not_queried_is_still_recognised(make, vidu):
    vidu.replies, vidu.hides_payload = [LOST], True
    assert make().submit(lambda: WIRE).task_id == "900001"


def test_payload_that_no_query_completes_leaves_the_submission_in_doubt(make, vidu):
    vidu.add("1", "order-17")
    vidu.replies, vidu.hides_payload, vidu.as_listed = [NEVER_ARRIVED], True, lambda payload: ""
    with pytest.raises(ViduSubmissionInDoubtError, match="Vidu tasks that may be the lost one: 1"):
        make().submit(lambda: WIRE)


def test_payloads_that_are_whole_are_not_queried(make, vidu):
    """An account may have thousands of other tasks."""
    for number in range(49):
        vidu.add(str(number), f"order-{number}")
        vidu.add(f"1{number}", f"avp1:{number:032x}:{number:016x}:1")
        vidu.add(f"2{number}", f"avp1:{number:032x}.sealed")
    vidu.replies = [NEVER_ARRIVED]
    make().submit(lambda: WIRE)
    assert len(vidu.submissions) == 2
    assert vidu.queried == []


def test_look_up_queries_a_payload_once(make, vidu, clock):
    """A look-up searches every few seconds until the list has settled; a hundred rows are a hundred queries."""
    sibling = make(key="a sibling").submit(lambda: WIRE)
    vidu.replies, vidu.list_payload = [NEVER_ARRIVED], False
    vidu.queried.clear()
    make().submit(lambda: WIRE)
    assert clock.slept > 60
    assert vidu.queried == [sibling.task_id]


@pytest.mark.parametrize("list_payload", [True, False])
def test_listed_failure_without_its_reason_is_queried_for_it(make, vidu, list_payload):
    """Below Airflow 3.3 the list is all that a retry knows; a failure without a reason would be one for good."""
    first = make(with_store=False).submit(lambda: WIRE)
    vidu.finish(first.task_id, "failed", err_code="InternalServiceFailure")
    vidu.list_payload, vidu.list_err_code = list_payload, False
    assert make(with_store=False, try_number=2).submit(lambda: WIRE).task_id != first.task_id


@pytest.mark.parametrize(
    "quirk",
    [
        {"unreadable_rows": 1},
        {"list_payload": False, "hides_payload": True},
        {"next_page_token": "the same page again"},
    ],
    ids=lambda quirk: next(iter(quirk)),
)
def test_incomplete_list_never_means_absent(make, vidu, quirk):
    make(key="a sibling").submit(lambda: WIRE)
    for name, value in quirk.items():
        setattr(vidu, name, value)
    vidu.replies = [NEVER_ARRIVED]
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make().submit(lambda: WIRE)
    assert len(vidu.submissions) == 2
    # Whom it cannot be told from is named.
    assert ("900001" in str(raised.value)) is ("hides_payload" in quirk)


def test_outage_of_the_list_is_a_retry_not_a_submission(make, vidu):
    vidu.replies, vidu.list_error = [LOST], ViduUnavailableError("HTTP 503")
    with pytest.raises(ViduUnavailableError):
        make().submit(lambda: WIRE)
    vidu.list_error = None
    make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_no_post_without_an_intent(make, vidu, store):
    store.fail_on = {1}
    with pytest.raises(ViduUnavailableError, match="nothing was submitted"):
        make().submit(lambda: WIRE)
    assert vidu.submissions == []


def test_unreadable_store_submits_nothing(make, vidu, store):
    store.fail_reads = True
    with pytest.raises(ViduUnavailableError):
        make().submit(lambda: WIRE)
    assert vidu.submissions == []


def test_unwritten_id_is_logged_and_the_task_goes_on(make, store, caplog):
    store.fail_on = {2}
    with caplog.at_level(logging.ERROR):
        task = make().submit(lambda: WIRE)
    assert task.task_id in caplog.text
    # It was tried again, so that not even a death right after would have to search.
    assert store.values["vidu_submission"]["task_id"] == task.task_id


def test_id_that_was_never_written_is_found_by_marker(make, store):
    store.fail_on = {2, 3, 4}
    task = make().submit(lambda: WIRE)
    assert store.values["vidu_submission"]["phase"] == "intent"
    assert make(try_number=2).submit(lambda: WIRE).task_id == task.task_id


def test_resumed_worker_completes_a_record_without_id(make, store, vidu):
    store.fail_on = {2, 3, 4}
    task = make().submit(lambda: WIRE)
    resumed = make()
    resumed.load()
    resumed.note_submitted(task)
    resumed.note_returned()
    assert store.values["vidu_submission"]["phase"] == "returned"
    assert store.values["vidu_submission"]["task_id"] == task.task_id


def test_slow_store_does_not_make_a_fresh_post_look_settled(make, store, vidu, clock):
    real = store.set
    store.set = lambda key, value: (real(key, value), clock.sleep(300 if len(store.writes) == 1 else 0))
    vidu.replies = [("accepted", WorkerDied())]
    with pytest.raises(WorkerDied):
        make().submit(lambda: WIRE)
    assert clock() - store.values["vidu_submission"]["attempted_at"] < 10


def test_clear_cancels_the_task_and_submits_again(make, vidu):
    first = make().submit(lambda: WIRE)
    second = make(try_number=2, max_tries=3).submit(lambda: WIRE)
    assert vidu.cancels == [first.task_id]
    assert second.task_id != first.task_id


def test_clear_attaches_to_a_task_that_cannot_be_cancelled(make, vidu):
    vidu.cancellable = False
    first = make().submit(lambda: WIRE)
    assert make(try_number=2, max_tries=3).submit(lambda: WIRE).task_id == first.task_id
    assert make(try_number=3, max_tries=3).submit(lambda: WIRE).task_id == first.task_id
    assert vidu.cancels == [first.task_id]
    assert len(vidu.submissions) == 1


def test_only_a_clear_after_delivery_starts_a_new_generation(make, vidu):
    submission = make()
    first = submission.submit(lambda: WIRE)
    vidu.finish(first.task_id)
    submission.note_returned()
    assert make(try_number=2).submit(lambda: WIRE).task_id == first.task_id
    assert make(try_number=3, max_tries=4).submit(lambda: WIRE).task_id != first.task_id


def test_clear_delivers_a_video_that_was_never_delivered(make, vidu):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    assert make(try_number=2, max_tries=3).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_after_a_deadline_a_clear_attaches(make, vidu):
    submission = make()
    first = submission.submit(lambda: WIRE)
    submission.note_left_running()
    assert make(try_number=2, max_tries=3).submit(lambda: WIRE).task_id == first.task_id
    assert vidu.cancels == []


def test_retry_with_another_request_names_the_changed_fields(make, vidu):
    first = make().submit(lambda: WIRE)
    with pytest.raises(ViduError, match="prompt changed") as raised:
        make(try_number=2).submit(lambda: {**WIRE, "prompt": "other"})
    assert first.task_id in str(raised.value)
    assert len(vidu.submissions) == 1


def test_missing_image_loses_no_paid_video(make, vidu):
    first = make().submit(lambda: WIRE)

    def gone():
        raise ViduInputError("images: /in/cat.png does not exist.")

    assert make(try_number=2).submit(gone).task_id == first.task_id


def test_missing_image_hides_no_lost_submission(make, vidu):
    vidu.replies = [("accepted", WorkerDied())]
    with pytest.raises(WorkerDied):
        make().submit(lambda: WIRE)

    def gone():
        raise ViduInputError("images: /in/cat.png does not exist.")

    assert make(try_number=2).submit(gone).task_id in vidu.tasks


def test_invalid_input_is_rejected_before_anything_is_written_or_sent(make, vidu, store):
    def bad():
        raise ViduInputError("duration of viduq1 must be 5 s, got 4.")

    with pytest.raises(ViduInputError):
        make().submit(bad)
    assert store.writes == []
    assert vidu.submissions == []


def test_refusal_is_recorded_so_that_no_try_searches_for_it(make, vidu, store, clock):
    vidu.replies = [ViduCreditError("Vidu answered: insufficient credits", http_status=400)]
    with pytest.raises(ViduCreditError):
        make().submit(lambda: WIRE)
    assert store.values["vidu_submission"]["phase"] == "new"
    make(try_number=2).submit(lambda: WIRE)
    assert clock.slept == 0


def test_full_queue_is_waited_out_in_place(make, vidu, clock):
    vidu.replies = [ViduRateLimitError("QuotaExceeded", retry_after=7.0), ViduRateLimitError("QuotaExceeded")]
    make().submit(lambda: WIRE)
    assert len(vidu.tasks) == 1
    assert clock.slept >= 7


def test_full_queue_is_not_waited_out_beyond_the_timeout(make, vidu, clock):
    vidu.replies = [ViduRateLimitError("QuotaExceeded")] * 100
    with pytest.raises(ViduRateLimitError):
        make(timeout=120).submit(lambda: WIRE)
    assert clock.slept <= 120


def test_only_a_retryable_failure_is_submitted_again(make, vidu):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id, "failed", err_code="InternalServiceFailure")
    second = make(try_number=2).submit(lambda: WIRE)
    assert second.task_id != first.task_id
    vidu.finish(second.task_id, "failed", err_code="UserCancelled")
    with pytest.raises(ViduTaskFailedError, match="cancelled"):
        make(try_number=3).submit(lambda: WIRE)


def test_without_store_a_later_try_searches_before_it_submits(make, vidu):
    first = make(with_store=False).submit(lambda: WIRE)
    assert make(try_number=2, with_store=False).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_without_store_a_task_of_hours_ago_is_found(make, vidu, clock):
    first = make(with_store=False).submit(lambda: WIRE)
    clock.sleep(6 * 3600)
    assert make(try_number=2, with_store=False).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_without_store_a_payload_without_marker_fails_safely(make, vidu):
    wire = {**WIRE, "payload": "order-17"}
    make(with_store=False).submit(lambda: wire)
    with pytest.raises(ViduSubmissionInDoubtError):
        make(try_number=2, with_store=False).submit(lambda: wire)
    assert len(vidu.submissions) == 1


def test_without_store_two_submissions_keep_their_own_videos(make, vidu):
    tasks = [make(with_store=False, key=key).submit(lambda: WIRE).task_id for key in ("a", "b")]
    again = [make(try_number=2, with_store=False, key=key).submit(lambda: WIRE).task_id for key in ("a", "b")]
    assert again == tasks
    assert len(set(tasks)) == 2


def test_without_store_and_list_only_a_clear_submits(make, vidu):
    vidu.list_error = ViduNotFoundError("no list", http_status=404)
    make(with_store=False).submit(lambda: WIRE)
    with pytest.raises(ViduSubmissionInDoubtError) as raised:
        make(try_number=2, with_store=False).submit(lambda: WIRE)
    assert "state store" not in str(raised.value)
    make(try_number=3, max_tries=4, first_try=3, with_store=False).submit(lambda: WIRE)
    assert len(vidu.submissions) == 2


def test_without_store_a_try_that_sent_nothing_costs_a_delay(make, vidu, clock):
    make(try_number=2, with_store=False).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert clock.slept >= vidu.account.settle_seconds


def test_without_store_a_clear_starts_a_new_generation(make, vidu):
    first = make(with_store=False).submit(lambda: WIRE)
    vidu.finish(first.task_id)
    assert make(try_number=2, max_tries=3, with_store=False).submit(lambda: WIRE).task_id != first.task_id


def test_without_durability_every_try_submits(make, vidu, store):
    make(durable=False).submit(lambda: WIRE)
    make(try_number=2, durable=False).submit(lambda: WIRE)
    assert len(vidu.submissions) == 2
    assert store.writes == []


def test_another_key_or_host_never_submits_for_an_old_record(make, vidu):
    from airflow_provider_vidu.api.account import Account

    make().submit(lambda: WIRE)
    vidu.account = Account(api_key="another key")
    with pytest.raises(ViduError, match="host or key has changed"):
        make(try_number=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_unreachable_vidu_does_not_end_a_retry(make, vidu):
    first = make().submit(lambda: WIRE)
    vidu.outage = ViduUnavailableError("HTTP 503")
    assert make(try_number=2).submit(lambda: WIRE).task_id == first.task_id


def refuse(vidu, error, times):
    """Make the next queries fail with an error."""
    real, left = vidu.get_task, [error] * times

    def get_task(task_id, **options):
        if left:
            raise left.pop()
        return real(task_id, **options)

    vidu.get_task = get_task


REFUSALS = [
    ViduRequestError("Vidu answered: bad request", http_status=400),
    ViduAuthError("Vidu answered: no", http_status=401),
    ViduAuthError("Vidu answered: no", http_status=403),
    ViduNotFoundError("Vidu answered: no such task", http_status=404),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: str(error.http_status))
def test_retry_fails_only_after_a_third_refusal(make, vidu, clock, refusal):
    first = make().submit(lambda: WIRE)
    refuse(vidu, refusal, 2)
    assert make(try_number=2).submit(lambda: WIRE).task_id == first.task_id
    assert clock.slept >= 2
    refuse(vidu, refusal, 3)
    vidu.list_error = ViduNotFoundError("no list", http_status=404)
    with pytest.raises(ViduError) as raised:
        make(try_number=2).submit(lambda: WIRE)
    assert "may be billed" in str(raised.value)
    assert "Nothing was created" not in str(raised.value)
    assert first.task_id in str(raised.value)
    assert len(vidu.submissions) == 1


def test_kill_between_refusals_ends_the_try(make, vidu):
    make().submit(lambda: WIRE)
    refuse(vidu, REFUSALS[0], 1)
    stopped = ViduUnavailableError("The task was told to stop.")

    def sleep(seconds):
        raise stopped

    with pytest.raises(ViduUnavailableError) as raised:
        make(try_number=2, sleep=sleep).submit(lambda: WIRE)
    assert raised.value is stopped
    assert len(vidu.submissions) == 1


@pytest.mark.parametrize("broken", [OSError(5, "Input/output error"), RuntimeError("no such connection")])
def test_image_store_outage_loses_no_paid_video(make, broken):
    first = make().submit(lambda: WIRE)

    def build():
        raise broken

    assert make(try_number=2).submit(build).task_id == first.task_id
    with pytest.raises(type(broken)):
        make(key="another").submit(build)


def test_without_store_an_earlier_failure_hides_no_late_submission(make, vidu):
    """Below Airflow 3.3 all attempts send one marker: the row of the failed one is not the answer to the last one."""
    first = make(with_store=False).submit(lambda: WIRE)
    vidu.finish(first.task_id, "failed", err_code="InternalServiceFailure")
    vidu.replies, vidu.list_lag = [LOST], 45.0
    second = make(try_number=2, with_store=False).submit(lambda: WIRE)
    assert second.task_id != first.task_id
    assert len(vidu.submissions) == 2
