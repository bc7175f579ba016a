# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Each row keeps its own video, and nothing that is paid and still asked for is paid for again."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest
from _support.batch_stage import Kept, Stage, reply
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.errors import ViduError, ViduUnavailableError

CDN = "https://cdn.example/image"


def rows_of(*urls: str, prompt: str = "x") -> list[dict[str, Any]]:
    return [{"images": url, "prompt": prompt} for url in urls]


def image_of(stage: Stage, task_id: str | None) -> str:
    return stage.vidu.tasks[str(task_id)]["images"][0]


@pytest.fixture
def stage(store):
    return Stage(store)


def refuse(url: str) -> Any:
    def instead(operation: str, request: Any) -> Any:
        if operation == "submit" and url.encode() in request.body:
            return reply(400, {"code": 400, "reason": "FieldInvalid", "message": "images: no"})
        return None

    return instead


def test_row_keeps_its_video_when_its_neighbour_is_removed(stage):
    stage.vidu.instead = refuse(f"{CDN}?id=1")
    first = stage.submit(rows_of(f"{CDN}?id=1", f"{CDN}?id=2"))
    stage.vidu.end(first.items[1].task_id)
    again = stage.submit(rows_of(f"{CDN}?id=2"), clear=True)
    assert [item.task_id for item in again.items] == [first.items[1].task_id]
    assert len(stage.vidu.tasks) == 1


@pytest.mark.parametrize("clear", [False, True], ids=["retry", "clear"])
def test_row_keeps_its_video_when_a_neighbour_is_added(stage, clear):
    first = stage.submit(rows_of(f"{CDN}?id=1"))
    again = stage.submit(rows_of(f"{CDN}?id=2", f"{CDN}?id=1"), clear=clear)
    assert again.items[1].task_id == first.items[0].task_id
    assert len(stage.vidu.tasks) == 2


@pytest.mark.parametrize("name", ["token", "sign", "sp", "st", "sv", "policy", "e", "t", "signature", "expires", "q-x"])
def test_lone_parameter_distinguishes_pictures(stage, name):
    urls = [f"{CDN}?{name}={value}" for value in ("one", "two", "three")]
    stage.submit(rows_of(*urls))
    again = stage.submit(rows_of(*reversed(urls)))
    assert [image_of(stage, item.task_id) for item in again.items] == urls[::-1]
    assert len(stage.vidu.tasks) == 3


def test_parameters_without_a_value_distinguish_pictures(stage):
    urls = [f"{CDN}?cat", f"{CDN}?dog"]
    stage.submit(rows_of(*urls))
    again = stage.submit(rows_of(*reversed(urls)))
    assert [image_of(stage, item.task_id) for item in again.items] == urls[::-1]


# -- an unknown signature, or another picture -----------------------------------------------------------------


@pytest.mark.parametrize("clear", [False, True], ids=["retry", "clear"])
def test_ambiguous_query_stops_before_anything_is_sent(stage, clear):
    first = stage.submit(rows_of(f"{CDN}?id=0", f"{CDN}?id=7&sekret=abcdef"))
    with pytest.raises(ViduError) as raised:
        stage.submit(rows_of(f"{CDN}?id=0", f"{CDN}?id=7&sekret=uvwxyz"), clear=clear)
    message = str(raised.value)
    assert "tem 1" in message
    assert str(first.items[1].task_id) in message
    assert "sekret" in message
    assert not re.search(r"\bid\b", message)
    assert "abcdef" not in message
    assert "uvwxyz" not in message
    assert "on_input_change='resubmit'" in message
    assert len(stage.vidu.tasks) == 2
    assert "cancel" not in stage.vidu.requests


def test_ambiguous_query_is_submitted_with_resubmit(stage):
    stage.submit(rows_of(f"{CDN}?id=1"))
    again = stage.submit(rows_of(f"{CDN}?id=2"), on_input_change="resubmit")
    assert image_of(stage, again.items[0].task_id) == f"{CDN}?id=2"
    assert len(stage.vidu.tasks) == 2


