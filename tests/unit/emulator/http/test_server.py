# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Create, query, cancel and balance over HTTP, compared with Vidu's own answers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from _support.stopped_vidu import GOOD, StoppedVidu, file_server, is_error, picture
from PIL import Image

from airflow_provider_vidu.api.account import account_from_fields
from airflow_provider_vidu.api.errors import ViduRequestError
from airflow_provider_vidu.api.http_messages import (
    HttpRequest,
    parse_cancel,
    parse_create,
    parse_credits,
    parse_list,
    parse_task,
    prepare_cancel,
    prepare_create,
    prepare_credits,
    prepare_list,
    prepare_task,
)


@pytest.fixture
def vidu(request: pytest.FixtureRequest) -> Iterator[StoppedVidu]:
    vidu = StoppedVidu(**getattr(request, "param", {}))
    with vidu.emulator:
        yield vidu


# --- create ----------------------------------------------------------------------------------------------------


def test_the_create_answer_has_every_field_of_vidus_example(vidu: StoppedVidu) -> None:
    answer = vidu.create(
        model="viduq1",
        seed=12345,
        payload="custom-tracking-id-123",
        callback_url="https://example.com/callback",
    ).json()
    task_id = answer.pop("task_id")
    assert isinstance(task_id, str)
    assert task_id.isdecimal()
    created_at = answer.pop("created_at")
    assert created_at.startswith("2026-01-20T04:01:53.50")
    assert created_at.endswith("Z")
    assert answer == {
        "type": "img2video",
        "state": "created",
        "model": "viduq1",
        "style": "general",
        "prompt": "a cat",
        "images": ["https://example.com/cat.png"],
        "duration": 5,
        "seed": 12345,
        "aspect_ratio": "",
        "resolution": "1080p",
        "movement_amplitude": "auto",
        "credits": 80,
        "payload": "custom-tracking-id-123",
        "cus_priority": 0,
        "off_peak": False,
        "audio": False,
        "audio_type": "all",
        "voice_id": "",
        "bgm": False,
        "is_rec": False,
        "watermark": False,
        "wm_position": "unspecified",
        "wm_url": "",
        "meta_data": "",
        "client_request_id": "",
    }


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({}, {"audio": True, "duration": 5, "resolution": "720p"}),
        ({"audio": False}, {"audio": False, "audio_type": "all"}),
        ({"watermark": True, "wm_position": 3}, {"watermark": True, "wm_position": "bottom_right"}),
        ({"wm_position": 4}, {"wm_position": "bottom_left"}),
        ({"off_peak": True, "duration": 5, "resolution": "540p"}, {"off_peak": True, "credits": 20}),
        ({"is_rec": True}, {"is_rec": True, "credits": 70}),
        ({"model": "vidu2.0"}, {"duration": 4, "resolution": "360p", "credits": 20, "audio": False}),
    ],
)
def test_defaults_and_prices_are_the_models(vidu: StoppedVidu, sent: dict[str, Any], answered: dict[str, Any]) -> None:
    answer = vidu.create(**sent).json()
    assert {name: answer[name] for name in answered} == answered


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({"model": None}, "FieldLacking", "field is missing or empty: model"),
        ({"model": "viduq3"}, "FieldInvalid", "model is not supported"),
        ({"images": ["https://a/1", "https://a/2"]}, "FieldItemCountOutOfRange", None),
        ({"duration": "5"}, "FieldInvalid", None),
        ({"images": ["data:image/png;base64,AAAA"]}, "ImageFormatInvalid", "invalid image format"),
        ({"prompt": "[emulator:AuditSubmitIllegal]"}, "AuditSubmitIllegal", "submit is illegal"),
    ],
)
def test_refused_create_has_vidus_error_body_and_creates_nothing(
    vidu: StoppedVidu, fields: dict[str, Any], reason: str, message: str | None
) -> None:
    assert is_error(vidu.create(**fields), 400, reason, message)
    assert vidu.emulator.tasks == []
    assert vidu.emulator.ledger.entries == ()
    assert (vidu.emulator.counters.submissions, vidu.emulator.counters.submissions_refused) == (0, 1)


@pytest.mark.parametrize("vidu", [{"credits": 0}], indirect=True)
def test_without_credits_create_is_refused_before_fields_are_checked(vidu: StoppedVidu) -> None:
    for fields in ({}, {"model": "nonsense"}, {"images": 5}):
        assert is_error(vidu.create(**fields), 400, "CreditInsufficient", "insufficient credits")


def test_a_body_above_20_mb_is_refused(vidu: StoppedVidu) -> None:
    body = json.dumps({**GOOD, "payload": "x" * (20 * 1024 * 1024)})
    assert is_error(vidu.call("POST", "img2video", data=body), 413, "BadRequest")
    assert is_error(vidu.call("POST", "img2video", data=iter([body.encode()])), 413, "BadRequest")


