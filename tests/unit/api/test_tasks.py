# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A task that has been paid for is never lost to a field of another shape."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_provider_vidu.api.tasks import NEW_TASK, Credits, TaskState, ViduTask

TASK_ID = "911045603801182208"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def task(**fields):
    return ViduTask.model_validate({"task_id": TASK_ID, **fields})


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": TASK_ID},
        {"id": TASK_ID},
        {"id": int(TASK_ID)},
        {"task_id": TASK_ID, "id": "another"},
        {"task_id": "", "id": TASK_ID},
        {"task_id": None, "id": TASK_ID},
    ],
)
def test_the_id_is_read_under_both_names(body):
    assert ViduTask.model_validate(body).task_id == TASK_ID


@pytest.mark.parametrize("body", [{}, {"task_id": ""}, {"task_id": None}, {"id": []}, {"id": True}, [], "x", None])
def test_a_body_without_an_id_is_no_task(body):
    with pytest.raises(ValidationError):
        ViduTask.model_validate(body)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"state": "created"}, "created"),
        ({"state": "queueing"}, "queueing"),
        ({"state": "processing"}, "processing"),
        ({"state": "success"}, "success"),
        ({"state": "failed"}, "failed"),
        ({"status": "success"}, "success"),
        ({"state": "processing", "status": "success"}, "processing"),
        ({"state": "", "status": "success"}, "success"),
        ({"state": None, "status": "success"}, "success"),
        ({"status": "completed"}, "success"),
        ({"status": "SUCCEEDED"}, "success"),
        ({"status": "succeed"}, "success"),
        ({"status": "complete"}, "success"),
        ({"status": "done"}, "success"),
        ({"status": "finished"}, "success"),
        ({"status": "fail"}, "failed"),
        ({"status": "expired"}, "failed"),
        ({"status": "rejected"}, "failed"),
        ({"status": "aborted"}, "failed"),
        ({"status": "FAILURE"}, "failed"),
        ({"status": "error"}, "failed"),
        ({"status": "Timeout"}, "failed"),
        ({"status": "timed_out"}, "failed"),
        ({"status": "Timed Out"}, "failed"),
        ({"status": "cancel"}, "failed"),
        ({"status": "terminated"}, "failed"),
        ({"status": "task_failed"}, "failed"),
        ({"status": "TASK_STATUS_FAILED"}, "failed"),
        ({"status": "TASK_STATUS_SUCCEED"}, "success"),
        ({"status": "successful"}, "success"),
        ({"task_status": "succeed"}, "success"),
        ({"task_status": "failed"}, "failed"),
        ({"task_status": "processing"}, "processing"),
        ({"status": "", "task_status": "submitted"}, "created"),
        ({"code": 0, "message": "SUCCEED", "data": {"task_status": "failed", "task_status_msg": "no"}}, "failed"),
        ({"status": "queued", "task_status": "succeed"}, "queueing"),
        ({"status": "in progress"}, "processing"),
        ({"status": "In-Progress"}, "processing"),
        ({"status": "not started"}, "created"),
        ({"status": " Success "}, "success"),
        ({"status": "FAILED"}, "failed"),
        ({"status": "IN_PROGRESS"}, "processing"),
        ({"status": "NOT_START"}, "created"),
        ({"status": "QUEUED"}, "queueing"),
        ({"state": "StateOfTomorrow"}, "stateoftomorrow"),
        ({"state": 3}, None),
        ({}, None),
    ],
)
def test_states_of_vidu_and_relays_are_read(fields, state):
    assert task(**fields).state == state


