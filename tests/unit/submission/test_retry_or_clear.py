# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The decision of a try, cell by cell of the table in ``docs/reliability.md``."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _support.img2video import fingerprint

from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.submission.record import (
    Phase,
    SubmissionRecord,
    changed_fields,
    derived_marker,
    with_marker,
)
from airflow_provider_vidu.submission.retry_or_clear import (
    Action,
    ClearMeans,
    Known,
    LookUp,
    Remote,
    decide,
    remote_of,
    was_cleared,
)

RETRY, CLEAR = 2, 5
HERE, ELSEWHERE = "account", "another account"
SAME = {"prompt": "aaa"}
OTHER = {"prompt": "bbb"}


def record(phase: Phase = Phase.SUBMITTED, **changes: object) -> SubmissionRecord:
    base = SubmissionRecord(
        phase=phase,
        max_tries=RETRY,
        account=HERE,
        fingerprint=SAME,
        attempted_at=1000.0,
        marker="avp1:x",
        task_id=None if phase in {Phase.INTENT, Phase.NEW} else "77",
    )
    return replace(base, **changes)


def known(held: SubmissionRecord | None, max_tries: int = RETRY, **more: object) -> Known:
    return Known(**{"record": held, "max_tries": max_tries, "account": HERE, "fingerprint": SAME, **more})


