# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Every endpoint of Vidu's family over HTTP: what it takes and refuses, what its answers call it, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from _support.stopped_vidu import CLIP, EXAMPLES, KEY_FRAME, URL, StoppedVidu, data_uri, file_server, is_error, picture

from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.emulator.machine.endpoints import ENDPOINTS

TYPES = {"start-end2video": "headtailimg2video", "reference2video": "character2video"}


def subject(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": name, "images": [URL] * count, **more}


@pytest.fixture
def vidu() -> Iterator[StoppedVidu]:
    vidu = StoppedVidu()
    with vidu.emulator:
        yield vidu


def create(vidu: StoppedVidu, endpoint: str, **fields: Any) -> requests.Response:
    return vidu.call("POST", endpoint, json={**EXAMPLES[endpoint], **fields})


# --- the whole way ---------------------------------------------------------------------------------------------


def test_every_endpoint_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(ENDPOINTS)


@pytest.mark.parametrize("endpoint", EXAMPLES)
def test_task_of_any_endpoint_is_queried_listed_and_billed(vidu: StoppedVidu, endpoint: str) -> None:
    created = create(vidu, endpoint, payload="p").json()
    assert created["type"] == TYPES.get(endpoint, endpoint)
    assert (created["state"], created["payload"]) == ("created", "p")
    balance = vidu.call("GET", "credits").json()["remains"][0]["credit_remain"]
    assert balance == 100_000 - created["credits"]
    assert created["credits"] > 0
    vidu.now += 100
    answer = vidu.query(created["task_id"])
    assert (answer["state"], answer["credits"], len(answer["creations"])) == ("success", created["credits"], 1)
    (row,) = vidu.call("GET", "tasks").json()["tasks"]
    assert (row["id"], row["type"]) == (created["task_id"], created["type"])
    assert vidu.emulator.ledger.charged == created["credits"]


@pytest.mark.parametrize(
    ("model", "fields", "has_copy"),
    [("viduq3-drama", {}, True), ("viduq3-drama", {"watermark": False}, False), ("viduq3", {}, False)],
)
def test_a_model_may_have_a_watermark_by_default(
    vidu: StoppedVidu, model: str, fields: dict[str, Any], has_copy: bool
) -> None:
    created = create(vidu, "reference2video", model=model, **fields).json()
    assert created["watermark"] is has_copy
    vidu.now += 1000
    (creation,) = vidu.query(created["task_id"])["creations"]
    assert bool(creation["watermarked_url"]) is has_copy


@pytest.mark.parametrize("endpoint", EXAMPLES)
def test_task_of_any_endpoint_can_be_cancelled_and_inspected(vidu: StoppedVidu, endpoint: str) -> None:
    task_id = create(vidu, endpoint).json()["task_id"]
    assert vidu.call("POST", f"tasks/{task_id}/cancel").json() == {}
    assert vidu.query(task_id)["err_code"] == "UserCancelled"
    (shown,) = vidu.call("GET", "/emulator/tasks").json()
    assert (shown["endpoint"], shown["request"]) == (endpoint, EXAMPLES[endpoint])
    assert endpoint in vidu.call("GET", f"/emulator/tasks/{task_id}").text


@pytest.mark.parametrize("endpoint", EXAMPLES)
def test_faults_and_credits_apply_to_any_endpoint(vidu: StoppedVidu, endpoint: str) -> None:
    vidu.emulator.faults.add("submit", Fault.refuse(503))
    assert create(vidu, endpoint).status_code == 503
    vidu.emulator.faults.add("submit", Fault.drop_after_accept())
    with pytest.raises(requests.ConnectionError):
        create(vidu, endpoint)
    assert (vidu.emulator.counters.submissions, vidu.emulator.counters.requests["submit"]) == (1, 2)


@pytest.mark.parametrize("endpoint", [name for name, fields in EXAMPLES.items() if "prompt" in fields])
def test_switches_in_the_prompt_work_on_any_endpoint_that_has_one(vidu: StoppedVidu, endpoint: str) -> None:
    assert is_error(create(vidu, endpoint, prompt="[emulator:AuditSubmitIllegal]"), 400, "AuditSubmitIllegal")
    task_id = create(vidu, endpoint, prompt="[emulator:fail=CreationPolicyViolation]").json()["task_id"]
    vidu.now += 100
    assert vidu.query(task_id)["err_code"] == "CreationPolicyViolation"
    assert vidu.emulator.ledger.charged == 0


def test_answer_has_the_endpoints_own_fields_as_sent(vidu: StoppedVidu) -> None:
    answer = create(vidu, "extend", callback_url="https://example.com/callback").json()
    assert answer["video_url"] == CLIP
    assert "callback_url" not in answer


def test_templates_are_a_filter_of_the_list(vidu: StoppedVidu) -> None:
    hug = create(vidu, "template").json()["task_id"]
    create(vidu, "template", template="kiss")
    create(vidu, "text2video")
    assert [row["id"] for row in vidu.call("GET", "tasks?templates=hug").json()["tasks"]] == [hug]


@pytest.mark.parametrize("path", ["audio-tts", "text3video", "upscale", "tasks"])
def test_other_endpoints_are_not_found(vidu: StoppedVidu, path: str) -> None:
    assert vidu.call("POST", path, json={"prompt": "x"}).status_code in {404, 405}
    assert vidu.emulator.tasks == []


# --- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "fields", "reason", "message"),
    [
        ("text2video", {"prompt": ""}, "FieldLacking", "prompt"),
        ("text2video", {"prompt": "x" * 5001}, "FieldInvalid", "prompt"),
        ("text2video", {"model": "viduq2-pro"}, "FieldInvalid", "model is not supported"),
        ("text2video", {"model": "viduq1", "duration": 4}, "FieldInvalid", "duration"),
        ("text2video", {"model": "viduq1", "aspect_ratio": "4:3"}, "FieldInvalid", "aspect_ratio"),
        ("text2video", {"aspect_ratio": "21:9"}, "FieldInvalid", "aspect_ratio"),
        ("text2video", {"style": "noir"}, "FieldInvalid", "style"),
        ("text2video", {"model": "viduq2", "duration": 11}, "FieldInvalid", "duration only support between 1 to 10"),
        ("start-end2video", {"images": [URL]}, "FieldItemCountOutOfRange", "images"),
        ("start-end2video", {"images": [URL] * 3}, "FieldItemCountOutOfRange", "images"),
        ("start-end2video", {"model": "viduq2"}, "FieldInvalid", "model is not supported"),
        ("start-end2video", {"duration": 9}, "FieldInvalid", "duration only support between 1 to 8"),
        ("start-end2video", {"model": "viduq2-pro-fast", "resolution": "540p"}, "FieldInvalid", "resolution"),
        ("reference2video", {"model": "viduq3-pro"}, "FieldInvalid", "model is not supported"),
        ("reference2video", {"prompt": None}, "FieldLacking", "prompt"),
        ("reference2video", {"images": []}, "FieldLacking", "images"),
        ("reference2video", {"images": [URL] * 8}, "FieldItemCountOutOfRange", "images"),
        ("reference2video", {"model": "vidu2.0", "images": [URL] * 4}, "FieldItemCountOutOfRange", "images"),
        ("reference2video", {"duration": 2}, "FieldInvalid", "duration only support between 3 to 16"),
        ("reference2video", {"model": "viduq3-drama", "duration": 1}, "FieldInvalid", "between 2 to 15"),
        ("reference2video", {"model": "viduq3-mix", "resolution": "540p"}, "FieldInvalid", "resolution"),
        ("reference2video", {"model": "viduq3-mix", "off_peak": True}, "FieldInvalid", "off_peak"),
        ("reference2video", {"model": "viduq1", "aspect_ratio": "auto"}, "FieldInvalid", "aspect_ratio"),
        ("reference2video", {"videos": [CLIP]}, "FieldInvalid", "videos"),
        ("reference2video", {"model": "viduq2-pro", "videos": [CLIP] * 3}, "FieldItemCountOutOfRange", "videos"),
        (
            "reference2video",
            {"model": "viduq2-pro", "videos": [CLIP], "images": [URL] * 5},
            "FieldItemCountOutOfRange",
            "images",
        ),
        ("reference2video", {"subjects": [subject("cat")]}, "FieldUnwanted", "images"),
        ("reference2video", {"images": None, "subjects": [subject("cat")]}, "FieldInvalid", "@cat"),
        (
            "reference2video",
            {"images": None, "subjects": [subject("cat", 4)], "prompt": "@cat"},
            "FieldItemCountOutOfRange",
            "subjects",
        ),
        (
            "reference2video",
            {"images": None, "subjects": [subject(name, 3) for name in "abc"], "prompt": "@a @b @c"},
            "FieldItemCountOutOfRange",
            "subjects",
        ),
        ("reference2video", {"images": None, "subjects": [{"images": [URL]}]}, "FieldLacking", "subjects"),
        ("reference2video", {"images": None, "subjects": [{"name": "cat"}]}, "FieldLacking", "subjects"),
        ("reference2video", {"images": None, "subjects": ["cat"]}, "FieldInvalid", "subjects"),
        (
            "reference2video",
            {"images": None, "subjects": [subject("cat", videos=[CLIP])], "prompt": "@cat"},
            "FieldInvalid",
            "takes no videos",
        ),
        (
            "reference2video",
            {"model": "viduq3-mix", "images": None, "subjects": [subject("cat")], "prompt": "@cat"},
            "FieldInvalid",
            "subjects",
        ),
        ("reference2image", {"prompt": "x" * 2001}, "FieldInvalid", "prompt"),
        ("reference2image", {"model": "viduq1"}, "FieldItemCountOutOfRange", "images"),
        ("reference2image", {"images": [URL] * 8}, "FieldItemCountOutOfRange", "images"),
        ("reference2image", {"resolution": "720p"}, "FieldInvalid", "resolution"),
        ("reference2image", {"model": "viduq1", "images": [URL], "resolution": "2K"}, "FieldInvalid", "resolution"),
        ("reference2image", {"aspect_ratio": "5:4"}, "FieldInvalid", "aspect_ratio"),
        ("multiframe", {"start_image": None}, "FieldLacking", "start_image"),
        ("multiframe", {"image_settings": [KEY_FRAME]}, "FieldItemCountOutOfRange", "image_settings"),
        ("multiframe", {"image_settings": [KEY_FRAME] * 10}, "FieldItemCountOutOfRange", "image_settings"),
        ("multiframe", {"image_settings": [KEY_FRAME, {"prompt": "x"}]}, "FieldInvalid", "key_image"),
        ("multiframe", {"image_settings": [KEY_FRAME, {**KEY_FRAME, "duration": 8}]}, "FieldInvalid", "duration"),
        ("multiframe", {"wm_position": 3}, "FieldInvalid", "wm_position"),
        ("extend", {"video_url": None}, "FieldLacking", "video_creation_id, video_url"),
        ("extend", {"model": "viduq3-turbo"}, "FieldInvalid", "model is not supported"),
        ("extend", {"duration": 8}, "FieldInvalid", "duration only support between 1 to 7"),
        ("extend", {"images": [URL, URL]}, "FieldItemCountOutOfRange", "images"),
        ("extend", {"prompt": "x" * 2001}, "FieldInvalid", "prompt"),
        ("upscale-new", {"video_url": ""}, "FieldLacking", "video_creation_id, video_url"),
        ("upscale-new", {"video_url": "cat.mp4"}, "FieldInvalid", "video_url"),
        ("upscale-new", {"upscale_resolution": "720p"}, "FieldInvalid", "upscale_resolution"),
        ("lip-sync", {"text": None}, "FieldLacking", "audio_url, text"),
        ("lip-sync", {"text": "hey"}, "FieldInvalid", "text must have 4 to 2000 characters"),
        ("lip-sync", {"speed": 2.1}, "FieldInvalid", "speed"),
        ("lip-sync", {"volume": 11}, "FieldInvalid", "volume"),
        ("template", {"template": None}, "FieldLacking", "template"),
        ("template", {"images": []}, "FieldLacking", "images"),
        ("template", {"aspect_ratio": "wide"}, "FieldInvalid", "aspect_ratio"),
        ("text2audio", {"model": "audio2.0"}, "FieldInvalid", "model is not supported"),
        ("text2audio", {"prompt": "x" * 1501}, "FieldInvalid", "prompt"),
        ("text2audio", {"duration": 1.9}, "FieldInvalid", "duration must be 2 to 10"),
        ("text2audio", {"duration": True}, "FieldInvalid", "duration"),
    ],
)
def test_request_beyond_a_documented_limit_is_refused(
    vidu: StoppedVidu, endpoint: str, fields: dict[str, Any], reason: str, message: str
) -> None:
    answer = create(vidu, endpoint, **fields)
    assert is_error(answer, 400, reason)
    assert message in answer.json()["message"]
    assert vidu.emulator.tasks == []


