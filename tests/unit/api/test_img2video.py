# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A request is right on the wire, or it never gets there: and then the message says field, limit and value."""

from __future__ import annotations

import base64
import io
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from airflow_provider_vidu.api.catalog import MODELS
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.errors import ViduInputError, request_error
from airflow_provider_vidu.api.img2video import ENDPOINT, Img2VideoRequest

URL = "https://pictures.example/cat.png?sig=a%2Fb"
FUZZ = settings(max_examples=60, deadline=None, database=None)


def picture(kind="PNG", size=(64, 48)):
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def uri(data):
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def build(**fields):
    return Img2VideoRequest.of({"images": URL, **fields})


def refusal(**fields):
    with pytest.raises(ViduInputError) as caught:
        build(**fields)
    return str(caught.value)


# On the wire

EVERYTHING = {
    "images": [URL],
    "model": "viduq1",
    "prompt": "镜头缓慢推进",
    "duration": 5,
    "seed": 12345,
    "resolution": "1080p",
    "movement_amplitude": "large",
    "audio": True,
    "audio_type": "speech_only",
    "voice_id": "voice-1",
    "is_rec": False,
    "bgm": True,
    "off_peak": False,
    "watermark": True,
    "wm_position": 4,
    "wm_url": "https://pictures.example/mark.png",
    "meta_data": '{"Label": "l"}',
    "payload": "custom-tracking-id-123",
    "callback_url": "https://me.example/callback?a=b",
}


def test_every_field_of_the_page_travels_under_its_name():
    assert set(EVERYTHING) == set(Img2VideoRequest.model_fields)
    assert Img2VideoRequest.of(EVERYTHING).wire() == EVERYTHING


def test_an_unset_field_is_not_sent():
    assert build().wire() == {"images": [URL], "model": DEFAULT_MODEL}


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name != "images"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_rendering_counts_as_unset(name, empty):
    assert build(**{name: empty}).wire() == {"images": [URL], "model": DEFAULT_MODEL}


@pytest.mark.parametrize(
    ("field", "rendered", "sent"),
    [
        ("duration", "5", 5),
        ("duration", " 5 ", 5),
        ("duration", 5.0, 5),
        ("seed", "0", 0),
        ("seed", "12345", 12345),
        ("seed", 2**40, 2**40),
        ("wm_position", "3", 3),
        ("audio", "True", True),
        ("audio", "false", False),
        ("audio", " FALSE ", False),
        ("off_peak", "False", False),
        ("watermark", "true", True),
        ("is_rec", 1, True),
        ("bgm", "0", False),
        ("meta_data", {"Label": "é", "n": 1}, '{"Label": "é", "n": 1}'),
        ("meta_data", '{"Label": "l"}', '{"Label": "l"}'),
        ("wm_url", " https://a.example/m.png\n", "https://a.example/m.png"),
        ("prompt", "p" * 5000, "p" * 5000),
        ("payload", "p" * 1_048_576, "p" * 1_048_576),
        ("payload", "  kept as it is \n", "  kept as it is \n"),
    ],
)
def test_what_jinja_renders_travels_in_the_types_of_vidus_page(field, rendered, sent):
    value = build(**{field: rendered}).wire()[field]
    assert value == sent
    assert type(value) is type(sent)


@pytest.mark.parametrize(
    "image",
    [URL, "http://a.example/b", "HTTPS://A.example/b.JPG", "ssupload:?id=123", f" {URL} "],
)
def test_what_vidu_reads_itself_travels_untouched(image):
    assert Img2VideoRequest.of({"images": [image]}).wire()["images"] == [image.strip()]
    assert Img2VideoRequest.of({"images": image}).wire()["images"] == [image.strip()]


def test_a_data_uri_travels_with_its_true_type():
    data = picture("JPEG")
    sent = build(images=uri(data)).wire()["images"][0]
    assert sent == f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def legal_requests():
    def of(model):
        rows = [
            (seconds, resolution) for row in model.rows for seconds in row.durations for resolution in row.resolutions
        ]
        return st.sampled_from(rows).flatmap(
            lambda row: st.fixed_dictionaries(
                {
                    "images": st.just([URL]),
                    "model": st.just(model.name),
                    "duration": st.just(row[0]),
                    "resolution": st.just(row[1]),
                },
                optional={
                    # As the text None, an unset Param counts as unset.
                    "prompt": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50).filter(
                        lambda text: text.strip() != "None"
                    ),
                    "seed": st.integers(0, 2**63),
                    "movement_amplitude": st.sampled_from(["auto", "small", "medium", "large"]),
                    "audio_type": st.sampled_from(["all", "speech_only", "sound_effect_only"]),
                    "is_rec": st.booleans(),
                    "bgm": st.booleans(),
                    "watermark": st.booleans(),
                    "wm_position": st.integers(1, 4),
                    "payload": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
                        lambda text: text.strip() != "None"
                    ),
                    "audio": st.booleans(),
                },
            )
        )

    return st.sampled_from(list(MODELS.values())).flatmap(of)


