# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Requests out of arguments and models or errors out of answers; whatever a host answers, it is one of our errors."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api import http_messages
from airflow_provider_vidu.api.account import Account
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
    ViduUnavailableError,
)
from airflow_provider_vidu.api.http_messages import (
    Paging,
    TaskPage,
    is_missing_endpoint,
    parse_cancel,
    parse_create,
    parse_credits,
    parse_error,
    parse_finish,
    parse_list,
    parse_task,
    parse_upload,
    pictures_to_upload,
    prepare_cancel,
    prepare_create,
    prepare_credits,
    prepare_finish,
    prepare_list,
    prepare_task,
    prepare_upload,
    retry_after,
    with_advice_for,
)
from airflow_provider_vidu.api.images import MAX_BODY_BYTES, EncodedImage, ImageFacts, LargeImage
from airflow_provider_vidu.api.tasks import ViduTask

KEY = "vda_secret_0123456789"
ACCOUNT = Account(api_key=KEY)
TASK_ID = "911045603801182208"
CANCEL_REFUSED = {
    "code": 400,
    "reason": "BadRequest",
    "message": "task state is scheduled, can not cancel",
    "metadata": {"trace_id": "04e5c2fe159ff7c574acd0424e78c35f"},
}
FUZZ = settings(max_examples=100, deadline=None, database=None)


def body(value):
    return json.dumps(value).encode()


# Requests


def test_a_create_call_is_json_with_the_key_in_its_header():
    request = prepare_create(ACCOUNT, "img2video", {"prompt": "镜头", "seed": 1, "audio": False})
    assert (request.method, request.url) == ("POST", "https://api.vidu.com/ent/v2/img2video")
    assert request.headers == {
        "Authorization": f"Token {KEY}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    assert request.body == '{"prompt":"镜头","seed":1,"audio":false}'.encode()
    assert request.submits
    assert KEY not in repr(request)
    assert KEY not in request.url


def test_only_a_create_call_submits():
    for request in (prepare_task(ACCOUNT, "1"), prepare_cancel(ACCOUNT, "1"), prepare_list(ACCOUNT)):
        assert not request.submits
        assert KEY not in repr(request)


def test_a_body_above_twenty_megabytes_never_reaches_the_api(monkeypatch):
    frame = len('{"images":[""]}')
    fits = {"images": ["x" * (http_messages.MAX_BODY_BYTES - frame)]}
    assert len(prepare_create(ACCOUNT, "img2video", fits).body) == 20 * 1024 * 1024
    with pytest.raises(ViduInputError, match=r"images: .*20\.0 MB.*at most 20 MB") as caught:
        prepare_create(ACCOUNT, "img2video", {"images": [fits["images"][0] + "x"]})
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 1, 1), float("nan"), float("inf"), "\ud800", b"bytes", {1, 2}],
    ids=lambda v: type(v).__name__,
)
def test_fields_that_are_no_json_are_named_and_rejected(value):
    with pytest.raises(ViduInputError, match="tomorrows_field"):
        prepare_create(ACCOUNT, "img2video", {"prompt": "p", "tomorrows_field": value})


def test_a_query_and_a_cancel_carry_the_id():
    assert prepare_task(ACCOUNT, TASK_ID).url == f"https://api.vidu.com/ent/v2/tasks/{TASK_ID}/creations"
    request = prepare_cancel(ACCOUNT, TASK_ID)
    assert (request.method, request.url) == ("POST", f"https://api.vidu.com/ent/v2/tasks/{TASK_ID}/cancel")
    assert json.loads(request.body) == {"id": TASK_ID}


@pytest.mark.parametrize(
    ("task_id", "quoted"),
    [
        ("a/b", "a%2Fb"),
        ("../../credits", "..%2F..%2Fcredits"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
    ],
)
def test_an_id_from_outside_stays_one_segment_of_the_path(task_id, quoted):
    assert prepare_task(ACCOUNT, task_id).url.endswith(f"/tasks/{quoted}/creations")


@pytest.mark.parametrize("task_id", ["", ".", "..", "..."])
@pytest.mark.parametrize("prepare", [prepare_task, prepare_cancel])
def test_an_id_that_would_walk_to_another_path_is_refused(prepare, task_id):
    with pytest.raises(ViduInputError, match="task id"):
        prepare(ACCOUNT, task_id)


def test_a_list_call_sends_what_was_asked_for():
    after = datetime(2026, 1, 20, 5, 0, 30, 123456, tzinfo=timezone(timedelta(hours=1)))
    url = prepare_list(
        ACCOUNT,
        task_ids=["1", "2"],
        states=["success"],
        created_after=after,
        created_before=after + timedelta(hours=1),
        page_size=50,
        page_token="a/b=",
    ).url
    assert urlsplit(url).path == "/ent/v2/tasks"
    assert parse_qsl(urlsplit(url).query) == [
        ("task_ids", "1"),
        ("task_ids", "2"),
        ("states", "success"),
        ("created_at.from", "2026-01-20T04:00:30Z"),
        ("created_at.to", "2026-01-20T05:00:30Z"),
        ("pager.pagesz", "50"),
        ("paper.pagesz", "50"),
        ("pager.page_token", "a/b="),
    ]


def test_a_list_call_asks_for_vidus_largest_page():
    assert "pagesz=100" in prepare_list(ACCOUNT).url
    assert "page_token" not in prepare_list(ACCOUNT).url


@pytest.mark.parametrize(
    ("prepare", "lacking"),
    [
        (prepare_list, {"list_path": None}),
        (prepare_credits, {"credits_path": None}),
        (lambda account: prepare_cancel(account, "1"), {"cancel_path": None}),
    ],
)
def test_an_endpoint_that_a_host_lacks_is_not_called(prepare, lacking):
    with pytest.raises(ViduConfigurationError, match=r"host (has no|does not)"):
        prepare(Account(api_key=KEY, **lacking))


@pytest.mark.parametrize(
    ("endpoint", "images", "called"),
    [
        ("text2video", 0, None),
        ("img2video", 1, None),
        ("start-end2video", 2, None),
        ("reference2video", 3, None),
        ("reference2video", 7, None),
        ("extend", 0, "text2video"),
        ("template", 1, "img2video"),
        ("reference2video", 2, "start-end2video"),
        ("multiframe", 3, "reference2video"),
    ],
)
def test_a_path_for_all_endpoints_takes_only_what_the_relay_bills_alike(endpoint, images, called):
    relay = replace(ACCOUNT, create_path="/v1/video/generations")
    wire = {"images": ["https://example.com/a.png"] * images} if images else {}
    if called is None:
        assert prepare_create(relay, endpoint, wire).url.endswith("/v1/video/generations")
        return
    with pytest.raises(ViduInputError, match=f"cannot reach {endpoint}.*as {called}") as caught:
        prepare_create(relay, endpoint, wire)
    assert "{endpoint}" in caught.value.advice


def test_relay_paths_are_used_as_configured():
    account = Account(
        base_url="https://r.example/x", create_path="/{endpoint}/go", task_path="/status?task_id={task_id}"
    )
    assert prepare_create(account, "img2video", {}).url == "https://r.example/x/img2video/go"
    assert prepare_task(account, "a&b").url == "https://r.example/x/status?task_id=a%26b"


# Answers to a create call


def test_a_created_task_is_read():
    task = parse_create(200, {}, body({"task_id": TASK_ID, "state": "created", "credits": 80}))
    assert (task.task_id, task.state, task.credits) == (TASK_ID, "created", 80)


@pytest.mark.parametrize(
    "answer",
    [
        {"task_id": TASK_ID},
        {"id": TASK_ID, "status": "pending"},
        {"id": int(TASK_ID)},
        {"code": "success", "data": {"task_id": TASK_ID}},
        {"id": "request-1", "data": {"task_id": TASK_ID}},
        {"id": "request-1", "data": [{"task_id": TASK_ID}]},
        {"id": "request-1", "output": {"task_id": TASK_ID, "task_status": "PENDING"}},
        {"id": "request-1", "data": {"result": {"task_id": int(TASK_ID)}}},
        {"id": "request-1", "taskId": TASK_ID},
        {"id": "request-1", "code": 504, "message": "timeout", "data": {"task_id": TASK_ID}},
        [{"task_id": TASK_ID}],
        {"id": TASK_ID, "status": "queued", "message": "Task created"},
        {"id": TASK_ID, "task_status": "submitted", "message": "Task created"},
        {"code": 200, "message": "Task created", "data": {"id": TASK_ID}},
        {"id": TASK_ID, "message": "success", "error": None},
        {"id": TASK_ID, "data": None},
        {"id": TASK_ID, "data": {}},
        {"task_id": TASK_ID, "data": {"task_id": "another"}},
        {"task_id": TASK_ID, "payload": 5, "creations": ["?"], "created_at": 1e300, "credits": {}},
    ],
)
def test_an_id_is_found_in_every_shape_of_answer(answer):
    assert parse_create(200, {}, body(answer)).task_id == TASK_ID


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"{}", b"[]", b"OK", b"\xff\xfe", b'{"task_id":""}', b"[" * 100_000, b"<html>"]
)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_without_an_id_is_in_doubt(status, answer):
    with pytest.raises(ViduSubmissionInDoubtError, match="without a task id") as caught:
        parse_create(status, {}, answer)
    assert caught.value.fate is Fate.IN_DOUBT
    assert caught.value.http_status == status


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "req-7", "code": 504, "message": "gateway timeout"},
        {"id": "req-7", "error": {"code": "timeout", "message": "upstream timeout"}},
        {"code": 504, "message": "gateway timeout", "data": {"id": "req-7"}},
        {"id": "req-7", "message": "gateway timeout"},
        {"id": "req-7", "success": False, "msg": "no"},
        {"id": "req-7", "status": "failed", "message": "InternalServiceFailure"},
        {"id": "req-7", "task_status": "failed", "message": "InternalServiceFailure"},
        {"id": "req-7", "data": [{"task_id": "1"}, {"task_id": "2"}]},
    ],
    ids=str,
)
def test_the_id_of_a_request_is_no_task(answer):
    """The task would never be found under it, while the account's list shows its marker."""
    with pytest.raises(ViduSubmissionInDoubtError):
        parse_create(200, {}, body(answer))


