# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Rows of any release become items that people understand."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_vidu.api.errors import ViduModerationError
from airflow_provider_vidu.report.items import INPUT_SIDE, SIDE, Item, State, picture_and_video, pictures_of, read_item
from airflow_provider_vidu.report.reasons import plain_words

VIDEO = {"kind": "video", "path": "/data/9.mp4", "bytes": 1_234_567, "duration": 4.96, "width": 720, "height": 1280}
COVER = {"kind": "cover", "path": "/data/9-cover.jpg"}
#: A row as 0.1.0 wrote it.
OLD_ROW = {
    "task_id": "9",
    "state": "success",
    "model": "viduq3-turbo",
    "credits": 60,
    "err_code": None,
    "payload": "avp1:secret",
    "created_at": "2026-07-01T02:00:00Z",
    "creations": [],
    "files": [VIDEO],
    "error": None,
}


def item(row: dict[str, Any], **thumbnails: str) -> Item:
    return read_item(row, 7, report="/data/report.html", thumbnails=thumbnails)


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"state": "success", "task_id": "9"}, State.MADE),
        ({"state": "success", "task_id": "9", "files": [VIDEO], "error": None}, State.MADE),
        ({"files": [VIDEO]}, State.MADE),
        ({"state": "success", "task_id": "9", "err_code": "ViduLandingError", "error": "No."}, State.FAILED),
        ({"state": "failed", "task_id": "9", "err_code": "AuditFailed", "error": "No."}, State.FAILED),
        ({"state": "failed", "task_id": "9"}, State.FAILED),
        ({"state": None, "task_id": "9", "err_code": "ViduNotFoundError", "error": "No."}, State.FAILED),
        ({"task_id": None, "err_code": "FieldInvalid", "error": "No."}, State.FAILED),
        ({"task_id": None, "err_code": "ViduSubmissionInDoubtError", "error": "Lost."}, State.FAILED),
        ({"state": "created", "task_id": "9"}, State.RUNNING),
        ({"state": "queueing", "task_id": "9"}, State.RUNNING),
        ({"state": "processing", "task_id": "9", "err_code": "ViduUnavailableError", "error": "Down."}, State.RUNNING),
        ({"state": None, "task_id": "9", "err_code": "ViduStillRunningError", "error": "Late."}, State.RUNNING),
        ({"state": None, "task_id": "9"}, State.RUNNING),
        ({"task_id": None}, State.NOT_SENT),
        ({"task_id": None, "err_code": "CreditBudgetSpent", "error": "No."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "CreditInsufficient", "error": "No."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "insufficient_user_quota", "error": "No."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "ViduCreditLimitError", "error": "No."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "ViduInputError", "error": "seed: no."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "NotSent", "error": "Not sent."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "ViduAuthError", "error": "Wrong key."}, State.NOT_SENT),
        ({"task_id": None, "err_code": "TooManyRequests", "error": "Later."}, State.NOT_SENT),
        # It may have been sent, and lost on the way.
        ({"task_id": None, "err_code": "ViduUnavailableError", "error": "Down."}, State.FAILED),
        ({"payload": "avp1:x", "err_code": "ViduCreditError", "error": "It is unknown."}, State.FAILED),
        ({"task_id": None, "err_code": "ViduUnavailableError", "error": "Not sent, and it ended."}, State.NOT_SENT),
        ({"task_id": "9", "err_code": "ViduInputError", "error": "seed: no."}, State.FAILED),
    ],
)
def test_state_says_what_became_of_the_item(row: dict[str, Any], state: State):
    assert item(row).state is state


def test_rows_of_earlier_releases_are_read():
    found = item(OLD_ROW)
    assert (found.number, found.name, found.labels, found.prompt, found.picture) == (7, "", (), "", "")
    assert (found.model, found.credits, found.state) == ("viduq3-turbo", 60, State.MADE)
    (video,) = found.files
    assert (video.element, video.link, video.facts) == ("video", "9.mp4", ("5 s", "720×1280", "1.2 MB"))


def test_every_key_of_a_row_is_shown():
    found = item(
        {
            **OLD_ROW,
            "index": 3,
            "id": "MUG-01",
            "labels": {"sku": "MUG-01", "size": 3},
            "endpoint": "img2video",
            "image": "s3://conn@bucket/in/mug.png",
            "prompt": "Steam rises.",
        }
    )
    assert (found.number, found.name, found.endpoint, found.prompt) == (3, "MUG-01", "img2video", "Steam rises.")
    assert found.labels == (("sku", "MUG-01"), ("size", "3"))
    assert found.picture == "mug.png"


@pytest.mark.parametrize("value", [None, True, 5, "text", [], {}, [1], {"a": 1}, float("nan")])
@pytest.mark.parametrize(
    "key", ["index", "id", "labels", "endpoint", "image", "prompt", "task_id", "state", "model", "credits", "files"]
)
def test_values_of_other_types_fail_nothing(key: str, value: Any):
    row = {**OLD_ROW, key: value}
    item(row)
    pictures_of([row])
    picture_and_video(row)