S, R, U = Phase.SUBMITTED, Phase.RETURNED, "unknown"
BY_HAND = SubmissionRecord.from_json({"task_id": "77"})
CASES = [
    # what is found, retry or clear, further facts -> action
    ("nothing", None, RETRY, {}, Action.SUBMIT),
    ("nothing", None, CLEAR, {}, Action.SUBMIT),
    ("discarded", None, CLEAR, {"may_be_discarded": True}, Action.RECALL),
    ("discarded, absent", None, CLEAR, {"may_be_discarded": True, "look_up": LookUp.ABSENT}, Action.SUBMIT),
    ("discarded, unknown", None, CLEAR, {"may_be_discarded": True, "look_up": LookUp.UNKNOWN}, Action.FAIL),
    (
        "discarded, unknown, resubmit",
        None,
        CLEAR,
        {"may_be_discarded": True, "look_up": LookUp.UNKNOWN, "on_unknown": "resubmit"},
        Action.SUBMIT,
    ),
    (
        "discarded, no list: the clear is the consent",
        None,
        CLEAR,
        {"may_be_discarded": True, "look_up": LookUp.UNKNOWN, "has_list": False},
        Action.SUBMIT,
    ),
    ("new", record(Phase.NEW), RETRY, {}, Action.SUBMIT),
    ("refused", record(Phase.REFUSED), RETRY, {}, Action.FAIL),
    ("refused", record(Phase.REFUSED), CLEAR, {}, Action.SUBMIT),
    (
        "failed, no attempt left in this try",
        record(),
        RETRY,
        {"remote": Remote.FAILED_RETRYABLE, "attempts_left": False},
        Action.FAIL,
    ),
    (
        "failed for good, no attempt left in this try",
        record(),
        CLEAR,
        {"remote": Remote.FAILED_PERMANENT, "attempts_left": False},
        Action.FAIL,
    ),
    *(
        ("one of many", record(), CLEAR, {"remote": remote, "clear_means": ClearMeans.REST}, Action.ATTACH)
        for remote in (Remote.RUNNING, Remote.UNREACHABLE, Remote.SUCCESS)
    ),
    ("submitted, not read", record(), RETRY, {}, Action.READ),
    ("submitted, not read", record(), CLEAR, {}, Action.READ),
    ("running", record(), RETRY, {"remote": Remote.RUNNING}, Action.ATTACH),
    ("running", record(), CLEAR, {"remote": Remote.RUNNING}, Action.CANCEL),
    ("running, cancel accepted", record(), CLEAR, {"remote": Remote.RUNNING, "cancelled": True}, Action.SUBMIT),
    ("running, cancel refused", record(), CLEAR, {"remote": Remote.RUNNING, "cancelled": False}, Action.ATTACH),
    ("running, resume", record(keep_running=True), CLEAR, {"remote": Remote.RUNNING}, Action.ATTACH),
    ("success", record(), RETRY, {"remote": Remote.SUCCESS}, Action.ATTACH),
    ("success, never delivered", record(), CLEAR, {"remote": Remote.SUCCESS}, Action.ATTACH),
    ("failed, retryable", record(), RETRY, {"remote": Remote.FAILED_RETRYABLE}, Action.SUBMIT),
    ("failed, retryable", record(), CLEAR, {"remote": Remote.FAILED_RETRYABLE}, Action.SUBMIT),
    ("failed, permanent", record(), RETRY, {"remote": Remote.FAILED_PERMANENT}, Action.FAIL),
    ("failed, permanent", record(), CLEAR, {"remote": Remote.FAILED_PERMANENT}, Action.SUBMIT),
    ("404", record(), RETRY, {"remote": Remote.MISSING}, Action.LOOK_UP),
    ("404, absent", record(), RETRY, {"remote": Remote.MISSING, "look_up": LookUp.ABSENT}, Action.FAIL),
    ("404, unknown", record(), RETRY, {"remote": Remote.MISSING, "look_up": LookUp.UNKNOWN}, Action.FAIL),
    ("404, no marker", record(marker=None), RETRY, {"remote": Remote.MISSING}, Action.FAIL),
    ("404, own payload", record(marker="v1. avp1:x"), RETRY, {"remote": Remote.MISSING}, Action.FAIL),
    (
        "404, changed",
        record(),
        CLEAR,
        {"remote": Remote.MISSING, "fingerprint": {"prompt": "bbb"}},
        Action.LOOK_UP,
    ),
    (
        "404, changed, not found",
        record(),
        CLEAR,
        {"remote": Remote.MISSING, "fingerprint": {"prompt": "bbb"}, "look_up": LookUp.ABSENT},
        Action.SUBMIT,
    ),
    ("404, resubmit", record(), RETRY, {"remote": Remote.MISSING, "on_unknown": "resubmit"}, Action.LOOK_UP),
    ("404", record(), CLEAR, {"remote": Remote.MISSING}, Action.LOOK_UP),
    ("404, absent", record(), CLEAR, {"remote": Remote.MISSING, "look_up": LookUp.ABSENT}, Action.FAIL),
    ("404, unknown", record(), CLEAR, {"remote": Remote.MISSING, "look_up": LookUp.UNKNOWN}, Action.FAIL),
    ("404, no marker", record(marker=None), CLEAR, {"remote": Remote.MISSING}, Action.FAIL),
    ("404, own payload", record(marker="v1. avp1:x"), CLEAR, {"remote": Remote.MISSING}, Action.FAIL),
    ("404, resubmit", record(), CLEAR, {"remote": Remote.MISSING, "on_unknown": "resubmit"}, Action.LOOK_UP),
    (
        "404, not found, resubmit",
        record(),
        CLEAR,
        {"remote": Remote.MISSING, "look_up": LookUp.ABSENT, "on_unknown": "resubmit"},
        Action.SUBMIT,
    ),
    ("other account", record(), RETRY, {"account": ELSEWHERE}, Action.FAIL),
    ("other account, resubmit", record(), RETRY, {"account": ELSEWHERE, "on_unknown": "resubmit"}, Action.FAIL),
    ("other account", record(), CLEAR, {"account": ELSEWHERE}, Action.FAIL),
    ("other account, resubmit", record(), CLEAR, {"account": ELSEWHERE, "on_unknown": "resubmit"}, Action.SUBMIT),
    ("unreachable", record(), RETRY, {"remote": Remote.UNREACHABLE}, Action.ATTACH),
    ("unreachable", record(), CLEAR, {"remote": Remote.UNREACHABLE}, Action.FAIL),
    ("input changed", record(), RETRY, {"fingerprint": OTHER}, Action.FAIL),
    ("input changed, resubmit", record(), RETRY, {"fingerprint": OTHER, "on_input_change": "resubmit"}, Action.READ),
    ("input changed", record(), CLEAR, {"fingerprint": OTHER}, Action.READ),
    ("input changed, running", record(), CLEAR, {"fingerprint": OTHER, "remote": Remote.RUNNING}, Action.CANCEL),
    (
        "input changed, cancel refused",
        record(),
        CLEAR,
        {"fingerprint": OTHER, "remote": Remote.RUNNING, "cancelled": False},
        Action.SUBMIT,
    ),
    ("input changed, success", record(), CLEAR, {"fingerprint": OTHER, "remote": Remote.SUCCESS}, Action.SUBMIT),
    ("image gone", record(), RETRY, {"fingerprint": None, "remote": Remote.RUNNING}, Action.ATTACH),
    ("returned", record(R), RETRY, {}, Action.READ),
    ("returned, success", record(R), RETRY, {"remote": Remote.SUCCESS}, Action.ATTACH),
    ("returned, running", record(R), RETRY, {"remote": Remote.RUNNING}, Action.ATTACH),
    ("returned", record(R), CLEAR, {}, Action.SUBMIT),
    ("intent", record(Phase.INTENT), RETRY, {}, Action.LOOK_UP),
    ("intent", record(Phase.INTENT), CLEAR, {}, Action.LOOK_UP),
    ("intent, absent", record(Phase.INTENT), RETRY, {"look_up": LookUp.ABSENT}, Action.SUBMIT),
    ("intent, absent", record(Phase.INTENT), CLEAR, {"look_up": LookUp.ABSENT}, Action.SUBMIT),
    ("intent, unknown", record(Phase.INTENT), RETRY, {"look_up": LookUp.UNKNOWN}, Action.FAIL),
    (
        "intent, unknown, resubmit",
        record(Phase.INTENT),
        RETRY,
        {"look_up": LookUp.UNKNOWN, "on_unknown": "resubmit"},
        Action.SUBMIT,
    ),
    ("intent, unknown", record(Phase.INTENT), CLEAR, {"look_up": LookUp.UNKNOWN}, Action.FAIL),
    (
        "intent, no list",
        record(Phase.INTENT),
        RETRY,
        {"look_up": LookUp.UNKNOWN, "has_list": False},
        Action.FAIL,
    ),
    (
        "intent, no list: the clear is the consent",
        record(Phase.INTENT),
        CLEAR,
        {"look_up": LookUp.UNKNOWN, "has_list": False},
        Action.SUBMIT,
    ),
    (
        "intent, other account without a list",
        record(Phase.INTENT),
        CLEAR,
        {"account": ELSEWHERE, "has_list": False},
        Action.FAIL,
    ),
    (
        "intent of this very try, unknown, resubmit",
        record(Phase.INTENT),
        RETRY,
        {"look_up": LookUp.UNKNOWN, "on_unknown": "resubmit", "in_this_try": True},
        Action.FAIL,
    ),
    (
        "intent of this very try, no list",
        record(Phase.INTENT),
        CLEAR,
        {"look_up": LookUp.UNKNOWN, "has_list": False, "in_this_try": True},
        Action.FAIL,
    ),
    ("intent, payload without a marker", record(Phase.INTENT, marker=None), RETRY, {}, Action.LOOK_UP),
    (
        "intent, payload without a marker",
        record(Phase.INTENT, marker=None),
        CLEAR,
        {"look_up": LookUp.UNKNOWN},
        Action.FAIL,
    ),
    ("adopted", BY_HAND, CLEAR, {}, Action.READ),
    ("adopted, running", BY_HAND, CLEAR, {"remote": Remote.RUNNING}, Action.ATTACH),
    ("adopted, success", BY_HAND, RETRY, {"remote": Remote.SUCCESS}, Action.ATTACH),
    ("adopted, 404", BY_HAND, CLEAR, {"remote": Remote.MISSING}, Action.FAIL),
    ("intent, other account", record(Phase.INTENT), RETRY, {"account": ELSEWHERE}, Action.FAIL),
]