@FUZZ
@given(legal_requests())
def test_a_legal_request_survives_the_wire(fields):
    wire = Img2VideoRequest.of(fields).wire()
    assert wire == fields
    assert Img2VideoRequest.of(json.loads(json.dumps(wire))).wire() == wire


@FUZZ
@given(legal_requests())
def test_a_legal_request_rendered_as_text_is_the_same_request(fields):
    text = {name: value if isinstance(value, list) else str(value) for name, value in fields.items()}
    assert Img2VideoRequest.of(text).wire() == fields


# Bad input: field, what the message must name of the limit, what of the value

LONG = "x" * 10_000
BAD = [
    ({"movement_amplitude": "standard"}, "movement_amplitude", "'auto', 'small', 'medium' or 'large'", "'standard'"),
    ({"audio_type": "loud"}, "audio_type", "'all', 'speech_only' or 'sound_effect_only'", "'loud'"),
    ({"resolution": "4K"}, "resolution", "540p, 720p or 1080p", "4K"),
    ({"resolution": "540p", "model": "viduq3-pro-fast"}, "resolution", "720p or 1080p", "540p"),
    ({"resolution": "720p", "model": "viduq1"}, "resolution", "1080p", "720p"),
    ({"resolution": "1080p", "duration": 8, "model": "vidu2.0"}, "resolution", "at 8 s must be 720p", "1080p"),
    ({"duration": 0}, "duration", "1 to 16", "0"),
    ({"duration": 17}, "duration", "1 to 16", "17"),
    ({"duration": -5}, "duration", "1 to 16", "-5"),
    ({"duration": 11, "model": "viduq2-pro"}, "duration", "1 to 10", "11"),
    ({"duration": 4, "model": "viduq1"}, "duration", "5", "4"),
    ({"duration": 5, "model": "vidu2.0"}, "duration", "4 or 8", "5"),
    ({"duration": 0, "model": "viduq9"}, "duration", "at least 1", "0"),
    ({"duration": 5.5}, "duration", "whole number", "5.5"),
    ({"duration": "long"}, "duration", "whole number", "'long'"),
    ({"duration": True}, "duration", "number", "True"),
    ({"duration": float("inf")}, "duration", "finite", "inf"),
    ({"seed": -1}, "seed", "0 (random) or positive", "-1"),
    ({"seed": "-7"}, "seed", "0 (random) or positive", "-7"),
    ({"seed": 1.5}, "seed", "whole number", "1.5"),
    ({"seed": False}, "seed", "number", "False"),
    ({"seed": [1]}, "seed", "whole number", "list"),
    ({"wm_position": 0}, "wm_position", "greater than or equal to 1", "0"),
    ({"wm_position": 5}, "wm_position", "less than or equal to 4", "5"),
    ({"wm_position": "bottom_right"}, "wm_position", "whole number", "'bottom_right'"),
    ({"audio": "maybe"}, "audio", "true or false", "'maybe'"),
    ({"prompt": "p" * 5001}, "prompt", "5000", "5001"),
    ({"prompt": "lone \ud800"}, "prompt", "UTF-8", ""),
    ({"payload": "p" * 1_048_577}, "payload", "1048576", "1048577"),
    ({"meta_data": "{"}, "meta_data", "JSON object", "'{'"),
    ({"meta_data": "[1]"}, "meta_data", "JSON object", "'[1]'"),
    ({"meta_data": "Label"}, "meta_data", "JSON object", "'Label'"),
    ({"meta_data": '{"a": NaN}'}, "meta_data", "JSON object", "NaN"),
    ({"meta_data": "[" * 100_000}, "meta_data", "JSON object", ""),
    ({"meta_data": 5}, "meta_data", "dict", "5"),
    ({"meta_data": [1]}, "meta_data", "dict", "list"),
    ({"meta_data": {"at": datetime(2026, 1, 1, tzinfo=timezone.utc)}}, "meta_data", "JSON", "dict"),
    ({"meta_data": {"a": float("nan")}}, "meta_data", "JSON", "dict"),
    ({"wm_url": "ftp://a.example/m.png"}, "wm_url", "http(s) URL", "'ftp://a.example/m.png'"),
    ({"callback_url": "me.example"}, "callback_url", "http(s) URL", ""),
    ({"model": "  "}, "model", "not be empty", ""),
    ({"off_peak": True, "audio": False}, "off_peak", "only with audio=true", "audio=false"),
    ({"off_peak": True, "model": "viduq2-pro", "audio": True}, "off_peak", "only with audio=false", "audio=true"),
    ({"off_peak": True, "model": "viduq1", "audio": "true"}, "off_peak", "only with audio=false", "audio=true"),
    ({"images": []}, "images", "exactly one", "0"),
    ({"images": [URL, URL]}, "images", "exactly one", "2"),
    ({"images": None}, "images", "list", "None"),
    ({"images": 5}, "images", "list", "5"),
    ({"images": [5]}, "images", "string", ""),
    ({"images": ""}, "images", "URL", ""),
    ({"images": "/not/read/yet.png"}, "images", "URL", ""),
    ({"images": "data:image/png;base64,@@@"}, "images", "valid base64", ""),
    ({"images": "data:image/png;base64,"}, "images", "empty", ""),
    ({"images": uri(b"hello")}, "images", "PNG, JPEG and WebP", "not an image"),
    ({"images": uri(picture("GIF"))}, "images", "PNG, JPEG and WebP", "GIF"),
    ({"images": uri(picture(size=(50, 250)))}, "images", "1:4 and 4:1", "50x250"),
    ({"images": uri(picture("JPEG", (200, 200))[:2000])}, "images", "damaged", "JPEG"),
    ({"aspect_ratio": "16:9"}, "aspect_ratio", "extra_params", "'16:9'"),
    ({"negative_prompt": LONG}, "negative_prompt", "extra_params", "xxx"),
]


