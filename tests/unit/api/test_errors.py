# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What each answer means for the money and for the next attempt, and what the person on call reads."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_vidu.api import errors
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduCreditError,
    ViduError,
    ViduInputError,
    ViduModerationError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduStillRunningError,
    ViduSubmissionInDoubtError,
    ViduTaskFailedError,
    ViduUnavailableError,
    fate_of_reason,
    request_error,
    task_error,
)

PERMANENT, RETRYABLE = Fate.PERMANENT, Fate.RETRYABLE

# The error-code page, row by row: HTTP status, reason, class, fate.
PAGE = [
    (400, "BadRequest", ViduRequestError, PERMANENT),
    (400, "FieldLacking", ViduRequestError, PERMANENT),
    (400, "FieldUnwanted", ViduRequestError, PERMANENT),
    (400, "FieldInvalid", ViduRequestError, PERMANENT),
    (400, "FieldItemCountOutOfRange", ViduRequestError, PERMANENT),
    (400, "PageSizeOutOfRange", ViduRequestError, PERMANENT),
    (400, "ImageDownloadFailure", ViduRequestError, RETRYABLE),
    (400, "ImageFormatInvalid", ViduRequestError, PERMANENT),
    (400, "OperationInProcess", ViduRequestError, RETRYABLE),
    (400, "TaskPromptPolicyViolation", ViduModerationError, PERMANENT),
    (400, "AuditSubmitIllegal", ViduModerationError, PERMANENT),
    (400, "CreationPolicyViolation", ViduModerationError, PERMANENT),
    (400, "CreditInsufficient", ViduCreditError, PERMANENT),
    (400, "ModelUnavailable", ViduRequestError, PERMANENT),
    (400, "UserCancelled", ViduRequestError, PERMANENT),
    (400, "ImageCheckBodyJointsFailed", ViduRequestError, PERMANENT),
    (400, "ImageCheckFaceFailed", ViduRequestError, PERMANENT),
    (400, "ImageObjectsUndetected", ViduRequestError, PERMANENT),
    (401, "Unauthorized", ViduAuthError, PERMANENT),
    (403, "Forbidden", ViduAuthError, PERMANENT),
    (404, "TaskNotFound", ViduNotFoundError, PERMANENT),
    (404, "CreationNotFound", ViduNotFoundError, PERMANENT),
    (404, "NotFound", ViduNotFoundError, PERMANENT),
    (409, "Conflict", ViduUnavailableError, RETRYABLE),
    (429, "QuotaExceeded", ViduRateLimitError, RETRYABLE),
    (429, "TooManyRequests", ViduRateLimitError, RETRYABLE),
    (429, "SystemThrottling", ViduRateLimitError, RETRYABLE),
    (499, "Canceled", ViduUnavailableError, RETRYABLE),
    (500, "InternalServiceFailure", ViduUnavailableError, RETRYABLE),
]
# What no page lists: a status alone, or a reason of tomorrow.
BEYOND = [
    (400, None, ViduRequestError, PERMANENT),
    (400, "ReasonOfTomorrow", ViduRequestError, PERMANENT),
    (402, None, ViduCreditError, PERMANENT),
    (401, None, ViduAuthError, PERMANENT),
    (404, None, ViduNotFoundError, PERMANENT),
    (408, None, ViduUnavailableError, RETRYABLE),
    (422, None, ViduRequestError, PERMANENT),
    (429, None, ViduRateLimitError, RETRYABLE),
    (429, "ReasonOfTomorrow", ViduRateLimitError, RETRYABLE),
    (400, "QuotaExceeded", ViduRateLimitError, RETRYABLE),
    (500, "UNKXXXO004IFR", ViduUnavailableError, RETRYABLE),
    (502, None, ViduUnavailableError, RETRYABLE),
    (503, "FieldInvalid", ViduUnavailableError, RETRYABLE),
]


@pytest.mark.parametrize(("status", "reason", "kind", "fate"), PAGE + BEYOND)
def test_an_error_answer_has_its_class_and_its_fate(status, reason, kind, fate):
    error = request_error(status, reason, "why", trace_id="t" * 32, task_id="1")
    assert type(error) is kind
    assert error.fate is fate
    assert (error.http_status, error.reason, error.trace_id, error.task_id) == (status, reason, "t" * 32, "1")


def test_every_reason_of_the_page_is_known():
    assert {reason for _, reason, _, _ in PAGE} <= set(errors.REASONS)


@pytest.mark.parametrize(
    ("err_code", "fate"),
    [
        ("Unknown", RETRYABLE),
        ("VideoFormatInvalid", PERMANENT),
        ("FaceDetectFailure", PERMANENT),
        ("FaceDetectNotPass", PERMANENT),
        ("NoFaceDetected", PERMANENT),
        ("MultiFaceDetected", PERMANENT),
        ("InternalServiceFailure", RETRYABLE),
        ("SystemThrottling", RETRYABLE),
        ("TooManyRequests", RETRYABLE),
        ("QuotaExceeded", RETRYABLE),
        ("OperationInProcess", RETRYABLE),
        ("ImageDownloadFailure", RETRYABLE),
        ("CreationPolicyViolation", PERMANENT),
        ("TaskPromptPolicyViolation", PERMANENT),
        ("ImageFormatInvalid", PERMANENT),
        ("UserCancelled", PERMANENT),
        ("ReasonOfTomorrow", PERMANENT),
        (None, PERMANENT),
        ("", PERMANENT),
    ],
)
def test_a_failed_task_is_retried_only_if_useful(err_code, fate):
    assert fate_of_reason(err_code) is fate
    assert task_error("1", err_code).fate is fate


