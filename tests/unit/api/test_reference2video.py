# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A reference-to-video request against Vidu's page, restated here by hand."""

from __future__ import annotations

import hashlib

import pytest
from _support.requests import URL, picture, refusal

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.images import EncodedImage
from airflow_provider_vidu.api.registry import known_endpoint

ENDPOINT = known_endpoint("reference2video")
THREE = ["540p", "720p", "1080p"]
TWO = ["720p", "1080p"]
OLD = ["16:9", "9:16", "1:1"]
NEW = [*OLD, "3:4", "4:3", "auto"]
VIDEO = "https://videos.example/run.mp4"
CAT = {"name": "cat", "images": [URL]}
DOG = {"id": "dog", "images": [URL, URL]}

EVERYTHING = {
    "model": "viduq2-pro",
    "prompt": "p",
    "images": [URL],
    "videos": [VIDEO],
    "duration": 0,
    "seed": 7,
    "aspect_ratio": "auto",
    "resolution": "540p",
    "movement_amplitude": "auto",
    "audio": True,
    "audio_type": "speech_only",
    "voice_id": "v",
    "bgm": True,
    "off_peak": False,
    "watermark": True,
    "wm_position": 1,
    "wm_url": "https://pictures.example/mark.png",
    "meta_data": '{"Label": "l"}',
    "payload": "p",
    "callback_url": "https://me.example/callback",
}

# model: durations, resolutions, default resolution, aspect ratios
PAGE = {
    "viduq3-drama": (range(2, 16), TWO, "720p", ["9:16", "16:9"]),
    "viduq3-ad": (range(3, 16), TWO, "720p", NEW),
    "viduq3-mix": (range(1, 17), TWO, "720p", NEW),
    "viduq3": (range(3, 17), THREE, "720p", NEW),
    "viduq3-turbo": (range(3, 17), THREE, "720p", NEW),
    "viduq2-pro": (range(11), THREE, "720p", NEW),
    "viduq2": (range(1, 11), THREE, "720p", NEW),
    "viduq1": ([5], ["1080p"], "1080p", OLD),
    "vidu2.0": ([4], ["360p", "720p"], "360p", OLD),
}


def of(**fields):
    return ENDPOINT.request.of({"prompt": "p", "images": [URL], **fields})


def test_every_field_of_the_page_travels_under_its_name():
    assert {*EVERYTHING, "subjects", "auto_subjects"} == ENDPOINT.fields
    assert ENDPOINT.request.of(EVERYTHING).wire() == EVERYTHING
    assert ENDPOINT.required == ["prompt"]


def test_subjects_travel_as_they_are():
    subject = {"images": [URL], "videos": [VIDEO], "voice_id": "v", "server_id": "s"}
    fields = {
        "model": "viduq2-pro",
        "prompt": "@cat and @dog",
        "subjects": [{"name": "cat", **subject}, {"id": "dog", "server_id": "7"}],
        "auto_subjects": True,
    }
    assert ENDPOINT.request.of(fields).wire() == fields


@pytest.mark.parametrize("model", PAGE)
def test_a_model_takes_exactly_what_the_page_lists(model):
    durations, resolutions, default, ratios = PAGE[model]
    assert set(ENDPOINT.models) == set(PAGE)
    for seconds in range(18):
        for resolution in ("360p", *THREE, "2K"):
            fields = {"model": model, "prompt": "p", "images": [URL], "duration": seconds, "resolution": resolution}
            if seconds in durations and resolution in resolutions:
                assert ENDPOINT.request.of(fields).wire() == fields
            else:
                assert model in refusal(ENDPOINT, fields)
    for ratio in (*NEW, "21:9"):
        fields = {"model": model, "prompt": "p", "images": [URL], "aspect_ratio": ratio}
        if ratio in ratios:
            assert ENDPOINT.request.of(fields).wire() == fields
        else:
            assert refusal(ENDPOINT, fields).startswith(f"aspect_ratio of {model} must be {ratios[0]}")
    assert of(model=model).effective_resolution == default


