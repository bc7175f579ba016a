# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The report of a batch: what a team sees in the morning. It needs no Airflow; its videos are those of a local Vidu."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _support.stage import eventually
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduModerationError, ViduTaskFailedError
from airflow_provider_vidu.api.img2video import ENDPOINT
from airflow_provider_vidu.client import ViduClient
from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.emulator.running import DEFAULT_API_KEY
from airflow_provider_vidu.images import wire_of
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.landing.land import land_all
from airflow_provider_vidu.report import write_report

LOG = logging.getLogger("test")
MUG = Path(__file__).resolve().parents[2] / "dags_examples" / "images" / "ceramic_mug.png"
COLOURS = ("teal", "indigo", "plum", "rose", "brick", "moss")
SHOPS = ("Berlin", "Lyon", "Torino")
ITEMS = 45
FAILED = {1: "TaskPromptPolicyViolation", 17: "TaskPromptPolicyViolation", 30: "InternalServiceFailure"}
ERRORS = {
    "TaskPromptPolicyViolation": ViduModerationError("Vidu refused the prompt.", reason="TaskPromptPolicyViolation"),
    "InternalServiceFailure": ViduTaskFailedError("The task failed at Vidu.", reason="InternalServiceFailure"),
}


@dataclass
class Batch:
    """A folder with pictures, landed videos and a report, and the rows that the report shows."""

    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def write(self, name: str, rows: list[dict[str, Any]]) -> str:
        """Write a report and return its address."""
        path = self.folder / name
        write_report(str(path), rows, title="Autumn catalogue", log=LOG)
        return path.as_uri()

    @property
    def address(self) -> str:
        return (self.folder / "report.html").as_uri()


def glaze(number: int) -> Image.Image:
    """Return the mug in another colour; the table keeps its own."""
    with Image.open(MUG) as opened:
        mug = opened.convert("RGB")
    hue, saturation, value = mug.convert("HSV").split()
    turned = Image.merge("HSV", (hue.point(lambda one: (one + 35 * number) % 256), saturation, value)).convert("RGB")
    return Image.composite(turned, mug, hue.point(lambda one: 255 if 95 < one < 165 else 0))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """A batch of 45 items, of which 3 failed."""
    batch = Batch(tmp_path_factory.mktemp("report"))
    pictures = [batch.folder / "pictures" / f"mug-{colour}.jpg" for colour in COLOURS]
    pictures[0].parent.mkdir()
    for number, picture in enumerate(pictures):
        glaze(number).save(picture, quality=90)
    made = landed_videos(pictures, batch.folder / "videos")
    for index in range(ITEMS):
        number = index % len(COLOURS)
        row = {
            **made[number],
            "schema_version": 1,
            "index": index,
            "id": f"MUG-{index + 1:03}",
            "labels": {"glaze": COLOURS[number], "shop": SHOPS[index % len(SHOPS)]},
            "endpoint": "img2video",
            "image": str(pictures[number]),
            "prompt": "Steam rises slowly while the camera circles the mug once, in the warm light of the afternoon.",
        }
        if reason := FAILED.get(index):
            error = ERRORS[reason].but(task_id=row["task_id"])
            row |= {"state": "failed", "credits": None, "files": [], "err_code": reason, "error": str(error)}
        batch.rows.append(row)
    batch.write("report.html", batch.rows)
    return batch


