# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The upload tool over HTTP: create, send the bytes, finish, and name the picture in a submission."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from _support.stopped_vidu import StoppedVidu, is_error, picture

UPLOADS = "/tools/v2/files/uploads"


@pytest.fixture
def vidu(request: pytest.FixtureRequest) -> Iterator[StoppedVidu]:
    vidu = StoppedVidu(**getattr(request, "param", {}))
    with vidu.emulator:
        yield vidu


def begin(vidu: StoppedVidu, **more: Any) -> dict[str, Any]:
    answer = vidu.call("POST", UPLOADS, json={"scene": "vidu"}, **more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def send(upload: dict[str, Any], content: bytes, **headers: str) -> requests.Response:
    return requests.put(upload["put_url"], data=content, headers={"Content-Type": "image/png", **headers}, timeout=10)


def finish(vidu: StoppedVidu, upload: dict[str, Any], etag: str, **more: Any) -> requests.Response:
    return vidu.call("PUT", f"{UPLOADS}/{upload['id']}/finish", json={"etag": etag}, **more)


def uploaded(vidu: StoppedVidu, content: bytes, **more: Any) -> str:
    upload = begin(vidu, **more)
    answer = finish(vidu, upload, send(upload, content).headers["ETag"].strip('"'), **more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["uri"])


def test_uploaded_picture_is_what_the_task_is_made_from(vidu: StoppedVidu) -> None:
    content = picture(64, 36)
    uri = uploaded(vidu, content)
    assert uri.startswith("ssupload:?id=")
    task_id = vidu.submit(images=[uri])
    assert vidu.emulator.tasks[0].fetched == {uri: content}
    vidu.now += 100
    assert vidu.query(task_id)["state"] == "success"


def test_create_says_where_to_send_the_bytes_and_until_when(vidu: StoppedVidu) -> None:
    upload = begin(vidu)
    assert set(upload) == {"id", "put_url", "expires_at"}
    assert upload["put_url"].startswith(f"{vidu.emulator.url}/storage/uploads/{upload['id']}?")
    assert upload["expires_at"].startswith("2026-01-20T05:01:53.")
    assert is_error(vidu.call("POST", UPLOADS, json={"scene": "other"}), 400, "FieldInvalid")
    assert is_error(vidu.call("POST", UPLOADS, data="no json"), 400, "BadRequest")
    assert is_error(vidu.call("POST", UPLOADS, key=""), 401, "Unauthorized")


def test_key_must_not_reach_the_storage(vidu: StoppedVidu) -> None:
    answer = send(begin(vidu), picture(64, 36), Authorization="Token vda_key")
    assert (answer.status_code, "<Code>InvalidArgument</Code>" in answer.text) == (400, True)
    assert vidu.emulator.counters.leaked_keys == 1


def test_storage_takes_pictures_on_its_own_links_only(vidu: StoppedVidu) -> None:
    upload = begin(vidu)
    assert send(upload, picture(64, 36), **{"Content-Type": "text/plain"}).status_code == 400
    assert send(upload, b"").status_code == 400
    assert send({"put_url": upload["put_url"].replace("86400", "1") + "0"}, b"x").status_code == 403
    vidu.emulator.reset()
    assert send(upload, picture(64, 36)).status_code == 404


def test_upload_expires(vidu: StoppedVidu) -> None:
    sent, late = begin(vidu), begin(vidu)
    etag = send(sent, picture(64, 36)).headers["ETag"].strip('"')
    vidu.now += 3_601
    answer = send(late, picture(64, 36))
    assert (answer.status_code, "Request has expired" in answer.text) == (403, True)
    assert is_error(finish(vidu, sent, etag), 400, "BadRequest")


def test_finish_needs_the_bytes_and_their_etag(vidu: StoppedVidu) -> None:
    upload = begin(vidu)
    assert is_error(finish(vidu, upload, "x"), 400, "BadRequest")
    etag = send(upload, picture(64, 36)).headers["ETag"]
    assert etag.startswith('"')
    assert is_error(finish(vidu, upload, etag), 400, "FieldInvalid")
    assert is_error(finish(vidu, {"id": "1"}, etag), 404, "NotFound")
    assert finish(vidu, upload, etag.strip('"')).status_code == 200


@pytest.mark.parametrize("vidu", [{"api_keys": {"a": "alice", "b": "bob"}}], indirect=True)
def test_uploads_belong_to_their_account(vidu: StoppedVidu) -> None:
    upload = begin(vidu, key="a")
    etag = send(upload, picture(64, 36)).headers["ETag"].strip('"')
    assert is_error(finish(vidu, upload, etag, key="b"), 404, "NotFound")
    uri = uploaded(vidu, picture(64, 36), key="a")
    for key, err_code in (("a", ""), ("b", "ImageDownloadFailure")):
        body = {"model": "viduq3-turbo", "images": [uri]}
        task_id = vidu.call("POST", "img2video", key=key, json=body).json()["task_id"]
        vidu.now += 100
        assert vidu.call("GET", f"tasks/{task_id}/creations", key=key).json()["err_code"] == err_code


@pytest.mark.parametrize(
    ("content", "err_code"), [(b"no picture", "ImageFormatInvalid"), (picture(100, 20), "PageSizeOutOfRange")]
)
def test_task_of_a_bad_upload_fails_unbilled(vidu: StoppedVidu, content: bytes, err_code: str) -> None:
    task_id = vidu.submit(images=[uploaded(vidu, content)])
    vidu.now += 100
    assert vidu.query(task_id)["err_code"] == err_code
    assert vidu.emulator.ledger.charged == 0


def test_unfinished_or_unknown_upload_fails_the_task(vidu: StoppedVidu) -> None:
    upload = begin(vidu)
    send(upload, picture(64, 36))
    for upload_id in (upload["id"], "nonsense"):
        task_id = vidu.submit(images=[f"ssupload:?id={upload_id}"])
        vidu.now += 100
        assert vidu.query(task_id)["err_code"] == "ImageDownloadFailure"