@pytest.mark.parametrize(
    ("model", "images", "videos", "is_right"),
    [
        ("viduq3", 1, 0, True),
        ("viduq3", 7, 0, True),
        ("viduq3", 8, 0, False),
        ("viduq1", 7, 0, True),
        ("vidu2.0", 3, 0, True),
        ("vidu2.0", 4, 0, False),
        ("viduq2-pro", 7, 0, True),
        ("viduq2-pro", 4, 1, True),
        ("viduq2-pro", 4, 2, True),
        ("viduq2-pro", 5, 1, False),
        ("viduq2-pro", 4, 3, False),
        ("viduq9", 7, 0, True),
        ("viduq9", 4, 2, True),
    ],
)
def test_pictures_and_videos_are_counted(model, images, videos, is_right):
    fields = {
        "prompt": "p",
        "model": model,
        "images": [URL] * images,
        **({"videos": [VIDEO] * videos} if videos else {}),
    }
    if is_right:
        assert ENDPOINT.request.of(fields).wire() == fields
    else:
        text = refusal(ENDPOINT, fields)
        assert text.startswith(("images: takes 1 to ", "videos: takes 1 to 2 URLs, got 3"))


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("@cat jumps over @dog.", ["cat", "dog"]),
        ("[@cat], (@dog)", ["cat", "dog"]),
        ("@1 and @10", ["1", "10"]),
        ("@小明和@小红一起吃火锅", ["小明", "小红"]),
        ("@小明明和@小明", ["小明", "小明明"]),
        ("@Big Cat's day", ["Big Cat"]),
        ("@catと@dog", ["cat", "dog"]),
        ("@😀 laughs", ["😀"]),
        ("@cat writes to me@example.com @ night @!", ["cat"]),
    ],
)
def test_a_prompt_that_calls_every_subject_is_fine(prompt, names):
    request = ENDPOINT.request.of({"prompt": prompt, "subjects": [{"name": name, "images": [URL]} for name in names]})
    assert request.warnings() == []


@pytest.mark.parametrize(
    ("prompt", "called"),
    [("@bird sings", "bird"), ("@cat and @cats", "cats"), ("@catfish", "catfish"), ("@cat1", "cat1"), ("@狗", "狗")],
)
def test_a_call_of_nobody_is_refused_unless_the_library_is_used(prompt, called):
    fields = {"prompt": prompt, "subjects": [CAT, DOG]}
    assert refusal(ENDPOINT, fields).startswith(f"prompt: calls @{called}, but the subjects are cat, dog.")
    ENDPOINT.request.of({**fields, "auto_subjects": True})


def test_a_subject_without_pictures_may_be_found_in_the_library():
    fields = {"prompt": "@cat and @dog", "subjects": [CAT, {"name": "dog"}], "auto_subjects": True}
    assert ENDPOINT.request.of(fields).warnings() == []


def test_a_voice_of_a_subject_needs_audio_like_any_other():
    fields = {"prompt": "@cat", "subjects": [{**CAT, "voice_id": "v"}], "model": "viduq2"}
    request = ENDPOINT.request.of(fields)
    assert request.warnings() == ["subjects[0].voice_id has no effect without audio."]
    assert ENDPOINT.request.of({**fields, "audio": True}).warnings() == []


