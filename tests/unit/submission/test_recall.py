# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A clear that discards the record (Airflow 3.4) pays for nothing twice: the account is searched for what was submitted.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock
from uuid import UUID

import pytest

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduNotFoundError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.http_messages import TaskPage
from airflow_provider_vidu.submission.airflow_try import Resumed, SubmitLater, Try

WIRE = {"images": ["https://x.example/a.png"], "model": "viduq3-turbo", "prompt": "p"}
NO_LIST = ViduNotFoundError("no such path", http_status=404)
KEYS = ("kL7o8nSg3q4Zt1yWm2xVb9cRd0eFf5hGj6iKl1mNn0o=", "aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4c=")


@pytest.fixture
def discard(make, store):
    """Clear the task instance as Airflow 3.4 does by default, and return the submission of its next try."""

    def discard(tried: int = 1, **options):
        store.values.clear()
        return make(try_number=tried + 1, max_tries=tried + 2, first_try=tried + 1, **options)

    return discard


def test_running_task_that_cannot_be_cancelled_is_attached_to(make, discard, vidu, store):
    first = make().submit(lambda: WIRE)
    vidu.cancellable = False
    assert discard().submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1
    # From here on a retry is a plain retry.
    assert make(try_number=3, max_tries=3, first_try=2).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.cancels) == 1


def test_running_task_is_cancelled_and_submitted_again(make, discard, vidu):
    first = make().submit(lambda: WIRE)
    second = discard().submit(lambda: WIRE)
    assert vidu.cancels == [first.task_id]
    assert len(vidu.submissions) == 2
    assert second.task_id != first.task_id


def test_unlanded_video_is_landed_and_not_paid_again(make, discard, vidu, clock):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    assert discard(is_delivered=lambda task: False).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


@pytest.mark.parametrize("is_delivered", [True, None])
def test_delivered_video_means_a_new_one_and_a_warning(make, discard, vidu, caplog, is_delivered):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    with caplog.at_level(logging.WARNING):
        second = discard(is_delivered=lambda task: is_delivered).submit(lambda: WIRE)
    assert second.task_id != first.task_id
    (warning,) = [text for text in caplog.messages if "starts a new generation" in text]
    assert f"{first.task_id} (60 credits)" in warning
    assert f"download('{first.task_id}'" in warning


def test_newest_task_counts_and_the_others_are_named(make, discard, vidu, clock, caplog):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    clock.sleep(600)
    second = discard(is_delivered=lambda task: True).submit(lambda: WIRE)
    vidu.finish(second.task_id)
    clock.sleep(600)
    with caplog.at_level(logging.WARNING):
        found = discard(2, is_delivered=lambda task: False).submit(lambda: WIRE)
    assert found.task_id == second.task_id
    assert any(f"the others: {first.task_id}" in text for text in caplog.messages)


def test_what_shows_late_in_the_list_is_still_found(make, discard, vidu, clock):
    vidu.list_lag, vidu.cancellable = 45.0, False
    first = make().submit(lambda: WIRE)
    assert discard().submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_newer_task_may_show_after_a_finished_one(make, discard, vidu, clock):
    """A worker that was given up has sent its POST just before the clear, and the list lags."""
    old = make().submit(lambda: WIRE)
    vidu.finish(old.task_id)
    clock.sleep(600)
    vidu.list_lag, vidu.cancellable = 45.0, False
    newer = discard(is_delivered=lambda task: True).submit(lambda: WIRE)
    found = discard(2, is_delivered=lambda task: task.task_id == old.task_id).submit(lambda: WIRE)
    assert found.task_id == newer.task_id
    assert len(vidu.submissions) == 2


def test_nothing_found_is_submitted_once_the_list_has_settled(discard, vidu, clock):
    discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert clock.slept == vidu.account.timeout + vidu.account.settle_seconds


def test_settling_is_waited_out_off_the_worker(discard, make, vidu, clock):
    with pytest.raises(SubmitLater) as left:
        discard(may_leave=True).submit(lambda: WIRE)
    clock.sleep(left.value.seconds)
    back = make(try_number=2, max_tries=3, first_try=2, may_leave=True, resumed=left.value.resumed)
    back.submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert clock.slept == pytest.approx(vidu.account.timeout + vidu.account.settle_seconds)


