# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The page shows all that the rows say, as text, and loads nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

from airflow_provider_vidu.report.items import State, read_item
from airflow_provider_vidu.report.page import add_up, render_page

WHEN = datetime(2026, 7, 1, 5, 30, tzinfo=timezone.utc)
VIDEO = {"kind": "video", "path": "/data/9.mp4"}
MADE = {"task_id": "9", "state": "success", "model": "viduq3-turbo", "credits": 60, "files": [VIDEO], "error": None}
FAILED = {**MADE, "state": "failed", "credits": None, "files": [], "err_code": "AuditFailed", "error": "No. Change it."}
HELD = {"task_id": None, "state": None, "model": "viduq2", "err_code": "CreditBudgetSpent", "error": "Spent. Add some."}


class Page(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())


def rendered(*rows: dict[str, Any], thumbnails: dict[str, str] | None = None, report: str = "/data/report.html") -> str:
    return render_page(rows, title="Autumn", written_at=WHEN, report=report, thumbnails=thumbnails or {})


HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '" onload=alert(1) x="',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "\u202egnp.exe",
    "\u05e9\u05dc\u05d5\u05dd",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_shown_as_text(text: str):
    row = {
        **MADE,
        "id": text,
        "labels": {text: text},
        "prompt": text,
        "endpoint": text,
        "model": text,
        "task_id": text,
        "image": f"/in/{text}",
        "files": [{"kind": text, "path": text}, {"kind": "video", "path": f"/data/{text}.mp4"}],
    }
    failed = {**row, "state": "failed", "err_code": text, "error": text}
    html = render_page([row, failed], title=text, written_at=WHEN, report="/data/report.html", thumbnails={})
    page = Page(html)
    assert len(page.all("script")) == len(page.all("style")) == 1
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            assert not re.match(r"\s*(?!data:)[a-z][\w.+-]*:", attributes.get(name, ""), re.IGNORECASE)
    assert page.words.count(" ".join(text.split())) >= 10
    assert "49" not in page.words


def test_half_characters_fail_nothing():
    assert rendered({**MADE, "id": "a\ud800b"}).encode(errors="replace")


def test_nothing_outside_is_named():
    row = {
        **MADE,
        "image": "https://shop.example/mug.png",
        "payload": "avp1:secret",
        "creations": [
            {"id": "1", "url": "https://signed.example/a?sig=1", "cover_url": "https://signed.example/b?sig=1"}
        ],
    }
    html = rendered(row, FAILED)
    assert "signed.example" not in html
    assert "shop.example" not in html
    assert "avp1" not in html
    assert not re.search(r"(?:https?:)?//[\w.-]+\.\w", html.replace("// ", ""))


