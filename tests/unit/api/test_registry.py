# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What an endpoint knows of its requests: which inputs make two the same, and what they are made of."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from airflow_provider_vidu.api.catalog import MODELS_OF, credits_of, estimate_credits
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import encode_image, without_query
from airflow_provider_vidu.api.img2video import Img2VideoRequest
from airflow_provider_vidu.api.registry import ANY, MP4, PICTURE, SOUND, endpoints, known_endpoint, replace_at

IMG2VIDEO = known_endpoint("img2video")
REFERENCE = known_endpoint("reference2video")


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


IMAGE = encode_image(picture())
SHA256 = hashlib.sha256(picture()).hexdigest()
URLS = st.sampled_from(["https://a.example/cat.png", "HTTP://a.example/b", "ssupload:", "https://a.example"])


def test_every_endpoint_of_the_catalogue_is_found_by_its_name():
    assert [endpoint.name for endpoint in endpoints()] == list(MODELS_OF)
    for endpoint in endpoints():
        assert endpoint.models is MODELS_OF[endpoint.name]
        assert {path.partition(".")[0] for path in endpoint.media} <= endpoint.fields
    with pytest.raises(ViduInputError, match=r"does not know 'img2vide' \(img2video\?\)"):
        known_endpoint("img2vide")


def test_image_to_video_is_what_it_was():
    assert IMG2VIDEO.request is Img2VideoRequest
    assert IMG2VIDEO.default_model == DEFAULT_MODEL
    assert IMG2VIDEO.required == ["images"]
    assert {"images", "prompt", "model", "seed", "is_rec"} < IMG2VIDEO.fields
    assert IMG2VIDEO.produces is MP4


def earlier_identity(wire):
    """How the identity of an image-to-video request was written by hand, before there were endpoints."""
    identity = dict(wire)
    if isinstance(identity.get("images"), list):
        identity["images"] = [SHA256 if image.startswith("data:") else without_query(image) for image in wire["images"]]
    if isinstance(identity.get("wm_url"), str):
        identity["wm_url"] = without_query(identity["wm_url"])
    return identity


@given(
    images=st.lists(st.one_of(st.just(IMAGE), st.just(str(IMAGE)), st.builds("{}?{}#f".format, URLS, st.text("ab=&")))),
    more=st.dictionaries(
        st.sampled_from(["prompt", "seed", "wm_url", "audio", "a newer field"]),
        st.one_of(st.text(), st.integers(), st.none(), st.builds("{}?x={}".format, URLS, st.integers())),
    ),
)
def test_the_identity_of_an_img2video_request_is_stable(images, more):
    wire = {**more, "images": images}
    assert json.dumps(IMG2VIDEO.identity(wire)) == json.dumps(earlier_identity(wire))


@pytest.mark.parametrize("wire", [{}, {"images": "https://a.example/?x=1"}, {"images": None}, {"wm_url": 3}])
def test_the_identity_with_extra_params_is_stable(wire):
    assert IMG2VIDEO.identity(wire) == earlier_identity(wire)


def test_another_endpoints_identity_names_it():
    wire = {
        "images": ["https://a.example/1.png?sign=1", IMAGE],
        "subjects": [{"name": "cat", "images": [str(IMAGE)]}, {"name": "dog"}],
        "videos": ["https://a.example/purr.mp4?sign=2"],
        "sound_url": "https://a.example/purr.mp3?part=of-its-name",
    }
    assert REFERENCE.identity(wire) == {
        "images": ["https://a.example/1.png", SHA256],
        "subjects": [{"name": "cat", "images": [SHA256]}, {"name": "dog"}],
        "videos": ["https://a.example/purr.mp4"],
        "sound_url": "https://a.example/purr.mp3?part=of-its-name",
        "endpoint": "reference2video",
    }
    assert wire["images"][1] is IMAGE


def test_sources_are_what_a_result_is_made_of():
    fields = {"images": "s3://b/cat.png", "wm_url": "https://a.example/mark.png"}
    assert IMG2VIDEO.sources(fields) == ["s3://b/cat.png"]
    assert IMG2VIDEO.sources({}) == []
    subjects = [{"images": ["c.png"]}, {"images": "d.png"}]
    assert REFERENCE.sources({"images": ["a.png", "b.png"], "subjects": subjects}) == [
        ["a.png", "b.png"],
        ["c.png"],
        "d.png",
    ]


def test_a_path_that_leads_nowhere_changes_nothing():
    fields = {"subjects": "{{ later }}", "images": []}
    assert replace_at(fields, "subjects.images", lambda value: "changed") == fields
    assert replace_at(fields, "videos", lambda value: "changed") == fields


def test_an_estimate_is_of_its_endpoint_alone():
    assert estimate_credits({"model": "viduq3-turbo"}, endpoint="another") is None
    assert credits_of("viduq3-turbo", 5, "720p", endpoint="another") is None
    assert estimate_credits({"model": "viduq3-turbo"}, endpoint="reference2video") == 50
    assert estimate_credits({"model": "viduq3-turbo"}) == 60
    assert estimate_credits({}, endpoint="extend") == 35


HEADS = {
    MP4: [b"\0\0\0\x18ftypisom"],
    PICTURE: [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x10JFIF", b"RIFF\x24\0\0\0WEBPVP8 "],
    SOUND: [b"ID3\x04\0\0\0", b"\xff\xfb\x90\x64", b"\xff\xf3\x40\xc0", b"RIFF\x24\0\0\0WAVEfmt "],
}


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.name)
def test_each_kind_of_file_is_known_by_its_first_bytes(kind):
    for other, heads in HEADS.items():
        assert [kind.format_of(head) is not None for head in heads] == [other is kind] * len(heads)
        assert [ANY.format_of(head) for head in heads] == [other.format_of(head) for head in heads]
    # RIFF alone is an AVI, ADTS is AAC, and a page of HTML is an error.
    for head in (b"", b"RIFF", b"RIFF\x24\0\0\0AVI ", b"\xff\xf1\x50\x80", b"<!doctype html>", b"\0\0\0\x18"):
        assert kind.format_of(head) is ANY.format_of(head) is None


@pytest.mark.parametrize(
    ("head", "kind", "suffix"),
    list(
        zip(
            [head for heads in HEADS.values() for head in heads],
            ["video", *["image"] * 3, *["audio"] * 4],
            [".mp4", ".png", ".jpg", ".webp", ".mp3", ".mp3", ".mp3", ".wav"],
            strict=True,
        )
    ),
)
def test_each_format_has_its_kind_and_suffix(head, kind, suffix):
    found = ANY.format_of(head)
    assert (found.kind, found.suffixes[0]) == (kind, suffix)


def test_messages_name_the_endpoints_own_request():
    start_end = known_endpoint("start-end2video")
    with pytest.raises(ViduInputError) as refused:
        start_end.request.of({"images": ["https://a.example/1.png"], "voice_id": "v"})
    assert "images: takes exactly 2 images, got 1" in str(refused.value)
    assert "voice_id: is not a field of Vidu's start-end-to-video request" in str(refused.value)