def test_plain_retry_without_a_record_neither_searches_nor_waits(make, vidu, clock):
    vidu.list_error = AssertionError("the list was asked")
    make(try_number=2).submit(lambda: WIRE)
    assert clock.slept == 0


def test_first_try_neither_searches_nor_waits(make, vidu, clock):
    vidu.list_error = AssertionError("the list was asked")
    # A deleted and repeated Dag run, or retries that were edited: try 1 is never a clear.
    make(try_number=1, max_tries=5, first_try=3).submit(lambda: WIRE)
    assert clock.slept == 0


def test_clear_that_keeps_the_record_does_not_search(make, vidu, store):
    first = make().submit(lambda: WIRE)
    vidu.cancellable, vidu.list_error = False, AssertionError("the list was asked")
    again = make(try_number=2, max_tries=3, first_try=2).submit(lambda: WIRE)
    assert again.task_id == first.task_id


@pytest.mark.parametrize(
    "quirk", [{"hides_payload": True, "list_payload": False}, {"unreadable_rows": 1}], ids=["no payload", "torn row"]
)
def test_inconclusive_list_stops_before_anything_is_sent(make, discard, vidu, quirk):
    make().submit(lambda: WIRE)
    for name, value in quirk.items():
        setattr(vidu, name, value)
    vidu.finish("900001")
    with pytest.raises(ViduSubmissionInDoubtError, match=r"An earlier try of d\.t of r may have submitted") as raised:
        discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    assert '"task_id": null' in str(raised.value)
    assert "900001" in str(raised.value)
    discard(on_unknown="resubmit").submit(lambda: WIRE)
    assert len(vidu.submissions) == 2


@pytest.mark.parametrize("cut", [0, 8, 30])
def test_payload_that_the_list_empties_or_cuts_is_queried(make, discard, vidu, cut):
    first = make().submit(lambda: WIRE)
    vidu.cancellable, vidu.as_listed = False, lambda payload: payload[:cut]
    assert discard().submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_payload_without_a_marker_stops_before_anything_is_sent(make, discard, vidu):
    own = {**WIRE, "payload": "order-17"}
    make().submit(lambda: own)
    with pytest.raises(ViduSubmissionInDoubtError, match=r"put \{marker\} into"):
        discard().submit(lambda: own)
    assert len(vidu.submissions) == 1


def test_outage_or_refused_key_is_not_a_missing_list(make, discard, vidu):
    make().submit(lambda: WIRE)
    vidu.list_error = ViduUnavailableError("HTTP 503", http_status=503)
    with pytest.raises(ViduUnavailableError):
        discard().submit(lambda: WIRE)
    vidu.list_error = ViduAuthError("wrong key", http_status=401)
    with pytest.raises(ViduSubmissionInDoubtError):
        discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


@pytest.mark.parametrize("error", [NO_LIST, ViduConfigurationError("a web page", http_status=200)], ids=["404", "page"])
def test_missing_list_of_vidus_own_hosts_is_an_outage(make, discard, vidu, error):
    """new-api and its kind answer every path that they do not route with their dashboard."""
    make().submit(lambda: WIRE)
    vidu.list_error = error
    vidu.account = replace(vidu.account, base_url="https://api.vidu.com")
    with pytest.raises(ViduUnavailableError):
        discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
    vidu.account = replace(vidu.account, base_url="https://relay.example")
    discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 2


def test_missing_second_page_is_an_outage_and_no_missing_list(make, discard, vidu, monkeypatch):
    make().submit(lambda: WIRE)
    pages = [TaskPage((), "p2", 0), NO_LIST]
    monkeypatch.setattr(vidu, "list_page", Mock(side_effect=pages))
    with pytest.raises(ViduUnavailableError, match="cannot be read now"):
        discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


@pytest.mark.parametrize("is_known", [True, False], ids=["list_path null", "404 all the time"])
def test_without_list_a_clear_is_consent_and_notifies_the_trigger(make, discard, vidu, clock, is_known):
    make().submit(lambda: WIRE)
    vidu.list_error = NO_LIST
    vidu.account = replace(vidu.account, list_path=None) if is_known else vidu.account
    noted = []
    discard(note_discarded=lambda: noted.append(True)).submit(lambda: WIRE)
    assert noted == [True]
    assert len(vidu.submissions) == 2
    assert clock.slept == (0 if is_known else vidu.account.timeout + vidu.account.settle_seconds)