@pytest.mark.parametrize("state", [*TaskState, "stateoftomorrow", None])
def test_only_success_and_failed_are_final(state):
    assert task(state=state).is_final is (state in {"success", "failed"})
    assert task(state=state).succeeded is (state == "success")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"state": "moderated", "err_code": "AuditSubmitIllegal"}, "failed"),
        ({"data": {"status": "moderated", "err_code": "AuditSubmitIllegal"}}, "failed"),
        ({"state": "moderated", "err_code": "CodeOfTomorrow"}, "moderated"),
        ({"state": "moderated", "err_code": ""}, "moderated"),
        ({"state": "moderated", "err_code": ["AuditSubmitIllegal"]}, "moderated"),
        # It may be repeated.
        ({"state": "retrying", "err_code": "InternalServiceFailure"}, "retrying"),
        ({"state": "throttled", "err_code": "TooManyRequests"}, "throttled"),
        ({"state": "lost", "err_code": "TaskNotFound"}, "lost"),
        ({"state": "moderating", "err_code": "AuditSubmitIllegal"}, "moderating"),
        ({"state": "processing", "err_code": "AuditSubmitIllegal"}, "processing"),
        ({"err_code": "AuditSubmitIllegal"}, None),
    ],
    ids=str,
)
def test_an_unknown_state_with_a_permanent_error_is_a_failure(fields, state):
    assert task(**fields).state == state


@pytest.mark.parametrize("reply", [{"state": "moderated", "err_code": "AuditSubmitIllegal"}, {"state": "moderated"}])
def test_an_unknown_state_of_a_new_task_is_no_end(reply):
    assert ViduTask.model_validate({"task_id": TASK_ID, **reply}, context=NEW_TASK).state == "moderated"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-01-20T04:01:53.504648743Z", "2026-01-20T04:01:53.504648743Z"),
        (1768881713, "2026-01-20T04:01:53Z"),
        (1768881713504, "2026-01-20T04:01:53.504000Z"),
        (0, "1970-01-01T00:00:00Z"),
        ("", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (1e30, None),
        (-1e18, None),
        ([1], None),
        ({}, None),
    ],
)
def test_a_creation_time_is_read_and_never_costs_the_task(value, read):
    assert task(created_at=value).created_at == read


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("credits", 80, 80),
        ("credits", "80", 80),
        ("credits", 80.5, 80.5),
        ("credits", "many", None),
        ("duration", 5, 5.0),
        ("duration", "five", None),
        ("duration", float("nan"), None),
        ("duration", float("inf"), None),
        ("duration", 10**400, None),
        ("credits", 10**400, 10**400),
        ("credits", float("inf"), None),
        ("off_peak", True, True),
        ("off_peak", "perhaps", None),
        ("model", "viduq1", "viduq1"),
        ("model", {"name": "viduq1"}, None),
        ("wm_position", "unspecified", "unspecified"),
        ("wm_position", 1, 1),
        ("wm_position", [], None),
        ("err_code", "", None),
        ("err_code", None, None),
        ("err_code", "UserCancelled", "UserCancelled"),
        ("err_code", 7, "7"),
        ("payload", "mine", "mine"),
        ("payload", "", ""),
        ("payload", None, None),
        ("payload", 5, "5"),
        ("payload", {"order": "é"}, '{"order": "é"}'),
    ],
)
def test_a_field_of_another_shape_costs_that_field_alone(field, value, read):
    made = task(state="processing", **{field: value})
    assert getattr(made, field) == read
    assert made.state == "processing"


@pytest.mark.parametrize(
    ("creations", "urls"),
    [
        ([{"id": "c", "url": "https://a", "cover_url": "https://b", "watermarked_url": ""}], ["https://a"]),
        ([{"id": 5, "url": "https://a"}], ["https://a"]),
        ([{"video_url": "https://a"}], ["https://a"]),
        ({"id": "c", "url": "https://a"}, ["https://a"]),
        ([{"url": "https://a"}, {"url": "https://b"}], ["https://a", "https://b"]),
        ([{"url": ""}], [None]),
        ([{"url": "v.mp4"}, {"url": "data:video/mp4;base64,AA"}], [None, None]),
        ([{"url": {"a": 1}}, {"url": "https://b"}], [None, "https://b"]),
        ([{"id": 1.5, "url": "https://a"}], ["https://a"]),
        ([{"url": "https://a", "video": {"fps": 24}, "moderation_url": []}], ["https://a"]),
        ([None, {"url": "https://a"}], ["https://a"]),
        (["https://a"], ["https://a"]),
        ([], []),
        (None, []),
        (5, []),
        ("", []),
    ],
)
def test_creations_are_read_in_every_shape_that_was_seen(creations, urls):
    made = task(state="success", creations=creations)
    assert [creation.url for creation in made.creations] == urls
    assert made.video_url == next((url for url in urls if url), None)