@pytest.mark.parametrize("status", [100, 101, 102, 103, 199, 408, 409, 499, 500, 502, 503, 504, 520, 599, 600, 999])
def test_a_possibly_executed_submission_is_in_doubt(status):
    answer = body({"reason": "SystemThrottling", "message": "oops", "metadata": {"trace_id": "t1"}})
    with pytest.raises(ViduSubmissionInDoubtError) as caught:
        parse_create(status, {}, answer)
    error = caught.value
    # An interim answer ends nothing: it must not pass for the reply after which the list soon settles.
    assert error.http_status == (status if status >= 200 else None)
    assert (error.reason, error.trace_id) == ("SystemThrottling", "t1")
    assert "oops" in str(error)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "FieldInvalid", ViduRequestError),
        (400, "CreditInsufficient", ViduCreditError),
        (400, "OperationInProcess", ViduRequestError),
        (401, "Unauthorized", ViduAuthError),
        (404, None, ViduNotFoundError),
        (413, None, ViduRequestError),
        (429, "QuotaExceeded", ViduRateLimitError),
    ],
)
def test_a_refused_submission_created_nothing(status, reason, kind):
    with pytest.raises(kind) as caught:
        parse_create(status, {}, body({"reason": reason, "message": "no"}))
    assert caught.value.fate is not Fate.IN_DOUBT


# What relays answer to a create call: written from their sources' own texts.
NO_CHANNEL = {
    "error": {
        "code": "model_not_found",
        "message": "No available channel for model viduq3 under group default (distributor) (request id: 2026)",
        "type": "new_api_error",
    }
}
NO_CHANNEL_ZH = {"error": {"message": "当前分组 default 下对于模型 viduq3 无可用渠道", "type": "one_api_error"}}
EMPTY = [
    {"error": {"message": "m (request id: 2026)", "type": "new_api_error", "code": "insufficient_user_quota"}},
    {"code": "insufficient_user_quota", "message": "m", "data": None},
    {"code": "pre_consume_token_quota_failed", "message": "m"},
    {"error": {"message": "用户额度不足, 剩余额度: ＄0.00 (request id: 2026)", "type": "new_api_error", "code": ""}},
    {"message": "预扣费额度失败, 用户剩余额度: ¥0.05, 需要预扣费额度: ¥0.07"},
    {"message": json.dumps({"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}})},
    {"error": "用户额度不足"},
    {"reason": "BadRequest", "message": "用户额度不足"},
    {"code": 402, "msg": "余额不足", "data": None},
    {"error": {"message": "账户余额不足，请充值 (m)"}},
    {"error": {"message": "该令牌额度已用尽 TokenStatusExhausted[m]"}},
    {"message": "m", "code": "INSUFFICIENT_BALANCE"},
    {"error": {"type": "insufficient_user_quota", "message": "m"}},
    {"error": {"message": "Insufficient account balance", "code": ""}},
    {"error": "insufficient_user_quota"},
    {"detail": "Insufficient balance, m"},
]
#: Words further inside a message, or of a code that a host has made up, report an empty balance only in a refusal.
EMPTY_IN_A_REFUSAL = [
    {"error": {"message": "Your balance is insufficient", "code": "insufficient_balance"}},
    {"error": {"message": "You have not enough credits"}},
    {"error": {"message": "任务积分不足"}},
    {"error": {"message": "top up", "code": "payment_required"}},
    {"error": {"message": "the token's quota is exhausted", "code": "x"}},
    {"error": {"message": "Your credit balance is too low", "type": "invalid_request_error"}},
    {"error": {"message": "You exceeded your current quota, please check your plan", "type": "insufficient_quota"}},
    {"detail": {"msg": "Insufficient balance"}},
]
SATURATED = {"error": {"message": "当前分组上游负载已饱和，请稍后再试", "type": "new_api_error", "code": "rate_limit"}}


def vidus(reason, message="its words", code=400):
    """Return Vidu's own error body as text, as relays pass it on."""
    return json.dumps({"code": code, "reason": reason, "message": message, "metadata": {"trace_id": "t1"}})


@pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500, 503, 200])
@pytest.mark.parametrize("answer", EMPTY, ids=str)
def test_an_empty_balance_is_one_at_any_status(status, answer):
    with pytest.raises(ViduCreditError) as caught:
        parse_create(status, {"Retry-After": "5"}, body(answer))
    assert caught.value.fate is Fate.PERMANENT
    assert any(words in str(caught.value) for words in ("m", "额度不足", "额度失败", "余额不足", "nsuffi"))
    if status != 200:
        assert isinstance(parse_error(status, {}, body(answer)), ViduCreditError)


def test_an_empty_balance_keeps_the_code_of_its_host():
    for code in ("CreditInsufficient", "insufficient_funds"):
        assert parse_error(400, {}, body({"code": code, "message": "insufficient credits"})).reason == code


@pytest.mark.parametrize("status", [400, 403, 429])
@pytest.mark.parametrize("answer", EMPTY_IN_A_REFUSAL, ids=str)
def test_a_refusal_reports_an_empty_balance_in_any_words(status, answer):
    with pytest.raises(ViduCreditError):
        parse_create(status, {}, body(answer))


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (429, SATURATED, ViduRateLimitError),
        (429, {"reason": "QuotaExceeded", "message": "quota exceeded"}, ViduRateLimitError),
        (429, {"reason": "QuotaExceeded", "message": "Insufficient quota"}, ViduRateLimitError),
        (429, {"reason": "QuotaExceeded", "message": "额度不足"}, ViduRateLimitError),
        (429, {"reason": "QuotaExceeded", "message": "用户额度不足"}, ViduCreditError),
        (429, {"reason": "TooManyRequests", "message": "insufficient balance"}, ViduCreditError),
        (400, {"reason": "FieldInvalid", "message": "prompt: insufficient balance"}, ViduRequestError),
        (429, {"message": "并发额度不足"}, ViduRateLimitError),
        (429, {"message": "当前分组负载饱和, 并发额度不足"}, ViduRateLimitError),
        (429, {"message": "每分钟请求额度不足"}, ViduRateLimitError),
        (429, {"message": "Insufficient concurrency quota"}, ViduRateLimitError),
        (429, {"message": "Rate limit: insufficient quota for requests per minute"}, ViduRateLimitError),
        (500, {"message": "额度不足, 并发"}, ViduUnavailableError),
        (403, {"message": "返还预扣费额度失败"}, ViduAuthError),
        (403, {"reason": "Forbidden", "message": "no"}, ViduAuthError),
    ],
    ids=str,
)
def test_other_replies_are_no_empty_balance(status, answer, kind):
    assert type(parse_error(status, {}, body(answer))) is kind