@pytest.mark.parametrize(
    ("held", "max_tries", "facts", "action"),
    [case[1:] for case in CASES],
    ids=[f"{case[0]}-{'retry' if case[2] == RETRY else 'clear'}-{case[4].name}" for case in CASES],
)
def test_every_cell_of_the_table(held, max_tries, facts, action):
    assert decide(known(held, max_tries, **facts)).action is action


@pytest.mark.parametrize(
    ("retries", "noted", "now", "cleared"),
    [
        # retries now, (max_tries, try) of the record, (max_tries, try) now -> cleared since
        (2, (2, 1), (2, 2), False),
        (2, (2, 1), (3, 2), True),
        (0, (0, 1), (1, 2), True),
        # retries lowered from 2 to 1, then cleared: max_tries stays as it was.
        (1, (2, 1), (2, 2), True),
        (0, (2, 2), (2, 3), True),
        # The record of the try after that clear is met by its own retry.
        (1, (2, 2), (2, 3), False),
        # retries lowered from 3 to 1 without a clear: try 2 comes before the first try that a clear would have made.
        (1, (3, 1), (3, 2), False),
        # retries raised without a clear.
        (5, (2, 1), (2, 2), False),
        # A record of an older release, or written by hand, names no try.
        (1, (2, 0), (2, 2), False),
    ],
)
def test_clear_is_distinguished_from_a_retry(retries, noted, now, cleared):
    (noted_max_tries, noted_try), (max_tries, try_number) = noted, now
    assert was_cleared(noted_max_tries, noted_try, max_tries, try_number, max_tries - retries + 1) is cleared