@pytest.mark.parametrize("endpoint", ["start-end2video", "reference2video", "reference2image", "template"])
def test_every_picture_is_checked(vidu: StoppedVidu, endpoint: str) -> None:
    bad = data_uri(picture(100, 20))
    assert is_error(create(vidu, endpoint, images=[URL, bad]), 400, "PageSizeOutOfRange")


def test_pictures_of_subjects_and_key_frames_are_checked(vidu: StoppedVidu) -> None:
    bad = data_uri(b"no picture")
    subjects = [{"name": "cat", "images": [bad]}]
    answer = create(vidu, "reference2video", images=None, subjects=subjects, prompt="@cat")
    assert is_error(answer, 400, "ImageFormatInvalid")
    for fields in ({"start_image": bad}, {"image_settings": [KEY_FRAME, {"key_image": bad}]}):
        assert is_error(create(vidu, "multiframe", **fields), 400, "ImageFormatInvalid")


# --- what is taken ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "fields", "answered"),
    [
        ("text2video", {}, {"duration": 5, "resolution": "720p", "aspect_ratio": "16:9", "audio": True, "credits": 60}),
        ("text2video", {"model": "viduq3-pro", "duration": 10, "resolution": "1080p"}, {"credits": 300}),
        ("text2video", {"model": "viduq2", "duration": 3, "resolution": "1080p"}, {"audio": False, "credits": 40}),
        ("text2video", {"model": "viduq1", "style": "anime"}, {"style": "anime", "credits": 80}),
        ("text2video", {"aspect_ratio": "3:4", "off_peak": True}, {"aspect_ratio": "3:4", "credits": 30}),
        ("text2video", {"prompt": "x" * 5000}, {}),
        ("start-end2video", {"model": "viduq2-pro", "duration": 2, "resolution": "1080p"}, {"credits": 70}),
        ("start-end2video", {"model": "viduq3-pro", "duration": 10, "resolution": "1080p"}, {"credits": 300}),
        ("start-end2video", {"audio": True}, {"audio": False, "credits": 40}),
        ("start-end2video", {"model": "vidu2.0", "duration": 8}, {"resolution": "720p", "credits": 100}),
        ("start-end2video", {"is_rec": True, "prompt": None}, {"credits": 50}),
        ("reference2video", {}, {"aspect_ratio": "16:9", "audio": True, "credits": 60}),
        ("reference2video", {"model": "viduq2", "duration": 8, "audio": True}, {"credits": 75}),
        ("reference2video", {"model": "viduq3-drama"}, {"aspect_ratio": "9:16", "credits": 100}),
        ("reference2video", {"model": "viduq3-drama", "duration": 8, "resolution": "1080p"}, {"credits": 192}),
        ("reference2video", {"model": "vidu2.0", "images": [URL] * 3}, {"resolution": "360p", "credits": 80}),
        ("reference2video", {"model": "viduq2-pro", "duration": 0}, {"duration": 5}),
        ("reference2video", {"model": "viduq2-pro", "videos": [CLIP] * 2, "images": [URL] * 4}, {}),
        ("reference2video", {"images": [URL] * 7}, {}),
        (
            "reference2video",
            {"images": None, "subjects": [subject("a", 3), {"id": "b", "images": [URL]}], "prompt": "@a and @b"},
            {"images": []},
        ),
        ("reference2video", {"images": None, "subjects": [subject("a")], "auto_subjects": True}, {}),
        ("reference2video", {"images": None, "subjects": [subject("a"), subject("b")], "prompt": "@b"}, {}),
        ("reference2image", {}, {"resolution": "1080p", "credits": 6}),
        ("reference2image", {"resolution": "4K", "aspect_ratio": "21:9", "images": [URL] * 7}, {"credits": 10}),
        ("multiframe", {"wm_position": "top_left"}, {"duration": 10, "wm_position": "top_left", "credits": 60}),
        ("multiframe", {"image_settings": [{**KEY_FRAME, "duration": 2}] * 9}, {"duration": 18}),
        ("extend", {}, {"duration": 5, "resolution": "720p", "credits": 35}),
        ("extend", {"model": "viduq2-pro", "duration": 7, "resolution": "1080p", "images": [URL]}, {"credits": 150}),
        ("upscale-new", {}, {"resolution": "1080p", "model": ""}),
        ("upscale-new", {"upscale_resolution": "8K"}, {"resolution": "8K"}),
        ("lip-sync", {"text": None, "audio_url": "https://example.com/a.mp3"}, {"audio": True}),
        ("template", {}, {"duration": 4, "template": "hug"}),
        ("text2audio", {}, {"duration": 10, "credits": 20}),
        ("text2audio", {"duration": 4.5}, {"duration": 4.5, "credits": 10}),
    ],
)
def test_defaults_and_prices_are_those_of_the_endpoint(
    vidu: StoppedVidu, endpoint: str, fields: dict[str, Any], answered: dict[str, Any]
) -> None:
    answer = create(vidu, endpoint, **fields)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in answered} == answered


