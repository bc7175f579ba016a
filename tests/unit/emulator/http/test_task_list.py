# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The task list over HTTP: filters, pages, rows, and the ways in which a host's list can be odd."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from airflow_provider_vidu.emulator import ViduEmulator

GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"], "duration": 1, "resolution": "540p"}
DAY = 86_400


class Vidu:
    """An emulator whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 1_768_881_713.504
        self.emulator = ViduEmulator(
            clock=lambda: self.now, speed=1, created_seconds=1, processing_seconds=10, concurrency=1
        )
        self.headers = {"Authorization": f"Token {self.emulator.api_key}"}

    def submit(self, **fields: Any) -> str:
        answer = requests.post(
            f"{self.emulator.url}/ent/v2/img2video", json={**GOOD, **fields}, headers=self.headers, timeout=10
        )
        return str(answer.json()["task_id"])

    def ask(self, query: str = "") -> requests.Response:
        return requests.get(f"{self.emulator.url}/ent/v2/tasks?{query}", headers=self.headers, timeout=10)

    def ids(self, query: str = "") -> list[str]:
        return [row["id"] for row in self.ask(query).json()["tasks"]]


@pytest.fixture
def vidu() -> Iterator[Vidu]:
    vidu = Vidu()
    with vidu.emulator:
        yield vidu


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def test_a_row_has_the_fields_of_vidus_page(vidu: Vidu) -> None:
    task_id = vidu.submit(prompt="a cat", payload="p")
    vidu.now += 100
    (row,) = vidu.ask().json()["tasks"]
    created_at = row.pop("created_at")
    assert created_at.startswith("2026-01-20T04:01:53.50")
    (creation,) = row.pop("creations")
    assert creation["video"] == {"duration": 1.0, "fps": 24, "resolution": {"width": 960, "height": 540}}
    assert creation["url"].startswith(vidu.emulator.url)
    assert creation["moderation_url"] == []
    assert row == {
        "id": task_id,
        "key_id": row["key_id"],
        "type": "img2video",
        "state": "success",
        "model": "viduq3-turbo",
        "prompt": "a cat",
        "images": GOOD["images"],
        "duration": 1,
        "resolution": "540p",
        "aspect_ratio": "",
        "off_peak": False,
        "credits": 8,
    }
    assert vidu.emulator.api_key not in row["key_id"]


def test_ids_may_be_repeated_or_comma_separated(vidu: Vidu) -> None:
    a, b, c, d = (vidu.submit() for _ in range(4))
    assert set(vidu.ids(f"task_ids={a}&task_ids={b}&task_ids={c},{d}")) == {a, b, c, d}
    assert vidu.ids(f"task_ids={a},{c}") == [c, a]
    assert vidu.ids("task_ids=1") == []


def test_filters_are_honoured(vidu: Vidu) -> None:
    pro = vidu.submit(model="viduq2-pro")
    large = vidu.submit(resolution="1080p")
    failed = vidu.submit(prompt="[emulator:fail=X]")
    waiting = vidu.submit()
    vidu.now += 27
    assert vidu.ids("states=success") == [large, pro]
    assert vidu.ids("states=failed&states=processing") == [waiting, failed]
    assert vidu.ids("states=queueing,created") == []
    assert vidu.ids("resolutions=1080p") == [large]
    assert vidu.ids("model_versions=q2-pro") == [pro]
    assert vidu.ids("templates=hug") == []


def test_without_a_window_the_list_goes_back_seven_days(vidu: Vidu) -> None:
    old = vidu.submit()
    vidu.now += 7 * DAY + 1
    new = vidu.submit()
    assert vidu.ids() == [new]
    assert vidu.ids(f"task_ids={old}") == []
    assert vidu.ids(f"created_at.from={moment(vidu.now - 8 * DAY)}") == [new, old]
    assert vidu.ids(f"created_at.from={moment(vidu.now - 8 * DAY)}&created_at.to={moment(vidu.now - DAY)}") == [old]


@pytest.mark.parametrize("word", ["pager", "paper"])
def test_pages_are_numbered_from_0_in_either_spelling(vidu: Vidu, word: str) -> None:
    ids = [vidu.submit() for _ in range(5)][::-1]
    pages = [vidu.ids(f"{word}.page={number}&{word}.pagesz=2") for number in range(4)]
    assert pages == [ids[:2], ids[2:4], ids[4:], []]


@pytest.mark.parametrize("parameter", ["pager.page_token", "paper.page_token", "page_token"])
def test_tokens_cover_all_pages_while_tasks_are_created(vidu: Vidu, parameter: str) -> None:
    ids = [vidu.submit() for _ in range(23)][::-1]
    seen, token = [], ""
    for _ in range(3):
        answer = vidu.ask(f"{parameter}={token}").json()
        seen += [row["id"] for row in answer["tasks"]]
        token = answer["next_page_token"]
        vidu.submit()
    assert seen == ids
    assert token == ""


def test_the_last_page_has_no_token_even_when_it_is_full(vidu: Vidu) -> None:
    for _ in range(2):
        vidu.submit()
    assert vidu.ask("pager.pagesz=2").json()["next_page_token"] == ""
    assert vidu.ask("pager.pagesz=1").json()["next_page_token"] != ""


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("pager.pagesz=101", "PageSizeOutOfRange"),
        ("pager.pagesz=-1", "FieldInvalid"),
        ("pager.page=x", "FieldInvalid"),
        ("pager.page_token=%21%21", "FieldInvalid"),
        ("states=cancelled", "FieldInvalid"),
        ("created_at.from=yesterday", "FieldInvalid"),
        ("task_ids=" + ",".join(map(str, range(101))), "FieldItemCountOutOfRange"),
    ],
)
def test_invalid_query_is_rejected(vidu: Vidu, query: str, reason: str) -> None:
    answer = vidu.ask(query)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


# --- quirks ----------------------------------------------------------------------------------------------------


def test_lagging_list_shows_a_task_later_than_the_query(vidu: Vidu) -> None:
    vidu.emulator.quirks.list_lag_seconds = 30
    task_id = vidu.submit()
    query = f"{vidu.emulator.url}/ent/v2/tasks/{task_id}/creations"
    assert requests.get(query, headers=vidu.headers, timeout=10).status_code == 200
    vidu.now += 29
    assert vidu.ids() == []
    vidu.now += 2
    assert vidu.ids() == [task_id]


@pytest.mark.parametrize(("field", "value"), [("payload", "p"), ("err_code", "AuditSubmitIllegal")])
def test_rows_lack_what_the_page_lacks_unless_a_quirk_adds_it(vidu: Vidu, field: str, value: str) -> None:
    vidu.submit(payload="p", prompt="[emulator:fail=AuditSubmitIllegal]")
    vidu.now += 100
    assert field not in vidu.ask().json()["tasks"][0]
    vidu.emulator.quirks.change(**{f"list_without_{field}": False})
    assert vidu.ask().json()["tasks"][0][field] == value


def test_a_list_can_ignore_paging(vidu: Vidu) -> None:
    vidu.emulator.quirks.list_ignores_paging = True
    ids = [vidu.submit() for _ in range(3)][::-1]
    first = vidu.ask("pager.pagesz=2").json()
    again = vidu.ask(f"pager.pagesz=2&pager.page_token={first['next_page_token']}").json()
    assert [row["id"] for row in first["tasks"]] == [row["id"] for row in again["tasks"]] == ids[:2]
    assert again["next_page_token"] != ""


def test_list_can_omit_requested_ids(vidu: Vidu) -> None:
    a, b = vidu.submit(), vidu.submit()
    vidu.emulator.quirks.list_omits_ids = {a}
    assert vidu.ids(f"task_ids={a},{b}") == [b]
    vidu.emulator.quirks.list_omits_ids = True
    assert vidu.ids(f"task_ids={a},{b}") == []
    assert vidu.ids() == [b, a]


@pytest.mark.parametrize(
    ("quirk", "method", "path"),
    [("has_list", "GET", "tasks"), ("has_cancel", "POST", "tasks/{}/cancel"), ("has_credits", "GET", "credits")],
)
def test_a_relay_can_lack_an_endpoint(vidu: Vidu, quirk: str, method: str, path: str) -> None:
    url = f"{vidu.emulator.url}/ent/v2/{path.format(vidu.submit())}"
    vidu.emulator.quirks.change(**{quirk: False})
    answer = requests.request(method, url, headers=vidu.headers, timeout=10)
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
    vidu.emulator.quirks.change(**{quirk: True})
    assert requests.request(method, url, headers=vidu.headers, timeout=10).status_code == 200