@pytest.mark.parametrize(
    ("created_at", "utc"),
    [
        ("2026-01-20T04:01:53.504648743Z", "2026-01-20T04:01:53"),
        ("2026-01-20T04:01:53z", "2026-01-20T04:01:53"),
        ("2026-01-20T04:01:53", "2026-01-20T04:01:53"),
        ("2026-01-20 04:01:53", "2026-01-20T04:01:53"),
        ("2026-01-20T04:01:53-05:00", "2026-01-20T09:01:53"),
        ("2026-01-20T12:01:53.5+08:00", "2026-01-20T04:01:53"),
        ("2026-01-20T12:01:53+0800", "2026-01-20T04:01:53"),
        ("2026-01-20T12:01:53+08", "2026-01-20T04:01:53"),
        ("2026-01-20T12:01:53.504648743+08", "2026-01-20T04:01:53"),
        ("2026-01-20T12:01:53 +0800", "2026-01-20T04:01:53"),
        ("2026-01-20 12:01:53 +08:00", "2026-01-20T04:01:53"),
        # As Go writes it.
        ("2026-01-20 12:01:53.504648743 +0800 CST", "2026-01-20T04:01:53"),
        ("2026-01-20 04:01:53 +0000 UTC", "2026-01-20T04:01:53"),
        ("2026-01-20 04:01:53 UTC", "2026-01-20T04:01:53"),
        ("2026-01-20 04:01:53 CST", None),
        ("2026-01-20", "2026-01-20T00:00:00"),
        (1768881713, "2026-01-20T04:01:53"),
        ("1768881713", "2026-01-20T04:01:53"),
        (1768881713504, "2026-01-20T04:01:53"),
        ("soon", None),
        ("", None),
        ("99999999999999999999", None),
    ],
)
def test_a_creation_time_keeps_its_offset(created_at, utc):
    expected = None if utc is None else datetime.fromisoformat(f"{utc}+00:00").timestamp()
    assert task(created_at=created_at).created == expected