def test_error_is_plain_words_then_sentences():
    error = ViduModerationError("Vidu refused the prompt.", task_id="9", reason="TaskPromptPolicyViolation")
    found = item({"state": "failed", "task_id": "9", "err_code": error.reason, "error": str(error)})
    assert found.headline == "Refused by Vidu's content checks"
    assert found.error == (
        "Vidu refused the prompt (Vidu task 9, reason TaskPromptPolicyViolation).",
        "Change the prompt or the image: the same input would be refused again. It is not billed.",
    )


def test_links_in_errors_lose_their_signature():
    found = item({"state": "failed", "task_id": "9", "error": "No file at https://host/9.mp4?sig=secret at all."})
    assert found.error == ("No file at https://host/9.mp4 at all.",)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CreditBudgetSpent", "The credit budget was used up"),
        ("CreditInsufficient", "Too few credits"),
        ("InternalServiceFailure", "A fault at Vidu, which may pass"),
        ("SomethingNew", "SomethingNew"),
        (None, "No reason given"),
    ],
)
def test_reasons_have_plain_words(reason: str | None, words: str):
    assert plain_words(reason) == words


@pytest.mark.parametrize(
    ("row", "headline"),
    [
        ({"task_id": None}, "Not sent to Vidu"),
        ({"state": "failed", "task_id": "9"}, "No reason given"),
        ({"state": "processing", "task_id": "9"}, ""),
        (OLD_ROW, ""),
    ],
)
def test_headline_without_an_error(row: dict[str, Any], headline: str):
    assert item(row).headline == headline


@pytest.mark.parametrize(
    ("kind", "path", "element"),
    [
        ("video", "/data/9.mp4", "video"),
        ("video", "/data/9.MOV", "video"),
        ("image", "/data/9.png", "image"),
        ("audio", "/data/9.mp3", "audio"),
        ("video", "/data/9.webp", "image"),
        ("video", "/data/9.wav", "audio"),
        ("watermarked", "/data/9-watermarked.mp4", "video"),
        ("subtitles", "/data/9.srt", ""),
    ],
)
def test_kind_or_name_decides_the_element(kind: str, path: str, element: str):
    (file,) = item({**OLD_ROW, "files": [{"kind": kind, "path": path}]}).files
    assert file.element == element


def test_each_video_has_its_own_cover_also_on_its_copy():
    names = ["9.mp4", "9-cover.jpg", "9-watermarked.mp4", "9-2.mp4", "9-2-cover.jpg", "9-3.mp4"]
    kinds = ["video", "cover", "watermarked", "video", "cover", "video"]
    files = [{"kind": kind, "path": f"/data/{name}"} for kind, name in zip(kinds, names, strict=True)]
    thumbnails = {"/data/9-cover.jpg": "data:first", "/data/9-2-cover.jpg": "data:second"}
    assert [(file.name, file.preview) for file in item({**OLD_ROW, "files": files}, **thumbnails).files] == [
        ("9.mp4", "data:first"),
        ("9-watermarked.mp4", "data:first"),
        ("9-2.mp4", "data:second"),
        ("9-3.mp4", None),
    ]


def test_cover_that_cannot_be_read_is_still_linked():
    assert [file.name for file in item({**OLD_ROW, "files": [VIDEO, COVER]}).files] == ["9.mp4", "9-cover.jpg"]


def test_pictures_are_small_beside_their_video():
    rows = [
        {**OLD_ROW, "image": "/in/a.png", "files": [VIDEO, COVER]},
        {**OLD_ROW, "image": "/in/b.png", "files": []},
        {**OLD_ROW, "image": "/in/a.png", "files": []},
        {**OLD_ROW, "image": "/in/c.png", "files": [{"kind": "image", "path": "/data/8.png"}]},
    ]
    assert pictures_of(rows) == {
        "/in/a.png": SIDE,
        "/data/9-cover.jpg": SIDE,
        "/in/b.png": SIDE,
        "/in/c.png": INPUT_SIDE,
        "/data/8.png": SIDE,
    }


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        ({**OLD_ROW, "image": "/in/a.png"}, ("/in/a.png", "/data/9.mp4")),
        ({**OLD_ROW, "image": "/in/a.png", "files": [COVER, VIDEO]}, ("/in/a.png", "/data/9.mp4")),
        ({**OLD_ROW, "image": "/in/a.png", "files": []}, ("/in/a.png", "")),
        (OLD_ROW, ("", "/data/9.mp4")),
    ],
)
def test_pairs_of_a_contact_sheet(row: dict[str, Any], pair: tuple[str, str]):
    assert picture_and_video(row) == pair
