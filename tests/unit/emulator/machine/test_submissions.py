# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the emulator makes of a create call before a task exists: its fields, its image, its price, its times."""

from __future__ import annotations

import base64
import io
import json
import random
from datetime import datetime, timezone
from itertools import product

import pytest
from _support.stopped_vidu import EXAMPLES
from PIL import Image

from airflow_provider_vidu.api.catalog import MODELS, MODELS_OF, estimate_credits
from airflow_provider_vidu.api.errors import REASONS
from airflow_provider_vidu.emulator.machine.endpoints import ENDPOINTS, Request
from airflow_provider_vidu.emulator.machine.estimates import FALLBACK_CREDITS_PER_SECOND, price, processing_seconds
from airflow_provider_vidu.emulator.machine.moments import Snowflakes, read_rfc3339, rfc3339
from airflow_provider_vidu.emulator.machine.refusals import Refusal
from airflow_provider_vidu.emulator.machine.scenarios import Scenario, read_scenario
from airflow_provider_vidu.emulator.machine.submissions import read_submission
from airflow_provider_vidu.emulator.video.first_frames import first_frame, first_frame_size, image_problem, upright_size

START = datetime(2026, 1, 20, 4, 1, 53, 504000, tzinfo=timezone.utc).timestamp()
GOOD = {"model": "viduq3-turbo", "images": ["https://example.com/cat.png"]}


def request(**fields: object) -> Request:
    return read_submission(json.dumps({**GOOD, **fields}).encode())


def picture(width: int = 64, height: int = 36, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, kind)
    return file.getvalue()


def uri(data: bytes, label: str = "image/png") -> str:
    return f"data:{label};base64,{base64.b64encode(data).decode()}"


# --- fields --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({"model": None}, "FieldLacking", "field is missing or empty: model"),
        ({"images": []}, "FieldLacking", "field is missing or empty: images"),
        ({"model": "", "images": None}, "FieldLacking", "field is missing or empty: model, images"),
        ({"images": ["https://a/1.png", "https://a/2.png"]}, "FieldItemCountOutOfRange", "images"),
        ({"images": "https://a/1.png"}, "FieldInvalid", "images"),
        ({"images": [5]}, "FieldInvalid", "images"),
        ({"images": ["/home/cat.png"]}, "FieldInvalid", "images"),
        ({"model": "viduq9"}, "FieldInvalid", "model is not supported"),
        ({"model": 3}, "FieldInvalid", "model"),
        ({"duration": 17}, "FieldInvalid", "duration only support between 1 to 16"),
        ({"model": "viduq1", "duration": 4}, "FieldInvalid", "duration"),
        ({"model": "viduq3-pro-fast", "resolution": "540p"}, "FieldInvalid", "resolution"),
        ({"duration": "5"}, "FieldInvalid", "duration"),
        ({"duration": 5.0}, "FieldInvalid", "duration"),
        ({"duration": True}, "FieldInvalid", "duration"),
        ({"seed": "7"}, "FieldInvalid", "seed"),
        ({"seed": -1}, "FieldInvalid", "seed"),
        ({"audio": "true"}, "FieldInvalid", "audio"),
        ({"off_peak": 1}, "FieldInvalid", "off_peak"),
        ({"watermark": "no"}, "FieldInvalid", "watermark"),
        ({"wm_position": "3"}, "FieldInvalid", "wm_position"),
        ({"wm_position": 5}, "FieldInvalid", "wm_position"),
        ({"meta_data": {"Label": "x"}}, "FieldInvalid", "meta_data"),
        ({"meta_data": "no json"}, "FieldInvalid", "meta_data"),
        ({"prompt": 5}, "FieldInvalid", "prompt"),
        ({"prompt": "x" * 5001}, "FieldInvalid", "prompt"),
        ({"payload": "x" * 1_048_577}, "FieldInvalid", "payload"),
        ({"movement_amplitude": "standard"}, "FieldInvalid", "movement_amplitude"),
        ({"callback_url": "ftp://x"}, "FieldInvalid", "callback_url"),
        ({"off_peak": True, "audio": False}, "FieldInvalid", "off_peak"),
        ({"model": "viduq2-pro", "off_peak": True, "audio": True}, "FieldInvalid", "off_peak"),
        ({"duration": "5", "seed": "7"}, "FieldInvalid", "invalid field: duration, seed"),
        ({"images": ["data:image/png;base64,????"]}, "ImageFormatInvalid", "invalid image format"),
        ({"images": [uri(b"no picture")]}, "ImageFormatInvalid", "invalid image format"),
        ({"images": [uri(picture(kind="GIF"))]}, "ImageFormatInvalid", "invalid image format"),
        ({"images": [uri(picture()[:60])]}, "ImageFormatInvalid", "invalid image format"),
        ({"images": [uri(picture(100, 20))]}, "PageSizeOutOfRange", ""),
    ],
)
def test_a_bad_submission_gets_vidus_reason(fields: dict[str, object], reason: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_submission(json.dumps({**GOOD, **fields}).encode())
    assert (refused.value.status, refused.value.reason) == (400, reason)
    assert message in refused.value.message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"images": ["ssupload:?id=1"]},
        {"images": [uri(picture())]},
        {"images": [uri(picture(kind="JPEG"), "image/jpeg")]},
        {"images": [uri(picture(kind="WEBP"), "image/webp")]},
        {"images": [uri(picture(400, 100))]},
        {"prompt": "", "resolution": "", "seed": None, "duration": 16},
        {"model": "vidu2.0", "duration": 8, "resolution": "720p"},
        {"off_peak": True, "audio": True, "wm_position": 4, "meta_data": "{}", "payload": "x" * 1_048_576},
    ],
)
def test_good_submission_keeps_its_fields_as_sent(fields: dict[str, object]) -> None:
    sent = {**GOOD, **fields}
    assert read_submission(json.dumps(sent).encode()).fields == sent


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", rb'{"prompt": "\ud800"}'])
def test_body_other_than_a_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Refusal, match="400 BadRequest"):
        read_submission(body)