def landed_videos(pictures: list[Path], folder: Path) -> list[dict[str, Any]]:
    """Let a local Vidu make a video of each picture, and return the task records."""
    records = []
    with (
        ViduEmulator(speed=200, seed=1) as vidu,
        ViduClient(Account(base_url=vidu.url, api_key=DEFAULT_API_KEY)) as client,
    ):
        settings = {"model": "viduq3-turbo", "duration": 2, "resolution": "540p"}
        wires = [wire_of({"images": str(one), **settings}, None, LOG, endpoint=ENDPOINT) for one in pictures]
        tasks = [client.submit(wire, endpoint=ENDPOINT.name) for wire in wires]
        for task in tasks:
            done = eventually(
                lambda task=task: client.get_task(task.task_id), lambda seen: seen.succeeded, message="a video is made"
            )
            landed = land_all(client, done, Wanted(f"{folder}/", cover=True), log=LOG)
            records.append({**done.filled_from(task).record(landed), "error": None})
    return records


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page in its own context. What it requests elsewhere, runs or unexpectedly logs fails the test."""
    contexts, wrong = [], []

    def open_page(address: str, *, logs: str = "nothing", **options: Any) -> Page:
        settings = {"locale": "en-US", "timezone_id": "UTC", "reduced_motion": "reduce", "color_scheme": "light"}
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 920}, **settings, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: _is_own(request.url) or wrong.append(request.url))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: logs in message.text or wrong.append(message.text))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


def _is_own(url: str) -> bool:
    return url.startswith(("file:", "data:"))


def shown(page: Page) -> Locator:
    """Return the cards that the filter shows."""
    return page.locator("article:visible")


def test_report_shows_each_item_with_its_video(batch: Batch, opened: Callable[..., Page], picture: Callable[..., None]):
    page = opened(batch.address, viewport={"width": 1280, "height": 1120})
    expect(page.get_by_role("heading", level=1)).to_have_text("Autumn catalogue")
    expect(page.locator("article")).to_have_count(ITEMS)
    expect(page.locator("article .player")).to_have_count(ITEMS - len(FAILED))
    failed = page.locator("article.failed").first
    expect(failed).to_contain_text("Refused by Vidu's content checks")
    expect(failed).to_contain_text("Change the prompt or the image")
    picture("report", page)
    picture("report_dark", opened(batch.address, viewport={"width": 1280, "height": 760}, color_scheme="dark"))
    picture("report_phone", opened(batch.address, viewport={"width": 390, "height": 760}))


def test_filter_finds_items_by_state_reason_and_words(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address)
    search, count = page.get_by_role("searchbox"), page.get_by_role("status")
    expect(count).to_have_text("45 shown")
    page.locator(".filter").get_by_role("button", name="Failed").click()
    expect(shown(page)).to_have_count(3)
    expect(count).to_have_text("3 of 45 shown")
    page.get_by_role("button", name="42 Made").click()
    expect(shown(page)).to_have_count(42)
    page.get_by_role("combobox").select_option(label="A fault at Vidu, which may pass (InternalServiceFailure)")
    expect(shown(page)).to_have_count(1)
    page.get_by_role("button", name="Refused by Vidu's content checks").click()
    expect(shown(page)).to_have_count(2)
    search.fill("nothing is like this")
    expect(shown(page)).to_have_count(0)
    page.get_by_role("button", name="Show everything").click()
    expect(shown(page)).to_have_count(ITEMS)
    video = batch.rows[3]["files"][0]["path"].rpartition("/")[2]
    for words, matches in {
        "mug-007": 1,
        "BERLIN teal": 8,
        "steam": ITEMS,
        "viduq3-turbo": ITEMS,
        video: 7,
        "mug-teal.jpg": 8,
        "content checks": 2,
        "Change the prompt": 2,
        "InternalServiceFailure": 1,
        batch.rows[1]["task_id"]: 8,
    }.items():
        search.fill(words)
        expect(shown(page)).to_have_count(matches)


def test_video_plays_and_the_one_before_stops(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address)
    cards = page.locator("article.made")
    for number in (0, 1):
        cards.nth(number).get_by_role("button", name="Play").click()
        video = cards.nth(number).locator("video")
        page.wait_for_function("video => video.currentTime > 0.2", arg=video.element_handle())
        assert video.evaluate("video => [video.videoWidth, video.controls]") == [540, True]
    assert cards.nth(0).locator("video").evaluate("video => video.paused")
    assert page.url == batch.address


def test_video_without_cover_shows_its_first_frame_only_near_the_view(batch: Batch, opened: Callable[..., Page]):
    rows = [{**row, "files": row["files"][:1]} for row in batch.rows if row["files"]]
    page = opened(batch.write("without_covers.html", rows))
    page.wait_for_function("video => video.readyState >= 1", arg=page.locator("video").first.element_handle())
    last = page.locator(".player").last
    expect(last.locator("video")).to_have_count(0)
    last.scroll_into_view_if_needed()
    page.wait_for_function("video => video.readyState >= 1", arg=last.locator("video").element_handle())


def test_page_that_was_moved_says_why_nothing_plays(batch: Batch, opened: Callable[..., Page]):
    rows = [{**batch.rows[0], "files": [{"kind": "video", "path": str(batch.folder / "gone.mp4")}]}]
    page = opened(batch.write("moved.html", rows), logs="ERR_FILE_NOT_FOUND")
    expect(page.locator("article")).to_contain_text("This file cannot be opened from here.")


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>"]
)
def test_hostile_item_is_text(batch: Batch, opened: Callable[..., Page], text: str):
    row = {**batch.rows[0], "id": text, "labels": {text: text}, "prompt": text, "model": text, "endpoint": text}
    row["files"] = [{"kind": "video", "path": f"{batch.folder}/{text}.mp4"}]
    failed = {**batch.rows[1], "id": text, "err_code": text, "error": text}
    page = opened(batch.write("hostile.html", [row, failed]), logs="ERR_FILE_NOT_FOUND")
    expect(page.locator("article").first).to_contain_text("This file cannot be opened from here.")
    expect(page.get_by_role("heading", name=text)).to_have_count(2)
    page.get_by_role("searchbox").fill(text)
    expect(shown(page)).to_have_count(2)
    assert page.locator("script").count() == 1


def test_policy_stops_what_escaping_would_have_missed(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address, logs="Content Security Policy")
    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return window.ran === true;
        }"""
    )
    assert not ran