@pytest.mark.parametrize("answer", [NO_CHANNEL, NO_CHANNEL_ZH], ids=["new-api", "one-api"])
def test_a_relay_without_a_channel_has_created_nothing(answer):
    with pytest.raises(ViduUnavailableError) as caught:
        parse_create(503, {}, body(answer))
    assert caught.value.fate is Fate.RETRYABLE
    assert "viduq3" in str(caught.value)
    assert "Nothing was created" in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "code", "kind", "fate"),
    [
        ("AuditSubmitIllegal", 400, ViduModerationError, Fate.PERMANENT),
        ("FieldInvalid", 400, ViduRequestError, Fate.PERMANENT),
        ("CreditInsufficient", 400, ViduCreditError, Fate.PERMANENT),
        ("ImageDownloadFailure", 400, ViduRequestError, Fate.RETRYABLE),
        ("QuotaExceeded", 429, ViduRateLimitError, Fate.RETRYABLE),
        ("Unauthorized", 401, ViduAuthError, Fate.PERMANENT),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"message": text, "type": "one_hub_error", "code": "bad_response"},
        lambda text: {"code": "fail_to_fetch_task", "message": text, "data": None},
        lambda text: {"error": {"message": f"{text} (request id: 2026)", "type": "t", "code": ""}},
        lambda text: {"message": json.dumps({"code": "c", "message": text})},
        lambda text: {"message": f"bad response status code 400, body: {text}"},
        lambda text: {"code": "fail", "message": f"status 400: {text} (request id: 2026)"},
        lambda text: {"message": json.loads(text)},
        lambda text: {"error": {"message": json.loads(text)}},
        lambda text: {"code": 500, "message": "upstream", "data": json.loads(text)},
        lambda text: {"code": 500, "message": "upstream", "data": text},
        lambda text: {"detail": text},
        lambda text: {"msg": text},
        lambda text: {"message": re.sub(r'"code": (\d+)', r'"code": "\1"', text)},
    ],
    ids=[
        "one-hub",
        "task error",
        "middleware",
        "twice",
        "after words",
        "after a status",
        "object",
        "object in error",
        "data",
        "text in data",
        "detail",
        "msg",
        "code as text",
    ],
)
def test_vidus_refusal_inside_a_5xx_has_its_own_fate(wrap, reason, code, kind, fate):
    with pytest.raises(kind) as caught:
        parse_create(500, {}, body(wrap(vidus(reason, code=code))))
    error = caught.value
    assert (type(error), error.fate, error.reason, error.http_status) == (kind, fate, reason, 500)
    assert "its words" in str(error)
    assert error.trace_id == "t1"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("AuditSubmitIllegal", ViduModerationError),
        ("FieldInvalid", ViduRequestError),
        ("CreditInsufficient", ViduCreditError),
    ],
)
def test_vidus_refusal_reasons_count_as_relay_codes(reason, kind):
    for answer in ({"error": {"code": reason, "message": "its words"}}, {"reason": reason}, {"code": reason}):
        with pytest.raises(kind) as caught:
            parse_create(500, {}, body(answer))
        assert (type(caught.value), caught.value.reason) == (kind, reason)


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": "SystemThrottling", "message": "no"}},
        {"error": {"code": "BadRequest", "message": "no"}},
        {"message": json.dumps({"code": "timeout", "reason": "SystemThrottling"})},
        {"error": {"code": "InternalServiceFailure", "message": "no"}},
        {"error": {"code": "ImageDownloadFailure", "message": "no"}},
        {"code": 500, "reason": "AuditSubmitIllegal", "message": "no"},
        {"message": f"timeout, then status 400: {vidus('AuditSubmitIllegal')}"},
        {"message": f"status 400: {vidus('AuditSubmitIllegal')}; then timeout"},
        {"message": f"status 500: {vidus('AuditSubmitIllegal')}"},
        {"message": f"upstream error: {vidus('AuditSubmitIllegal')}"},
        {"data": {"task_id": "1", "state": "failed", "err_code": "AuditSubmitIllegal"}},
        {"data": {"message": "no", "error": "upstream"}, "message": "timeout"},
        {"message": "当前分组 default 下对于模型 viduq3 无可用渠道"},
        {"message": vidus("InternalServiceFailure", code=500)},
        {"message": vidus("InternalServiceFailure", code=400)},
        {"message": vidus("ReasonOfTomorrow")},
        {"message": vidus("AuditSubmitIllegal", code=500)},
        {"message": vidus("Conflict", code=409)},
        {"message": vidus("Canceled", code=499)},
        {"message": vidus("Unknown")},
        {"message": f"cannot parse {vidus('AuditSubmitIllegal')}"},
        {"message": "AuditSubmitIllegal"},
        # The relay has created it and looked for it too early.
        json.loads(vidus("TaskNotFound", code=404)),
        {"message": vidus("TaskNotFound", code=404)},
        {"message": vidus("CreationNotFound", code=404)},
        {"code": "do_request_failed", "message": "upstream timeout"},
        {"code": "get_channel_failed", "message": "分组 default 下模型 viduq3 的可用渠道不存在（retry）"},
        {"message": "返还预扣费额度失败"},
        {"message": "upstream said: insufficient balance"},
        {"message": "timeout; your balance is insufficient for a retry"},
        {"message": "Model not found"},
    ],
    ids=str,
)
def test_any_other_5xx_leaves_a_submission_in_doubt(answer):
    with pytest.raises(ViduSubmissionInDoubtError):
        parse_create(500, {}, body(answer))


def test_a_query_takes_vidus_refusal_out_of_a_5xx_too():
    answer = body({"message": vidus("TaskNotFound", code=404)})
    with pytest.raises(ViduNotFoundError):
        parse_task(500, {}, answer, TASK_ID)
    with pytest.raises(ViduUnavailableError):
        parse_task(500, {}, body({"message": "upstream timeout"}), TASK_ID)


CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
BLOCKED = b"<html><title>Attention Required! | Cloudflare</title><body></body></html>"


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({"Content-Type": "text/html; charset=UTF-8"}, CLOUDFLARE),
        ({}, CLOUDFLARE),
        ({"Server": "cloudflare"}, BLOCKED),
        ({"Server": "cloudflare"}, b"error code: 1010"),
        ({"CF-Mitigated": "challenge"}, b""),
    ],
    ids=["html", "no type", "a blocked address", "a banned client", "no body"],
)
def test_a_challenge_page_says_nothing_of_the_key(headers, page):
    for read in (parse_create, lambda *answer: parse_task(*answer, TASK_ID), parse_list, parse_credits):
        with pytest.raises(ViduUnavailableError, match="seen nothing of this request") as caught:
            read(403, headers, page)
        assert (caught.value.fate, caught.value.http_status) == (Fate.RETRYABLE, 403)
        assert "Check the API key" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "page"),
    [({"CF-Mitigated": "challenge"}, b"<html>wait</html>"), ({}, CLOUDFLARE)],
    ids=["header", "page"],
)
def test_a_challenge_with_503_leaves_nothing_in_doubt(headers, page):
    for read in (parse_create, lambda *answer: parse_task(*answer, TASK_ID), parse_list):
        with pytest.raises(ViduUnavailableError, match="seen nothing of this request") as caught:
            read(503, headers, page)
        assert (type(caught.value), caught.value.fate) == (ViduUnavailableError, Fate.RETRYABLE)
    with pytest.raises(ViduUnavailableError, match=r"Nothing was created or billed.*allow this address"):
        parse_create(503, headers, page)


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (503, b"<html><title>relay | 503: Service Temporarily Unavailable</title><div id=cf-error-details>"),
        (503, b"<html><title>503 | Cloudflare</title>"),
        (503, b"error code: 1102"),
        (502, CLOUDFLARE),
        (503, body({"cloudflare_error": True, "status": 503, "error_code": 1102})),
    ],
    ids=str,
)
def test_cloudflares_other_errors_leave_a_submission_in_doubt(status, page):
    """A worker or an origin may have passed the request on before."""
    with pytest.raises(ViduSubmissionInDoubtError):
        parse_create(status, {"Server": "cloudflare"}, page)


def test_cloudflares_refusal_as_json_says_nothing_of_the_key():
    page = {"title": "Error 1020: Access denied", "status": 403, "error_code": 1020, "cloudflare_error": True}
    for read in (parse_create, lambda *answer: parse_task(*answer, TASK_ID), parse_list, parse_credits):
        with pytest.raises(ViduUnavailableError, match="seen nothing of this request") as caught:
            read(403, {}, body(page))
        assert "Check the API key" not in str(caught.value)
    assert isinstance(parse_error(403, {}, body({**page, "cloudflare_error": "no"})), ViduAuthError)


SQUID = (
    b"<html><head><title>ERROR</title></head><body>The reply is too large. Generated by squid "
    b"<a href=/cdn-cgi/l/email-protection>the administrator</a></body></html>"
)


@pytest.mark.parametrize("headers", [{"X-Squid-Error": "ERR_TOO_BIG 0"}, {"Server": "cloudflare", "CF-Ray": "1-FRA"}])
def test_another_web_page_with_403_leaves_a_submission_in_doubt(headers):
    """A filtering proxy passes a request on and blocks its reply."""
    with pytest.raises(ViduSubmissionInDoubtError, match=r"HTTP 403.*squid") as caught:
        parse_create(403, headers, SQUID)
    assert not caught.value.is_vidus_own
    for read in (lambda *answer: parse_task(*answer, TASK_ID), parse_list, parse_credits):
        with pytest.raises(ViduUnavailableError) as caught:
            read(403, headers, SQUID)
        assert "Check the API key" not in str(caught.value)


RELAY = Account(base_url="https://relay.example", api_key=KEY, auth_scheme="Bearer")


