# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A start-end-to-video request against Vidu's page, restated here by hand."""

from __future__ import annotations

import pytest
from _support.requests import URL, picture, refusal

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.registry import known_endpoint

ENDPOINT = known_endpoint("start-end2video")
THREE = ["540p", "720p", "1080p"]
TWO = ["720p", "1080p"]
BOTH = [URL, "https://pictures.example/dog.png"]

EVERYTHING = {
    "model": "viduq1",
    "images": BOTH,
    "prompt": "p",
    "is_rec": False,
    "duration": 5,
    "seed": 7,
    "resolution": "1080p",
    "movement_amplitude": "small",
    "audio": False,
    "bgm": True,
    "off_peak": True,
    "watermark": True,
    "wm_position": 2,
    "wm_url": "https://pictures.example/mark.png",
    "meta_data": '{"Label": "l"}',
    "payload": "p",
    "callback_url": "https://me.example/callback",
}

# model: durations and their resolutions; the default resolution
PAGE = {
    "viduq3-turbo": (dict.fromkeys(range(1, 17), THREE), "720p"),
    "viduq3-pro": (dict.fromkeys(range(1, 17), THREE), "720p"),
    "viduq2-pro": (dict.fromkeys(range(1, 9), THREE), "720p"),
    "viduq2-turbo": (dict.fromkeys(range(1, 9), THREE), "720p"),
    "viduq2-pro-fast": (dict.fromkeys(range(1, 9), TWO), "720p"),
    "viduq1": ({5: ["1080p"]}, "1080p"),
    "viduq1-classic": ({5: ["1080p"]}, "1080p"),
    "vidu2.0": ({4: ["360p", "720p", "1080p"], 8: ["720p"]}, "360p"),
}


def test_every_field_of_the_page_travels_under_its_name():
    assert set(EVERYTHING) == ENDPOINT.fields
    assert ENDPOINT.request.of(EVERYTHING).wire() == EVERYTHING
    assert ENDPOINT.required == ["images"]


@pytest.mark.parametrize("model", PAGE)
def test_a_model_takes_exactly_what_the_page_lists(model):
    rows, default = PAGE[model]
    assert set(ENDPOINT.models) == set(PAGE)
    for seconds in range(18):
        for resolution in ("360p", *THREE, "2K"):
            fields = {"images": BOTH, "model": model, "duration": seconds, "resolution": resolution}
            if resolution in rows.get(seconds, []):
                assert ENDPOINT.request.of(fields).wire() == fields
            else:
                assert model in refusal(ENDPOINT, fields)
    assert ENDPOINT.request.of({"images": BOTH, "model": model}).effective_resolution == default


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ((100, 100), (100, 100)),
        ((100, 80), (100, 100)),
        ((100, 100), (100, 80)),
        ((200, 50), (50, 200)),
        ((30, 30), (30, 24)),
    ],
)
def test_frames_of_a_similar_size_are_accepted(first, last):
    images = [picture(*first), picture(*last)]
    assert ENDPOINT.request.of({"images": images}).wire()["images"] == images


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ((100, 79), (100, 100), "got 100x79 and 100x100, which is 0.79 times"),
        ((100, 100), (100, 79), "got 100x100 and 100x79, which is 1.27 times"),
        ((64, 48), (128, 96), "got 64x48 and 128x96, which is 0.25 times"),
    ],
)
def test_frames_of_different_sizes_are_refused(first, last, message):
    text = refusal(ENDPOINT, {"images": [picture(*first), picture(*last)]})
    assert text.startswith("images: the first frame must have 0.8 to 1.25 times as many pixels as the last")
    assert message in text


def test_frames_by_url_cannot_be_compared():
    for images in ([URL, picture()], [picture(), URL], BOTH):
        assert ENDPOINT.request.of({"images": images}).wire()["images"] == images


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"images": None}, "images: must be a list of strings"),
        ({"images": URL}, "images: takes exactly 2 images, got 1"),
        ({"images": [URL]}, "images: takes exactly 2 images, got 1"),
        ({"images": [*BOTH, URL]}, "images: takes exactly 2 images, got 3"),
        ({"images": [URL, "s3://bucket/b.png"]}, "images: must be an http(s) URL, a data URI or an ssupload: URI"),
        ({"audio": True, "model": "viduq2-pro"}, "audio: Vidu's start-end-to-video request does not take it with"),
        ({"audio": True, "model": "vidu2.0"}, "audio: Vidu's start-end-to-video request does not take it with vidu2.0"),
        ({"off_peak": True, "audio": False}, "off_peak: viduq3-turbo takes off-peak only with audio=true"),
        ({"prompt": "p" * 5001}, "prompt: takes at most 5000 characters, got 5001"),
        ({"wm_position": 5}, "wm_position: must be less than or equal to 4, got 5"),
        ({"aspect_ratio": "16:9"}, "aspect_ratio: is not a field of Vidu's start-end-to-video request"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_page_forbids_is_refused(fields, message):
    assert refusal(ENDPOINT, {"images": BOTH, **fields}).startswith(message)


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({}, []),
        ({"audio": True}, []),
        ({"audio": False, "model": "viduq2-pro"}, []),
        ({"bgm": True}, ["bgm has no effect with viduq3-turbo."]),
        ({"is_rec": True, "prompt": "p"}, ["prompt is ignored with is_rec: Vidu writes its own."]),
        ({"images": [picture(100, 80), picture(100, 100)]}, []),
        (
            {"images": [picture(100, 50), picture(50, 100)]},
            ["The frames have different aspect ratios (100x50 and 50x100); Vidu may refuse them."],
        ),
    ],
    ids=str,
)
def test_what_is_legal_but_without_effect_is_said(fields, warnings):
    assert ENDPOINT.request.of({"images": BOTH, **fields}).warnings() == warnings


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 60),
        # Two live bills.
        ({"model": "viduq3-pro", "duration": 10, "resolution": "1080p"}, 300),
        ({"model": "viduq2-pro", "duration": 2, "resolution": "1080p"}, 70),
        ({"model": "viduq2-turbo", "duration": 5, "resolution": "720p"}, 40),
        ({"model": "viduq1", "off_peak": True, "is_rec": True}, 50),
        ({"model": "viduq1-classic"}, 80),
        ({"model": "vidu2.0"}, 20),
        ({"model": "vidu2.0", "duration": 8}, 100),
        ({"model": "viduq2-pro-fast"}, None),
        ({"model": "viduq2-pro", "duration": 9}, None),
        ({"model": "viduq4-preview"}, None),
    ],
    ids=str,
)
def test_an_estimate_is_the_price_lists_figure(fields, credits):
    assert estimate_credits({"images": BOTH, **fields}, endpoint="start-end2video") == credits