@pytest.mark.parametrize("error", [NO_LIST, ViduConfigurationError("a web page", http_status=200)], ids=["404", "page"])
def test_list_missing_once_is_not_consent(make, discard, vidu, error):
    first = make().submit(lambda: WIRE)
    vidu.cancellable, vidu.list_errors = False, [error, error]
    assert discard().submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


@pytest.mark.parametrize("may_leave", [False, True], ids=["in the worker", "off the worker"])
@pytest.mark.parametrize("error", [NO_LIST, ViduConfigurationError("a web page", http_status=200)], ids=["404", "page"])
def test_list_that_was_shown_is_never_missing_afterwards(make, discard, vidu, clock, error, may_leave):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    vidu.list_errors, vidu.list_error = [None], error
    submission = discard(may_leave=may_leave)
    if may_leave:
        with pytest.raises(SubmitLater) as left:
            submission.submit(lambda: WIRE)
        clock.sleep(left.value.seconds)
        submission = make(try_number=2, max_tries=3, first_try=2, may_leave=True, resumed=left.value.resumed)
    with pytest.raises(ViduUnavailableError, match="shown before"):
        submission.submit(lambda: WIRE)
    # Nor in the next try, which has no record either.
    with pytest.raises(ViduUnavailableError, match="shown before"):
        make(try_number=3, max_tries=3, first_try=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_list_that_was_shown_to_a_lost_reply_is_never_missing_afterwards(make, vidu, clock):
    vidu.replies = [ViduSubmissionInDoubtError("bad gateway", http_status=502)]
    with pytest.raises(SubmitLater) as left:
        make(may_leave=True).submit(lambda: WIRE)
    clock.sleep(left.value.seconds)
    vidu.list_error = NO_LIST
    with pytest.raises(ViduUnavailableError, match="shown before"):
        make(may_leave=True, resumed=left.value.resumed).submit(lambda: WIRE)


def test_one_search_of_a_missing_list_decides_nothing(make, discard, vidu, clock):
    """A resumed try still counts from its own start, so the list has settled by its first search."""
    first = make().submit(lambda: WIRE)
    vidu.cancellable, vidu.list_errors = False, [NO_LIST]
    resumed = Resumed(clock() - 3600)
    assert discard(resumed=resumed).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def moving_row(vidu, monkeypatch, looks):
    """Make the first looks at the list meet one row on two pages."""
    real, seen = vidu.list_page, []

    def list_page(**query):
        page = real(**query)
        if query["page_token"]:
            return page
        seen.append(page)
        return replace(page, next_page_token="p2") if len(seen) <= looks else page

    monkeypatch.setattr(vidu, "list_page", list_page)


def test_row_that_moves_between_pages_is_searched_again(make, discard, vidu, monkeypatch):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    moving_row(vidu, monkeypatch, looks=1)
    assert discard(is_delivered=lambda task: False).submit(lambda: WIRE).task_id == first.task_id
    assert len(vidu.submissions) == 1


def test_row_whose_query_fails_once_is_queried_again(make, discard, vidu, monkeypatch):
    vidu.add("555", "of another application")
    vidu.list_payload, vidu.broken["555"] = False, NO_LIST
    monkeypatch.setattr(vidu, "broken", Once(vidu.broken))
    discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


class Once(dict):
    """What is read once is gone."""

    def __getitem__(self, key):
        return self.pop(key)


@pytest.mark.parametrize("error", [NO_LIST, ViduConfigurationError("a web page", http_status=200)], ids=["404", "page"])
@pytest.mark.parametrize("try_number", [1, 2], ids=["the try that sent it", "a later try"])
def test_lost_reply_outlives_a_list_that_is_missing_once(make, vidu, store, clock, error, try_number):
    lost = ViduSubmissionInDoubtError("lost")
    if try_number == 1:
        vidu.replies, vidu.list_errors = [("accepted", lost)], [error]
    else:
        vidu.replies, vidu.list_error = [("accepted", lost)], ViduUnavailableError("HTTP 503", http_status=503)
        with pytest.raises(ViduUnavailableError):
            make().submit(lambda: WIRE)
        clock.sleep(3600)
        vidu.list_errors, vidu.list_error = [error], None
    assert make(try_number=try_number).submit(lambda: WIRE).task_id == "900001"
    assert len(vidu.submissions) == 1


def test_task_of_a_sibling_is_never_adopted(make, discard, vidu):
    make(key="a sibling").submit(lambda: WIRE)
    discard().submit(lambda: WIRE)
    assert len(vidu.submissions) == 2
    assert vidu.cancels == []


def test_record_lost_with_its_retries_is_searched_for_again(make, discard, vidu, store):
    """The first try after the clear died before its intent: its plain retry has no record, either."""
    first = make().submit(lambda: WIRE)
    vidu.cancellable = False
    store.values.clear()
    found = make(try_number=3, max_tries=3, first_try=2).submit(lambda: WIRE)
    assert found.task_id == first.task_id


@pytest.mark.parametrize("fernet_keys", ["", KEYS[0]], ids=["no Fernet key", "a Fernet key"])
def test_marker_is_found_without_a_key_and_shows_no_id(monkeypatch, fernet_keys):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", fernet_keys)
    this_try = Try(identity=("my_dag", "my_run", "my_task", -1))
    one, two = this_try.new_marker("k"), this_try.new_marker("k")
    assert one != two
    assert one.startswith(this_try.marks("k"))
    assert len(one) == len("avp1:") + 32
    assert not any(word in one for word in ("my_dag", "my_run", "my_task"))


def test_marker_is_found_after_a_rotation_of_the_key(monkeypatch):
    this_try = Try(identity=("d", "r", "t", -1))
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", KEYS[0])
    marker = this_try.new_marker("k")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{KEYS[1]},{KEYS[0]}")
    assert marker.startswith(this_try.marks("k"))
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", KEYS[1])
    assert not marker.startswith(this_try.marks("k"))


def test_every_task_instance_has_marks_of_its_own(monkeypatch):
    region = UUID(int=7)
    identities = [
        ("d", "r", "t", -1),
        ("d", "r", "t", 0),
        ("d", "r", "group.t", -1),
        ("d", "r2", "t", -1),
        ("d", "r", "t", -1, str(region), 0),
        ("d", "r", "t", -1, str(region), 1),
    ]
    marks = {Try(identity=identity).marks("k") for identity in identities}
    assert len(marks) == len(identities)
    monkeypatch.setattr(compat, "base_url", lambda: "https://another-airflow.example")
    assert Try(identity=identities[0]).marks("k") not in marks


@pytest.mark.parametrize(
    ("more", "identity"),
    [
        ({}, ("d", "r", "t", 3)),
        ({"region_id": None, "region_index": 3}, ("d", "r", "t", 3)),
        ({"region_id": UUID(int=0), "region_index": 3}, ("d", "r", "t", 3)),
        ({"region_id": UUID(int=5), "region_index": 2}, ("d", "r", "t", 3, str(UUID(int=5)), 2)),
    ],
    ids=["below 3.4", "not told", "outside of a loop", "in a loop"],
)
def test_identity_distinguishes_task_instances(more, identity):
    instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=3, **more)
    assert Try.of({"ti": instance}).identity == identity