VIDUS_REFUSAL = json.dumps({"code": 400, "reason": "CreationPolicyViolation", "message": "its words"})


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"err_code": "AuditSubmitIllegal"}, "AuditSubmitIllegal", None),
        ({"err_code": "AuditSubmitIllegal", "err_msg": "its words"}, "AuditSubmitIllegal", "its words"),
        ({"err_msg": "its words"}, None, "its words"),
        ({"fail_reason": "its words"}, None, "its words"),
        ({"error": "its words"}, None, "its words"),
        ({"error": {"message": "its words", "code": "task_failed"}}, "task_failed", "its words"),
        ({"message": "its words"}, None, "its words"),
        ({"task_status_msg": "its words"}, None, "its words"),
        ({"fail_reason": "AuditSubmitIllegal"}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"fail_reason": "task failed: AuditSubmitIllegal, its words"}, "AuditSubmitIllegal", "its words"),
        ({"fail_reason": VIDUS_REFUSAL}, "CreationPolicyViolation", "its words"),
        ({"error": {"message": VIDUS_REFUSAL, "code": "x"}}, "CreationPolicyViolation", "its words"),
        ({"data": {"status": "FAILURE", "fail_reason": "its words"}, "message": "success"}, None, "its words"),
        ({"data": {"status": "FAILURE", "data": {"state": "failed", "err_code": "Unknown"}}}, "Unknown", None),
        ({"fail_reason": "https://cdn.example/v.mp4?sign=secret"}, None, "https://cdn.example/v.mp4"),
        ({"failure_reason": "its words"}, None, "its words"),
        ({"error_message": "its words", "error_code": "E17"}, "E17", "its words"),
        ({"error_msg": "its words"}, None, "its words"),
        ({"reason": "its words are many"}, None, "its words are many"),
        ({"reason": "AuditSubmitIllegal"}, "AuditSubmitIllegal", None),
        ({"detail": "its words"}, None, "its words"),
        ({"errors": ["its words", "more"]}, None, "its words"),
        ({"errors": [{"code": "AuditFailed", "message": "its words"}]}, "AuditFailed", "its words"),
        ({"error": {"type": "AuditSubmitIllegal"}}, "AuditSubmitIllegal", None),
        ({"error": {"type": "server_error", "message": "its words"}}, "server_error", "its words"),
        ({"error": {"error": {"code": "AuditFailed", "message": "its words"}}}, "AuditFailed", "its words"),
        ({"metadata": {"error": "AuditSubmitIllegal"}}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"metadata": {"error": {"message": "its words"}, "url": "https://a"}}, None, "its words"),
        ({"code": "AuditSubmitIllegal", "message": "its words"}, "AuditSubmitIllegal", "its words"),
        ({"code": "success", "message": "its words"}, None, "its words"),
        ({"err_code": "fail", "fail_reason": "AuditSubmitIllegal"}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"err_code": 1001, "err_msg": "AuditSubmitIllegal"}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"err_code": 1001, "err_msg": "its words"}, "1001", "its words"),
        ({"err_code": "0", "fail_reason": "AuditSubmitIllegal"}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"err_code": "0", "fail_reason": "its words"}, None, "its words"),
        ({"err_code": "AuditFailed", "fail_reason": "TooManyRequests"}, "AuditFailed", "TooManyRequests"),
        (
            {"error": {"message": "AuditSubmitIllegal", "code": "task_failed"}},
            "AuditSubmitIllegal",
            "AuditSubmitIllegal",
        ),
        ({"fail_reason": "任务失败:AuditSubmitIllegal错误"}, "AuditSubmitIllegal", "AuditSubmitIllegal"),
        ({"fail_reason": "NotAuditSubmitIllegalAtAll"}, None, "NotAuditSubmitIllegalAtAll"),
        ({"msg": "请求成功"}, None, None),
        ({"message": "查询成功", "data": {"status": "FAILURE", "fail_reason": "its words"}}, None, "its words"),
        ({"message": "ok.", "msg": "Query success"}, None, None),
        ({"message": "未成功"}, None, "未成功"),
        ({"fail_reason": "", "error": None, "message": []}, None, None),
        ({"fail_reason": "an Unknown error"}, None, "an Unknown error"),
    ],
    ids=str,
)
def test_why_a_task_failed_is_read_wherever_relays_put_it(fields, code, words):
    made = task(status="failed", **fields)
    assert made.failed
    assert made.err_code == code
    assert (words in made.err_msg) if words else made.err_msg is None
    assert "secret" not in (made.err_msg or "")


@pytest.mark.parametrize("state", ["processing", "success"])
def test_only_a_failure_has_a_reason(state):
    made = task(state=state, message="success", error={"message": "m", "code": "c"}, err_msg="m")
    assert (made.err_code, made.err_msg) == (None, None)


def test_a_hosts_words_are_kept_as_one_short_clean_line():
    hostile = "a\r\nb\x1b[31mc\u202ed\x9be"
    made = task(state=hostile, err_code=hostile * 1000, model=hostile, resolution=hostile)
    failed = task(state="failed", fail_reason=hostile * 1000)
    read = (made.state, made.err_code, made.model, made.resolution, failed.err_msg)
    for text in (*read, ViduTask.model_validate({"id": hostile}).task_id):
        assert text.isprintable()
        assert len(text) <= 501


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)//https://a/v.mp4", "https://a/v\x1b[31m.mp4", "https://a/\u202ev"]
)
def test_only_a_clean_web_link_is_a_video(link):
    made = task(state="success", creations=[{"url": link, "cover_url": link}], video_url=link)
    assert (made.video_url, [one.cover_url for one in made.creations]) == (None, [None])