@pytest.mark.parametrize(
    ("fields", "field", "limit", "value"), BAD, ids=[f"{field}-{limit}-{value}"[:60] for _, field, limit, value in BAD]
)
def test_bad_input_is_rejected_with_field_limit_and_value(fields, field, limit, value):
    text = refusal(**fields)
    assert text.startswith(field)
    assert limit in text
    assert value in text
    assert "Nothing was sent to Vidu and nothing is billed." in text
    assert "base64," not in text
    assert len(text) < 400


def test_all_faults_are_reported_at_once():
    text = refusal(seed=-1, movement_amplitude="standard", wm_position=9, images=[URL, URL])
    for field in ("seed:", "movement_amplitude:", "wm_position:", "images:"):
        assert text.count(field) == 1


@pytest.mark.parametrize(
    "field", [name for name in EVERYTHING if name not in {"prompt", "payload", "voice_id", "model"}]
)
def test_an_image_in_a_wrong_field_is_not_repeated(field):
    image = uri(picture())
    text = refusal(**{field: image if field != "images" else [image, image]})
    assert field in text
    assert image[22:60] not in text
    assert "base64," not in text


def test_an_error_carries_no_input_for_a_log_to_show():
    with pytest.raises(ViduInputError) as caught:
        build(images=uri(picture("GIF")), payload="secret" * 200_000)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "secret" not in str(error)
    assert len(repr(error)) < 500


def test_what_may_hold_a_secret_is_refused_without_being_repeated():
    assert "hush" not in refusal(callback_url="me.example/?token=hush")
    assert "hush" not in refusal(payload="hush \ud800")
    assert "hush" not in refusal(images="s3://bucket/hush")


def test_pydantics_own_error_holds_no_image_either():
    image = uri(picture("GIF"))
    with pytest.raises(ValidationError) as caught:
        Img2VideoRequest(images=[image], seed=-1)
    assert image[30:60] not in str(caught.value)
    assert "base64," not in str(caught.value)


def test_a_representation_holds_no_image_and_no_payload():
    text = repr(build(images=uri(picture()), payload="secret", callback_url="https://me.example/?token=t"))
    assert "base64" not in text
    assert "secret" not in text
    assert "token" not in text


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=5)
    | st.datetimes()
    | st.lists(st.integers() | st.text(max_size=5), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.floats() | st.text(max_size=3) | st.datetimes(), max_size=2)
)


