# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""An emulator whose clock is stopped, and a client that sends it anything over HTTP."""

from __future__ import annotations

import base64
import http.server
import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import requests
from PIL import Image

from airflow_provider_vidu.emulator import ViduEmulator

URL = "https://example.com/cat.png"
CLIP = "https://example.com/cat.mp4"
KEY_FRAME = {"key_image": URL}

#: A good request to each endpoint.
EXAMPLES: dict[str, dict[str, Any]] = {
    "img2video": {"model": "viduq3-turbo", "images": [URL], "prompt": "a cat"},
    "text2video": {"model": "viduq3-turbo", "prompt": "a cat"},
    "start-end2video": {"model": "viduq2-turbo", "images": [URL, URL], "prompt": "a cat"},
    "reference2video": {"model": "viduq3", "images": [URL], "prompt": "a cat"},
    "reference2image": {"model": "viduq2", "prompt": "a cat"},
    "multiframe": {"model": "viduq2-turbo", "start_image": URL, "image_settings": [KEY_FRAME, KEY_FRAME]},
    "extend": {"model": "viduq2-turbo", "video_url": CLIP, "prompt": "a cat"},
    "upscale-new": {"video_url": CLIP},
    "lip-sync": {"video_url": CLIP, "text": "hello"},
    "template": {"template": "hug", "images": [URL], "prompt": "a cat"},
    "text2audio": {"model": "audio1.0", "prompt": "rain"},
}
GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "prompt": "a cat"}


class StoppedVidu:
    """The emulator and its client; ``now`` moves the clock."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1_768_881_713.504
        self.emulator = ViduEmulator(
            clock=lambda: self.now, **{"speed": 1, "created_seconds": 1, "processing_seconds": 10, **settings}
        )

    def call(self, method: str, path: str, *, key: str = "Token vda_key", **more: Any) -> requests.Response:
        headers = {"Authorization": key} if key else {}
        path = path if path.startswith("/") else f"/ent/v2/{path}"
        return requests.request(method, self.emulator.url + path, headers=headers, timeout=10, **more)

    def create(self, **fields: Any) -> requests.Response:
        return self.call("POST", "img2video", json={**GOOD, **fields})

    def submit(self, **fields: Any) -> str:
        answer = self.create(**fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"tasks/{task_id}/creations")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def finish(self, endpoint: str, **fields: Any) -> dict[str, Any]:
        """Create a task of any endpoint, let it finish, and return the answer to a query."""
        answer = self.call("POST", endpoint, json=fields)
        assert answer.status_code == 200, answer.text
        self.now += 100
        return self.query(answer.json()["task_id"])

    def make(self, endpoint: str, **fields: Any) -> dict[str, Any]:
        """Create a task of any endpoint, and return its creation."""
        finished = self.finish(endpoint, **fields)
        assert finished["state"] == "success", finished
        return dict(finished["creations"][0])


def is_error(answer: requests.Response, status: int, reason: str, message: str | None = None) -> bool:
    """Check that an answer is an error of Vidu's shape, and compare its message."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["reason"]) == (status, status, reason), body
    assert set(body) == {"code", "reason", "message", "metadata"}
    assert len(body["metadata"]["trace_id"]) == 32
    assert int(body["metadata"]["trace_id"], 16) >= 0
    return message is None or body["message"] == message


def picture(width: int, height: int, kind: str = "PNG", colour: str = "teal") -> bytes:
    """Return the bytes of a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, kind)
    return file.getvalue()


def data_uri(content: bytes, label: str = "image/png") -> str:
    """Return a picture's bytes as a data URI."""
    return f"data:{label};base64,{base64.b64encode(content).decode()}"


@contextmanager
def file_server() -> Generator[dict[str, bytes], None, None]:
    """A web server on this machine: path → content; ``url`` has its address."""
    served: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    served["url"] = f"http://127.0.0.1:{server.server_address[1]}".encode()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
