# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""An upscale request against Vidu's page, restated here by hand."""

from __future__ import annotations

import pytest
from _support.requests import refusal

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.registry import known_endpoint

ENDPOINT = known_endpoint("upscale-new")
SOURCE = {"video_creation_id": "911045603801182209"}
VIDEO = "https://videos.example/run.mp4?sign=hush"
EVERYTHING = {
    "video_url": VIDEO,
    "upscale_resolution": "8K",
    "payload": "p",
    "callback_url": "https://me.example/callback",
}


def test_every_field_of_the_page_travels_under_its_name():
    assert {*EVERYTHING, "video_creation_id"} == ENDPOINT.fields
    assert ENDPOINT.request.of(EVERYTHING).wire() == EVERYTHING
    assert ENDPOINT.request.of(SOURCE).wire() == SOURCE
    assert ENDPOINT.default_model is None


@pytest.mark.parametrize(
    ("given", "sent"),
    [("1080p", "1080p"), ("1080P", "1080p"), ("2k", "2K"), (" 4K ", "4K"), ("8k", "8K")],
)
def test_a_resolution_is_sent_as_vidu_spells_it(given, sent):
    assert ENDPOINT.request.of({**SOURCE, "upscale_resolution": given}).wire()["upscale_resolution"] == sent


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "video: is required: the output of a task that made a video, the id of a creation, or a URL. It"),
        (
            {**SOURCE, "video_url": VIDEO},
            "video_creation_id: Vidu's upscale request takes exactly one of video_creation",
        ),
        ({"video_url": "/tmp/hush.mp4"}, "video_url: must be an http(s) URL."),
        (
            {**SOURCE, "upscale_resolution": "720p"},
            "upscale_resolution: must be '1080p', '2K', '4K' or '8K', got '720p'",
        ),
        ({**SOURCE, "model": "viduq2-pro"}, "model: is not a field of Vidu's upscale request"),
        ({**SOURCE, "payload": "p" * 1_048_577}, "payload: takes at most 1048576 characters, got 1048577"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_page_forbids_is_refused(fields, message):
    text = refusal(ENDPOINT, fields)
    assert text.startswith(message)
    assert "hush" not in text


def test_an_unpublished_price_is_not_guessed():
    assert estimate_credits(EVERYTHING, endpoint="upscale-new") is None
    assert ENDPOINT.request.of(EVERYTHING).warnings() == []