def test_a_subject_that_is_not_called_is_a_warning():
    request = ENDPOINT.request.of({"prompt": "@cat sleeps", "subjects": [CAT, DOG]})
    assert request.warnings() == ["The prompt does not call the subject dog: write @dog."]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"model": "viduq3-pro"},
            "model: Vidu's reference-to-video request does not take viduq3-pro; its models are viduq3-drama, "
            "viduq3-ad, viduq3-mix, viduq3, viduq3-turbo, viduq2-pro, viduq2, viduq1, vidu2.0.",
        ),
        ({"prompt": ""}, "prompt: must be a text; it is empty after rendering"),
        ({"prompt": "p" * 5001}, "prompt: takes at most 5000 characters, got 5001"),
        ({"images": None}, "images: Vidu's reference-to-video request takes exactly one of images and subjects, got n"),
        (
            {"subjects": [CAT]},
            "images: Vidu's reference-to-video request takes exactly one of images and subjects, got b",
        ),
        ({"images": []}, "images: takes 1 to 7 images, got 0"),
        ({"images": ["cat.png"]}, "images: must be an http(s) URL"),
        (
            {"videos": [VIDEO]},
            "videos: Vidu's reference-to-video request does not take it with viduq3-turbo, only with v",
        ),
        ({"videos": ["s3://b/v.mp4"], "model": "viduq2-pro"}, "videos: must be http(s) URLs or ssupload: URIs"),
        ({"videos": 5, "model": "viduq2-pro"}, "videos: must be a list of URLs, got 5"),
        (
            {"off_peak": True, "model": "viduq3-mix"},
            "off_peak: Vidu's reference-to-video request does not take it with",
        ),
        ({"off_peak": True, "audio": False}, "off_peak: viduq3-turbo takes off-peak only with audio=true"),
        ({"off_peak": True, "audio": True, "model": "viduq2"}, "off_peak: viduq2 takes off-peak only with audio=false"),
        ({"duration": -1, "model": "viduq9"}, "duration must be at least 0 seconds, got -1"),
        ({"is_rec": True}, "is_rec: is not a field of Vidu's reference-to-video request"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_the_page_forbids_is_refused(fields, message):
    assert refusal(ENDPOINT, {"prompt": "p", "images": [URL], **fields}).startswith(message)


@pytest.mark.parametrize(
    ("subjects", "more", "message"),
    [
        ([], {}, "subjects: takes 1 to 7 subjects, got 0."),
        ([{**CAT, "name": str(one)} for one in range(8)], {}, "subjects: takes 1 to 7 subjects, got 8."),
        (5, {}, "subjects: must be a list, got 5"),
        ([CAT, {"name": "dog"}], {}, "subjects[1]: dog needs images, videos or a server_id (its id in Vidu's library)"),
        ([CAT, {"id": "7", "voice_id": "v"}], {"model": "viduq9"}, "subjects[1]: 7 needs images, videos or a server"),
        ([{"name": "cat", "images": [URL] * 4}], {}, "subjects[0].images: takes 1 to 3 images, got 4"),
        (
            [{**CAT, "name": str(one), "images": [URL] * 2} for one in range(4)],
            {},
            "subjects: takes 1 to 7 images altog",
        ),
        (
            [{**CAT, "images": [URL] * 2}, DOG],
            {"model": "vidu2.0"},
            "subjects: takes 1 to 3 images with vidu2.0, got 4",
        ),
        (
            [CAT],
            {"model": "viduq3-mix"},
            "subjects: Vidu's reference-to-video request does not take it with viduq3-mix",
        ),
        ([{"images": [URL]}], {}, "subjects[0].name: every subject needs one, got ''"),
        ([{"name": " "}], {}, "subjects[0].name: every subject needs one, got ' '"),
        ([CAT, {"id": "cat"}], {}, "subjects[1].name: must be unique, got 'cat' twice"),
        ([CAT, {"name": "dog", "images": ["dog.png"]}], {}, "subjects[1].images: must be an http(s) URL"),
        (
            [CAT, {"name": "dog", "age": 3}],
            {},
            "subjects[1].age: is not a field of Vidu's reference-to-video request, got 3.",
        ),
        ([CAT, 5], {}, "subjects[1]: must be a dict of fields, got 5"),
        ([{**CAT, "voice_id": [1]}], {}, "subjects[0].voice_id: must be a text, got a list"),
        (
            [{**CAT, "videos": [VIDEO]}],
            {},
            "subjects: Vidu's reference-to-video request does not take videos with viduq3",
        ),
        ([{**CAT, "videos": [VIDEO] * 3}], {"model": "viduq2-pro"}, "subjects[0].videos: takes 1 to 2 URLs, got 3"),
        ([CAT], {"videos": [VIDEO], "model": "viduq2-pro"}, "videos: go with images; with subjects, each subject has"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_subjects_are_refused(subjects, more, message):
    assert refusal(ENDPOINT, {"prompt": "p", "subjects": subjects, **more}).startswith(message)


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({"wm_position": 1}, ["wm_position and wm_url have no effect without watermark."]),
        # It has a watermark by default.
        ({"wm_position": 1, "model": "viduq3-drama"}, []),
        ({"wm_position": 1, "model": "viduq3-drama", "watermark": False}, ["wm_position and wm_url have no effect w"]),
        ({"voice_id": "v", "model": "viduq2"}, ["voice_id has no effect without audio."]),
        ({"bgm": True, "model": "viduq2", "duration": 9}, ["bgm has no effect with viduq2 at 9 s."]),
        ({"bgm": True, "model": "viduq2-pro", "duration": 0}, []),
    ],
    ids=str,
)
def test_what_is_legal_but_without_effect_is_said(fields, warnings):
    found = of(**fields).warnings()
    assert len(found) == len(warnings)
    assert all(one.startswith(start) for one, start in zip(found, warnings, strict=True))


def test_a_subject_in_an_error_is_not_repeated():
    text = refusal(
        ENDPOINT, {"prompt": "p", "subjects": [{"name": "cat", "images": [picture()] * 4, "videos": "hush"}]}
    )
    assert "hush" not in text


@pytest.mark.parametrize(
    "written",
    [
        [{"name": "cat", "images": URL}],
        '[{"name": "cat", "images": ["' + URL + '"]}]',
        "[{'name': 'cat', 'images': ['" + URL + "'], 'voice_id': None}]",
        [{"name": "cat", "images": [URL], "voice_id": "None", "server_id": ""}],
    ],
    ids=["list", "JSON", "Python", "unset"],
)
def test_subjects_are_read_as_rendered(written):
    request = ENDPOINT.request.of({"prompt": "@cat", "subjects": written})
    assert request.wire()["subjects"] == [{"name": "cat", "images": [URL]}]


def test_a_subject_with_a_number_for_a_name_can_be_called():
    request = ENDPOINT.request.of({"prompt": "@1", "subjects": [{"id": 1, "images": [URL], "server_id": 2**60}]})
    assert request.wire()["subjects"] == [{"id": "1", "images": [URL], "server_id": str(2**60)}]
    assert request.warnings() == []


def test_a_picture_of_a_subject_counts_by_its_content():
    image = picture()
    wire = ENDPOINT.request.of({"prompt": "@cat", "subjects": [{"name": "cat", "images": [image]}]}).wire()
    assert isinstance(wire["subjects"][0]["images"][0], EncodedImage)
    identity = ENDPOINT.identity(wire)
    assert identity["subjects"] == [{"name": "cat", "images": [image.facts.sha256]}]
    assert image.facts.sha256 != hashlib.sha256(image.encode()).hexdigest()
    assert identity["endpoint"] == "reference2video"


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({}, 50),
        ({"model": "viduq3-turbo", "duration": 10, "resolution": "1080p"}, 130),
        ({"model": "viduq3-turbo", "duration": 4, "resolution": "540p"}, 16),
        # Live bills.
        ({"model": "viduq3", "duration": 5, "resolution": "720p"}, 60),
        ({"model": "viduq3-drama", "duration": 5, "resolution": "720p"}, 100),
        ({"model": "viduq3-drama", "duration": 8, "resolution": "1080p"}, 192),
        ({"model": "viduq2", "duration": 8, "resolution": "720p", "audio": True}, 75),
        ({"model": "viduq3", "duration": 4, "resolution": "540p", "off_peak": True}, 16),
        ({"model": "viduq3-mix", "duration": 2, "resolution": "1080p"}, 58),
        ({"model": "viduq2", "duration": 3, "resolution": "540p"}, 25),
        ({"model": "viduq2", "duration": 2, "resolution": "1080p"}, 85),
        ({"model": "vidu2.0"}, 80),
        ({"model": "vidu2.0", "resolution": "720p", "off_peak": True}, 40),
        ({"model": "viduq2-pro"}, None),
        ({"model": "viduq2-pro", "duration": 0}, None),
        ({"model": "viduq3-ad"}, None),
        ({"model": "viduq1"}, None),
        ({"model": "viduq3-pro"}, None),
    ],
    ids=str,
)
def test_an_estimate_is_the_price_lists_figure(fields, credits):
    assert estimate_credits({"prompt": "p", "images": [URL], **fields}, endpoint="reference2video") == credits
