# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What every endpoint of the family promises, whatever its request has been given."""

from __future__ import annotations

import pytest
from _support.requests import URL, has_shape, picture, sent
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.catalog import MODELS_OF, estimate_credits
from airflow_provider_vidu.api.defaults import DEFAULT_MODELS
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.registry import MP4, known_endpoint

FUZZ = settings(max_examples=150, deadline=None, database=None)

# The types of Vidu's pages.
DELIVERY = {"payload": str, "callback_url": str}
VIDEO = {
    **DELIVERY,
    "model": str,
    "prompt": str,
    "duration": int,
    "resolution": str,
    "watermark": bool,
    "wm_url": str,
    "meta_data": str,
}
GENERATION = {
    **VIDEO,
    "seed": int,
    "movement_amplitude": str,
    "audio": bool,
    "bgm": bool,
    "off_peak": bool,
    "wm_position": int,
}
SHAPES = {
    "img2video": {**GENERATION, "images": [str], "audio_type": str, "voice_id": str, "is_rec": bool},
    "text2video": {**GENERATION, "style": str, "aspect_ratio": str},
    "start-end2video": {**GENERATION, "images": [str], "is_rec": bool},
    "reference2video": {
        **GENERATION,
        "images": [str],
        "videos": [str],
        "subjects": [
            {"name": str, "id": str, "images": [str], "videos": [str], "voice_id": str, "server_id": str},
        ],
        "auto_subjects": bool,
        "aspect_ratio": str,
        "audio_type": str,
        "voice_id": str,
    },
    "extend": {**VIDEO, "images": [str], "video_url": str, "video_creation_id": str},
    "upscale-new": {**DELIVERY, "video_url": str, "video_creation_id": str, "upscale_resolution": str},
}
# The smallest request of each.
LEAST = {
    "img2video": {"images": URL},
    "text2video": {"prompt": "p"},
    "start-end2video": {"images": [URL, URL]},
    "reference2video": {"prompt": "@cat", "images": [URL]},
    "extend": {"video_creation_id": "911045603801182208"},
    "upscale-new": {"video_creation_id": "911045603801182208"},
}

ENDPOINTS = pytest.mark.parametrize("name", MODELS_OF)


@ENDPOINTS
def test_every_field_is_one_of_the_page(name):
    assert known_endpoint(name).fields == set(SHAPES[name])


@ENDPOINTS
def test_the_smallest_request_is_sent_with_the_default_model(name):
    wire = known_endpoint(name).request.of(LEAST[name]).wire()
    model = {"model": DEFAULT_MODELS[name]} if MODELS_OF[name] else {}
    assert set(wire) == {*LEAST[name], *model}
    assert wire.get("model") == known_endpoint(name).default_model == DEFAULT_MODELS.get(name)
    assert DEFAULT_MODELS.keys() == {named for named, models in MODELS_OF.items() if models}


@ENDPOINTS
def test_every_default_of_the_catalogue_is_itself_legal(name):
    for model in MODELS_OF[name].values():
        request = known_endpoint(name).request.of({**LEAST[name], "model": model.name})
        assert request.warnings() == []
        assert request.effective_duration == model.default_duration
        assert all(row.default_resolution in row.resolutions for row in model.rows)


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_an_unknown_model_is_sent_with_a_warning(name):
    request = known_endpoint(name).request.of({**LEAST[name], "model": "sora-9", "duration": 99, "resolution": "16K"})
    assert (request.wire()["duration"], request.wire()["resolution"]) == (99, "16K")
    (warning,) = request.warnings()
    assert warning.startswith("model 'sora-9' is not in this release's catalogue")
    assert all(model in warning for model in MODELS_OF[name])
    assert estimate_credits(request, endpoint=name) is None


@pytest.mark.parametrize(
    ("name", "model", "warning"),
    [
        ("text2video", "vidu2.0", "model 'vidu2.0' is known for img2video, start-end2video and reference2video, not"),
        ("text2video", "viduq4-preview", "model 'viduq4-preview' is known for img2video, not for text2video; it is se"),
        ("img2video", "viduq3-drama", "model 'viduq3-drama' is known for reference2video, not for img2video; it is"),
        ("extend", "viduq3", "model 'viduq3' is known for reference2video, not for extend; it is sent unchecked"),
        ("extend", "viduq2-trubo", "model 'viduq2-trubo' (viduq2-turbo?) is not in this release's catalogue; it is"),
    ],
)
def test_a_model_of_another_endpoint_is_named_as_such(name, model, warning):
    (said,) = known_endpoint(name).request.of({**LEAST[name], "model": model}).warnings()
    assert said.startswith(warning)


@ENDPOINTS
def test_a_longer_video_is_never_cheaper(name):
    for model in MODELS_OF[name].values():
        for row in model.rows:
            for resolution in row.resolutions:
                asked = [{"model": model.name, "duration": one, "resolution": resolution} for one in row.durations]
                prices = [price for one in asked if (price := estimate_credits(one, endpoint=name)) is not None]
                assert prices == sorted(prices)
                assert all(price > 0 for price in prices)
                halves = [estimate_credits({**one, "off_peak": True}, endpoint=name) for one in asked]
                assert [half for half in halves if half is not None] == [
                    half for half in halves if half is not None and half > 0
                ]


@ENDPOINTS
def test_an_endpoint_knows_what_it_delivers_and_reads(name):
    endpoint = known_endpoint(name)
    assert endpoint.produces is MP4
    read = {path for path, media in endpoint.media.items() if media.is_read}
    named = {"images"} & set(SHAPES[name])
    assert named <= read


TEXTS = st.text(max_size=8) | st.sampled_from([URL, "@cat runs", "16:9", "auto", "720p", "2K", "viduq1", "viduq2-pro"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | TEXTS | st.just(picture())
SCALARS |= st.binary(min_size=1)
SUBJECTS = st.fixed_dictionaries(
    {}, optional={"name": TEXTS, "images": st.lists(SCALARS, max_size=4), "voice_id": TEXTS, "nonsense": SCALARS}
)
ANYTHING = SCALARS | st.lists(SCALARS | SUBJECTS, max_size=8) | SUBJECTS


@ENDPOINTS
@FUZZ
@given(data=st.data())
def test_whatever_is_accepted_has_the_pages_json_types(name, data):
    drawn = data.draw(st.dictionaries(st.sampled_from([*SHAPES[name], "unknown"]), ANYTHING, max_size=5))
    least = {field: value for field, value in LEAST[name].items() if not (field == "images" and "subjects" in drawn)}
    fields = {**least, **drawn}
    try:
        wire = known_endpoint(name).request.of(fields).wire()
    except ViduInputError:
        return
    assert has_shape(sent(wire), SHAPES[name]), wire
    assert known_endpoint(name).request.of(wire).wire() == wire