def test_a_data_uri_is_accepted_and_echoed(vidu: StoppedVidu) -> None:
    # Noise does not compress: large enough to be checked in a thread.
    noise = Image.effect_noise((400, 300), 90).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert len(uri) > 64 * 1024
    assert vidu.create(images=[uri]).json()["images"] == [uri]


@pytest.mark.parametrize("vidu", [{"reject_unknown_fields": True}], indirect=True)
def test_unknown_fields_are_unwanted_if_so_set(vidu: StoppedVidu) -> None:
    assert is_error(vidu.create(aspect_ratio="16:9"), 400, "FieldUnwanted", "unwanted field: aspect_ratio")


# --- images on this machine ------------------------------------------------------------------------------------


@pytest.fixture
def files() -> Iterator[dict[str, bytes]]:
    with file_server() as served:
        yield served


@pytest.mark.parametrize(
    ("content", "err_code"),
    [
        (picture(64, 36), ""),
        (None, "ImageDownloadFailure"),
        (b"no picture", "ImageFormatInvalid"),
        (picture(100, 20), "PageSizeOutOfRange"),
    ],
)
def test_local_url_is_fetched_and_a_bad_image_fails_later(
    vidu: StoppedVidu, files: dict[str, bytes], content: bytes | None, err_code: str
) -> None:
    if content is not None:
        files["/a%20cat.png?x=%2f~"] = content
    task_id = vidu.submit(images=[f"{files['url'].decode()}/a%20cat.png?x=%2f~"])
    assert vidu.query(task_id)["state"] == "created"
    vidu.now += 100
    assert vidu.query(task_id)["err_code"] == err_code
    assert (vidu.emulator.ledger.charged == 0) == bool(err_code)
    assert list(vidu.emulator.tasks[0].fetched.values()) == ([] if content is None else [content])