@pytest.mark.parametrize("status", [401, 403])
def test_a_relays_refusal_of_the_key_speaks_of_auth_scheme(status):
    text = str(with_advice_for(parse_error(status, {}, body({"message": "no"})), RELAY))
    assert "auth_scheme" in text
    assert "'Bearer'" in text
    assert "api.vidu.c" not in text
    for base_url in ("https://api.vidu.com", "https://api.vidu.cn"):
        text = str(with_advice_for(parse_error(status, {}, b""), Account(base_url=base_url, api_key=KEY)))
        assert "api.vidu.cn" in text
        assert "auth_scheme" not in text


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (404, {"code": "task_not_found", "message": "task_not_found"}),
        (400, {"error": {"code": "task_not_exist", "message": "no"}}),
        (400, {"reason": "TaskNotFound", "message": "no"}),
        (400, {"error": {"message": "task_not_exist"}}),
        (400, {"message": "task not found"}),
        (400, {"code": "invalid_request", "message": "Task does not exist. (request id: 2026)"}),
        (400, {"message": "任务不存在"}),
        (200, {"code": "task_not_exist", "message": "no"}),
        (200, {"error": {"code": "task_not_found", "message": "no"}}),
        (200, {"code": "fail", "message": "task not exist"}),
    ],
)
def test_an_unknown_id_is_not_found_in_relays_words_too(status, answer):
    with pytest.raises(ViduNotFoundError) as caught:
        parse_task(status, {}, body(answer), TASK_ID)
    assert (caught.value.task_id, caught.value.http_status) == (TASK_ID, status)


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, {"message": "upstream: task not found in cache, try again"}, ViduRequestError),
        (400, {"message": "model not found"}, ViduRequestError),
        (500, {"code": "task_not_exist", "message": "task not exist"}, ViduUnavailableError),
        (429, {"message": "task not found"}, ViduRateLimitError),
        (401, {"message": "task not found"}, ViduAuthError),
        (200, {"message": "no such channel: task not found"}, ViduUnavailableError),
    ],
    ids=str,
)
def test_other_replies_are_no_missing_task(status, answer, kind):
    with pytest.raises(kind) as caught:
        parse_task(status, {}, body(answer), TASK_ID)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"code": "insufficient_user_quota", "message": "no"}, ViduCreditError),
        (json.loads(vidus("TaskNotFound", code=404)), ViduNotFoundError),
        ({"message": vidus("TooManyRequests", code=429)}, ViduRateLimitError),
        ({"code": "do_request_failed", "message": "no"}, ViduUnavailableError),
    ],
    ids=str,
)
def test_a_known_refusal_counts_in_a_200(answer, kind):
    with pytest.raises(kind) as caught:
        parse_task(200, {}, body(answer), TASK_ID)
    assert (type(caught.value), caught.value.task_id) == (kind, TASK_ID)


def test_the_trace_id_comes_from_the_header_too():
    headers = {"X-MD-Trace-ID": "of-the-header"}
    assert parse_error(400, headers, b"").trace_id == "of-the-header"
    assert parse_error(400, headers, body(CANCEL_REFUSED)).trace_id == "04e5c2fe159ff7c574acd0424e78c35f"
    for status, answer in ((200, b"{}"), (500, b"")):
        with pytest.raises(ViduSubmissionInDoubtError) as caught:
            parse_create(status, headers, answer)
        assert caught.value.trace_id == "of-the-header"


HOSTILE = "first\r\n[2026-01-01] INFO all is well\x1b[31m\x1b]0;title\x07\u202egnirts\u2066\x9b1m\u2028last"


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize(
    "answer",
    [
        {"reason": HOSTILE, "message": HOSTILE, "metadata": {"trace_id": HOSTILE}},
        {"error": {"code": HOSTILE, "message": HOSTILE * 1000}},
        HOSTILE,
        {"err_code": HOSTILE * 1000},
    ],
    ids=["vidu", "relay", "text", "code"],
)
def test_a_hosts_words_reach_errors_as_one_short_clean_line(status, answer):
    for content in (body(answer), HOSTILE.encode()):
        with pytest.raises(ViduError) as caught:
            parse_create(status, {"x-md-trace-id": HOSTILE, "Location": f"https://x/{HOSTILE}"}, content)
        text = str(caught.value)
        assert len(text) < 2500
        assert len(text.splitlines()) == 1
        assert not set(text) & set("\x1b\x07\x9b\u202e\u2066\u2028")


# Answers to a query


def test_a_query_answer_stands_under_the_asked_id():
    made = parse_task(200, {}, body({"id": "of-the-relay", "state": "processing"}), TASK_ID)
    assert (made.task_id, made.state) == (TASK_ID, "processing")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"state": "success", "creations": []}, "success"),
        ({"status": "completed", "video_url": "https://a"}, "success"),
        ({"code": "success", "message": "", "data": {"task_id": "1", "status": "IN_PROGRESS"}}, "processing"),
        ({"status": "success", "data": {"state": "processing"}}, "processing"),
        ({"state": "processing", "data": {"note": "no state in here"}}, "processing"),
        ({"state": "processing", "data": None}, "processing"),
        ({}, None),
    ],
)
def test_a_query_answer_is_read_inside_a_relays_envelope(answer, state):
    assert parse_task(200, {}, body(answer), TASK_ID).state == state


VIDEO = "https://cdn.example/v.mp4?sign=a%2Fb"
IMAGE = "https://cdn.example/in.png?sign=1"
# Vidu's own reply to a query, as its page has it.
VIDUS = {"id": "1", "state": "success", "err_code": "", "credits": 4, "creations": [{"id": "c1", "url": VIDEO}]}


@pytest.mark.parametrize(
    "reply",
    [
        VIDUS,
        {"data": VIDUS},
        {"code": "success", "data": {"status": "SUCCESS", "progress": "100%", "fail_reason": "", "data": VIDUS}},
        {"code": "success", "data": {"status": "IN_PROGRESS", "data": VIDUS}},
        {"code": "success", "data": {"task_id": "t", "data": VIDUS}},
        {"code": "success", "data": {"status": "SUCCESS", "data": json.dumps(VIDUS)}},
        {"code": "success", "data": {"status": "SUCCESS", "result_url": VIDEO, "data": None}},
        {"code": "success", "data": {"status": "SUCCESS", "result_url": VIDEO, "data": {"state": "processing"}}},
        {"code": "success", "data": {"status": "SUCCESS", "fail_reason": VIDEO}},
        {"status": "SUCCESS", "fail_reason": VIDEO},
        {"state": "success", "data": {"creations": [{"url": VIDEO}]}},
        {"state": "success", "creations": [], "url": VIDEO},
        {"state": "success", "creations": [{"id": "c1", "url": ""}], "video_url": VIDEO},
        {"state": "success", "creations": [{"id": "c1", "url": "ssupload:?id=1"}], "url": VIDEO},
        {"status": "completed", "result_url": VIDEO},
        {"status": "succeed", "video": {"url": VIDEO}},
        {"status": "complete", "output": VIDEO},
        {"status": "done", "output": {"video_url": VIDEO}},
        {"status": "finished", "outputs": [VIDEO]},
        {"status": "completed", "outputs": [IMAGE, {"url": VIDEO}]},
        {"status": "completed", "metadata": {"url": VIDEO}},
        {"code": 0, "data": {"task_status": "succeed", "task_result": {"videos": [{"id": "1", "url": VIDEO}]}}},
        {"status": "completed", "images": ["https://in.example/a"], "url": "https://in.example/a?x", "output": VIDEO},
    ],
    ids=str,
)
def test_a_videos_link_is_found_wherever_relays_put_it(reply):
    task = parse_task(200, {}, body(reply), TASK_ID)
    assert (task.task_id, task.state, task.video_url) == (TASK_ID, "success", VIDEO)
    (listed,) = parse_list(200, {}, body({"tasks": [{**reply, "task_id": TASK_ID}]})).tasks
    assert (listed.task_id, listed.state, listed.video_url) == (TASK_ID, "success", VIDEO)


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "completed", "video_url": "/v1/videos/42/content"},
        {"status": "completed", "result_url": " /v1/videos/42/content "},
        {"status": "completed", "video": {"url": "/v1/videos/42/content"}},
        {"code": "success", "data": {"status": "SUCCESS", "result_url": "/v1/videos/42/content"}},
        {"state": "ready", "creations": [{"url": "/v1/videos/42/content"}]},
        {"state": "ready", "creations": [{"video_url": "/v1/videos/42/content"}]},
        {"state": "ready", "video_url": "/v1/videos/42/content"},
    ],
    ids=str,
)
def test_relative_video_links_belong_to_the_host(reply):
    task = parse_task(200, {}, body(reply), TASK_ID).at("https://relay.example/x")
    assert (task.state, task.video_url) == ("success", "https://relay.example/v1/videos/42/content")


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"images": ["/in/a"], "video_url": "/in/a"},
        {"video_url": "//cdn.example/v.mp4"},
        {"output": "/v1/videos/1"},
        {"url": "ftp://cdn.example/v.mp4"},
        {"url": "/v1/videos/1/content"},
        {"url": "ssupload:?id=1"},
        {"url": "data:video/mp4;base64,AAAA"},
        {"url": IMAGE},
        {"output": "https://cdn.example/cover.JPEG"},
        {"images": ["https://in.example/a?x=1"], "url": "https://in.example/a?x=2"},
        {"image_url": "https://in.example/a", "outputs": ["https://in.example/a"]},
        {"input": {"image_url": "https://in.example/a"}, "url": "https://in.example/a?x"},
        {"input": {"images": [{"image": "https://in.example/a"}]}, "outputs": ["https://in.example/a"]},
        {"img_url": "https://in.example/a", "output": "https://in.example/a"},
        {"request": {"images": ["https://in.example/a"]}, "url": "https://in.example/a"},
        {"data": {"state": "success", "input": "https://in.example/a"}, "result_url": "https://in.example/a"},
        {
            "data": {
                "state": "success",
                "data": {"request": {"start_image": "https://in.example/a"}},
                "url": "https://in.example/a",
            }
        },
        {"fail_reason": "see https://help.example"},
        {"creations": [{"url": "v.mp4"}]},
        {"video": {"video": {"video": {"video": {"video": VIDEO}}}}},
    ],
    ids=str,
)
def test_other_links_are_no_video(found):
    task = parse_task(200, {}, body({"state": "success", **found}), TASK_ID)
    assert (task.state, task.video_url) == ("success", None)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ({"status": "success", "url": VIDEO, "data": {"state": "processing"}}, "processing"),
        ({"code": "success", "data": {"status": "SUCCESS", "data": {"state": "failed"}}}, "failed"),
        ({"code": "success", "data": {"status": "FAILURE", "fail_reason": VIDEO, "data": None}}, "failed"),
        ({"code": "success", "data": {"status": "FAILURE", "data": {"state": "processing"}}}, "failed"),
        ({"status": "failed", "data": {"state": "processing"}}, "processing"),
        ({"data": {"status": "queued", "url": "https://relay.example/tasks/1"}}, "queueing"),
        ({"data": {"state": "failed", "url": VIDEO}}, "failed"),
    ],
    ids=str,
)
def test_only_a_success_has_a_link(reply, state):
    task = parse_task(200, {}, body(reply), TASK_ID)
    assert (task.state, task.video_url) == (state, None)