# --- frames of a start-end video -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "is_taken"),
    [
        ((100, 100), (100, 100), True),
        ((100, 100), (100, 80), True),
        ((100, 80), (100, 100), True),
        ((100, 100), (100, 79), False),
        ((100, 79), (100, 100), False),
        ((100, 100), (200, 200), False),
        ((200, 100), (100, 200), False),
    ],
)
@pytest.mark.parametrize("is_sent", [True, False], ids=["data URI", "URL"])
def test_frames_must_be_of_similar_size(
    vidu: StoppedVidu, first: tuple[int, int], last: tuple[int, int], is_taken: bool, is_sent: bool
) -> None:
    if is_sent:
        answer = create(vidu, "start-end2video", images=[data_uri(picture(*first)), data_uri(picture(*last))])
        assert is_taken == (answer.status_code == 200)
        return
    with file_server() as files:
        files["/1"], files["/2"] = picture(*first), picture(*last)
        images = [f"{files['url'].decode()}/{number}" for number in (1, 2)]
        finished = vidu.finish("start-end2video", model="viduq2-turbo", images=images)
    assert finished["err_code"] == ("" if is_taken else "PageSizeOutOfRange")


# --- sources ---------------------------------------------------------------------------------------------------


def test_source_is_a_creation_of_the_account(vidu: StoppedVidu) -> None:
    made = vidu.make("text2video", model="viduq2", prompt="x", duration=4, resolution="540p")
    task_id = vidu.emulator.tasks[0].task_id
    for endpoint in ("extend", "upscale-new"):
        fields = {**EXAMPLES[endpoint], "video_url": None}
        for unknown in ("1", task_id):
            answer = vidu.call("POST", endpoint, json={**fields, "video_creation_id": unknown})
            assert is_error(answer, 404, "CreationNotFound")
        vidu.make(endpoint, **fields, video_creation_id=made["id"])
        assert vidu.emulator.tasks[-1].source.task_id == task_id