@pytest.mark.parametrize(
    ("try_number", "max_tries", "retries", "clear_number", "may_be"),
    [
        (1, 2, 2, 0, False),
        (2, 2, 2, 0, False),
        (2, 3, 2, 0, True),
        (3, 3, 2, 0, True),
        (1, 0, 0, 0, False),
        (2, 1, 0, 0, True),
        # Cleared while it waited for its retry: max_tries stays as it was.
        (2, 2, 2, 1, True),
        (1, 2, 2, 1, False),
    ],
)
def test_clear_shows_in_max_tries_or_clear_number(try_number, max_tries, retries, clear_number, may_be):
    instance = SimpleNamespace(
        dag_id="d",
        run_id="r",
        task_id="t",
        map_index=-1,
        try_number=try_number,
        max_tries=max_tries,
        task=SimpleNamespace(retries=retries),
    )
    context = {"ti": instance, "dag_run": SimpleNamespace(clear_number=clear_number)}
    assert Try.of(context).record_may_be_discarded is may_be


def changed(**fields):
    return {**WIRE, **fields}


def billed(vidu):
    return {task_id for task_id, row in vidu.tasks.items() if row["state"] != "failed"}


def test_list_settles_before_a_cancelled_task_is_replaced(make, discard, vidu, store, clock):
    """The cancelled one may not be the newest: a request that had changed was submitted beside it."""
    make().submit(lambda: WIRE)
    clock.sleep(600)
    vidu.cancellable, vidu.list_lag = False, 45.0
    newer = make(try_number=2, max_tries=3, first_try=2).submit(lambda: changed(prompt="another"))
    vidu.cancellable = True
    found = discard(2).submit(lambda: changed(prompt="another"))
    assert newer.task_id not in billed(vidu) or found.task_id == newer.task_id
    assert len(billed(vidu)) == 1