@pytest.mark.parametrize(
    ("reply", "is_of_the_task"),
    [
        ({"status": "fail", "message": "query too often"}, False),
        ({"status": "failed", "error": {"message": "upstream timeout"}}, False),
        ({"code": "fail_to_fetch_task", "status": "rejected", "data": None}, False),
        ({"message": "no", "status": "failed", "data": {"status": ""}}, False),
        ({"status": "failed", "message": "moderation", "id": TASK_ID}, True),
        ({"status": "failed", "message": "upstream unreachable", "id": "req-9f2c"}, False),
        ({"status": "failed", "error": {"message": "no"}, "progress": 0}, True),
        ({"code": "success", "message": "", "data": {"status": "FAILURE", "fail_reason": "no"}}, True),
        ({"state": "failed", "err_code": "AuditSubmitIllegal"}, True),
        ({"state": "failed"}, True),
        ({"code": 0, "message": "SUCCEED", "data": {"task_status": "failed", "task_status_msg": "no"}}, True),
        ({"code": 500, "message": "no", "data": {"task_status": "failed"}}, False),
        ({"state": "moderated", "err_code": "AuditSubmitIllegal"}, True),
    ],
    ids=str,
)
def test_a_gateways_failed_query_is_not_a_failed_task(reply, is_of_the_task):
    if is_of_the_task:
        assert parse_task(200, {}, body(reply), TASK_ID).failed
        return
    with pytest.raises(ViduUnavailableError):
        parse_task(200, {}, body(reply), TASK_ID)


@pytest.mark.parametrize(
    ("reply", "is_of_the_task"),
    [
        ({"id": "request-1", "status": "error", "message": "upstream timeout"}, False),
        ({"status": "timeout", "message": "no answer"}, False),
        ({"id": TASK_ID, "status": "error", "message": "no"}, True),
        ({"id": "of-the-relay", "status": "timeout", "error": "no", "progress": 3}, True),
        ({"code": "success", "data": {"status": "timeout", "fail_reason": "no"}}, True),
        ({"status": "error"}, False),
        ({"status": "timeout"}, False),
        ({"status": "error", "msg": "database is locked"}, False),
        ({"success": False, "status": "fail", "msg": "InternalServiceFailure"}, False),
        ({"status": "error", "error_msg": "InternalServiceFailure"}, False),
        ({"status": "error", "err_code": "InternalServiceFailure"}, False),
        ({"status": "error", "created_at": "2026-11-28T10:00:00Z", "error": "upstream timeout"}, False),
        ({"code": 504, "message": "gateway timeout", "data": {"status": "timeout"}}, False),
        ({"code": 500, "message": "no", "data": {"status": "error", "message": "InternalServiceFailure"}}, False),
        ({"code": 500, "message": "no", "data": {"task_id": TASK_ID, "status": "FAILURE", "fail_reason": "x"}}, True),
        ({"code": 0, "message": "ok", "data": {"status": "failed", "message": "moderation"}}, True),
    ],
    ids=str,
)
def test_a_gateways_own_timeout_is_not_the_tasks(reply, is_of_the_task):
    """A task that goes on would be paid for twice."""
    test_a_gateways_failed_query_is_not_a_failed_task(reply, is_of_the_task)


VIDUS_FAILURE = {"id": TASK_ID, "state": "failed", "credits": 0, "payload": "", "creations": []}


@pytest.mark.parametrize("reason", ["TooManyRequests", "SystemThrottling", "QuotaExceeded"])
@pytest.mark.parametrize(
    ("reply", "is_of_the_task"),
    [
        (lambda reason: {"status": "error", "msg": f"{reason}: query rate of this key"}, False),
        (lambda reason: {"success": False, "status": "fail", "msg": reason}, False),
        (lambda reason: {"code": 429, "message": "no", "data": {"status": "error", "message": f"{reason}: no"}}, False),
        (lambda reason: {"status": "error", "err_code": reason, "message": "slow down"}, False),
        (lambda reason: {"id": "req-9f2c", "status": "fail", "message": f"{reason}: query rate"}, False),
        (lambda reason: {"status": "failed", "data": None, "msg": reason}, False),
        (lambda reason: {"id": TASK_ID, "status": "failed", "message": reason}, False),
        (lambda reason: {"state": "failed", "err_code": reason}, False),
        (lambda reason: {**VIDUS_FAILURE, "err_code": reason}, True),
        (lambda reason: {**VIDUS_FAILURE, "id": None, "err_code": reason}, True),
        (lambda reason: {"state": "failed", "err_code": reason, "credits": 0}, True),
        (lambda reason: {"id": TASK_ID, "status": "failed", "video_url": "", "err_msg": reason}, True),
        (
            lambda reason: {
                "code": "success",
                "data": {"task_id": TASK_ID, "status": "FAILURE", "fail_reason": reason, "data": VIDUS_FAILURE},
            },
            True,
        ),
    ],
)
def test_a_limit_of_queries_is_no_failure_of_the_task(reply, is_of_the_task, reason):
    test_a_gateways_failed_query_is_not_a_failed_task(reply(reason), is_of_the_task)


@pytest.mark.parametrize(
    "reply",
    [
        {"state": "rendered", "creations": [{"url": VIDEO}]},
        {"status": "OK", "video_url": "https://cdn.example/film"},
        {"status": "UNKNOWN", "data": {"status": "UNKNOWN", "result_url": VIDEO}},
        {"creations": [{"url": VIDEO}]},
        {"status": "ready", "url": VIDEO},
        {"status": "ready", "outputs": [VIDEO]},
    ],
    ids=str,
)
def test_an_unknown_state_beside_a_link_is_an_end(reply):
    task = parse_task(200, {}, body(reply), TASK_ID)
    assert task.state == "success"
    assert task.video_url


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "ready", "url": "https://relay.example/tasks/1"},
        {"status": "ready", "creations": [{"url": "", "cover_url": VIDEO}]},
        {"status": "ready", "video_url": "javascript:alert(1)"},
        {"status": "ready", "images": [VIDEO], "video_url": VIDEO},
        {"status": "waiting", "video_url": VIDEO},
        {"status": "in progress", "video_url": "https://r.example/v1/videos/1/content"},
        {"status": "in-progress", "video_url": VIDEO},
        {"status": "not started", "video_url": VIDEO},
        {"status": "InProgress", "video_url": VIDEO},
        {"status": "Preparing", "video_url": VIDEO},
        {"status": "post-processing", "creations": [{"url": VIDEO}]},
        {"state": "processing", "creations": [{"url": VIDEO}]},
    ],
    ids=str,
)
def test_without_a_link_an_unknown_state_is_unfinished(reply):
    assert not parse_task(200, {}, body(reply), TASK_ID).is_final


def test_a_submission_is_never_ended_by_a_link():
    reply = {"task_id": TASK_ID, "status": "accepted-it", "creations": [{"url": VIDEO}], "video_url": VIDEO}
    assert not parse_create(200, {}, body(reply)).is_final


def test_fields_come_from_vidus_own_reply_inside_an_envelope():
    reply = {"code": "success", "data": {"task_id": "t", "status": "SUCCESS", "result_url": VIDEO, "data": VIDUS}}
    task = parse_task(200, {}, body(reply), TASK_ID)
    assert (task.task_id, task.credits, [one.id for one in task.creations]) == (TASK_ID, 4, ["c1"])


def test_a_success_without_a_known_link_quotes_its_reply_unsigned():
    reply = {
        "state": "success",
        "images": ["data:image/png;base64," + "iVBORw0KGgo" * 1000],
        "prompt": "p" * 5000,
        "film": {"href": "https://cdn.example/film?X-Amz-Signature=secret#more"},
        "raw": '{"href":"https:\\/\\/cdn.example/two?a=1\\u0026sign=secret","n":1}',
    }
    quoted = parse_task(200, {}, body(reply), TASK_ID).unread_reply
    assert "https://cdn.example/film" in quoted
    assert "https://cdn.example/two" in quoted
    assert "secret" not in quoted
    assert "iVBORw0KGgoiVBORw0KGgo" not in quoted
    assert len(quoted) <= 4001