def test_failed_picture_is_replaced_without_an_error(stage):
    first = stage.submit(rows_of(f"{CDN}?id=1"))
    stage.vidu.end(first.items[0].task_id, "failed", "AuditSubmitIllegal")
    again = stage.submit(rows_of(f"{CDN}?id=2"), clear=True)
    assert image_of(stage, again.items[0].task_id) == f"{CDN}?id=2"


def test_plain_url_that_gets_a_query_is_ambiguous(stage):
    stage.submit(rows_of(CDN))
    with pytest.raises(ViduError, match="sekret"):
        stage.submit(rows_of(f"{CDN}?sekret=1"), clear=True)


# -- equal requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paid", [0, 1])
@pytest.mark.parametrize("state", ["success", "processing"])
def test_paid_one_of_equal_requests_is_kept(stage, paid, state):
    first = stage.submit(rows_of(CDN, CDN))
    stage.vidu.end(first.items[paid].task_id, state)
    stage.vidu.end(first.items[1 - paid].task_id, "failed", "AuditSubmitIllegal")
    again = stage.submit(rows_of(CDN), clear=True)
    assert again.items[0].task_id == first.items[paid].task_id
    assert len(stage.vidu.tasks) == 2


def test_submitted_one_of_equal_requests_is_kept(stage):
    refused = []

    def once(operation, request):
        if operation == "submit" and not refused:
            refused.append(1)
            return reply(400, {"code": 400, "reason": "FieldInvalid", "message": "no"})
        return None

    stage.vidu.instead = once
    first = stage.submit(rows_of(CDN, CDN))
    (paid,) = [item.task_id for item in first.items if item.task_id]
    again = stage.submit(rows_of(CDN), clear=True)
    assert [item.task_id for item in again.items] == [paid]
    assert len(stage.vidu.tasks) == 1


def test_outage_decides_nothing_among_equal_requests(stage):
    stage.submit(rows_of(CDN, CDN))
    stage.vidu.instead = lambda operation, request: reply(503, {})
    with pytest.raises(ViduUnavailableError, match="This try submitted nothing"):
        stage.submit(rows_of(CDN), clear=True)
    stage.vidu.instead = lambda operation, request: None
    stage.submit(rows_of(CDN), clear=True)
    assert len(stage.vidu.tasks) == 2


# -- whatever happens to the list -----------------------------------------------------------------------------