@FUZZ
@given(st.dictionaries(st.sampled_from([*EVERYTHING, "unknown", ""]), ANYTHING, max_size=5))
def test_no_fields_raise_anything_but_our_own_error(fields):
    try:
        wire = Img2VideoRequest.of({"images": URL, **fields}).wire()
    except ViduInputError:
        return
    json.dumps(wire, allow_nan=False, ensure_ascii=False).encode()


# The page's own example

PAGE_EXAMPLE = {
    "model": "viduq2-pro",
    "images": ["https://imageproxy.example/api/proxy/image/6fb238cc01649cb7580fbb2dd58f3d6d.png"],
    "prompt": "镜头缓慢推进，展现画面中的细节，背景逐渐虚化",
    "duration": 2,
    "resolution": "1080p",
    "aspect_ratio": "16:9",
    "seed": 12345,
    "movement_amplitude": "standard",
    "bgm": False,
    "audio": False,
    "off_peak": False,
    "watermark": False,
}


def test_the_pages_own_wrong_example_is_rejected():
    with pytest.raises(ViduInputError) as caught:
        Img2VideoRequest.of(PAGE_EXAMPLE)
    text = str(caught.value)
    assert "movement_amplitude: " in text
    assert "'standard'" in text
    assert "aspect_ratio: is not a field" in text
    assert "promt: is not a field of Vidu's image-to-video request (prompt?)" in refusal(promt="x")
    assert text.count(": ") == 2


def test_the_pages_example_put_right_is_accepted_as_it_stands():
    corrected = {name: value for name, value in PAGE_EXAMPLE.items() if name != "aspect_ratio"}
    corrected["movement_amplitude"] = "auto"
    request = Img2VideoRequest.of(corrected)
    assert request.wire() == corrected
    assert request.warnings() == []


# Models


@pytest.mark.parametrize("model", MODELS)
def test_models_accept_exactly_their_rows(model):
    for seconds in range(19):
        row = MODELS[model].row(seconds)
        for resolution in ("360p", "540p", "720p", "1080p", "2K"):
            fields = {"model": model, "duration": seconds, "resolution": resolution}
            if row is not None and resolution in row.resolutions:
                assert build(**fields).wire() == {"images": [URL], **fields}
            else:
                assert model in refusal(**fields)


def test_an_unknown_model_passes_with_a_warning():
    request = build(model="viduq9-ultra", duration=40, resolution="8K", off_peak=True, audio=False)
    assert request.wire()["resolution"] == "8K"
    assert request.known_model is None
    (warning,) = request.warnings()
    assert "viduq9-ultra" in warning
    assert "viduq3-turbo" in warning
    assert "'viduq3-trubo' (viduq3-turbo?) is not in" in build(model="viduq3-trubo").warnings()[0]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("viduq3-trubo", "Model 'viduq3-trubo' (viduq3-turbo?) is not in this release's catalogue."),
        ("Viduq3-Turbo", "Model 'Viduq3-Turbo' (viduq3-turbo?) is not in this release's catalogue."),
        ("kling", "Model 'kling' is not in this release's catalogue."),
        ("viduq3", "Model 'viduq3' is known for reference2video, not for img2video."),
        (None, "Model None is not in this release's catalogue."),
        ("viduq3-turbo", None),
    ],
)
def test_the_refusal_of_an_unknown_model_names_it(model, named):
    for status, reason in [(400, "FieldInvalid"), (400, None), (400, "ModelUnavailable"), (503, "model_not_found")]:
        error = ENDPOINT.name_unknown_model(request_error(status, reason, "model is not supported"), model)
        said = "Vidu answered: model is not supported"
        assert error.message == (f"{said}. {named}" if named else said)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "Unauthorized"), (400, "CreditInsufficient"), (400, "AuditSubmitIllegal"), (500, None)]
)
def test_other_refusals_do_not_blame_the_model(status, reason):
    assert "catalogue" not in ENDPOINT.name_unknown_model(request_error(status, reason, "no"), "viduq3-trubo").message


@pytest.mark.parametrize(
    ("fields", "duration", "resolution"),
    [
        ({}, 5, "720p"),
        ({"model": "viduq1"}, 5, "1080p"),
        ({"model": "vidu2.0"}, 4, "360p"),
        ({"model": "vidu2.0", "duration": 8}, 8, "720p"),
        ({"duration": 3, "resolution": "540p"}, 3, "540p"),
        ({"model": "viduq9"}, None, None),
        ({"model": "viduq9", "duration": 7, "resolution": "8K"}, 7, "8K"),
    ],
)
def test_what_vidu_will_render_is_known_where_the_catalogue_knows(fields, duration, resolution):
    request = build(**fields)
    assert (request.effective_duration, request.effective_resolution) == (duration, resolution)