def test_unknown_fields_are_ignored_or_rejected_as_set() -> None:
    body = json.dumps({**GOOD, "aspect_ratio": "16:9", "style": "anime"}).encode()
    assert read_submission(body).fields == GOOD
    with pytest.raises(Refusal, match="unwanted field: aspect_ratio, style"):
        read_submission(body, reject_unknown_fields=True)


# --- pictures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (picture(), None),
        (b"", "ImageFormatInvalid"),
        (picture(kind="BMP"), "ImageFormatInvalid"),
        (picture(20, 100), "PageSizeOutOfRange"),
        (b"\x89PNG" + bytes(50 * 1024 * 1024), "PageSizeOutOfRange"),
    ],
)
def test_an_image_is_refused_for_its_format_or_its_size(image: bytes, problem: str | None) -> None:
    assert image_problem(image) == problem


def test_placeholder_of_a_url_does_not_depend_on_its_query() -> None:
    first = first_frame("https://example.com/cat.png?X-Amz-Signature=1")
    assert first == first_frame("https://example.com/cat.png?X-Amz-Signature=2")
    assert first != first_frame("https://example.com/dog.png")
    assert image_problem(first) is None


@pytest.mark.parametrize("image", [f"https://example.com/{number}.png" for number in range(3)] + [uri(picture(80, 60))])
def test_size_of_a_placeholder_is_known_without_painting(image: str) -> None:
    assert first_frame_size(image) == upright_size(first_frame(image))


def test_size_of_a_sideways_portrait_is_upright() -> None:
    file = io.BytesIO()
    turned = Image.Exif()
    turned[274] = 6
    Image.new("RGB", (80, 60)).save(file, "JPEG", exif=turned)
    assert upright_size(file.getvalue()) == (60, 80)


# --- price and processing time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(MODELS))
def test_processing_is_never_shorter_than_the_catalogue_says(model: str) -> None:
    known = MODELS[model]
    for row in known.rows:
        for duration in row.durations:
            for resolution in row.resolutions:
                asked = request(model=model, duration=duration, resolution=resolution)
                assert processing_seconds(asked, 0.01) == known.earliest
    usual = processing_seconds(request(model=model), 1.0)
    assert usual == pytest.approx(known.typical)