@pytest.mark.parametrize(
    "link",
    [
        "//cdn.example/film?sign=secret",
        "cdn.example/film?sign=secret",
        "oss://bucket.cdn.example/film?Expires=1&Signature=secret#secret",
        "https://user:secret@cdn.example/film",
        "https://cdn.example/film%3Fsign=secret",
        "https://cdn.example/film%3fa%3d1%26sign%3dsecret",
        '{"href": "https://cdn.example/film\\u003fsign=secret"}',
        '["https:\\u002f\\u002fcdn.example/film?secret"]',
        json.dumps({"href": json.dumps({"href": "https://cdn.example/film\u003fsign=secret"})}),
    ],
)
def test_a_quoted_link_is_unsigned_however_it_is_written(link):
    quoted = parse_task(200, {}, body({"state": "success", "film": link}), TASK_ID).unread_reply
    assert "cdn.example/film" in quoted
    assert "secret" not in quoted


@pytest.mark.parametrize(
    "text", ["?" * 1_000_000, "?a" * 500_000, "//" * 500_000, "[" * 100_000], ids=lambda text: text[:2]
)
def test_a_long_text_without_links_is_quoted_at_once(text):
    began = time.perf_counter()
    assert parse_task(200, {}, body({"state": "success", "film": text}), TASK_ID).unread_reply
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("reply", [VIDUS, {"state": "processing"}, {"state": "failed"}], ids=str)
def test_a_reply_that_was_understood_is_not_kept(reply):
    assert parse_task(200, {}, body(reply), TASK_ID).unread_reply is None


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b"5", b"OK", b"<html>", b"\xff", b'{"state":', b"[" * 100_000])
def test_a_broken_query_reply_is_an_outage(answer):
    with pytest.raises(ViduUnavailableError) as caught:
        parse_task(200, {}, answer, TASK_ID)
    assert caught.value.task_id == TASK_ID
    assert caught.value.fate is Fate.RETRYABLE


@pytest.mark.parametrize(
    ("status", "kind"), [(404, ViduNotFoundError), (401, ViduAuthError), (500, ViduUnavailableError)]
)
def test_a_refused_query_names_the_task(status, kind):
    with pytest.raises(kind) as caught:
        parse_task(status, {}, b"", TASK_ID)
    assert caught.value.task_id == TASK_ID


# Answers to a list call

ROWS = [{"id": "1", "state": "success", "payload": "m"}, {"task_id": "2", "status": "failed"}]


@pytest.mark.parametrize(
    "answer",
    [
        {"tasks": ROWS, "next_page_token": "t"},
        {"data": {"tasks": ROWS, "next_page_token": "t"}},
        {"data": ROWS, "next_page_token": "t"},
    ],
)
def test_a_page_is_read_in_every_shape_that_was_seen(answer):
    page = parse_list(200, {}, body(answer))
    assert [(task.task_id, task.state, task.payload) for task in page.tasks] == [
        ("1", "success", "m"),
        ("2", "failed", None),
    ]
    assert (page.next_page_token, page.row_count) == ("t", 2)


def test_a_bare_list_is_a_page_without_a_successor():
    page = parse_list(200, {}, body(ROWS))
    assert (len(page.tasks), page.next_page_token) == (2, None)


@pytest.mark.parametrize("answer", [{}, {"tasks": None}, {"tasks": [], "next_page_token": ""}, []])
def test_an_empty_page_is_empty(answer):
    page = parse_list(200, {}, body(answer))
    assert (page.tasks, page.next_page_token, page.row_count) == ((), None, 0)


def test_an_unreadable_row_is_counted_and_costs_that_row_alone():
    page = parse_list(200, {}, body({"tasks": [None, {"state": "success"}, {"id": "1", "created_at": 1e300}, "x"]}))
    assert [task.task_id for task in page.tasks] == ["1"]
    assert page.row_count == 4


@pytest.mark.parametrize("answer", [b"", b"OK", b"5", b'{"tasks": 5}', b'{"tasks": {"id": "1"}}'])
def test_a_broken_list_answer_is_an_outage(answer):
    with pytest.raises(ViduUnavailableError):
        parse_list(200, {}, answer)


# Paging


def page(*ids, token=None, rows=None):
    return TaskPage(tuple(ViduTask(task_id=task_id) for task_id in ids), token, len(ids) if rows is None else rows)


def walk(*pages):
    paging, seen = Paging(), []
    for one in pages:
        assert not paging.ended
        seen += [task.task_id for task in paging.take(one)]
    return paging, seen


@pytest.mark.parametrize(
    ("pages", "complete", "seen"),
    [
        ([page("1", "2")], True, ["1", "2"]),
        ([page()], True, []),
        ([page("1", token="a"), page("2")], True, ["1", "2"]),
        ([page("1", token="a"), page(token="b"), page()], True, ["1"]),
        # A filter has left two pages empty, and the third has the row.
        ([page(token="a"), page(token="b"), page("1")], True, ["1"]),
        # A host that gives a token with every page.
        ([page("1", token="a"), page(token="b"), page(token="c"), page(token="d")], False, ["1"]),
        # A host that ignores the token and repeats itself.
        ([page("1", token="a"), page("1", token="b")], False, ["1"]),
        ([page("1", token="a"), page("1")], False, ["1"]),
        ([page("1", token="a"), page("2", token="a")], False, ["1", "2"]),
        # A list that moves while it is read, in the middle or at the end.
        ([page("1", "2", token="a"), page("2", "3", token="b"), page("4")], False, ["1", "2", "3", "4"]),
        ([page("1", "2", token="a"), page("2", "3")], False, ["1", "2", "3"]),
        # Rows, but none that can be read.
        ([page(token="a", rows=5)], False, []),
    ],
)
def test_a_list_is_complete_only_without_repetitions(pages, complete, seen):
    paging, got = walk(*pages)
    assert paging.ended
    assert paging.complete is complete
    assert got == seen


@pytest.mark.parametrize(("total", "complete"), [(1, True), (2, True), (3, False), ("3", False), (None, True)])
def test_a_page_below_the_total_is_incomplete(total, complete):
    """A host that knows no page tokens shows its first page alone; the lost submission may be on another."""
    answer = {"data": [{"id": "1", "state": "success"}, {"id": "2"}], "total": total, "page": 1, "size": 2}
    paging = Paging()
    paging.take(parse_list(200, {}, body(answer)))
    assert (paging.ended, paging.complete) == (True, complete)


def rows_of(count):
    return [{"id": str(number), "state": "success"} for number in range(count)]


@pytest.mark.parametrize(
    ("answer", "complete"),
    [
        ({"tasks": rows_of(20), "next_page_token": ""}, True),
        ({"tasks": rows_of(100), "next_page_token": ""}, True),
        ({"tasks": rows_of(100), "total": 100}, True),
        ({"tasks": rows_of(100), "has_more": False}, True),
        ({"tasks": rows_of(99)}, True),
        ({"code": 0, "message": "ok", "data": {"tasks": rows_of(3), "next_page_token": ""}}, True),
        ({"code": 200, "message": "查询成功", "success": True, "data": rows_of(3), "error": None}, True),
        ({"code": "success", "message": "", "data": rows_of(3), "request_id": "r", "count": 3}, True),
        ({"code": 1, "msg": "success", "data": rows_of(3), "errors": []}, True),
        ({"tasks": rows_of(3), "pagination": {"total": 3, "page": 1, "next": None}}, True),
        ({"object": "list", "data": rows_of(20), "has_more": True}, False),
        ({"data": {"tasks": rows_of(3), "hasMore": "true"}}, False),
        ({"tasks": rows_of(20), "pagination": {"total": 500, "page": 1}}, False),
        ({"tasks": rows_of(3), "meta": {"paging": {"totalCount": 4}}}, False),
        ({"tasks": rows_of(3), "count": 7}, False),
        ({"tasks": rows_of(3), "total_pages": 2}, False),
        ({"tasks": rows_of(3), "links": {"next": "https://x.example/tasks?page=2"}}, False),
        ({"tasks": rows_of(3), "next_cursor": "c"}, False),
        ({"tasks": rows_of(3), "truncated": True}, False),
        # Nothing is said of pages, and there are as many rows as on one.
        ({"tasks": rows_of(100)}, False),
        (rows_of(10), False),
        ({"tasks": rows_of(3), "message": "shard 2 has timed out"}, False),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_a_list_with_signs_of_more_is_incomplete(answer, complete):
    """What is missing from a list that was seen whole is submitted again, and billed."""
    page = parse_list(200, {}, body(answer))
    assert page.row_count == len(page.tasks) >= 3
    paging = Paging()
    paging.take(page)
    assert (paging.ended, paging.complete) == (True, complete)


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"tasks": rows_of(3)}, "next_page_token": "t"},
        {"tasks": rows_of(3), "nextPageToken": "t"},
        {"tasks": rows_of(3), "pagination": {"next_page_token": "t"}},
        {"tasks": [], "next_page_token": "t"},
    ],
    ids=str,
)
def test_a_page_token_is_followed_wherever_it_is(answer):
    paging = Paging()
    paging.take(parse_list(200, {}, body(answer)))
    assert (paging.ended, paging.token) == (False, "t")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"success": False, "message": "database is locked", "data": []}),
        (200, {"code": 500, "message": "internal error", "tasks": []}),
        (200, {"code": "fail", "message": "upstream timeout", "data": {"tasks": []}}),
        (200, {"data": {"code": 503, "tasks": []}}),
        (200, {"message": "database is locked", "data": []}),
        (200, {"error": {"message": "no"}, "tasks": rows_of(3)}),
        (200, {"status": "error", "tasks": []}),
        (200, {"code": "500", "tasks": rows_of(3)}),
        (206, {"tasks": rows_of(3)}),
    ],
    ids=str,
)
def test_an_error_is_never_an_empty_list(status, answer):
    with pytest.raises(ViduUnavailableError):
        parse_list(status, {}, body(answer))


