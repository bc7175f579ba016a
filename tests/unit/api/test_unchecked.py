# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Any task endpoint of the family can be used, and no name leads out of the create path."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from _support.requests import URL, picture, refusal, sent
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.catalog import MODELS_OF, estimate_credits
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.http_messages import prepare_create
from airflow_provider_vidu.api.registry import ANY, MP4, PICTURE, SOUND, known_endpoint
from airflow_provider_vidu.api.unchecked import find_endpoint

# An example of each page.
FAMILY = {
    "template": {"template": "hugging", "images": [URL], "seed": 0, "area": "auto", "aspect_ratio": "AUTO"},
    "template-story": {"story": "one_shot", "images": [URL] * 3},
    "lip-sync": {"video_url": "https://videos.example/a.mp4", "text": "Hello <#1#> you", "speed": 1.5},
    "multiframe": {
        "model": "viduq2-pro",
        "start_image": URL,
        "image_settings": [{"key_image": URL, "duration": 5}, {"key_image": URL, "prompt": "p"}],
        "wm_position": "bottom_left",
    },
    "ad-one-click": {"images": [URL], "prompt": "p", "duration": 15, "language": "en"},
    "one-click/mv": {"images": [URL], "audio_url": "https://sounds.example/a.mp3", "prompt": "p"},
    "text2audio": {"model": "audio1.0", "prompt": "rain", "duration": 9.5},
    "timing2audio": {"model": "audio1.0", "timing_prompts": [{"from": 0.0, "to": 3.0, "prompt": "birds"}]},
    "reference2image": {"model": "viduq2", "prompt": "p", "images": []},
    "upscale": {"creation_id": "9", "model": "vidu1.0"},
}
PRODUCTS = {"text2audio": SOUND, "timing2audio": SOUND, "reference2image": PICTURE}


@pytest.mark.parametrize("name", FAMILY)
def test_a_request_of_the_family_is_sent_without_what_is_unset(name):
    endpoint = find_endpoint(name)
    request = endpoint.request.of({**FAMILY[name], "payload": "p", "unset": None, "also": "", "none": "None"})
    assert sent(request.wire()) == {**FAMILY[name], "payload": "p"}
    assert endpoint.name == name
    assert endpoint.produces is PRODUCTS.get(name, MP4)
    assert prepare_create(Account(api_key="k"), name, request.wire()).url.endswith(f"/ent/v2/{name}")


@pytest.mark.parametrize(
    ("name", "produces"), [("mirror2video", MP4), ("mirror2image", PICTURE), ("mirror2audio", SOUND), ("mirror", ANY)]
)
def test_a_newer_endpoint_may_deliver_anything(name, produces):
    assert find_endpoint(name).produces is produces


@pytest.mark.parametrize("name", FAMILY)
def test_it_has_no_price_and_says_so(name):
    endpoint = find_endpoint(name)
    assert estimate_credits(FAMILY[name], endpoint=name) is None
    assert endpoint.default_model is None
    assert endpoint.request.of(FAMILY[name]).warnings() == [
        f"This release cannot check Vidu's {name} request and has no price for it. Its fields are sent unchecked, "
        "except those that are None or empty; Vidu decides."
    ]


@pytest.mark.parametrize("name", MODELS_OF)
def test_an_endpoint_with_a_model_is_checked(name):
    assert find_endpoint(name) is known_endpoint(name)


def test_requests_of_two_find_endpoints_are_not_confused():
    template, story = find_endpoint("template"), find_endpoint("template-story")
    assert find_endpoint("template").request is template.request
    assert not isinstance(template.request.of({"a": 1}), story.request)
    assert template.identity({"a": 1}) != story.identity({"a": 1})