def test_a_longer_or_larger_video_takes_longer() -> None:
    usual = processing_seconds(request(), 1.0)
    assert processing_seconds(request(duration=10), 1.0) > usual
    assert processing_seconds(request(resolution="1080p"), 1.0) > usual > processing_seconds(request(duration=1), 1.0)


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({"model": "viduq3-turbo", "duration": 5, "resolution": "720p"}, 60),
        ({"model": "viduq1"}, 80),
        ({"model": "viduq1", "off_peak": True, "is_rec": True}, 50),
        ({"model": "viduq2-pro-fast", "duration": 3, "resolution": "720p"}, 3 * FALLBACK_CREDITS_PER_SECOND["720p"]),
        ({"model": "viduq2", "duration": 3, "resolution": "1080p", "off_peak": True}, 3 * 8),
        ({"model": "viduq2", "duration": 1, "resolution": "540p", "is_rec": True}, 18),
        ({"model": "viduq2", "duration": 1, "resolution": "540p", "audio": True}, 23),
        ({"model": "viduq2-pro", "duration": 5, "resolution": "720p", "audio": True}, 70),
        ({"model": "viduq2-pro", "duration": 3, "resolution": "540p"}, 15),
        ({"model": "viduq3-pro", "duration": 5, "resolution": "540p", "off_peak": True}, 25),
        ({"model": "viduq3-pro", "duration": 16, "resolution": "540p", "off_peak": True}, 80),
        ({"model": "viduq3-pro-fast", "duration": 2, "resolution": "1080p", "off_peak": True}, 26),
        ({"model": "viduq3-pro-fast", "duration": 4, "resolution": "1080p"}, 100),
        ({"model": "viduq4-preview"}, 5 * FALLBACK_CREDITS_PER_SECOND["720p"]),
        ({"model": "viduq4-preview", "duration": 3, "resolution": "4K"}, 3 * FALLBACK_CREDITS_PER_SECOND["4K"]),
    ],
)
def test_a_task_is_billed_by_the_published_prices(fields: dict[str, object], credits: int) -> None:
    assert price(request(**fields)) == credits


@pytest.mark.parametrize(
    ("endpoint", "name"), [(endpoint, name) for endpoint, models in MODELS_OF.items() for name in models]
)
def test_the_bill_is_the_clients_estimate_wherever_there_is_one(endpoint: str, name: str) -> None:
    checks, model = ENDPOINTS[endpoint].checks, MODELS_OF[endpoint][name]
    switches = [name for name in ("off_peak", "audio", "is_rec") if name in checks]
    for row in model.rows:
        for duration, resolution in product(row.durations, row.resolutions):
            for values in product((False, True), repeat=len(switches)):
                asked = dict(zip(switches, values, strict=True))
                if asked.get("off_peak") and model.off_peak_audio not in (None, asked.get("audio")):
                    continue
                if any(asked[name] for name in model.refuses & asked.keys()):
                    continue
                sizes = {"duration": duration, "resolution": resolution}
                fields = {**EXAMPLES[endpoint], "model": name, **sizes, **asked}
                known = {name: value for name, value in fields.items() if name in checks}
                made = read_submission(json.dumps(known).encode(), endpoint)
                assert estimate_credits(made, endpoint=endpoint) in (None, price(made)), known


# --- switches, ids and times -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_of_the_error_page_can_be_requested(reason: str) -> None:
    assert read_scenario(f"[emulator:{reason}]") == Scenario(refuse_reason=reason)


def test_ids_ascend_even_if_the_clock_stops_or_steps_back() -> None:
    ids = Snowflakes(random.Random(1))
    now = int(START * 1e9)
    made = [int(ids.next(now - step % 7 * 10**9)) for step in range(5000)]
    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T00:00:10.25Z", 10.25),
        ("1970-01-01T00:00:10.123456789Z", 10.123457),
        ("1970-01-01T02:00:10+02:00", 10),
        ("1970-01-01T02:00:10 02:00", 10),
    ],
)
def test_rfc_3339_is_read_with_any_fraction_and_offset(text: str, seconds: float) -> None:
    assert read_rfc3339(text) == pytest.approx(seconds)
    assert read_rfc3339(rfc3339(round(seconds * 1e9))) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-20", "1768881713", "2026-01-20T04:01:53"])
def test_invalid_rfc_3339_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        read_rfc3339(text)
