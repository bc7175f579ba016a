# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A landed file is whole, at its place, or not there at all; the key never travels to the storage host."""

from __future__ import annotations

import http.server
import logging
import threading
from pathlib import Path

import pytest

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduConfigurationError, ViduLandingError, ViduUnavailableError
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.client import ViduClient
from airflow_provider_vidu.landing import check_container, fetch_video, land, video_path

MP4 = b"\x00\x00\x00\x0cftypisom" + (8 + 256 * 40).to_bytes(4, "big") + b"mdat" + bytes(range(256)) * 40
LOG = logging.getLogger("test")


@pytest.fixture
def storage():
    """A storage host that answers what it is told, and keeps the raw request lines and headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            host.targets.append(self.raw_requestline.split(b" ")[1].decode())
            host.headers.append(dict(self.headers))
            status, headers, body = host.answers.pop(0) if len(host.answers) > 1 else host.answers[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.targets, host.headers, host.answers = [], [], [(200, {}, MP4)]
    host.url = f"http://127.0.0.1:{host.server_address[1]}"
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield host
    host.shutdown()
    host.server_close()


class Client(ViduClient):
    """A client whose task always has this URL."""

    def __init__(self, url: str) -> None:
        super().__init__(Account(base_url="http://127.0.0.1:9", api_key="secret-key"))
        self.task = ViduTask(task_id="77", state="success", creations=(Creation(url=url),))
        self.looks = 0

    def get_task(self, task_id: str) -> ViduTask:
        self.looks += 1
        return self.task


@pytest.fixture
def client(storage):
    with Client(f"{storage.url}/video.mp4?sig=x") as made:
        yield made


def landed(client: Client, destination: str):
    return land(client, client.task, destination, log=LOG, sleep=lambda seconds: None)


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("/out/", "/out/77.mp4"),
        ("/out", "/out/77.mp4"),
        ("/out/cat.mp4", "/out/cat.mp4"),
        ("/out/2026.01.02/", "/out/2026.01.02/77.mp4"),
        ("/out/2026.01.02", "/out/2026.01.02/77.mp4"),
        ("s3://c@bucket/videos/", "s3://c@bucket/videos/77.mp4"),
        ("s3://c@bucket/cat.MP4", "s3://c@bucket/cat.MP4"),
        ("out", "out/77.mp4"),
    ],
)
def test_a_folder_gets_a_file_named_after_the_task_and_a_file_keeps_its_name(destination, path):
    assert video_path(destination, "77") == path


def test_the_file_is_whole_and_told(client, tmp_path):
    facts = landed(client, f"{tmp_path}/new/folder/")
    assert Path(facts["path"]).read_bytes() == MP4
    assert facts == {
        "path": f"{tmp_path}/new/folder/77.mp4",
        "bytes": len(MP4),
        "sha256": __import__("hashlib").sha256(MP4).hexdigest(),
    }


def test_a_landed_file_is_as_readable_as_any_other(client, tmp_path):
    (tmp_path / "other").write_text("")
    assert Path(landed(client, f"{tmp_path}/")["path"]).stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Length": str(len(MP4) + 100)}, MP4),
        (200, {}, b"<html>an error page with status 200</html>"),
        (403, {}, b"<Error>Request has expired</Error>"),
        (500, {}, b""),
        (200, {}, b""),
    ],
    ids=["cut off", "HTML", "expired", "500", "empty"],
)
def test_nothing_stands_at_the_destination_after_a_broken_transfer(client, storage, tmp_path, answer):
    storage.answers = [answer]
    (tmp_path / "77.mp4").write_bytes(b"an older video")
    with pytest.raises(ViduLandingError, match="a retry lands it and submits nothing"):
        landed(client, f"{tmp_path}/")
    assert [path.name for path in tmp_path.iterdir()] == ["77.mp4"]
    assert (tmp_path / "77.mp4").read_bytes() == b"an older video"


def test_an_expired_link_is_read_from_the_api_anew(client, storage, tmp_path):
    storage.answers = [(403, {}, b"expired"), (200, {}, MP4)]
    landed(client, f"{tmp_path}/")
    assert client.looks == 1


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb/v.mp4?X-Amz-Signature=ab%2fcd&f=attachment%3B%20filename%3D%22x.mp4%22",
        "/~x;y='z'/v.mp4?a=%7e%7E&b=c+d&e=%E4%BD%A0",
        "/v.mp4?q=a|b^c&r=[1]&s={2}",
    ],
)
def test_a_signed_link_goes_out_byte_for_byte(storage, target, tmp_path):
    with Client(storage.url + target) as client:
        landed(client, f"{tmp_path}/")
    assert storage.targets == [target]


def test_byte_for_byte_across_a_redirect_too(storage, tmp_path):
    target = "/real/%7e.mp4?sig=%2f"
    storage.answers = [(302, {"Location": storage.url + target}, b""), (200, {}, MP4)]
    with Client(f"{storage.url}/first") as client:
        landed(client, f"{tmp_path}/")
    assert storage.targets == ["/first", target]


def test_the_key_never_reaches_the_storage_host(client, storage, tmp_path):
    landed(client, f"{tmp_path}/")
    assert "secret-key" not in str(storage.headers)
    assert not [name for name in storage.headers[0] if name.lower() == "authorization"]


def test_a_link_to_plain_http_elsewhere_is_refused(tmp_path):
    with Client("http://storage.example/v.mp4") as client, pytest.raises(ViduConfigurationError, match="not https"):
        landed(client, f"{tmp_path}/")


def test_a_redirect_without_end_ends(client, storage, tmp_path):
    storage.answers = [(302, {"Location": f"{storage.url}/again"}, b"")]
    with (tmp_path / "x").open("wb") as file, pytest.raises(ViduUnavailableError, match="without end"):
        fetch_video(client.account, f"{storage.url}/first", file)


def test_a_destination_that_cannot_be_written_keeps_the_video_safe(client, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ViduLandingError, match="Vidu task 77"):
        landed(client, f"{tmp_path}/file/inside/")


@pytest.mark.parametrize("kept", [len(MP4) - 1, len(MP4) // 2, 16, 13, 9])
def test_a_video_that_breaks_off_at_its_announced_length_is_not_whole(tmp_path, kept):
    path = tmp_path / "video.mp4"
    path.write_bytes(MP4[:kept])
    with pytest.raises(ViduUnavailableError, match="breaks off"):
        check_container(path)


@pytest.mark.parametrize(
    "boxes",
    [
        MP4,
        MP4[:12] + b"\0\0\0\0mdat" + b"to the end",
        MP4[:12] + b"\0\0\0\1mdat" + (26).to_bytes(8, "big") + b"0123456789",
    ],
    ids=["32 bits", "to the end", "64 bits"],
)
def test_a_whole_one_is(tmp_path, boxes):
    path = tmp_path / "video.mp4"
    path.write_bytes(boxes)
    check_container(path)
