# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Callbacks are sent on every change, with a signature that the provider's own check accepts."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from airflow_provider_vidu.api.callbacks import verify
from airflow_provider_vidu.emulator import ViduEmulator

GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "duration": 1, "resolution": "540p"}


@dataclass
class Call:
    """One callback as it arrived."""

    target: str
    headers: dict[str, str]
    body: dict[str, Any]


class Receiver:
    """A web server on this machine that records what it receives."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: list[int] = []
        self.delays: list[float] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(receiver.delays.pop(0) if receiver.delays else 0)
                receiver.calls.append(Call(self.path, dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join()


@pytest.fixture
def vidu() -> Iterator[ViduEmulator]:
    # At this speed the gap between attempts is 5 ms.
    with ViduEmulator(speed=1000, video=b"video") as vidu:
        yield vidu


def submit(vidu: ViduEmulator, **fields: Any) -> str:
    answer = requests.post(
        f"{vidu.url}/ent/v2/img2video",
        json={**GOOD, **fields},
        headers={"Authorization": f"Token {vidu.api_key}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_processing_and_success_are_reported_in_order_like_a_query(vidu: ViduEmulator, receiver: Receiver) -> None:
    task_id = submit(vidu, payload="p", callback_url=f"{receiver.url}/vidu/callback?name=james&age=36")
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    running, done = (call.body for call in receiver.calls)
    assert [body["state"] for body in (running, done)] == ["processing", "success"]
    assert running["creations"] == []
    assert set(done) == {"id", "state", "err_code", "credits", "payload", "bgm", "off_peak", "creations"}
    assert (done["id"], done["payload"], done["credits"]) == (task_id, "p", 8)
    assert requests.head(done["creations"][0]["url"], timeout=30).status_code == 200


@pytest.mark.parametrize("target", ["/vidu/callback?name=james&age=36", "/vidu/callback", "/a%2fb?x=%7E~", ""])
def test_callback_is_signed_with_the_tasks_key(vidu: ViduEmulator, receiver: Receiver, target: str) -> None:
    submit(vidu, callback_url=receiver.url + target)
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    nonces = set()
    for call in receiver.calls:
        assert call.target == (target or "/")
        path, _, query = call.target.partition("?")
        assert verify(vidu.api_key, path=path, query=query, headers=call.headers)
        assert not verify("another key", path=path, query=query, headers=call.headers)
        assert not verify(vidu.api_key, path=path, query=f"{query}x", headers=call.headers)
        assert call.headers["X-HMAC-SIGNED-HEADERS"] == "Date;x-request-nonce"
        assert call.headers["Content-Type"].startswith("application/json")
        nonces.add(call.headers["x-request-nonce"])
    assert len(nonces) == 2


def test_failure_and_cancelling_are_reported(vidu: ViduEmulator, receiver: Receiver) -> None:
    submit(vidu, callback_url=receiver.url, prompt="[emulator:fail=CreationPolicyViolation]")
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    off_peak = submit(vidu, callback_url=receiver.url, off_peak=True)
    requests.post(
        f"{vidu.url}/ent/v2/tasks/{off_peak}/cancel", headers={"Authorization": vidu.api_key}, timeout=10
    ).raise_for_status()
    assert eventually(lambda: vidu.counters.callbacks_delivered == 3)
    assert [(call.body["state"], call.body["err_code"]) for call in receiver.calls] == [
        ("processing", ""),
        ("failed", "CreationPolicyViolation"),
        ("failed", "UserCancelled"),
    ]


def test_slow_receiver_gets_callbacks_in_order(vidu: ViduEmulator, receiver: Receiver) -> None:
    receiver.delays = [0.3]
    submit(vidu, callback_url=receiver.url)
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    assert [call.body["state"] for call in receiver.calls] == ["processing", "success"]


def test_a_final_callback_is_tried_three_times_and_processing_once(vidu: ViduEmulator, receiver: Receiver) -> None:
    receiver.answers = [500] * 4
    submit(vidu, callback_url=receiver.url)
    assert eventually(lambda: vidu.counters.callbacks_failed == 2)
    assert [call.body["state"] for call in receiver.calls] == ["processing", "success", "success", "success"]


def test_accepted_callback_is_not_repeated(vidu: ViduEmulator, receiver: Receiver) -> None:
    receiver.answers = [204, 302, 201]
    submit(vidu, callback_url=receiver.url)
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    assert [call.body["state"] for call in receiver.calls] == ["processing", "success", "success"]


def test_callback_without_a_listener_is_counted_as_failed(vidu: ViduEmulator) -> None:
    submit(vidu, callback_url="http://127.0.0.1:1/")
    assert eventually(lambda: vidu.counters.callbacks_failed == 2)
    assert eventually(lambda: str(vidu.tasks[0].state) == "success")


def test_other_machines_are_called_only_if_allowed(vidu: ViduEmulator) -> None:
    submit(vidu, callback_url="https://example.invalid/callback")
    assert eventually(lambda: vidu.counters.callbacks_withheld == 2)
    with ViduEmulator(speed=1000, allow_remote_callbacks=True) as open_minded:
        submit(open_minded, callback_url="https://example.invalid/callback")
        assert eventually(lambda: open_minded.counters.callbacks_failed >= 1)


def test_a_missing_creation_is_not_used_up_by_callbacks(vidu: ViduEmulator, receiver: Receiver) -> None:
    task_id = submit(vidu, callback_url=receiver.url, prompt="[emulator:no-creation]")
    assert eventually(lambda: vidu.counters.callbacks_delivered == 2)
    query = requests.get(
        f"{vidu.url}/ent/v2/tasks/{task_id}/creations", headers={"Authorization": vidu.api_key}, timeout=10
    )
    assert (query.json()["state"], query.json()["creations"]) == ("success", [])
