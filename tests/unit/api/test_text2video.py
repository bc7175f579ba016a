# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A text-to-video request against Vidu's page, restated here by hand."""

from __future__ import annotations

import pytest
from _support.requests import URL, refusal

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.registry import known_endpoint

ENDPOINT = known_endpoint("text2video")
THREE = ["540p", "720p", "1080p"]

EVERYTHING = {
    "model": "viduq1",
    "prompt": "夜里的城市",
    "style": "anime",
    "duration": 5,
    "seed": 7,
    "aspect_ratio": "9:16",
    "resolution": "1080p",
    "movement_amplitude": "large",
    "audio": False,
    "bgm": True,
    "off_peak": True,
    "watermark": True,
    "wm_position": 1,
    "wm_url": "https://pictures.example/mark.png",
    "meta_data": '{"Label": "l"}',
    "payload": "p",
    "callback_url": "https://me.example/callback",
}

# model: durations, resolutions, default resolution, aspect ratios
PAGE = {
    "viduq3-turbo": (range(1, 17), THREE, "720p", ["16:9", "9:16", "1:1", "3:4", "4:3"]),
    "viduq3-pro": (range(1, 17), THREE, "720p", ["16:9", "9:16", "1:1", "3:4", "4:3"]),
    "viduq2": (range(1, 11), THREE, "720p", ["16:9", "9:16", "1:1", "3:4", "4:3"]),
    "viduq1": ([5], ["1080p"], "1080p", ["16:9", "9:16", "1:1"]),
}


def test_every_field_of_the_page_travels_under_its_name():
    assert set(EVERYTHING) == ENDPOINT.fields
    assert ENDPOINT.request.of(EVERYTHING).wire() == EVERYTHING
    assert ENDPOINT.required == ["prompt"]


@pytest.mark.parametrize("model", PAGE)
def test_a_model_takes_exactly_what_the_page_lists(model):
    durations, resolutions, default, ratios = PAGE[model]
    assert set(ENDPOINT.models) == set(PAGE)
    for seconds in range(18):
        for resolution in ("360p", *THREE, "2K"):
            fields = {"model": model, "prompt": "p", "duration": seconds, "resolution": resolution}
            if seconds in durations and resolution in resolutions:
                assert ENDPOINT.request.of(fields).wire() == fields
            else:
                assert model in refusal(ENDPOINT, fields)
    for ratio in ("16:9", "9:16", "1:1", "3:4", "4:3", "21:9", "auto"):
        fields = {"model": model, "prompt": "p", "aspect_ratio": ratio}
        if ratio in ratios:
            assert ENDPOINT.request.of(fields).wire() == fields
        else:
            assert refusal(ENDPOINT, fields).startswith(f"aspect_ratio of {model} must be 16:9, 9:16")
    assert ENDPOINT.request.of({"model": model, "prompt": "p"}).effective_resolution == default


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "p" * 5000},
        {"prompt": "p" * 20_000, "model": "viduq9"},
        {"style": " Anime ", "model": "viduq1"},
        {"audio": True},
        {"audio": False},
        {"audio": False, "model": "viduq2"},
        {"audio": "None", "model": "viduq1"},
        {"off_peak": True},
        {"off_peak": True, "model": "viduq2"},
        {"aspect_ratio": "21:9", "model": "viduq9"},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_what_the_page_allows_is_accepted(fields):
    ENDPOINT.request.of({"prompt": "p", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": None}, "prompt: must be a text, got None"),
        ({"prompt": ""}, "prompt: must be a text; it is empty after rendering, got ''"),
        ({"prompt": " \n"}, "prompt: must be a text; it is empty after rendering"),
        ({"prompt": "p" * 5001}, "prompt: takes at most 5000 characters, got 5001"),
        ({"style": "oil"}, "style: must be 'general' or 'anime', got 'oil'"),
        ({"aspect_ratio": "3:4", "model": "viduq1"}, "aspect_ratio of viduq1 must be 16:9, 9:16 or 1:1, got '3:4'"),
        (
            {"audio": True, "model": "viduq2"},
            "audio: Vidu's text-to-video request does not take it with viduq2, only with viduq3-pro, viduq3-turbo",
        ),
        ({"off_peak": True, "audio": False}, "off_peak: viduq3-turbo takes off-peak only with audio=true, got audio"),
        ({"images": URL}, "images: is not a field of Vidu's text-to-video request"),
        ({"is_rec": True}, "is_rec: is not a field"),
        ({"aspct_ratio": "1:1"}, "aspct_ratio: is not a field of Vidu's text-to-video request (aspect_ratio?)"),
        (
            {"aspct_ratio": ["1:1"]},
            "aspct_ratio: is not a field of Vidu's text-to-video request (aspect_ratio?), got a list",
        ),
        (
            {"video": "9"},
            "video: is not a field of Vidu's text-to-video request; a field newer than this release goes i",
        ),
        ({"duration": "5s"}, "duration: must be a whole number, got '5s'."),
        ({"duration": 5.5}, "duration: must be a whole number, got 5.5."),
        ({"duration": [5]}, "duration: must be a whole number, got a list."),
        ({"audio": "perhaps"}, "audio: must be true or false, got 'perhaps'."),
        ({"callback_url": "me.example/callback"}, "callback_url: must be an http(s) URL."),
        ({"model": " "}, "model: must not be empty, got ' '."),
        ({"prompt": ["a", "b"]}, "prompt: must be a text, got a list."),
        ({"duration": 0, "model": "viduq9"}, "duration must be at least 1 second, got 0"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_page_forbids_is_refused(fields, message):
    assert refusal(ENDPOINT, {"prompt": "p", **fields}).startswith(message)


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({}, []),
        ({"style": "general"}, []),
        ({"style": "anime"}, ["style has no effect with viduq3-turbo."]),
        ({"style": "anime", "model": "viduq2"}, ["style has no effect with viduq2."]),
        ({"style": "anime", "model": "viduq1"}, []),
        ({"bgm": True, "model": "viduq2", "duration": 10}, ["bgm has no effect with viduq2 at 10 s."]),
        ({"movement_amplitude": "small", "model": "viduq2"}, ["movement_amplitude has no effect with viduq2."]),
        ({"wm_url": "https://a.example/m.png"}, ["wm_position and wm_url have no effect without watermark."]),
    ],
    ids=str,
)
def test_what_is_legal_but_without_effect_is_said(fields, warnings):
    assert ENDPOINT.request.of({"prompt": "p", **fields}).warnings() == warnings


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 60),
        ({"model": "viduq3-pro", "duration": 10, "resolution": "1080p"}, 300),
        ({"model": "viduq3-pro", "duration": 5, "resolution": "540p", "off_peak": True}, 25),
        ({"model": "viduq3-turbo", "duration": 2, "resolution": "1080p"}, 28),
        ({"model": "viduq2", "duration": 1, "resolution": "540p"}, 10),
        ({"model": "viduq2", "duration": 10, "resolution": "540p"}, 28),
        ({"model": "viduq2"}, 35),
        ({"model": "viduq2", "duration": 3, "resolution": "1080p"}, 40),
        ({"model": "viduq2", "duration": 3, "resolution": "720p", "off_peak": True}, 8 + 3 + 3),
        ({"model": "viduq1"}, None),
        ({"model": "viduq9"}, None),
        ({"model": "vidu2.0"}, None),
    ],
    ids=str,
)
def test_an_estimate_is_the_price_lists_figure(fields, credits):
    assert estimate_credits({"prompt": "p", **fields}, endpoint="text2video") == credits
