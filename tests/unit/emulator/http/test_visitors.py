# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""No web page of another site controls the emulator, and no input to its own routes gives a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests

from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.http.visitors import stranger

DEEP = 100_000
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def vidu() -> Iterator[ViduEmulator]:
    with ViduEmulator() as vidu:
        yield vidu


def send(
    vidu: ViduEmulator, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, dict[str, object]]:
    answer = requests.request(method, f"{vidu.url}{path}", data=body, headers=headers, timeout=10)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (None, None),
        ("127.0.0.1:8765", None),
        ("localhost", None),
        ("LocalHost:8765", None),
        ("[::1]:8765", None),
        ("192.168.1.7:8765", None),
        ("vidu:8765", None),
        ("host.docker.internal:8765", None),
        ("vidu.airflow.svc.cluster.local:8765", None),
        ("vidu.localhost", None),
        ("vidu.company.example:8765", None),
        ("127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("localhost", "http://LOCALHOST"),
    ],
)
def test_programs_and_own_pages_may_control_it(host: str | None, origin: str | None) -> None:
    assert stranger(host, origin, "vidu.company.example") is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", None),
        ("evil.example:8765", "http://evil.example:8765"),
        ("evil.example.", None),
        ("127.0.0.1.evil.example:8765", None),
        ("localhost.evil.example", None),
        ("user@evil.example", None),
        ("[::1", None),
        ("[evil.example]", None),
        ("127.0.0.1:8765", "https://evil.example"),
        ("127.0.0.1:8765", "http://127.0.0.1:3000"),
        ("127.0.0.1:8765", "http://127.0.0.1"),
        ("127.0.0.1:8765", "null"),
        ("127.0.0.1:8765", ""),
        (None, "https://evil.example"),
    ],
)
def test_pages_of_other_sites_may_not_control_it(host: str | None, origin: str | None) -> None:
    assert stranger(host, origin, "vidu.company.example") is not None


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": EVIL}, {"Origin": "null"}], ids=str)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/emulator/skip", '{"seconds": 3600}'),
        ("POST", "/emulator/faults", '{"operation": "submit", "kind": "drop_before_accept"}'),
        ("DELETE", "/emulator/faults", None),
        ("POST", "/emulator/quirks", '{"has_list": false}'),
        ("POST", "/emulator/reset", None),
        ("GET", "/emulator/tasks", None),
        ("GET", "/%65mulator/counters", None),
    ],
)
def test_a_web_page_gets_a_clear_403(
    vidu: ViduEmulator, method: str, path: str, body: str | None, headers: dict[str, str]
) -> None:
    status, answer = send(vidu, method, path, body, **headers)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert "cannot be controlled" in str(answer["message"])
    assert vidu.quirks.has_list
    assert vidu.faults.pending() == {}


def test_own_pages_may_control_it(vidu: ViduEmulator) -> None:
    assert send(vidu, "POST", "/emulator/skip", '{"seconds": 1}', Origin=vidu.url)[0] == 200


def test_the_api_is_reached_under_any_name(vidu: ViduEmulator) -> None:
    headers = {"Host": "vidu.company.example", "Authorization": f"Token {vidu.api_key}"}
    assert send(vidu, "GET", "/ent/v2/credits", **headers)[0] == 200


@pytest.mark.parametrize(
    "seconds", ["1e308", "1e999", "NaN", "Infinity", "-Infinity", "1" + "0" * 400, "1e12", "-1", "true", '"1"', "null"]
)
def test_skip_out_of_range_is_rejected(vidu: ViduEmulator, seconds: str) -> None:
    status, answer = send(vidu, "POST", "/emulator/skip", f'{{"seconds": {seconds}}}')
    assert (status, answer["reason"]) == (400, "BadRequest")
    # Time goes on as before.
    assert send(vidu, "GET", "/emulator/ledger")[0] == 200


def test_many_skips_do_not_leave_the_calendar() -> None:
    with ViduEmulator() as vidu:
        century = 100 * 365 * 86_400
        vidu.skip(century)
        with pytest.raises(ValueError, match="100 years"):
            vidu.skip(century)


@pytest.mark.parametrize("text", ["[" * DEEP, '{"a":' * DEEP, '{"seed":' + "[" * DEEP + "]" * DEEP + "}"])
@pytest.mark.parametrize(
    "path", ["/ent/v2/img2video", "/emulator/skip", "/emulator/faults", "/emulator/quirks"], ids=str
)
def test_deeply_nested_json_is_a_bad_request(vidu: ViduEmulator, path: str, text: str) -> None:
    status, answer = send(vidu, "POST", path, text, Authorization=f"Token {vidu.api_key}")
    assert (status, answer["reason"]) == (400, "BadRequest")


def nested(depth: int) -> object:
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [1, 200, 900])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("faults", {"operation": "submit", "kind": "refuse", "status": 500, "retry_after": None}),
        ("faults", {"operation": "submit", "kind": "refuse", "status": 500, "reason": None}),
        ("faults", {"operation": None, "kind": "refuse", "status": 500}),
        ("faults", {"operation": "submit", "kind": None}),
        ("quirks", {"list_omits_ids": None}),
        ("skip", {"seconds": None}),
    ],
    ids=lambda value: str(value)[-24:],
)
def test_value_of_another_type_is_rejected_and_not_kept(
    vidu: ViduEmulator, path: str, fields: dict[str, object], depth: int
) -> None:
    body = json.dumps({name: nested(depth) if value is None else value for name, value in fields.items()})
    assert send(vidu, "POST", f"/emulator/{path}", body)[0] == 400
    assert send(vidu, "GET", "/emulator/faults") == (200, {})
    assert send(vidu, "GET", "/emulator/quirks")[1]["list_omits_ids"] is False