def test_every_decision_leads_to_an_end_whatever_is_found_out():
    """No combination of facts makes a try ask the same question for ever."""
    for held in [None, *(record(phase) for phase in Phase), record(keep_running=True)]:
        for max_tries, may_be_discarded in ((RETRY, False), (CLEAR, True)):
            for remote in Remote:
                for look_up in LookUp:
                    for cancelled in (True, False):
                        facts = known(held, max_tries, may_be_discarded=may_be_discarded)
                        for _ in range(5):
                            action = decide(facts).action
                            if action is Action.READ:
                                facts = replace(facts, remote=remote)
                            elif action in {Action.LOOK_UP, Action.RECALL}:
                                facts = replace(facts, look_up=look_up)
                            elif action is Action.CANCEL:
                                facts = replace(facts, cancelled=cancelled)
                            else:
                                break
                        assert action in {Action.SUBMIT, Action.ATTACH, Action.FAIL}


def test_record_survives_the_store_and_newer_fields():
    held = record(answer={"model": "m", "credits": 5})
    assert SubmissionRecord.from_json({**held.to_json(), "newer": 1}) == held
    assert SubmissionRecord.from_json(None) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"task_id": "a name"},
        {"task_id": ""},
        {"task_id": True, "x": 1},
        {"task_id": "1", "state": "x"},
        {"phase": "new phase"},
        "text",
        7,
        {"phase": "intent"},
    ],
)
def test_damaged_record_is_never_taken_for_none(damaged):
    with pytest.raises(ValueError, match="cannot be read"):
        SubmissionRecord.from_json(damaged)


@pytest.mark.parametrize("task_id", ["911045603801182208", 911045603801182208, "vidu-task_8f3a"])
def test_record_may_be_written_by_hand(task_id):
    held = SubmissionRecord.from_json({"task_id": task_id})
    assert (held.phase, held.task_id, held.keep_running) == (Phase.SUBMITTED, str(task_id), True)


def test_record_by_hand_may_say_that_nothing_was_created():
    assert SubmissionRecord.from_json({"task_id": None}).phase is Phase.NEW


def test_id_written_into_an_intent_by_hand_counts():
    held = SubmissionRecord.from_json({**record(Phase.INTENT).to_json(), "task_id": "77"})
    assert (held.phase, held.keep_running) == (Phase.SUBMITTED, True)


def test_presigned_link_rendered_again_is_the_same_request():
    base = {"images": ["https://b.example/cat.png?sig=1"], "prompt": "x", "payload": "a", "callback_url": "https://c"}
    again = {"images": ["https://b.example/cat.png?sig=2"], "prompt": "x", "payload": "b", "callback_url": "https://d"}
    assert fingerprint(base) == fingerprint(again)
    assert changed_fields(fingerprint(base), fingerprint({**again, "prompt": "y", "seed": 3})) == ["prompt", "seed"]


@pytest.mark.parametrize(
    ("payload", "sent", "travels"),
    [
        (None, "avp1:m", True),
        ("", "avp1:m", True),
        ("sku 7 {marker}", "sku 7 avp1:m", True),
        ("sku 7", "sku 7", False),
    ],
)
def test_marker_travels_if_the_payload_has_room(payload, sent, travels):
    wire, marker = with_marker({"payload": payload}, "avp1:m")
    assert wire["payload"] == sent
    assert marker == ("avp1:m" if travels else None)


def test_derived_marker_is_unique_and_shows_no_names():
    markers = {derived_marker("dag", "run", "task", index, tries, "t") for index in range(3) for tries in range(3)}
    assert len(markers) == 9
    assert not any("dag" in marker or "run" in marker for marker in markers)


@pytest.mark.parametrize(
    ("state", "err_code", "remote"),
    [
        ("created", None, Remote.RUNNING),
        ("a state of next year", None, Remote.RUNNING),
        (None, None, Remote.RUNNING),
        ("success", None, Remote.SUCCESS),
        ("failed", "InternalServiceFailure", Remote.FAILED_RETRYABLE),
        ("failed", "CreationPolicyViolation", Remote.FAILED_PERMANENT),
        ("failed", "UserCancelled", Remote.FAILED_PERMANENT),
        ("failed", "SomethingNew", Remote.FAILED_PERMANENT),
    ],
)
def test_how_a_remote_task_counts(state, err_code, remote):
    assert remote_of(ViduTask(task_id="1", state=state, err_code=err_code)) is remote