def test_a_relays_flat_video_url_is_a_creation():
    assert task(status="completed", video_url="https://a").video_url == "https://a"
    assert task(status="completed", video_url="https://a", creations=[{"url": "https://b"}]).video_url == "https://b"


def test_a_signed_url_is_kept_byte_for_byte():
    url = "https://s.example/v.mp4?X-Amz-Signature=a%2Fb+c%20d&response=%E5%9B%BE&empty=#%23"
    assert task(creations=[{"url": url}]).video_url == url


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.dictionaries(
        st.sampled_from([*ViduTask.model_fields, "status", "id", "video_url", "progress"]),
        JSON | st.sampled_from([float("inf"), -1e300, 10**40]),
        max_size=6,
    )
)
def test_whatever_else_stands_beside_the_id_the_task_is_read(fields):
    made = ViduTask.model_validate({**fields, "task_id": TASK_ID})
    assert made.task_id == TASK_ID
    assert json.loads(json.dumps(made.record(), allow_nan=False)) == made.record()


SAMPLE = {
    "task_id": TASK_ID,
    "type": "img2video",
    "state": "created",
    "model": "viduq1",
    "style": "general",
    "prompt": "镜头缓慢推进，展现画面中的细节，背景逐渐虚化",
    "images": ["https://storage.example/images/1768223244152.png"],
    "duration": 5,
    "seed": 12345,
    "aspect_ratio": "",
    "resolution": "1080p",
    "movement_amplitude": "auto",
    "created_at": "2026-01-20T04:01:53.504648743Z",
    "credits": 80,
    "payload": "custom-tracking-id-123",
    "cus_priority": 0,
    "off_peak": False,
    "watermark": False,
    "is_rec": False,
    "wm_position": "unspecified",
    "wm_url": "",
    "meta_data": "",
    "client_request_id": "",
}


def test_the_pages_sample_answer_is_read_whole():
    made = ViduTask.model_validate(SAMPLE)
    assert (made.task_id, made.state, made.model, made.credits) == (TASK_ID, "created", "viduq1", 80)
    assert (made.duration, made.resolution, made.off_peak) == (5, "1080p", False)
    assert (made.payload, made.wm_position) == ("custom-tracking-id-123", "unspecified")
    assert made.created_at == "2026-01-20T04:01:53.504648743Z"
    assert made.creations == ()
    assert made.err_code is None


def test_a_record_is_the_one_json_shape():
    made = task(
        state="success",
        credits=4,
        payload="",
        creations=[{"id": "c", "url": "https://a", "cover_url": "https://b", "watermarked_url": "", "extra": 1}],
    )
    assert made.record() == {
        "task_id": TASK_ID,
        "state": "success",
        "model": None,
        "credits": 4,
        "err_code": None,
        "payload": "",
        "created_at": None,
        "creations": [{"id": "c", "url": "https://a", "cover_url": "https://b", "watermarked_url": None}],
        "files": [],
        "index": None,
        "id": None,
        "labels": {},
        "image": None,
        "prompt": None,
    }
    assert made.record([{"path": "x"}])["files"] == [{"path": "x"}]


def test_missing_fields_come_from_the_create_reply():
    created = ViduTask.model_validate(SAMPLE)
    queried = task(state="success", credits=0, payload="echo").filled_from(created)
    assert (queried.model, queried.created_at, queried.duration) == ("viduq1", created.created_at, 5)
    assert (queried.state, queried.credits, queried.payload) == ("success", 0, "echo")


def test_nothing_is_filled_in_from_another_task():
    other = ViduTask.model_validate({**SAMPLE, "task_id": "2"})
    assert task(state="success").filled_from(other).model is None
    assert task(state="success").filled_from(None).model is None