def test_a_row_that_one_page_holds_twice_is_given_once():
    paging, seen = walk(page("1", "1", "2"))
    assert seen == ["1", "2"]
    assert not paging.complete


IDS = [str(number) for number in range(12)]
PAGES = st.builds(
    lambda rows, token, more: page(*rows, token=token, rows=len(rows) + more),
    st.lists(st.sampled_from(IDS), max_size=4),
    st.sampled_from([None, "a", "b", "c", *(f"token-{number}" for number in range(20))]),
    st.integers(0, 2),
)


@FUZZ
@given(st.lists(PAGES, min_size=len(IDS) + 1, max_size=len(IDS) + 1))
def test_paging_always_terminates_whatever_the_host_makes_up(pages):
    paging, seen = Paging(), []
    for one in pages:
        new = [task.task_id for task in paging.take(one)]
        assert not set(new) & set(seen)
        seen += new
        if paging.ended:
            break
    assert paging.ended
    assert len(seen) == len(set(seen))


# Answers to a cancel and to the balance


@pytest.mark.parametrize("answer", [b"{}", b"null", b" null\n", b"", b'{"id": "1", "state": "failed"}'])
def test_every_form_of_yes_is_a_cancel(answer):
    assert parse_cancel(200, {}, answer, TASK_ID) is None


@pytest.mark.parametrize("answer", [b'{"code": 500, "reason": "InternalServiceFailure"}', b"OK", b"[]", b'{"id": '])
def test_an_unclear_reply_to_a_cancel_is_an_outage(answer):
    """Gateways wrap errors into a 200; a clear that took it for a yes would pay for two generations."""
    with pytest.raises(ViduUnavailableError):
        parse_cancel(200, {}, answer, TASK_ID)


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b'{"tasks": null}',
        b'{"next_page_token": "", "total": 0}',
        # one-hub's, whose rows and total come without a token.
        b'{"data": null, "total": 0, "page": 1, "size": 10}',
        b'{"data": [], "total": 0, "page": 1, "size": 10}',
    ],
)
def test_a_list_without_rows_may_leave_them_out(answer):
    assert parse_list(200, {}, answer).tasks == ()


@pytest.mark.parametrize(
    "answer",
    [
        b'{"code": 500, "reason": "x"}',
        b'{"error": {"message": "x"}}',
        b'{"data": {}}',
        b'{"data": null}',
        b'{"data": null, "total": 3}',
        b'{"data": null, "total": 0, "message": "x"}',
        b'{"ok": true}',
        b"0",
    ],
)
def test_other_replies_are_never_an_empty_list(answer):
    """An empty list says that a submission is absent, and that it may be sent again."""
    with pytest.raises(ViduUnavailableError):
        parse_list(200, {}, answer)


def test_a_refused_cancel_says_why():
    with pytest.raises(ViduRequestError, match="task state is scheduled, can not cancel") as caught:
        parse_cancel(400, {}, body(CANCEL_REFUSED), TASK_ID)
    assert (caught.value.reason, caught.value.task_id) == ("BadRequest", TASK_ID)
    assert caught.value.trace_id == "04e5c2fe159ff7c574acd0424e78c35f"


def test_the_balance_is_read():
    answer = {"remains": [{"type": "metered", "credit_remain": 100, "concurrency_limit": 5}]}
    assert parse_credits(200, {}, body(answer)).total == 100
    assert prepare_credits(ACCOUNT).url == "https://api.vidu.com/ent/v2/credits?show_detail=false"


@pytest.mark.parametrize(
    "answer", [b"", b"OK", b"[]", b"5", b'{"remains":"x"}', b'{"remains":[{"credit_remain":"x"}]}']
)
def test_a_broken_balance_is_an_outage(answer):
    with pytest.raises(ViduUnavailableError):
        parse_credits(200, {}, answer)


# Error answers


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (CANCEL_REFUSED, "BadRequest", "task state is scheduled"),
        ({"code": "insufficient_user_quota", "message": "m"}, "insufficient_user_quota", "m"),
        ({"err_code": "FieldInvalid", "message": "m"}, "FieldInvalid", "m"),
        ({"error": {"message": "m", "type": "new_api_error", "code": ""}}, None, "m"),
        ({"error": {"message": "m", "code": "invalid_request"}}, "invalid_request", "m"),
        (
            {"code": "fail_to_fetch_task", "message": json.dumps(CANCEL_REFUSED), "data": None},
            "BadRequest",
            "scheduled",
        ),
        ({"message": 5}, None, "5"),
        ({"message": None, "detail": "d"}, None, "Vidu answered: d ("),
        ({"detail": [{"loc": ["body", "prompt"], "msg": "d"}]}, None, '"prompt"'),
        ({"message": '{"a": 1}'}, None, '{"a": 1}'),
        ({"message": "[1]"}, None, "[1]"),
        ({"reason": ["a"], "message": "m"}, "['a']", "m"),
        ({"metadata": "x", "message": "m"}, None, "m"),
        ({"metadata": {"trace_id": 7}, "message": "m"}, None, "m"),
        ([1], None, "[1]"),
        ("text", None, "text"),
        ({"message": "lone \ud800 surrogate"}, None, "lone"),
    ],
)
def test_error_bodies_of_vidu_and_relays_are_read(answer, reason, message):
    error = parse_error(400, {}, body(answer))
    assert error.reason == reason
    assert message in str(error)
    str(error).encode()


def test_a_body_that_is_no_json_is_quoted_shortly():
    text = str(parse_error(502, {}, b"<html>" + b"<p>no</p>" * 1_000))
    assert "<html><p>no</p>" in text
    assert len(text) < 500
    assert "an empty body" in str(parse_error(502, {}, b""))


def test_what_a_host_says_around_an_image_is_kept():
    answer = body({"message": "data:image/png;base64,iVBORw0KGgo= is too large for field images"})
    assert "Vidu answered: (an image) is too large for field images" in str(parse_error(400, {}, answer))


def test_an_echoed_image_stays_out_of_the_log():
    echo = "invalid field: images: data:image/png;base64," + "iVBORw0KGgo" * 50_000
    bare = "iVBORw0KGgo" * 50_000
    wrapped = echo[:45] + "\n".join(["iVBORw0KGgo" * 6] * 5000)
    for answer in (
        body({"code": 400, "reason": "FieldInvalid", "message": echo}),
        echo.encode(),
        body({"images": [echo]}),
        body({"message": f"cannot decode {bare}"}),
        body({"images": [bare]}),
        body({"message": wrapped}),
    ):
        for status in (200, 400, 500):
            with pytest.raises(ViduError) as caught:
                parse_create(status, {}, answer)
            text = str(caught.value)
            assert "iVBORw0KGgoiVBORw0KGgo" not in text
            assert "base64," not in text
            assert len(text) < 1500


def test_see_other_says_that_the_submission_was_acted_on():
    with pytest.raises(ViduSubmissionInDoubtError, match=r"https://x\.example/tasks/1.*is not known") as caught:
        parse_create(303, {"Location": "https://x.example/tasks/1"}, b"")
    assert not caught.value.is_vidus_own
    assert "Nothing was created" not in str(caught.value)
    with pytest.raises(ViduConfigurationError, match="not sent to the target"):
        parse_task(303, {"Location": "https://x.example/tasks/1"}, b"", TASK_ID)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 300, 304])
@pytest.mark.parametrize(
    "read", [parse_create, lambda *answer: parse_task(*answer, TASK_ID), parse_list, parse_credits]
)
def test_a_redirect_is_a_configuration_error(read, status):
    with pytest.raises(ViduConfigurationError, match="not sent to the target") as caught:
        read(status, {"location": f"https://evil.example/?key={KEY}"}, b"")
    assert "https://evil.example/" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-3", 0),
        ("Tue, 06 May 2025 12:10:42 GMT", 60),
        ("Tue, 06 May 2025 12:00:00 GMT", 0),
        ("Tue, 06 May 2025 12:10:42 -0000", 60),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Tue, 06 May 2025 12:09:42 +99999999999999999999", None),
        ("nan", 0),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(value, seconds):
    now = datetime(2025, 5, 6, 12, 9, 42, tzinfo=timezone.utc)
    for name in ("Retry-After", "retry-after", "RETRY-AFTER"):
        assert retry_after({name: value}, now) == seconds


def test_no_retry_after_is_none():
    assert retry_after({}) is None
    assert parse_error(429, {"Retry-After": "9"}, b"").retry_after == 9