@pytest.mark.parametrize(
    "fields",
    [
        {"off_peak": True},
        {"off_peak": True, "audio": True},
        {"off_peak": True, "model": "viduq2-pro"},
        {"off_peak": True, "model": "viduq1", "audio": False},
        {"off_peak": False, "audio": False},
    ],
)
def test_off_peak_is_taken_where_the_newest_page_takes_it(fields):
    assert build(**fields).off_peak is fields["off_peak"]


@pytest.mark.parametrize(
    ("fields", "warnings"),
    [
        ({}, []),
        ({"movement_amplitude": "auto", "bgm": False}, []),
        ({"movement_amplitude": "large"}, ["movement_amplitude has no effect with viduq3-turbo."]),
        ({"movement_amplitude": "large", "model": "viduq2"}, ["movement_amplitude has no effect with viduq2."]),
        ({"movement_amplitude": "large", "model": "viduq1"}, []),
        ({"bgm": True}, ["bgm has no effect with viduq3-turbo."]),
        ({"bgm": True, "model": "viduq2-pro"}, []),
        ({"bgm": True, "model": "viduq2-pro", "duration": 9}, ["bgm has no effect with viduq2-pro at 9 s."]),
        ({"voice_id": "v"}, ["voice_id has no effect with viduq3-turbo."]),
        ({"voice_id": "v", "model": "viduq1"}, ["voice_id has no effect without audio."]),
        ({"voice_id": "v", "model": "viduq1", "audio": True}, []),
        ({"audio_type": "all", "model": "viduq1"}, ["audio_type has no effect without audio."]),
        ({"audio_type": "all"}, []),
        (
            {"audio_type": "speech_only"},
            ["audio_type=speech_only has no effect with viduq3-turbo, which renders all sound."],
        ),
        ({"audio_type": "speech_only", "model": "viduq2-pro", "audio": True}, []),
        ({"is_rec": True, "prompt": "p"}, ["prompt is ignored with is_rec: Vidu writes its own."]),
        ({"is_rec": True}, []),
        ({"wm_position": 1}, ["wm_position and wm_url have no effect without watermark."]),
        ({"wm_position": 1, "watermark": True}, []),
    ],
)
def test_what_is_legal_but_without_effect_is_said(fields, warnings):
    assert build(**fields).warnings() == warnings


# As rendered


@pytest.mark.parametrize(
    ("field", "given", "sent"),
    [
        ("resolution", " 720p ", "720p"),
        ("resolution", "720P", "720p"),
        ("movement_amplitude", "AUTO", "auto"),
        ("movement_amplitude", " Large ", "large"),
        ("audio_type", "Speech_Only", "speech_only"),
        ("audio_type", "sound-effect_only", "sound_effect_only"),
        ("model", " viduq2-pro ", "viduq2-pro"),
        ("prompt", 20231023, "20231023"),
        ("voice_id", 12345, "12345"),
        ("model", 123, "123"),
        ("payload", {"sku": 5}, '{"sku": 5}'),
        ("payload", [1, "猫"], '[1, "猫"]'),
    ],
)
def test_text_and_words_are_sent_as_meant(field, given, sent):
    assert build(**{field: given}).wire()[field] == sent


@pytest.mark.parametrize("field", ["prompt", "model", "voice_id", "resolution"])
@pytest.mark.parametrize("given", [["a cat", "a dog"], {"a": 1}], ids=["list", "dict"])
def test_a_structure_for_a_text_is_refused(field, given):
    """A list of prompts is a forgotten .expand(); as text it would be billed."""
    with pytest.raises(ViduInputError, match=field):
        build(**{field: given})


def test_a_resolution_is_sent_as_vidu_spells_it():
    assert build(model="viduq4-preview", resolution=" 2k ").wire()["resolution"] == "2K"


@pytest.mark.parametrize("field", sorted(set(Img2VideoRequest.model_fields) - {"images"}))
def test_text_none_counts_as_unset(field):
    assert build(**{field: "None"}).wire() == build().wire()


def test_unknown_models_have_no_local_prompt_limit():
    assert len(build(model="viduq9", prompt="x" * 6000).wire()["prompt"]) == 6000
    assert build(model="viduq9", resolution="4K").wire()["resolution"] == "4K"