@pytest.mark.parametrize(
    "name",
    ["audio-tts", "audio-clone", "img2video-prompt-recommendation", "subjects", "credits", "tasks", "tasks/9/cancel"],
)
def test_an_endpoint_without_tasks_is_refused(name):
    with pytest.raises(ViduInputError, match=f"endpoint: {name} creates no task"):
        find_endpoint(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "/template", "template/", "a//b", "../tasks", "a/../b", ".", "a.b", "Template", "lip_sync", "a b",
        "template\n", "a?b=c", "a#b", "a%2fb", "http://evil.example", "a@b", "-a", "ａ", "é", "a" * 300, None, 5, ["a"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(ViduInputError, match="endpoint: must be the last part of a create path"):
        find_endpoint(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        # Not the last part of a path.
        ("lip_sync", "lip-sync"),
        ("Template", "template"),
        ("/ent/v2/template", "template"),
        ("ent/v2/one-click/mv/", "one-click/mv"),
        ("https://api.vidu.com/ent/v2/img2video", "img2video"),
        ("Text to Video", "text2video"),
        ("start_end2video", "start-end2video"),
        ("Upscale_New", "upscale-new"),
        ("audio_tts", "audio-tts"),
        # A path, but not one of the pages.
        ("text-to-video", "text2video"),
        ("texttovideo", "text2video"),
        ("image2video", "img2video"),
        ("image-to-video", "img2video"),
        ("start-end-to-video", "start-end2video"),
        ("reference-to-image", "reference2image"),
        ("img2vide", "img2video"),
        ("lipsync", "lip-sync"),
        ("multi-frame", "multiframe"),
        ("templates", "template"),
        ("template-storys", "template-story"),
        ("text2audo", "text2audio"),
        ("upscale-nw", "upscale-new"),
    ],
)
def test_a_misspelt_endpoint_is_told_what_it_resembles(name, near):
    with pytest.raises(ViduInputError, match=rf"^endpoint: .*{re.escape(repr(name))} \({near}\?\)\.") as caught:
        find_endpoint(name)
    assert caught.value.advice == "Nothing was sent to Vidu and nothing is billed."


@pytest.mark.parametrize("name", [*FAMILY, "template2video", "text2image", "template-v2", "extend-new", "img2video/v2"])
def test_a_name_that_may_be_newer_than_this_release_is_taken(name):
    assert find_endpoint(name).takes_any_field


def test_a_record_is_no_field_of_an_unchecked_request():
    record = {"task_id": "9", "creations": [{"id": "8", "url": "https://videos.example/a.mp4"}]}
    text = refusal(find_endpoint("lip-sync"), {"video": record, "text": "hello"})
    assert text.startswith(
        "video: is a parameter of extend and upscale-new alone. Vidu's lip-sync request has fields of"
    )
    assert "record['creations'][0]['url']" in text
    assert find_endpoint("lip-sync").request.of({"video": None, "text": "hello"}).wire() == {"text": "hello"}


@settings(max_examples=300, deadline=None, database=None)
@given(st.text(st.sampled_from("ab0-/.%?#@:\\ \nÄ"), max_size=12))
def test_an_accepted_name_is_a_plain_path(name):
    try:
        find_endpoint(name)
    except ViduInputError:
        return
    assert re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)*", name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"when": datetime(2026, 1, 1)}, "when: cannot be sent as JSON"),
        ({"deep": [{"x": float("nan")}]}, "deep: cannot be sent as JSON"),
        ({"text": "lone \ud800"}, "text: cannot be sent as JSON (not UTF-8)"),
        ({"payload": "p" * 1_048_577}, "payload: takes at most 1048576 characters"),
    ],
    ids=["date", "nan", "surrogate", "payload"],
)
def test_what_is_no_json_is_refused(fields, message):
    assert refusal(find_endpoint("template"), fields).startswith(message)


def test_files_count_by_content_or_without_signature():
    endpoint = find_endpoint("multiframe")
    image = picture()
    fields = {
        "images": [image, f"{URL}&again=1"],
        "start_image": image,
        "image_settings": [{"key_image": image}, {"key_image": URL}],
        "audio_url": "https://sounds.example/a.mp3?sign=1",
    }
    bare = URL.partition("?")[0]
    assert endpoint.identity(endpoint.request.of(fields).wire()) == {
        "images": [image.facts.sha256, bare],
        "start_image": image.facts.sha256,
        "image_settings": [{"key_image": image.facts.sha256}, {"key_image": bare}],
        "audio_url": "https://sounds.example/a.mp3",
        "endpoint": "multiframe",
    }
    assert endpoint.sources(fields) == [fields["images"], image, image, URL, fields["audio_url"]]
