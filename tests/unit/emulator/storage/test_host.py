# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Signed links and downloads: byte for byte, until they expire, in parts, and never with a key."""

from __future__ import annotations

import http.client
import re
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import requests
from yarl import URL

from airflow_provider_vidu.emulator import ViduEmulator

GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "duration": 1, "resolution": "540p"}
VIDEO = bytes(range(256)) * 40
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Vidu:
    """An emulator with one finished task, whose clock the test moves."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_768_881_713.504
        self.emulator = ViduEmulator(clock=lambda: self.now, **{"video": VIDEO, "speed": 1, **settings})
        self.headers = {"Authorization": f"Token {self.emulator.api_key}"}

    def finish(self, **fields: Any) -> str:
        answer = requests.post(
            f"{self.emulator.url}/ent/v2/img2video", json={**GOOD, **fields}, headers=self.headers, timeout=10
        )
        self.now += 10_000
        return str(answer.json()["task_id"])

    def links(self, task_id: str) -> dict[str, str]:
        answer = requests.get(f"{self.emulator.url}/ent/v2/tasks/{task_id}/creations", headers=self.headers, timeout=10)
        return dict(answer.json()["creations"][0])


@pytest.fixture
def vidu(request: pytest.FixtureRequest) -> Iterator[Vidu]:
    vidu = Vidu(**getattr(request, "param", {}))
    with vidu.emulator:
        yield vidu


@pytest.fixture
def link(vidu: Vidu) -> str:
    return vidu.links(vidu.finish())["url"]


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=30)


def is_xml_error(answer: requests.Response, status: int, code: str) -> bool:
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Error>')
    return answer.status_code == status and f"<Code>{code}</Code>" in answer.text


# --- links -----------------------------------------------------------------------------------------------------


def test_links_look_like_those_of_vidus_storage(vidu: Vidu) -> None:
    task_id = vidu.finish(watermark=True)
    links = vidu.links(task_id)
    for name, (file, lifetime) in {
        "url": ("video.mp4", 86_400),
        "cover_url": ("cover.jpeg", 3_600),
        "watermarked_url": ("watermarked.mp4", 86_400),
    }.items():
        parts = urlsplit(links[name])
        query = parse_qs(parts.query)
        assert parts.path == f"/storage/infer/tasks/26/0120/04/{task_id}/creation-01/{file}"
        assert query["X-Amz-Expires"] == [str(lifetime)]
        assert query["X-Amz-Date"] == ["20260120T064833Z"]
        assert re.fullmatch(
            rf'attachment; filename="general-1-2026-01-20T04:01:53Z\.{file[-4:].lstrip(".")}"',
            query["response-content-disposition"][0],
        )
    # What sloppy clients re-quote.
    assert all(escape in links["url"] for escape in ("%2F", "%3B%20", "%3D%22", "~"))


def test_every_query_has_newly_signed_links(vidu: Vidu) -> None:
    task_id = vidu.finish()
    first = vidu.links(task_id)["url"]
    vidu.now += 60
    second = vidu.links(task_id)["url"]
    assert first != second
    assert get(first).content == get(second).content == VIDEO


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%2F", "/"),
        ("%2F", "%2f"),
        ("~", "%7E"),
        ("%20", "+"),
        ("%3D", "="),
        ("video.mp4", "cover.jpeg"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=99999"),
        ("X-Amz-Algorithm", "&X-Amz-Algorithm"),
    ],
)
def test_link_changed_in_any_byte_is_refused(link: str, before: str, after: str) -> None:
    changed = urlsplit(link.replace(before, after, 1))
    connection = http.client.HTTPConnection(changed.netloc, timeout=10)
    connection.request("GET", f"{changed.path}?{changed.query}")
    answer = connection.getresponse()
    assert (answer.status, b"SignatureDoesNotMatch" in answer.read()) == (403, True)
    connection.close()


def test_bytes_that_are_not_text_are_refused(vidu: Vidu) -> None:
    with socket.create_connection(("127.0.0.1", vidu.emulator.port), timeout=10) as connection:
        connection.sendall(b"GET /storage/\xff?a=\xfe&X-Amz-Signature=\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).split()[1] in {b"400", b"403"}


@pytest.mark.parametrize("path", ["/storage/x", "/storage/x?X-Amz-Signature=", "/storage/x?a=b&X-Amz-Signature=00"])
def test_unsigned_link_is_refused(vidu: Vidu, path: str) -> None:
    assert is_xml_error(get(vidu.emulator.url + path), 403, "SignatureDoesNotMatch")


async def test_only_a_client_that_requotes_the_link_is_refused(vidu: Vidu, link: str) -> None:
    vidu.emulator.quirks.lower_case_links = True
    lower = vidu.links(vidu.emulator.tasks[0].task_id)["url"]
    assert "%2f" in lower
    async with aiohttp.ClientSession() as session:
        # aiohttp rewrites a URL that is a plain string; requests writes escapes in upper case.
        assert (await session.get(link)).status == 403
        assert (await session.get(URL(link, encoded=True))).status == 200
        assert (await session.get(URL(lower, encoded=True))).status == 200
    assert get(link).status_code == 200
    assert get(lower).status_code == 403


@pytest.mark.parametrize(
    ("vidu", "name", "lifetime"),
    [
        ({}, "url", 86_400),
        ({}, "cover_url", 3_600),
        ({}, "watermarked_url", 86_400),
        ({"speed": 60}, "url", 1_440),
        ({"speed": 60}, "cover_url", 60),
    ],
    indirect=["vidu"],
)
def test_link_expires_and_the_speed_shortens_its_life(vidu: Vidu, name: str, lifetime: int) -> None:
    task_id = vidu.finish(watermark=True)
    link = vidu.links(task_id)[name]
    vidu.now += lifetime - 1
    assert get(link).status_code == 200
    vidu.now += 2
    assert is_xml_error(get(link), 403, "AccessDenied")
    assert get(vidu.links(task_id)[name]).status_code == 200


def test_a_link_of_a_forgotten_task_leads_nowhere(vidu: Vidu, link: str) -> None:
    vidu.emulator.reset()
    assert is_xml_error(get(link), 404, "NoSuchKey")


# --- downloads -------------------------------------------------------------------------------------------------


def test_download_has_length_type_and_name(vidu: Vidu, link: str) -> None:
    answer = get(link)
    assert answer.content == VIDEO
    assert answer.headers["Content-Length"] == str(len(VIDEO))
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="general-1-')
    head = requests.head(link, timeout=10)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(VIDEO)), b"")
    assert vidu.emulator.counters.downloads == 1
    assert vidu.emulator.counters.requests["download"] == 2


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, len(VIDEO)),
        ("bytes=-5", 206, len(VIDEO) - 5, len(VIDEO)),
        ("bytes=10000-99999", 206, 10000, len(VIDEO)),
        ("bytes=99999-", 416, 0, 0),
        ("lines=1-2", 416, 0, 0),
    ],
)
def test_a_range_is_sent_as_a_part(link: str, asked: str, status: int, start: int, stop: int) -> None:
    answer = get(link, Range=asked)
    assert answer.status_code == status
    if status == 206:
        assert answer.content == VIDEO[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(VIDEO)}"
    else:
        assert answer.headers["Content-Range"] == f"bytes */{len(VIDEO)}"


def test_a_resumed_download_of_a_changed_file_starts_over(link: str) -> None:
    etag = get(link).headers["ETag"]
    assert get(link, Range="bytes=5-", **{"If-Range": etag}).status_code == 206
    assert get(link, Range="bytes=5-", **{"If-Range": '"other"'}).content == VIDEO


@pytest.mark.parametrize("key", ["Token vda", "Bearer vda", "vda"])
def test_a_key_that_reaches_the_storage_is_refused_and_counted(vidu: Vidu, link: str, key: str) -> None:
    assert is_xml_error(get(link, Authorization=key), 400, "InvalidArgument")
    assert vidu.emulator.counters.leaked_keys == 1
    assert vidu.emulator.counters.downloads == 0


# --- what is rendered ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vidu", [{"video": None}], indirect=True)
def test_videos_are_real_and_the_same_at_every_download(vidu: Vidu) -> None:
    av = pytest.importorskip("av")
    import io

    links = vidu.links(vidu.finish(watermark=True, audio=False, seed=1))
    video, marked, cover = (get(links[name]).content for name in ("url", "watermarked_url", "cover_url"))
    assert get(links["url"]).content == video != marked
    assert cover.startswith(b"\xff\xd8\xff")
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (960, 540, 24)
        assert not container.streams.audio


@pytest.mark.parametrize("vidu", [{"video": None}], indirect=True)
def test_a_file_is_rendered_once_and_kept(vidu: Vidu, monkeypatch: pytest.MonkeyPatch) -> None:
    rendering = pytest.importorskip("airflow_provider_vidu.emulator.storage.rendering")
    rendered: list[str] = []

    def record(task: Any, file: str, source: Any) -> bytes:
        rendered.append(file)
        return b"video"

    monkeypatch.setattr(rendering, "render", record)
    task_id = vidu.finish(watermark=True)
    for name in ("url", "url", "watermarked_url", "watermarked_url"):
        assert get(vidu.links(task_id)[name]).content == b"video"
    assert rendered == ["video.mp4", "watermarked.mp4"]


@pytest.mark.parametrize("vidu", [{"video": None}], indirect=True)
def test_without_the_extra_only_downloads_fail_and_name_it(vidu: Vidu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    task_id = vidu.finish()
    answer = get(vidu.links(task_id)["url"])
    assert is_xml_error(answer, 501, "NotImplemented")
    assert "pip install 'airflow-provider-vidu[emulator]'" in answer.text
    rows = requests.get(f"{vidu.emulator.url}/ent/v2/tasks", headers=vidu.headers, timeout=10).json()["tasks"]
    assert [row["id"] for row in rows] == [task_id]
    assert "video" not in rows[0]["creations"][0]