def hexadecimal(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def epoch(chance: random.Random) -> int:
    return chance.randint(1_700_000_000, 1_900_000_000)


# As the vendors' pages show them, written out here by hand.
SIGNATURES = {
    "aws": lambda r: (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F{r.randint(1, 9)}%2Fus-east-1%2Fs3%2Faws4_request"
        f"&X-Amz-Date=20270115T0{r.randint(1, 9)}0000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
        f"&X-Amz-Security-Token={hexadecimal(r, 40)}&X-Amz-Signature={hexadecimal(r, 64)}"
    ),
    "aws 2": lambda r: f"AWSAccessKeyId=AKIAEXAMPLE&Signature={hexadecimal(r, 27)}%3D&Expires={epoch(r)}",
    "google": lambda r: (
        f"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a%40b%2F{r.randint(1, 9)}&X-Goog-Date=20270115T010203Z"
        f"&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature={hexadecimal(r, 512)}"
    ),
    "google 2": lambda r: f"GoogleAccessId=a%40b.com&Expires={epoch(r)}&Signature={hexadecimal(r, 342)}%3D%3D",
    "oss": lambda r: f"OSSAccessKeyId=LTAI&Expires={epoch(r)}&Signature={hexadecimal(r, 27)}%3D",
    "oss 4": lambda r: (
        f"x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=LTAI%2F1&x-oss-date=20270115T010203Z"
        f"&x-oss-expires=60&x-oss-signature={hexadecimal(r, 64)}"
    ),
    "cos": lambda r: (
        f"q-sign-algorithm=sha1&q-ak=AKID&q-sign-time={epoch(r)};{epoch(r)}&q-key-time={epoch(r)};{epoch(r)}"
        f"&q-header-list=host&q-url-param-list=&q-signature={hexadecimal(r, 40)}"
    ),
    "azure": lambda r: (
        f"sv=2024-11-04&st=2027-01-15T00%3A00%3A00Z&se=2027-01-1{r.randint(1, 9)}T00%3A00%3A00Z&sr=b&sp=r"
        f"&sig={hexadecimal(r, 43)}%3D"
    ),
    "cloudfront": lambda r: f"Expires={epoch(r)}&Signature={hexadecimal(r, 300)}__&Key-Pair-Id=K2JCJMDEHXQW5F",
    "cloudfront policy": lambda r: f"Policy={hexadecimal(r, 90)}_&Signature={hexadecimal(r, 99)}~&Key-Pair-Id=APKAEX12",
    "akamai": lambda r: f"hdnts=exp={epoch(r)}~acl=/*~hmac={hexadecimal(r, 64)}",
    "cloudflare": lambda r: f"verify={epoch(r)}-{hexadecimal(r, 42)}%3D",
    "qiniu": lambda r: f"e={epoch(r)}&token=MY_ACCESS_KEY:{hexadecimal(r, 26)}%3D",
    "wangsu": lambda r: f"wsSecret={hexadecimal(r, 32)}&wsTime={hexadecimal(r, 8)}",
    "alibaba cdn": lambda r: f"auth_key={epoch(r)}-0-0-{hexadecimal(r, 32)}",
    "tencent cdn": lambda r: f"sign={hexadecimal(r, 32)}&t={epoch(r)}",
}


@pytest.mark.parametrize("scheme", SIGNATURES)
def test_link_signed_again_is_the_same_picture(stage, scheme):
    def signed(seed):
        chance = random.Random(seed)
        return rows_of(*(f"{CDN}?id={number}&{SIGNATURES[scheme](chance)}" for number in range(3)))

    first = stage.submit(signed(1))
    again = stage.submit(signed(2)[::-1])
    assert [item.task_id for item in again.items] == [item.task_id for item in first.items][::-1]
    assert len(stage.vidu.tasks) == 3


@pytest.mark.parametrize("scheme", SIGNATURES)
def test_incomplete_signature_does_not_count(stage, scheme):
    parts = SIGNATURES[scheme](random.Random(1)).split("&")
    if len(parts) == 1:
        parts[0] = parts[0].partition("=")[0] + "=7"
    urls = [f"{CDN}?{'&'.join(parts[:-1])}&v={number}" for number in range(2)]
    stage.submit(rows_of(*urls))
    again = stage.submit(rows_of(*urls[::-1]))
    assert [image_of(stage, item.task_id) for item in again.items] == urls[::-1]


class Edits:
    """A list of pictures as a person keeps it: each row is a picture, and a link to it that is signed now and then."""

    def __init__(self, data: st.DataObject) -> None:
        self.chance = random.Random(data.draw(st.integers(0, 2**32)))
        self.pictures = [f"https://cdn.example/{name}?id={name}" for name in "ab"]
        self.pictures += ["https://cdn.example/a?id=other", "https://cdn.example/plain"]
        self.rows = [self.row() for _ in range(self.chance.randint(1, 4))]

    def row(self) -> tuple[str, str]:
        picture = self.chance.choice(self.pictures)
        return picture, self.signed(picture)

    def signed(self, picture: str) -> str:
        scheme = self.chance.choice([None, *SIGNATURES])
        if scheme is None:
            return picture
        return f"{picture}{'&' if '?' in picture else '?'}{SIGNATURES[scheme](self.chance)}"

    def edit(self) -> None:
        kind = self.chance.choice(["add", "remove", "reorder", "duplicate", "sign", "nothing"])
        if kind == "add":
            self.rows.insert(self.chance.randint(0, len(self.rows)), self.row())
        elif kind == "remove" and len(self.rows) > 1:
            self.rows.pop(self.chance.randrange(len(self.rows)))
        elif kind == "reorder":
            self.chance.shuffle(self.rows)
        elif kind == "duplicate":
            self.rows.append(self.chance.choice(self.rows))
        elif kind == "sign":
            self.rows = [(picture, self.signed(picture)) for picture, _ in self.rows]


def picture_of(url: str) -> str:
    return url.partition("&")[0] if "?id=" in url else url.partition("?")[0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_edit_pays_again_or_gives_another_pictures_video(data):
    edits, stage = Edits(data), Stage(Kept())
    chance = edits.chance
    held: list[str] = []
    for _ in range(5):
        live = Counter(picture_of(image_of(stage, one)) for one in held if stage.vidu.tasks[one]["state"] != "failed")
        before = set(stage.vidu.tasks)
        refused = refuse(chance.choice(edits.pictures)) if chance.random() < 0.3 else lambda operation, request: None
        stage.vidu.instead = refused
        policy = chance.choice(["fail", "resubmit"])
        try:
            batch = stage.submit(
                rows_of(*(url for _, url in edits.rows)), clear=chance.random() < 0.5, on_input_change=policy
            )
        except ViduError:
            # A plain retry with fewer requests, or an ambiguous link.
            assert set(stage.vidu.tasks) == before
            edits.edit()
            continue
        for (picture, _), item in zip(edits.rows, batch.items, strict=True):
            assert not item.task_id or picture_of(image_of(stage, item.task_id)) == picture
        asked = Counter(picture for picture, _ in edits.rows)
        sent = Counter(picture_of(image_of(stage, one)) for one in set(stage.vidu.tasks) - before)
        for picture, times in sent.items():
            assert times <= max(0, asked[picture] - live[picture])
        held = [item.task_id for item in batch.items if item.task_id]
        for one in held:
            if stage.vidu.tasks[one]["state"] == "created" and (ended := chance.choice(["success", "failed", None])):
                stage.vidu.end(one, ended, "" if ended == "success" else "AuditSubmitIllegal")
        edits.edit()


# -- below Airflow 3.3, where only the account's list remembers ------------------------------------------------


@pytest.fixture
def without_store():
    return Stage(None)


@pytest.mark.parametrize("paid", [0, 1])
def test_without_store_the_paid_equal_request_is_kept(without_store, paid):
    stage = without_store
    first = stage.submit(rows_of(CDN, CDN))
    stage.vidu.end(first.items[paid].task_id)
    stage.vidu.end(first.items[1 - paid].task_id, "failed", "InternalServiceFailure")
    again = stage.submit(rows_of(CDN))
    assert again.items[0].task_id == first.items[paid].task_id
    assert len(stage.vidu.tasks) == 2


@pytest.mark.parametrize("changed", [f"{CDN}?sekret=2", f"{CDN}/other"], ids=["query", "picture"])
def test_without_store_a_changed_list_is_not_paid_silently(without_store, changed):
    stage = without_store
    first = stage.submit(rows_of(f"{CDN}?sekret=1"))
    with pytest.raises(ViduError, match=str(first.items[0].task_id)):
        stage.submit(rows_of(changed))
    assert len(stage.vidu.tasks) == 1
    stage.submit(rows_of(changed), on_input_change="resubmit")
    assert len(stage.vidu.tasks) == 2


def test_without_store_a_failed_request_may_be_changed(without_store):
    stage = without_store
    first = stage.submit(rows_of(CDN))
    stage.vidu.end(first.items[0].task_id, "failed", "AuditSubmitIllegal")
    stage.submit(rows_of(f"{CDN}/other"))
    assert len(stage.vidu.tasks) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{CDN}?name=%B0%A1", f"{CDN}?name=%B9%B7"),
        (f"{CDN}?layer=cat&layer=dog", f"{CDN}?layer=dog&layer=cat"),
    ],
    ids=["an encoding that is not UTF-8", "the order of one name's values"],
)
@pytest.mark.parametrize("clear", [False, True], ids=["retry", "clear"])
def test_any_difference_in_a_query_distinguishes_pictures(stage, one, other, clear):
    stage.submit(rows_of(one, other))
    again = stage.submit(rows_of(other, one), clear=clear)
    assert [image_of(stage, item.task_id) for item in again.items] == [other, one]