def test_after_a_moved_file_a_newer_task_is_waited_for(make, discard, vidu, clock):
    first = make()
    old = first.submit(lambda: WIRE)
    vidu.finish(old.task_id)
    first.note_returned()
    clock.sleep(600)
    vidu.list_lag = 45.0
    newer = make(try_number=2, max_tries=3, first_try=2).submit(lambda: WIRE)
    vidu.cancellable = False
    assert discard(2, is_delivered=lambda task: False).submit(lambda: WIRE).task_id == newer.task_id


def test_incomplete_list_cancels_and_sends_nothing(make, discard, vidu):
    make().submit(lambda: WIRE)
    vidu.unreadable_rows = 1
    with pytest.raises(ViduSubmissionInDoubtError, match="900001"):
        discard().submit(lambda: WIRE)
    assert (vidu.cancels, len(vidu.submissions)) == ([], 1)


FOREIGN = [
    ViduUnavailableError("Vidu answered: unsupported task type", http_status=500),
    ViduAuthError("Vidu answered: not yours", http_status=403),
]


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: str(error.http_status))
@pytest.mark.parametrize("state", ["processing", "success"])
def test_own_task_is_attached_to_beside_an_unqueryable_row(make, discard, vidu, error, state):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id, state)
    vidu.add("555", None)
    vidu.broken["555"] = error
    assert discard(is_delivered=lambda task: False).submit(lambda: WIRE).task_id == first.task_id
    assert (vidu.cancels, len(vidu.submissions)) == ([], 1)


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: str(error.http_status))
@pytest.mark.parametrize("state", ["failed", "success"])
def test_nothing_is_sent_beside_an_unqueryable_row(make, discard, vidu, error, state):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id, state, err_code="InternalServiceFailure")
    vidu.add("555", None)
    vidu.broken["555"] = error
    kind = ViduUnavailableError if error.http_status == 500 else ViduSubmissionInDoubtError
    with pytest.raises(kind, match="555"):
        discard(is_delivered=lambda task: True).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1


def test_mapped_instance_of_a_run_before_3_4_is_found(make, discard, vidu):
    first = make()
    first.this_try = replace(first.this_try, identity=("d", "r", "t", 0))
    vidu.cancellable = False
    submitted = first.submit(lambda: WIRE)
    again = discard()
    again.this_try = replace(again.this_try, identity=("d", "r", "t", 0, str(UUID(int=7)), 0))
    assert again.submit(lambda: WIRE).task_id == submitted.task_id


def test_recalled_task_remembers_its_request(make, discard, vidu):
    make().submit(lambda: WIRE)
    vidu.cancellable = False
    discard().submit(lambda: WIRE)
    with pytest.raises(ViduError, match="prompt changed"):
        make(try_number=3, max_tries=3, first_try=2).submit(lambda: changed(prompt="another"))
    assert len(vidu.submissions) == 1


def test_failed_write_does_not_forget_that_the_list_was_shown(make, discard, vidu, store):
    first = make().submit(lambda: WIRE)
    vidu.finish(first.task_id)
    vidu.list_errors, vidu.list_error = [None], NO_LIST
    store.fail_on = {len(store.writes) + 1}
    with pytest.raises(ViduUnavailableError, match="shown before"):
        discard().submit(lambda: WIRE)
    with pytest.raises(ViduUnavailableError, match="shown before"):
        make(try_number=3, max_tries=3, first_try=2).submit(lambda: WIRE)
    assert len(vidu.submissions) == 1