def test_id_of_a_source_counts_more_than_its_url(vidu: StoppedVidu) -> None:
    made = vidu.make("text2video", model="viduq2", prompt="x", duration=4, resolution="540p")
    vidu.make("upscale-new", video_url="http://127.0.0.1:1/nothing", video_creation_id=made["id"])


def test_picture_cannot_be_extended(vidu: StoppedVidu) -> None:
    made = vidu.make("reference2image", model="viduq2", prompt="x")
    answer = create(vidu, "extend", video_url=None, video_creation_id=made["id"])
    assert is_error(answer, 404, "CreationNotFound")


def test_own_link_is_read_without_a_download(vidu: StoppedVidu) -> None:
    made = vidu.make("text2video", model="viduq2", prompt="x", duration=4, resolution="540p")
    vidu.make("extend", model="viduq2-turbo", video_url=made["url"])
    assert vidu.emulator.counters.downloads == 0
    assert vidu.finish("extend", model="viduq2-turbo", video_url=made["cover_url"])["err_code"] == "VideoFormatInvalid"


@pytest.mark.parametrize(
    ("endpoint", "seconds", "resolution", "err_code"),
    [
        ("extend", 3, "540p", "VideoFormatInvalid"),
        ("extend", 4, "540p", ""),
        ("upscale-new", 1, "540p", ""),
        ("upscale-new", 1, "1080p", "VideoFormatInvalid"),
        ("lip-sync", 1, "540p", ""),
    ],
)
def test_source_out_of_range_fails_the_task_unbilled(
    vidu: StoppedVidu, endpoint: str, seconds: int, resolution: str, err_code: str
) -> None:
    made = vidu.make("text2video", model="viduq2", prompt="x", duration=seconds, resolution=resolution)
    charged = vidu.emulator.ledger.charged
    finished = vidu.finish(endpoint, **{**EXAMPLES[endpoint], "video_url": made["url"]})
    assert finished["err_code"] == err_code
    assert (vidu.emulator.ledger.charged == charged) == bool(err_code)


def test_longest_extension_cannot_grow_beyond_a_minute(vidu: StoppedVidu) -> None:
    made = vidu.make("text2video", model="viduq2", prompt="x", duration=10, resolution="540p")
    codes = []
    for _ in range(9):
        finished = vidu.finish("extend", model="viduq2-turbo", duration=7, video_creation_id=made["id"])
        codes.append(finished["err_code"])
        made = (finished["creations"] or [made])[0]
    assert codes == [""] * 8 + ["VideoFormatInvalid"]


@pytest.mark.parametrize(("content", "err_code"), [(None, "ImageDownloadFailure"), (b"no video", "VideoFormatInvalid")])
def test_unusable_video_on_this_machine_fails_the_task(vidu: StoppedVidu, content: bytes | None, err_code: str) -> None:
    with file_server() as files:
        if content is not None:
            files["/clip.mp4"] = content
        finished = vidu.finish("upscale-new", video_url=f"{files['url'].decode()}/clip.mp4")
    assert finished["err_code"] == err_code