def test_dark_reader_gets_a_dark_page(batch: Batch, opened: Callable[..., Page]):
    brightness = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(opened(batch.address, color_scheme="dark").evaluate(brightness)) < 60
    assert min(opened(batch.address).evaluate(brightness)) > 200


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_page_does_not_scroll_sideways(batch: Batch, opened: Callable[..., Page], width: int):
    long = "supercalifragilistic" * 10
    row = {**batch.rows[0], "id": long, "labels": {long: long}, "prompt": long, "model": long, "image": f"/in/{long}"}
    failed = {**batch.rows[1], "err_code": long, "error": long}
    page = opened(batch.write("long.html", [*batch.rows[:9], row, failed]), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_time_says_its_zone_with_and_without_scripts(batch: Batch, opened: Callable[..., Page]):
    written = opened(batch.address, timezone_id="Asia/Shanghai").locator("time")
    expect(written).to_contain_text("GMT+8")
    assert written.get_attribute("title").endswith("UTC")
    expect(opened(batch.address, java_script_enabled=False).locator("time")).to_contain_text("UTC")


def test_underline_is_below_the_underscores_of_a_file_name(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address)
    link = page.locator("article.made footer a").first
    offset, drop = link.evaluate(
        """link => {
            const pen = document.createElement("canvas").getContext("2d");
            pen.font = getComputedStyle(link).font;
            return [
                parseFloat(getComputedStyle(link).textUnderlineOffset),
                pen.measureText("_").actualBoundingBoxDescent,
            ];
        }"""
    )
    assert offset > drop


@pytest.mark.parametrize("media", ["screen", "print"])
def test_state_of_an_item_without_a_picture_covers_no_text(batch: Batch, opened: Callable[..., Page], media: str):
    failed = {**batch.rows[1], "image": None}
    elsewhere = {**failed, "files": [{"kind": "video", "path": "s3://other@bucket/9.mp4"}]}
    # As wide as the text on a sheet of A4.
    page = opened(batch.write("without_pictures.html", [failed, elsewhere] * 4), viewport={"width": 680, "height": 900})
    page.emulate_media(media=media)
    overlaps = """cards => cards.filter(card => {
        const text = card.querySelector(".nothing");
        if (!text) return false;
        const range = document.createRange();
        range.selectNodeContents(text);
        const one = range.getBoundingClientRect(), other = card.querySelector(".state").getBoundingClientRect();
        return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
    }).length"""
    assert page.locator("article .state").count() == 8
    assert page.locator("article").evaluate_all(overlaps) == 0


def test_print_has_everything_but_the_filter(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address)
    page.emulate_media(media="print")
    expect(page.locator(".filter")).to_be_hidden()
    expect(page.locator("article").last).to_contain_text("MUG-045")
    styles = page.locator("article").last.evaluate(
        "card => [getComputedStyle(card).breakInside, getComputedStyle(card).contentVisibility]"
    )
    assert styles == ["avoid", "visible"]
    page.pdf()
    expect(page.locator("video[poster]")).to_have_count(ITEMS - len(FAILED))


def test_everything_is_readable_without_scripts(batch: Batch, opened: Callable[..., Page]):
    page = opened(batch.address, java_script_enabled=False)
    expect(page.locator("article")).to_have_count(ITEMS)
    expect(page.locator("article").last).to_be_visible()
    expect(page.locator(".filter")).to_be_hidden()
    expect(page.locator("article video[controls][poster]")).to_have_count(ITEMS - len(FAILED))