def test_a_moderated_task_says_that_the_input_has_to_change():
    error = task_error("911", "CreationPolicyViolation", credits=0)
    assert isinstance(error, ViduModerationError)
    text = str(error)
    for known in ("content checks", "911", "CreationPolicyViolation", "state failed", "credits 0", "Change the prompt"):
        assert known in text


def test_a_failed_task_says_why_in_the_hosts_words():
    text = str(task_error("911", None, message="the upstream is on fire."))
    assert text.startswith("The video failed at Vidu: the upstream is on fire (Vidu task 911")
    text = str(task_error("911", "AuditSubmitIllegal", message="submit is illegal"))
    assert "content checks: submit is illegal (Vidu task 911" in text


def test_a_message_holds_no_control_character():
    error = ViduError("first\nsecond\x1b[2J\u202e", reason="a\nb", trace_id="c\rd", task_id="1\n2", state="e\x07f")
    text = str(error)
    assert len(text.splitlines()) == 2
    assert not set(text) & set("\x1b\r\x07\u202e")


def test_a_cancelled_task_says_that_it_was_cancelled():
    text = str(task_error("911", "UserCancelled"))
    assert "cancelled at Vidu" in text
    assert "not billed" in text
    assert "clear this task" in text


@pytest.mark.parametrize(
    ("err_code", "advice"), [("InternalServiceFailure", "retry"), ("FieldInvalid", "would fail again")]
)
def test_a_failed_task_says_what_a_retry_does(err_code, advice):
    error = task_error("911", err_code)
    assert isinstance(error, ViduTaskFailedError)
    assert "does not bill" in str(error)
    assert advice in str(error)


@pytest.mark.parametrize("err_code", [None, "1001", "ReasonOfTomorrow"])
def test_unknown_failures_predict_nothing(err_code):
    error = task_error("911", err_code, message="task timeout after 3600s")
    assert error.fate is PERMANENT
    assert "would fail again" not in str(error)
    assert "not known" in str(error)
    assert "clear this task" in str(error)


def test_a_text_holds_everything_that_support_asks_for():
    error = ViduError(
        "It broke.",
        advice="Do this.",
        task_id="911045603801182208",
        state="failed",
        reason="FieldInvalid",
        trace_id="04e5",
        credits=80,
        http_status=400,
    )
    assert str(error) == (
        "It broke (Vidu task 911045603801182208, state failed, reason FieldInvalid, HTTP 400, credits 80, "
        "trace id 04e5). Do this."
    )


@pytest.mark.parametrize("message", ["It broke", "It broke.", "2 broke.\nitem 0 (x)", "It broke: why?", "a …"])
def test_every_sentence_of_a_text_ends(message):
    end = "" if message[-1] in ".?…" else "."
    assert str(ViduError(message, advice="Do this.")) == f"{message}{end} Do this."
    assert str(ViduError(message, advice="")) == message


def test_a_text_has_no_empty_brackets():
    assert str(ViduError("It broke.", advice="")) == "It broke."
    assert str(ViduError("It broke.", reason="", advice="Do this.")) == "It broke. Do this."


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_has_a_fate_and_advice(kind):
    if not issubclass(kind, ViduError):
        return
    error = kind("why")
    assert isinstance(error.fate, Fate)
    assert "why" in str(error)
    if kind not in {ViduError, ViduRequestError}:
        assert error.advice


def test_no_error_says_only_the_number():
    bare = str(request_error(400, None, ""))
    assert bare.startswith("Vidu answered HTTP 400 without a message (HTTP 400). ")
    assert bare.endswith("Nothing was created or billed by this request.")
    assert "Vidu answered: bad request" in str(request_error(400, "BadRequest", "bad request"))


@pytest.mark.parametrize(
    ("kind", "fate"),
    [
        (ViduInputError, PERMANENT),
        (ViduUnavailableError, RETRYABLE),
        (ViduStillRunningError, RETRYABLE),
        (ViduSubmissionInDoubtError, Fate.IN_DOUBT),
    ],
)
def test_a_class_has_its_own_fate(kind, fate):
    assert kind("why").fate is fate


def test_an_input_error_is_a_value_error_too():
    assert isinstance(ViduInputError("why"), ValueError)


def test_an_error_is_a_value():
    error = ViduAuthError("refused", http_status=401, task_id="7")
    other = error.but(advice="Check the key.", task_id="8")
    assert (type(other), other.http_status, other.task_id, other.advice) == (ViduAuthError, 401, "8", "Check the key.")
    assert (error.task_id, error.advice) == ("7", ViduAuthError.default_advice)
    with pytest.raises(AttributeError, match="use but"):
        error.advice = "Check the key."
    with pytest.raises(TypeError, match="advise"):
        error.but(advise="Check the key.")
    assert str(pickle.loads(pickle.dumps(other))) == str(other)