@pytest.mark.parametrize(
    ("status", "missing"), [(404, True), (405, True), (501, True), (400, False), (401, False), (500, False)]
)
def test_a_missing_endpoint_is_no_refusal(status, missing):
    assert is_missing_endpoint(parse_error(status, {}, b"")) is missing


# What new-api, one-api and one-hub send for every path that they do not route, with HTTP 200.
DASHBOARD = b'\xef\xbb\xbf\n<!doctype html><html lang="zh"><head><title>New API</title></head></html>'


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (parse_list, "task list"),
        (parse_credits, "balance query"),
        (lambda *reply: parse_cancel(*reply, TASK_ID), "cancel"),
    ],
    ids=["list", "credits", "cancel"],
)
@pytest.mark.parametrize(
    ("headers", "page"),
    [({}, DASHBOARD), ({}, b"<html>"), ({"Content-Type": "Text/HTML; charset=utf-8"}, b"Welcome")],
    ids=["dashboard", "html", "content type"],
)
def test_a_web_page_says_that_a_host_lacks_an_endpoint(read, what, headers, page):
    with pytest.raises(ViduConfigurationError, match=f"This host has no {what}: it answered with a web page") as caught:
        read(200, headers, page)
    assert is_missing_endpoint(caught.value)


def test_a_refused_cancel_says_that_the_task_is_billed():
    reply = body({"code": 400, "reason": "BadRequest", "message": "task state is scheduled, can not cancel"})
    with pytest.raises(ViduRequestError, match="continues and is billed if it succeeds") as caught:
        parse_cancel(400, {}, reply, TASK_ID)
    assert "Nothing was created" not in str(caught.value)


def test_a_web_page_says_nothing_about_a_task():
    with pytest.raises(ViduUnavailableError, match="New API"):
        parse_task(200, {}, DASHBOARD, TASK_ID)
    with pytest.raises(ViduSubmissionInDoubtError):
        parse_create(200, {}, DASHBOARD)


def test_json_that_a_relay_calls_html_is_still_json():
    headers = {"Content-Type": "text/html"}
    assert parse_list(200, headers, body({"tasks": ROWS})).row_count == 2
    assert parse_credits(200, headers, body({"remains": [{"credit_remain": 5}]})).total == 5
    for yes in (b"", b"null", b"{}"):
        assert parse_cancel(200, headers, yes, TASK_ID) is None
    with pytest.raises(ViduUnavailableError):
        parse_list(200, headers, b"")


# Anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["task_id", "id", "state", "data", "tasks", "error", "message", "metadata", "remains", "creations"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
BODIES = st.binary(max_size=40) | JSON.map(body) | JSON.map(lambda value: body({"message": json.dumps(value)}))


@FUZZ
@given(
    status=st.integers(100, 999) | st.sampled_from([200, 400, 429, 500]),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Location", "X"]), st.text(max_size=30), max_size=3),
    answer=BODIES,
)
@example(status=200, headers={}, answer=b'{"task_id":"1","created_at":Infinity}')
@example(status=400, headers={}, answer=b'{"message":"\\ud800"}')
@example(status=200, headers={}, answer=b'{"a":' * 50_000)
def test_no_answer_raises_anything_but_our_own_error(status, headers, answer):
    for read, kind in (
        (parse_create, ViduTask),
        (lambda *parts: parse_task(*parts, TASK_ID), ViduTask),
        (parse_list, TaskPage),
        (parse_credits, object),
        (lambda *parts: parse_cancel(*parts, TASK_ID), type(None)),
    ):
        try:
            made = read(status, headers, answer)
        except ViduError as error:
            made = error
        if isinstance(made, ViduError):
            assert str(made).encode()
            if read is parse_create and not 300 <= status < 500:
                assert made.fate is Fate.IN_DOUBT
        else:
            assert isinstance(made, kind)
            assert 200 <= status < 300


# The upload tool


def test_upload_is_three_calls_of_which_two_have_the_key():
    begin, finish = prepare_upload(ACCOUNT), prepare_finish(ACCOUNT, "a/b", "5d41")
    tool = "https://api.vidu.com/tools/v2/files/uploads"
    assert (begin.method, begin.url, json.loads(begin.body)) == ("POST", tool, {"scene": "vidu"})
    assert (finish.method, finish.url, json.loads(finish.body)) == ("PUT", f"{tool}/a%2Fb/finish", {"etag": "5d41"})
    for request in (begin, finish):
        assert request.headers["Authorization"] == f"Token {KEY}"
        assert not request.submits
        assert KEY not in repr(request)


def test_upload_says_where_and_until_when():
    reply = {"id": "7", "put_url": "https://s.example/x?sig=1", "expires_at": "2026-01-20T05:01:53.504648743Z"}
    found = parse_upload(200, {}, body(reply))
    assert (found.upload_id, found.put_url, found.expires_at) == ("7", "https://s.example/x?sig=1", 1_768_885_313.0)
    assert "sig" not in repr(found)
    for unreadable in ("soon", None, [], {}):
        assert parse_upload(200, {}, body({**reply, "expires_at": unreadable})).expires_at is None


@pytest.mark.parametrize(
    "reply",
    [[], {}, {"id": "7"}, {"id": "..", "put_url": "u"}, {"id": "", "put_url": "u"}, {"id": 7, "put_url": "u"}],
)
def test_upload_without_a_place_is_an_outage(reply):
    with pytest.raises(ViduUnavailableError):
        parse_upload(200, {}, body(reply))


@pytest.mark.parametrize(
    ("status", "answer", "is_missing"),
    [
        (404, body({"code": 404, "reason": "NotFound", "message": "no"}), True),
        (404, b"<html>not found</html>", True),
        (405, b"", True),
        (200, b"<!doctype html><html><div id=root></div></html>", True),
        (503, b"<html>maintenance</html>", False),
        (401, body({"code": 401, "reason": "Unauthorized", "message": "no"}), False),
    ],
)
def test_host_without_the_upload_tool_is_recognised(status, answer, is_missing):
    with pytest.raises(ViduError) as caught:
        parse_upload(status, {"Content-Type": "text/html"}, answer)
    assert is_missing_endpoint(caught.value) is is_missing


def test_finished_upload_has_a_uri():
    assert parse_finish(200, {}, body({"uri": "ssupload:?id=7"})) == "ssupload:?id=7"
    for reply in ([], {}, {"uri": "https://s.example/x"}, {"uri": f"ssupload:?id={'7' * 600}"}):
        with pytest.raises(ViduUnavailableError):
            parse_finish(200, {}, body(reply))


def test_upload_that_vidu_does_not_know_may_be_repeated():
    with pytest.raises(ViduUnavailableError, match="does not know the upload") as caught:
        parse_finish(404, {}, body({"code": 404, "reason": "NotFound", "message": "no"}))
    assert not is_missing_endpoint(caught.value)


def encoded(megabytes, name):
    """Return a picture that has so many megabytes in a request."""
    text = "x" * int(megabytes * 1024 * 1024)
    image = str.__new__(EncodedImage, text)
    image.facts, image.name = ImageFacts("image/png", 8, 8, name, len(text)), name
    return image


def too_large(name):
    return LargeImage(lambda: b"", ImageFacts("image/png", 8, 8, name, 50 * 1024 * 1024), name)


@pytest.mark.parametrize(
    ("sizes", "uploaded"),
    [
        ({}, ""),
        ({"a": 19.9}, ""),
        ({"a": 20}, "a"),
        ({"a": 9, "b": 10}, ""),
        ({"a": 9, "b": 12}, "b"),
        ({"a": 12, "b": 9}, "a"),
        ({"a": 5, "b": 11, "c": 12, "d": 5}, "c, b"),
        ({"a": 10.1, "b": 10.1}, "a"),
    ],
)
def test_largest_pictures_are_uploaded_until_the_rest_fits(sizes, uploaded):
    wire = {"prompt": "镜头", "images": [encoded(size, name) for name, size in sizes.items()]}
    chosen = pictures_to_upload(wire)
    assert ", ".join(picture.name for picture in chosen) == uploaded
    names = {picture.name for picture in chosen}
    sent = [f"ssupload:?id={one.name}" if one.name in names else one for one in wire["images"]]
    assert len(prepare_create(ACCOUNT, "reference2video", {**wire, "images": sent}).body) <= MAX_BODY_BYTES


def test_large_picture_is_uploaded_in_any_case_and_once():
    small, large = encoded(1, "small"), too_large("large")
    wire = {"images": [small, large], "subjects": [{"images": [large]}, {"images": [encoded(15, "other")]}]}
    assert [picture.name for picture in pictures_to_upload(wire)] == ["large"]
    with pytest.raises(RuntimeError, match="not uploaded"):
        prepare_create(ACCOUNT, "reference2video", wire)


def test_picture_that_is_twice_in_a_request_counts_twice():
    one = encoded(11, "one")
    assert pictures_to_upload({"images": [one, one]}) == [one]


def test_request_that_no_upload_makes_fit_is_refused():
    with pytest.raises(ViduInputError, match=r"21\.\d MB.*at most 20 MB"):
        pictures_to_upload({"images": [too_large("a")], "extra": "x" * 21 * 1024 * 1024})
