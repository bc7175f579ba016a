# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A request to extend a video against Vidu's page, restated here by hand."""

from __future__ import annotations

import pytest
from _support.requests import URL, refusal

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.registry import known_endpoint

ENDPOINT = known_endpoint("extend")
SOURCE = {"video_creation_id": "911045603801182209"}
VIDEO = "https://videos.example/run.mp4?sign=hush"

NO_VIDEO = "video: must be an http(s) URL that Vidu can reach, the id of a creation or a task's record"

EVERYTHING = {
    "model": "viduq2-pro",
    "video_url": VIDEO,
    "images": [URL],
    "prompt": "p",
    "duration": 7,
    "resolution": "1080p",
    "watermark": True,
    "wm_url": "https://pictures.example/mark.png",
    "meta_data": '{"Label": "l"}',
    "payload": "p",
    "callback_url": "https://me.example/callback",
}


def test_every_field_of_the_page_travels_under_its_name():
    assert {*EVERYTHING, "video_creation_id"} == ENDPOINT.fields
    assert ENDPOINT.request.of(EVERYTHING).wire() == EVERYTHING
    assert ENDPOINT.required == []


@pytest.mark.parametrize("model", ["viduq2-pro", "viduq2-turbo"])
def test_a_model_takes_exactly_what_the_page_lists(model):
    assert set(ENDPOINT.models) == {"viduq2-pro", "viduq2-turbo"}
    for seconds in range(10):
        for resolution in ("360p", "540p", "720p", "1080p", "2K"):
            fields = {**SOURCE, "model": model, "duration": seconds, "resolution": resolution}
            if 1 <= seconds <= 7 and resolution in {"540p", "720p", "1080p"}:
                assert ENDPOINT.request.of(fields).wire() == fields
            else:
                assert model in refusal(ENDPOINT, fields)
    request = ENDPOINT.request.of({**SOURCE, "model": model})
    assert (request.effective_duration, request.effective_resolution) == (5, "720p")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {},
            "video: is required: the output of a task that made a video, the id of a creation, or a URL. It is",
        ),
        ({"video": None}, "video: is required: the output of a task that made a video, the id of a creation"),
        ({"video": " None "}, "video: is required: the output of a task that made a video, the id of a creation"),
        ({**SOURCE, "video": VIDEO}, "video: takes the place of video_creation_id and video_url; pass only one of"),
        (
            {"video": "/data/run.mp4"},
            "video: must be an http(s) URL that Vidu can reach, the id of a creation or a tas",
        ),
        (
            {"video": "/data/run.mp4"},
            f"{NO_VIDEO}, got the path of a file ('/data/run.mp4'). Vidu fetches the video it",
        ),
        (
            {"video": "run.mp4"},
            f"{NO_VIDEO}, got the path of a file ('run.mp4'). Vidu fetches the video itself: put it",
        ),
        ({"video": r"C:\clips\run"}, f"{NO_VIDEO}, got the path of a file"),
        ({"video": "a creation"}, f"{NO_VIDEO}, got 'a creation'."),
        (
            {"video": "s3://hush@bucket/run.mp4"},
            f"{NO_VIDEO}, got a URL that starts with 's3:'. Vidu fetches the video itself",
        ),
        (
            {"video": "FTP://me:hush@host/run.mp4"},
            f"{NO_VIDEO}, got a URL that starts with 'ftp:'. Vidu fetches the video itself",
        ),
        (
            {"video": "file:///hush.mp4"},
            f"{NO_VIDEO}, got a URL that starts with 'file:'. Vidu fetches the video itself",
        ),
        (
            {"video": "ssupload:?id=hush"},
            f"{NO_VIDEO}, got a URL that starts with 'ssupload:'. Vidu fetches the video itself",
        ),
        ({"video": "task_vv9PzMdqTcGTHSsV"}, f"{NO_VIDEO}, got the id of a task ('task_vv9PzMdqTcGTHSsV'). Pass the"),
        ({"video": True}, f"{NO_VIDEO}, got True."),
        ({"video": 1.5}, f"{NO_VIDEO}, got 1.5."),
        ({"video": [SOURCE]}, "video: takes one video, got a list of 1. Map over the list: .expand(video=…)."),
        ({"video": "[{'task_id': '9'}, {'task_id': '8'}]"}, "video: takes one video, got a list of 2. Map over the li"),
        (
            {"video": {}},
            "video: a dict must be the record of a task or one of its creations; this one has neither id nor url. Noth",
        ),
        (
            {"video": {"kind": "video", "path": "/hush.mp4"}},
            "video: a dict must be the record of a task or one of its creations; this one has neither id nor url, only",
        ),
        (
            {"video": {"task_id": "9", "state": "processing"}},
            "video: Vidu task 9 has no video yet (state processing). P",
        ),
        (
            {"video": {"id": "9", "state": "created", "creations": []}},
            "video: Vidu task 9 has no video yet (state created",
        ),
        ({"video": {"task_id": "9"}}, "video: Vidu task 9 has no video yet (state unknown). Pass the output of a task"),
        (
            {"video": {"task_id": "9", "state": "failed", "err_code": "ImageDownloadFailure", "creations": []}},
            "video: Vidu task 9 has failed (ImageDownloadFailure): it has no video. Clear the task that submitted it",
        ),
        (
            {"video": {"task_id": "9", "state": "success", "creations": [], "error": None}},
            "video: the record of Vidu task 9 does not name its video. A batch of more than 300 requests leaves the",
        ),
        (
            {"video": {"task_id": "9", "state": "failed", "creations": [], "error": "It failed (Vidu task 9)."}},
            "There is no video to start from: It failed (Vidu task 9).",
        ),
        (
            {"video": "{'task_id': None, 'creations': [], 'error': 'credit_budget was reached.'}"},
            "There is no video to start from: credit_budget was reached.",
        ),
        (
            {**SOURCE, "video_url": VIDEO},
            "video_creation_id: Vidu's extend request takes exactly one of video_creation_id",
        ),
        ({"video_creation_id": "  "}, "video_creation_id: must not be empty"),
        (
            {"video_creation_id": VIDEO},
            "video_creation_id: must be the id of a creation, got a URL that starts with 'https:'.",
        ),
        (
            {"video_creation_id": "/run.mp4"},
            "video_creation_id: must be the id of a creation, got the path of a file (",
        ),
        ({"video_url": "s3://hush/v.mp4"}, "video_url: must be an http(s) URL."),
        ({**SOURCE, "images": [URL, URL]}, "images: takes exactly one image, got 2"),
        ({**SOURCE, "prompt": "p" * 2001}, "prompt: takes at most 2000 characters, got 2001"),
        ({**SOURCE, "duration": 8}, "duration of viduq2-turbo must be 1 to 7 s, got 8"),
        ({**SOURCE, "duration": 0, "model": "viduq9"}, "duration must be at least 1 second, got 0"),
        ({**SOURCE, "off_peak": True}, "off_peak: is not a field of Vidu's extend request"),
        ({"vidoe": "1"}, "vidoe: is not a field of Vidu's extend request (video?)"),
        ({**SOURCE, "task_id": "1"}, "task_id: is not a field of Vidu's extend request"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_page_forbids_is_refused(fields, message):
    text = refusal(ENDPOINT, fields)
    assert text.startswith(message)
    assert "hush" not in text


@pytest.mark.parametrize("fields", [{"prompt": "p" * 2000}, {"prompt": "p" * 9000, "model": "viduq9"}, {"images": URL}])
def test_what_the_page_allows_is_accepted(fields):
    assert ENDPOINT.request.of({**SOURCE, **fields}).wire()["video_creation_id"] == SOURCE["video_creation_id"]


CREATION = {"id": "911045603801182209", "url": VIDEO, "cover_url": "https://videos.example/run.jpg"}


@pytest.mark.parametrize(
    ("video", "sent"),
    [
        ("911045603801182209", SOURCE),
        (911045603801182209, SOURCE),
        ("3f1c9a52-1f7e-4bd0-9d0b-7e1e6a2b9c11", {"video_creation_id": "3f1c9a52-1f7e-4bd0-9d0b-7e1e6a2b9c11"}),
        (f" {VIDEO}\n", {"video_url": VIDEO}),
        (CREATION, SOURCE),
        (str(CREATION), SOURCE),
        ({"url": VIDEO}, {"video_url": VIDEO}),
        ({"task_id": "9", "state": "success", "creations": [CREATION, {"id": "8"}]}, SOURCE),
        ({"task_id": "9", "creations": [{"id": "7", "url": ""}, CREATION]}, SOURCE),
        ({"task_id": "9", "creations": [{"id": SOURCE["video_creation_id"], "url": ""}, {"id": "7"}]}, SOURCE),
        # Vidu's own answer has the task's id as its id.
        ({"id": "9", "state": "success", "creations": [CREATION]}, SOURCE),
        # Its file could not be written, but Vidu has the video.
        ({"task_id": "9", "creations": [CREATION], "error": "The disk is full."}, SOURCE),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_video_is_an_id_a_link_a_record_or_a_creation(video, sent):
    wire = ENDPOINT.request.of({"video": video}).wire()
    assert {name: wire.get(name) for name in sent} == sent
    assert len(wire) == 2


def test_a_creation_id_stays_text():
    wire = ENDPOINT.request.of({"video_creation_id": 911045603801182209}).wire()
    assert wire["video_creation_id"] == "911045603801182209"


def test_a_signature_does_not_change_the_request():
    wire = ENDPOINT.request.of({"video_url": VIDEO}).wire()
    assert wire["video_url"] == VIDEO
    assert ENDPOINT.identity(wire)["video_url"] == "https://videos.example/run.mp4"
    assert ENDPOINT.sources(wire) == [VIDEO]
    assert "hush" not in repr(ENDPOINT.request.of({"video_url": VIDEO}))


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 35),
        ({"duration": 1, "resolution": "540p"}, 10),
        ({"duration": 7, "resolution": "540p"}, 22),
        ({"duration": 2, "resolution": "1080p"}, 50),
        ({"model": "viduq2-pro", "duration": 1, "resolution": "540p"}, 15),
        ({"model": "viduq2-pro"}, 70),
        ({"model": "viduq2-pro", "duration": 3, "resolution": "1080p"}, 90),
        ({"model": "viduq2-pro", "duration": 8}, None),
        ({"model": "viduq3-turbo"}, None),
    ],
    ids=str,
)
def test_an_estimate_is_the_price_lists_figure(fields, credits):
    assert estimate_credits({**SOURCE, **fields}, endpoint="extend") == credits
