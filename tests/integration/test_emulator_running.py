# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The emulator as an object, as a program, and as seen through ``/emulator/``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import requests

from airflow_provider_vidu.api.account import account_from_fields
from airflow_provider_vidu.emulator import Quirks, ViduEmulator

GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "duration": 1, "resolution": "540p"}
ROOT = Path(__file__).parents[2]


def submit(url: str, key: str = "k", **fields: Any) -> str:
    answer = requests.post(
        f"{url}/ent/v2/img2video", json={**GOOD, **fields}, headers={"Authorization": f"Token {key}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


def inspect(vidu: ViduEmulator, path: str) -> Any:
    return requests.get(f"{vidu.url}/emulator/{path}", timeout=10).json()


def steer(vidu: ViduEmulator, path: str, **body: Any) -> requests.Response:
    return requests.post(f"{vidu.url}/emulator/{path}", json=body, timeout=10)


def extra_of(vidu: ViduEmulator) -> dict[str, Any]:
    return dict(json.loads(vidu.connection_json())["extra"])


# --- the object ------------------------------------------------------------------------------------------------


def test_repeated_starts_leave_no_thread() -> None:
    # Threads of other tests may end meanwhile.
    before = set(threading.enumerate())
    for _ in range(20):
        with ViduEmulator(speed=1000) as vidu:
            submit(vidu.url)
        assert set(threading.enumerate()) <= before
    with pytest.raises(requests.ConnectionError):
        submit(vidu.url)


def test_stops_at_once_despite_hanging_requests_and_callbacks() -> None:
    from airflow_provider_vidu.emulator import Fault

    with ViduEmulator(speed=60) as vidu:
        vidu.faults.add("submit", Fault.hang(60))
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{vidu.url}/ent/v2/img2video",
                json={**GOOD, "callback_url": "http://127.0.0.1:1/"},
                headers={"Authorization": "k"},
                timeout=(5, 0.05),
            )
        begun = time.monotonic()
    # Far less than the hanging requests. The benchmarks measure the exact time.
    assert time.monotonic() - begun < 20


def test_counters_are_readable_after_the_stop() -> None:
    with ViduEmulator() as vidu:
        submit(vidu.url)
    assert vidu.counters.submissions == len(vidu.tasks) == 1
    assert vidu.ledger.reserved == 8


def test_second_start_and_occupied_port_are_errors() -> None:
    vidu = ViduEmulator()
    with vidu:
        with pytest.raises(RuntimeError, match="started once"):
            vidu.start()
        running = set(threading.enumerate())
        with pytest.raises(OSError, match=r"in use|address"):
            ViduEmulator(port=vidu.port).start()
        assert set(threading.enumerate()) <= running
    with pytest.raises(RuntimeError, match="started once"):
        vidu.start()


def test_offline_emulator_cuts_connections_and_forgets_nothing() -> None:
    with ViduEmulator() as vidu, requests.Session() as session:
        submit(vidu.url)
        address = f"{vidu.url}/emulator/"
        assert session.get(address, timeout=10).ok
        for _ in range(2):
            vidu.go_offline()
            vidu.go_offline()
            with pytest.raises(requests.ConnectionError, match="refused"):
                session.get(address, timeout=10)
            vidu.go_online()
            vidu.go_online()
            assert session.get(address, timeout=10).ok
        assert len(vidu.tasks) == 1
        vidu.go_offline()
    with pytest.raises(RuntimeError, match="its own thread"):
        vidu.go_online()


async def test_runs_on_a_running_event_loop() -> None:
    import aiohttp

    before = set(threading.enumerate())
    async with ViduEmulator() as vidu, aiohttp.ClientSession() as session:
        assert set(threading.enumerate()) <= before
        answer = await session.get(f"{vidu.url}/ent/v2/credits", headers={"Authorization": vidu.api_key})
        assert answer.status == 200


def test_it_listens_on_this_machine_only() -> None:
    with ViduEmulator() as vidu:
        assert vidu.url == f"http://127.0.0.1:{vidu.port}"
        others = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        for other in others - {"127.0.0.1"}:
            with socket.socket() as connection:
                assert connection.connect_ex((other, vidu.port)) != 0


def test_links_use_the_name_that_the_client_used() -> None:
    with ViduEmulator(host="0.0.0.0", speed=1000, processing_seconds=0, created_seconds=0) as vidu:
        assert vidu.url == f"http://127.0.0.1:{vidu.port}"
        task_id = submit(vidu.url)
        answer = requests.get(
            f"{vidu.url}/ent/v2/tasks/{task_id}/creations",
            headers={"Authorization": "k", "Host": "vidu.internal:8765"},
            timeout=10,
        )
        assert answer.json()["creations"][0]["url"].startswith("http://vidu.internal:8765/storage/")


@pytest.mark.parametrize(
    ("api_keys", "key"), [(None, "vda_emulator_0123456789abcdef"), ({"b", "a"}, "a"), ({"x": "alice"}, "x")]
)
def test_connection_has_the_emulators_url_and_a_valid_key(api_keys: Any, key: str) -> None:
    with ViduEmulator(api_keys=api_keys) as vidu:
        assert vidu.api_key == key
        fields = json.loads(vidu.connection_json(timeout=5))
        assert fields["conn_type"] == "vidu"
        account = account_from_fields(host=fields["host"], password=fields["password"], extra=fields["extra"])
        assert (account.base_url, account.api_key, account.timeout) == (vidu.url, key, 5)
        assert account.settle_seconds < 1
        answer = requests.get(
            account.base_url + str(account.credits_path),
            headers={"Authorization": account.authorization},
            timeout=10,
        )
        assert answer.status_code == 200


def test_connection_uri_is_equivalent() -> None:
    with ViduEmulator(api_keys=["a/b:c@d e"]) as vidu:
        # As Airflow reads it: everything unquoted, the extra as JSON in its own parameter.
        parts = urlsplit(vidu.connection_uri(timeout=5))
        assert (parts.scheme, parts.hostname, parts.port) == ("vidu", "127.0.0.1", vidu.port)
        assert unquote(parts.password or "") == "a/b:c@d e"
        assert json.loads(parse_qs(parts.query)["__extra__"][0]) == {**extra_of(vidu), "timeout": 5}


def test_time_can_be_skipped() -> None:
    with ViduEmulator(speed=1) as vidu:
        submit(vidu.url)
        assert str(vidu.tasks[0].state) == "created"
        vidu.skip(3600)
        assert str(vidu.tasks[0].state) == "success"
        with pytest.raises(ValueError, match="at least 0"):
            vidu.skip(-1)


def test_reset_restores_the_initial_state() -> None:
    from airflow_provider_vidu.emulator import Fault

    with ViduEmulator(quirks=Quirks(list_lag_seconds=3)) as vidu:
        submit(vidu.url)
        vidu.faults.add("poll", Fault.hang(9))
        vidu.quirks.change(has_list=False, list_lag_seconds=0)
        vidu.reset()
        assert vidu.tasks == []
        assert vidu.ledger.entries == ()
        assert vidu.counters.as_json() == ViduEmulator().counters.as_json()
        assert vidu.faults.pending() == {}
        assert vidu.quirks == Quirks(list_lag_seconds=3)
        assert submit(vidu.url)


def test_changes_are_reported_as_they_happen() -> None:
    changes: list[str] = []
    done = threading.Event()

    def tell(change: Any) -> None:
        changes.append(f"{change.previous} → {change.task.state}")
        if change.task.is_final:
            done.set()

    with ViduEmulator(speed=1000, on_change=tell) as vidu:
        submit(vidu.url)
        assert done.wait(5)
    assert changes == ["None → created", "created → processing", "processing → success"]


# --- /emulator/ ------------------------------------------------------------------------------------------------


def test_state_is_readable_from_another_process_without_a_key() -> None:
    with ViduEmulator(speed=1) as vidu:
        task_id = submit(vidu.url, key="secret-key", images=["data:image/png;base64," + PIXEL], payload="p")
        vidu.skip(3600)
        overview = inspect(vidu, "")
        assert overview["url"] == vidu.url
        assert overview["tasks"] == {"success": 1}
        assert "GET /emulator/ledger" in overview["routes"]
        counters = inspect(vidu, "counters")
        assert counters["submissions"] == counters["requests"]["submit"] == 1
        assert counters == vidu.counters.as_json()
        ledger = inspect(vidu, "ledger")
        assert ledger["tasks"] == {task_id: {"reserved": 8, "charged": 8, "refunded": 0}}
        assert [entry["kind"] for entry in ledger["entries"]] == ["reserved", "charged"]
        assert ledger["balance"] == {"default": 100_000 - 8}
        (task,) = inspect(vidu, "tasks")
        assert (task["task_id"], task["state"], task["request"]["payload"]) == (task_id, "success", "p")
        assert [change["state"] for change in task["changes"]] == ["created", "processing", "success"]
        everything = json.dumps([overview, counters, ledger, task])
        assert "secret-key" not in everything
        assert PIXEL not in everything


def test_emulator_can_be_controlled_from_another_process() -> None:
    with ViduEmulator(speed=1) as vidu:
        answer = steer(vidu, "faults", operation="submit", kind="refuse", status=503, times=2)
        assert answer.json()["submit"][0]["times"] == 2
        assert inspect(vidu, "faults") == answer.json() == vidu.faults.pending()
        assert requests.delete(f"{vidu.url}/emulator/faults", timeout=10).json() == {}
        assert steer(vidu, "quirks", has_list=False, list_omits_ids=["1"]).json()["list_omits_ids"] == ["1"]
        assert inspect(vidu, "quirks")["has_list"] is vidu.quirks.has_list is False
        submit(vidu.url)
        assert steer(vidu, "skip", seconds=3600).json() == {}
        assert str(vidu.tasks[0].state) == "success"
        assert steer(vidu, "reset").json() == {}
        assert (vidu.tasks, vidu.quirks) == ([], Quirks())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"operation": "submit"}),
        ("faults", {"operation": "nonsense", "kind": "no_id"}),
        ("faults", {"operation": "poll", "kind": "hang", "seconds": "long"}),
        ("quirks", {"has_tasks": True}),
        ("quirks", {"has_list": 0}),
        ("skip", {"seconds": -1}),
        ("skip", {"seconds": True}),
        ("skip", {}),
    ],
)
def test_invalid_control_request_is_refused_with_a_reason(path: str, body: dict[str, Any]) -> None:
    with ViduEmulator() as vidu:
        answer = steer(vidu, path, **body)
        assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
        assert answer.json()["message"]


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# --- python -m -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_program_reports_its_address_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    ready = tmp_path / "ready"
    arguments = [
        "--port",
        "0",
        "--speed",
        "1000",
        "--api-key",
        "my-key",
        "--credits",
        "500",
        "--ready-file",
        str(ready),
    ]
    program = subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_vidu.emulator", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert program.stdout is not None
    try:
        banner = "".join(program.stdout.readline() for _ in range(7))
        # Written after the banner.
        deadline = time.monotonic() + 5
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        url = ready.read_text()
        assert f"listens on {url} " in banner
        assert "airflow connections add vidu_default --conn-json '{" in banner
        assert f"{url}/emulator/" in banner
        assert "500 credits, 1 API key(s) accepted" in banner
        task_id = submit(url, key="my-key")
        lines = [program.stdout.readline() for _ in range(3)]
        assert all(task_id in line and "viduq3-turbo 1 s 540p, 8 credits" in line for line in lines)
        assert "created → processing" in lines[1]
        assert "processing → success" in lines[2]
        program.send_signal(stop)
        rest, _ = program.communicate(timeout=10)
    finally:
        program.kill()
        program.wait()
    assert program.returncode == 0
    assert rest.endswith("Stopped.\n")
    assert "Traceback" not in rest