def test_no_other_host_gets_a_request(vidu: StoppedVidu, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise AssertionError("a fetch")

    monkeypatch.setattr("airflow_provider_vidu.emulator.storage.fetching._fetch", fail)
    for url in ("https://example.com/cat.png", "http://127.0.0.1.example.com/cat.png", "ssupload:?id=1"):
        vidu.submit(images=[url], watermark=True, wm_url="https://example.com/mark.png")


# --- query -----------------------------------------------------------------------------------------------------


def test_query_has_each_state_and_finally_the_creation(vidu: StoppedVidu) -> None:
    task_id = vidu.submit(payload="p", bgm=True)
    running = {"id": task_id, "err_code": "", "credits": 60, "payload": "p", "bgm": True, "off_peak": False}
    assert vidu.query(task_id) == {**running, "state": "created", "creations": []}
    vidu.now += 5
    assert vidu.query(task_id) == {**running, "state": "processing", "creations": []}
    vidu.now += 6
    answer = vidu.query(task_id)
    (creation,) = answer.pop("creations")
    assert answer == {**running, "state": "success"}
    assert set(creation) == {"id", "url", "cover_url", "watermarked_url"}
    assert creation["url"].startswith(f"{vidu.emulator.url}/storage/")
    assert creation["watermarked_url"] == ""


def test_a_failed_task_has_an_err_code_and_costs_nothing(vidu: StoppedVidu) -> None:
    task_id = vidu.submit(prompt="[emulator:fail=CreationPolicyViolation]")
    vidu.now += 100
    answer = vidu.query(task_id)
    assert (answer["state"], answer["err_code"], answer["credits"], answer["creations"]) == (
        "failed",
        "CreationPolicyViolation",
        0,
        [],
    )


def test_success_can_come_without_a_creation_once(vidu: StoppedVidu) -> None:
    task_id = vidu.submit(prompt="[emulator:no-creation]")
    vidu.now += 100
    assert [(answer["state"], len(answer["creations"])) for answer in (vidu.query(task_id), vidu.query(task_id))] == [
        ("success", 0),
        ("success", 1),
    ]


@pytest.mark.parametrize("task_id", ["1", "911045603801182208", "nonsense", "%2e%2e"])
def test_an_unknown_task_is_not_found(vidu: StoppedVidu, task_id: str) -> None:
    assert is_error(vidu.call("GET", f"tasks/{task_id}/creations"), 404, "TaskNotFound", "task not found")
    assert is_error(vidu.call("POST", f"tasks/{task_id}/cancel"), 404, "TaskNotFound", "task not found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "models"), ("POST", "audio-tts"), ("POST", "text3video"), ("GET", "img2video")]
)
def test_unknown_route_has_an_error_body_of_the_api(vidu: StoppedVidu, method: str, path: str) -> None:
    answer = vidu.call(method, path)
    assert answer.status_code in {404, 405}
    assert is_error(answer, answer.status_code, "NotFound" if answer.status_code == 404 else "BadRequest")


# --- cancel ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"json": {"id": "whatever"}}, {"json": {}}])
def test_unstarted_task_is_cancelled_with_or_without_a_body(vidu: StoppedVidu, body: dict[str, Any]) -> None:
    task_id = vidu.submit()
    answer = vidu.call("POST", f"tasks/{task_id}/cancel", **body)
    assert (answer.status_code, answer.json()) == (200, {})
    cancelled = vidu.query(task_id)
    assert (cancelled["state"], cancelled["err_code"], cancelled["credits"]) == ("failed", "UserCancelled", 0)
    assert vidu.emulator.counters.cancels_accepted == 1


def test_processing_task_cannot_be_cancelled(vidu: StoppedVidu) -> None:
    task_id = vidu.submit()
    vidu.now += 5
    answer = vidu.call("POST", f"tasks/{task_id}/cancel")
    assert is_error(answer, 400, "BadRequest", "task state is scheduled, can not cancel")
    assert vidu.query(task_id)["state"] == "processing"
    assert vidu.emulator.counters.cancels_refused == 1


# --- balance ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vidu", [{"concurrency": 2, "credits": 1000}], indirect=True)
def test_balance_has_credits_slots_and_queue(vidu: StoppedVidu) -> None:
    for _ in range(5):
        vidu.submit()
    vidu.now += 5
    answer = vidu.call("GET", "credits").json()
    assert answer == {
        "remains": [
            {
                "type": "metered",
                "credit_remain": 700,
                "concurrency_limit": 2,
                "current_concurrency": 2,
                "queue_count": 3,
            }
        ]
    }
    detailed = vidu.call("GET", "credits?show_detail=true").json()
    assert detailed["packages"][0]["credit_amount"] == 1000
    assert "packages" not in vidu.call("GET", "credits?show_detail=false").json()


# --- keys ------------------------------------------------------------------------------------------------------

ENDPOINTS = [
    ("POST", "img2video"),
    ("GET", "tasks/1/creations"),
    ("GET", "tasks"),
    ("POST", "tasks/1/cancel"),
    ("GET", "credits"),
]


@pytest.mark.parametrize("vidu", [{"api_keys": ["vda_key"]}], indirect=True)
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_needs_an_accepted_key(vidu: StoppedVidu, method: str, path: str) -> None:
    for key in ("", "Token wrong", "Bearer wrong", "wrong", "Token", "Basic vda_key", "Token vda_key more"):
        assert is_error(vidu.call(method, path, key=key), 401, "Unauthorized", "unauthorized")
    assert vidu.emulator.counters.unauthorized == 7


@pytest.mark.parametrize("vidu", [{"api_keys": ["vda_key"]}], indirect=True)
@pytest.mark.parametrize("key", ["Token vda_key", "Bearer vda_key", "vda_key", "token vda_key"])
def test_key_is_accepted_with_either_word_or_raw(vidu: StoppedVidu, key: str) -> None:
    assert vidu.call("GET", "credits", key=key).status_code == 200


@pytest.mark.parametrize("vidu", [{"api_keys": {"a": "alice", "b": "bob"}}], indirect=True)
def test_another_accounts_task_is_not_found(vidu: StoppedVidu) -> None:
    hers = vidu.call("POST", "img2video", key="a", json=GOOD).json()["task_id"]
    assert vidu.call("GET", f"tasks/{hers}/creations", key="a").status_code == 200
    assert is_error(vidu.call("GET", f"tasks/{hers}/creations", key="b"), 404, "TaskNotFound")
    assert vidu.call("GET", "tasks", key="b").json()["tasks"] == []


# --- the client's own reading ----------------------------------------------------------------------------------


def test_the_clients_functions_understand_every_answer(vidu: StoppedVidu) -> None:
    account = account_from_fields(host=vidu.emulator.url, password="vda_key")

    def send(prepared: HttpRequest) -> tuple[int, dict[str, str], bytes]:
        answer = requests.request(
            prepared.method, prepared.url, headers=dict(prepared.headers), data=prepared.body, timeout=10
        )
        return answer.status_code, dict(answer.headers), answer.content

    created = parse_create(*send(prepare_create(account, "img2video", {**GOOD, "payload": "avp1:x"})))
    assert (created.state, created.model, created.payload) == ("created", "viduq3-turbo", "avp1:x")
    vidu.now += 100
    task = parse_task(*send(prepare_task(account, created.task_id)), created.task_id)
    assert task.succeeded
    assert task.video_url is not None
    page = parse_list(*send(prepare_list(account, task_ids=[created.task_id])))
    assert [(row.task_id, row.state, row.payload, row.duration) for row in page.tasks] == [
        (created.task_id, "success", None, 5)
    ]
    with pytest.raises(ViduRequestError, match="can not cancel"):
        parse_cancel(*send(prepare_cancel(account, created.task_id)), created.task_id)
    assert parse_credits(*send(prepare_credits(account))).total == 100_000 - 60