def test_policy_allows_its_own_script_and_nothing_else():
    html = rendered(MADE)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives.pop(name) == f"'sha256-{digest}'"
    assert directives == {
        "default-src": "'none'",
        "img-src": "'self' file: data:",
        "media-src": "'self' file:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_video_has_its_cover_and_is_not_loaded_before_it_is_played():
    row = {**MADE, "image": "/in/a.png", "files": [VIDEO, {"kind": "cover", "path": "/data/9-cover.jpg"}]}
    page = Page(rendered(row, thumbnails={"/in/a.png": "data:input", "/data/9-cover.jpg": "data:cover"}))
    (video,) = page.all("video")
    assert (video["src"], video["poster"], video["preload"]) == ("9.mp4", "data:cover", "none")
    assert [image["src"] for image in page.all("img")] == ["data:input"]
    assert all(image["loading"] == "lazy" for image in page.all("img"))


def test_pictures_and_sounds_have_their_element():
    files = [{"kind": "image", "path": "/data/8.png"}, {"kind": "audio", "path": "/data/8.mp3"}]
    page = Page(rendered({**MADE, "files": files}))
    assert [image["src"] for image in page.all("img")] == ["8.png"]
    assert [sound["src"] for sound in page.all("audio")] == ["8.mp3"]
    assert not page.all("video")


def test_file_of_another_store_is_named_by_its_path():
    page = Page(rendered({**MADE, "files": [{**VIDEO, "path": "s3://conn@bucket/9.mp4"}]}))
    assert not page.all("video")
    assert not page.all("a")
    assert "s3://conn@bucket/9.mp4" in page.words


def test_item_without_video_shows_picture_and_what_to_do():
    page = Page(rendered({**FAILED, "image": "/in/a.png"}, thumbnails={"/in/a.png": "data:input"}))
    assert [image["src"] for image in page.all("img")] == ["data:input"]
    assert "Refused by Vidu's content checks No. Change it." in page.words


def test_made_without_landing_says_so():
    assert "Made, but not landed" in Page(rendered({**MADE, "files": []})).words


def test_filter_is_hidden_until_the_script_runs():
    (filtering,) = [one for one in Page(rendered(MADE)).all("div") if one.get("role") == "search"]
    assert "hidden" in filtering


def test_each_reason_filters_as_many_items_as_it_counts():
    running = {"task_id": "9", "state": "processing", "err_code": "AuditFailed", "error": "Late."}
    page = Page(rendered(MADE, FAILED, running, HELD, {"state": "failed", "task_id": "9"}))
    whys = [card["data-why"] for card in page.all("article") if "data-why" in card]
    assert whys == [
        "Refused by Vidu's content checks (AuditFailed)",
        "The credit budget was used up (CreditBudgetSpent)",
        "No reason given",
    ]
    assert {one["data-why"] for one in page.all("button") if "data-why" in one} == set(whys)


def test_invalid_items_are_grouped_by_what_is_wrong_with_them():
    errors = [
        "images: /a/1.png was not found on the worker; looked in /a.",
        "prompt: takes at most 9 characters, got 10.",
    ]
    errors.append(errors[0].replace("1.png", "2.png"))
    page = Page(rendered(*({"task_id": None, "err_code": "ViduInputError", "error": error} for error in errors)))
    assert "Picture not found 2 Prompt too long 1" in page.words
    assert "ViduInputError" not in page.words


def test_totals_call_nothing_failed_that_was_never_sent():
    invalid = {"task_id": None, "err_code": "ViduInputError", "error": "seed: must be positive."}
    held = {"task_id": None, "err_code": "NotSent", "error": "Not sent."}
    words = Page(rendered(MADE, FAILED, invalid, held, HELD)).words
    assert "5 requests" in words
    assert "1 Made 1 Failed 3 Not sent 60 Credits spent in all" in words


def test_items_with_one_id_are_all_shown():
    page = Page(rendered({**MADE, "id": "MUG"}, {**FAILED, "id": "MUG"}))
    assert len(page.all("article")) == 2
    assert all(f"MUG #{number}" in page.words for number in (0, 1))


def test_no_rows_are_a_page():
    assert "0 requests" in Page(rendered()).words


def test_totals_count_states_credits_models_and_reasons():
    rows = [
        MADE,
        {**MADE, "credits": None},
        {**MADE, "model": "viduq2", "credits": 2.5},
        {**MADE, "files": [], "err_code": "ViduLandingError", "error": "No disk."},
        FAILED,
        {**FAILED, "credits": 60},
        {"task_id": "9", "state": "processing", "model": "viduq3-turbo", "credits": 60},
        HELD,
        {"task_id": None, "state": None},
    ]
    items = [read_item(row, number, report="/r.html", thumbnails={}) for number, row in enumerate(rows)]
    totals = add_up(items)
    assert dict(totals.states) == {State.MADE: 3, State.FAILED: 3, State.RUNNING: 1, State.NOT_SENT: 2}
    assert (totals.count, totals.credits, totals.unpriced) == (9, 122.5, 1)
    assert [(one.name, one.made, one.count, one.credits, one.unpriced) for one in totals.models] == [
        ("viduq3-turbo", 2, 6, 120, 1),
        ("viduq2", 1, 2, 2.5, 0),
        ("unknown", 0, 1, 0, 0),
    ]
    assert [(group.name, group.code, group.count) for group in totals.reasons] == [
        ("Refused by Vidu's content checks", "AuditFailed", 2),
        ("Made, but not saved to its destination", "ViduLandingError", 1),
        ("The credit budget was used up", "CreditBudgetSpent", 1),
        ("Not sent to Vidu", "", 1),
    ]
    words = Page(rendered(*rows)).words
    for shown in (
        "3 Made",
        "3 Failed",
        "1 Running",
        "2 Not sent",
        "122.5 Credits spent so far plus 1 video of unknown price",
        "120 + 1 unknown",
    ):
        assert shown in words
