# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A storage host with scripted replies, which records raw request lines and headers."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.client import ViduClient

MP4 = b"\0\0\0\x0cftypisom\0\0\0\x08moov" + (8 + 256 * 40).to_bytes(4, "big") + b"mdat" + bytes(range(256)) * 40

Answer = tuple[int, dict[str, str], bytes]


class StorageHost(http.server.ThreadingHTTPServer):
    """
    ``answers`` are sent one after the other, the last one repeatedly; ``file`` instead is served with ranges.

    ``cuts`` are the numbers of bytes after which the connections that serve the file break off, one after the other.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = [(200, {}, MP4)]
        self.file: bytes | None = None
        self.etag: str | None = None
        self.cuts: list[int] = []
        self.sent = 0
        self.received: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, headers: dict[str, str]) -> Answer:
        if self.file is None:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        etag = {} if self.etag is None else {"ETag": self.etag}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))
        if asked is None or headers.get("If-Range", self.etag) != self.etag:
            return 200, etag, self.file
        start, stop = int(asked[1]), int(asked[2] or len(self.file) - 1)
        if start >= len(self.file):
            return 416, etag, b""
        content_range = {"Content-Range": f"bytes {start}-{stop}/{len(self.file)}"}
        return 206, {**etag, **content_range}, self.file[start : stop + 1]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StorageHost

    def do_GET(self) -> None:
        host = self.server
        host.targets.append(self.raw_requestline.split(b" ")[1].decode())
        host.headers.append(dict(self.headers))
        status, headers, body = host.answer(host.headers[-1])
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if host.cuts and host.file is not None and status < 400 and headers.get("Content-Range", "").find("0-0/") < 0:
            body = body[: host.cuts.pop(0)]
        host.sent += len(body)
        self.wfile.write(body)
        self.close_connection = True

    def do_PUT(self) -> None:
        self.server.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving() -> Generator[StorageHost, None, None]:
    host = StorageHost()
    threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield host
    finally:
        host.shutdown()
        host.server_close()


class Client(ViduClient):
    """A client whose task always has these links."""

    def __init__(self, url: str, *, base_url: str = "http://127.0.0.1:9", **links: str) -> None:
        super().__init__(Account(base_url=base_url, api_key="secret-key"))
        self.task = ViduTask(task_id="77", state="success", credits=60, creations=(Creation(id="8", url=url, **links),))
        self.queries = 0

    def get_task(self, task_id: str, **options: Any) -> ViduTask:
        self.queries += 1
        return self.task