def test_a_representation_holds_no_url_and_no_payload():
    text = repr(task(payload="secret", creations=[{"url": "https://signed"}]))
    assert "secret" not in text
    assert "signed" not in text


ROW = {"type": "metered", "credit_remain": 100, "concurrency_limit": 5, "current_concurrency": 2, "queue_count": 3}


@pytest.mark.parametrize(
    ("body", "total", "limit", "queued"),
    [
        ({"remains": [ROW]}, 100, 5, 3),
        ({"remaining_credits": [ROW]}, 100, 5, 3),
        ({"remains": [ROW, {**ROW, "type": "test", "credit_remain": 7, "concurrency_limit": 8}]}, 107, 8, 3),
        ({"remains": [ROW], "general_remains": [ROW], "exclusive_remains": [ROW]}, 100, 5, 3),
        ({"remains": [{"credit_remain": 1}], "queue_count": 9}, 1, None, 9),
        ({"remains": [ROW], "packages": [{"id": "p", "credit_remain": 100}]}, 100, 5, 3),
        ({"remains": 42}, 42, None, None),
        ({"remains": []}, 0, None, None),
        ({"remains": None}, 0, None, None),
        ({}, 0, None, None),
    ],
)
def test_a_balance_is_never_added_twice(body, total, limit, queued):
    credits = Credits.model_validate(body)
    assert (credits.total, credits.concurrency_limit, credits.queued) == (total, limit, queued)


@pytest.mark.parametrize("word", ["cancelled", "canceled", "FAILURE"])
def test_a_relays_word_for_failure_ends_the_task(word):
    assert ViduTask.model_validate({"id": "1", "status": word}).state == "failed"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (59.5, 59.5),
        ("59.5", 59.5),
        (8, 8),
        (8.0, 8),
        ("8", 8),
        (0, 0),
        (10**400, 10**400),
        *((other, None) for other in (None, "many", [8], float("nan"), float("inf"), True)),
    ],
)
def test_half_a_credit_is_read(value, expected):
    credits = ViduTask.model_validate({"task_id": "1", "credits": value}).credits
    assert (credits, type(credits)) == (expected, type(expected))


def test_blanks_around_a_link_are_no_part_of_it():
    body = {"id": "1", "state": "success", "creations": [{"url": " https://x.example/v.mp4?s=1\n"}]}
    assert ViduTask.model_validate(body).video_url == "https://x.example/v.mp4?s=1"


@pytest.mark.parametrize(
    ("link", "read"),
    [
        ("https://x.example/v.mp4?a=1&amp;sign=b%2Fc&amp;d=2", "https://x.example/v.mp4?a=1&sign=b%2Fc&d=2"),
        ("https://x.example/v.mp4?a=%26amp;b=1", "https://x.example/v.mp4?a=%26amp;b=1"),
        ("/files/v 1.mp4", "https://relay.example/files/v%201.mp4"),
    ],
)
def test_a_link_is_read_as_it_was_meant(link, read):
    body = {"id": "1", "state": "success", "creations": [{"id": "2", "url": link, "cover_url": link}]}
    (creation,) = ViduTask.model_validate(body).at("https://relay.example/vidu").creations
    assert (creation.url, creation.cover_url) == (read, read)


def test_a_relative_link_is_one_of_the_host_that_answered():
    body = {"id": "1", "state": "success", "creations": [{"id": "2", "url": "/files/v.mp4", "cover_url": "//x/c.png"}]}
    (creation,) = ViduTask.model_validate(body).at("https://relay.example/vidu").creations
    assert (creation.url, creation.cover_url) == ("https://relay.example/files/v.mp4", None)


def test_a_balance_may_have_half_a_credit():
    assert str(Credits.model_validate({"remains": [{"credit_remain": 59.5}, {"credit_remain": 10}]}).total) == "69.5"
    assert str(Credits.model_validate({"remains": [{"credit_remain": 10.0}]}).total) == "10"
