# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Sources of images: paths with any names, object stores, and everything that is not an image."""

from __future__ import annotations

import base64
import io
import logging
import os
import tracemalloc
from collections import Counter
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import ClassVar
from urllib.parse import quote

import pytest
from _support.img2video import fingerprint, read_requests, reading_of, wire_of
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.store import _STORE_CACHE, attach
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import content_identity, without_query
from airflow_provider_vidu.api.unchecked import find_endpoint
from airflow_provider_vidu.images import is_remote, load_image, load_images
from airflow_provider_vidu.images import wire_of as wire_of_endpoint
from airflow_provider_vidu.reporting.lineage import asset_uri
from airflow_provider_vidu.submission.batch.requests import check_requests

LOG = logging.getLogger("test")


def picture(kind="PNG", size=(64, 48)):
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


PNG = picture()


def uri(data=PNG, media_type="image/png"):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def refusal(image):
    with pytest.raises(ViduInputError) as caught:
        load_image(image)
    text = str(caught.value)
    assert text.startswith("images: ")
    assert "Nothing was sent to Vidu and nothing is billed." in text
    assert "base64," not in text
    assert len(text) < 500
    return text


# Files

NAMES = [
    "cat.png",
    "with space.png",
    " leading.png",
    "h#ash.png",
    "q?uery.png",
    "a&b=c.png",
    "per%20cent.png",
    "100%.png",
    "~tilde.png",
    "semi;colon.png",
    "co:lon.png",
    "s3:no-url.png",
    "[brackets].png",
    "{braces}.png",
    "star*.png",
    "猫.png",
    "no-extension",
    "wrong.jpg",
    "-dash.png",
    "'quote\".png",
    "back\\slash.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_file_may_have_any_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(PNG)
    assert load_image(str(path)) == uri()
    assert load_image(path) == uri()
    assert load_image(f"file://{path}") == uri()
    assert load_image(f" {path}\n") == uri()


def test_path_may_be_relative_or_start_with_the_home(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cat.png").write_bytes(PNG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "in")
    for path in ("~/in/cat.png", Path("~/in/cat.png"), "cat.png", "./cat.png", Path("cat.png"), "../in/cat.png"):
        assert load_image(path) == uri()


def test_any_path_object_is_accepted(tmp_path):
    class Mine:
        def __fspath__(self):
            return str(tmp_path / "cat.png")

    (tmp_path / "cat.png").write_bytes(PNG)
    assert load_image(Mine()) == uri()
    assert load_image(PurePosixPath(tmp_path / "cat.png")) == uri()


def test_symlink_is_followed(tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "link").symlink_to(tmp_path / "cat.png")
    assert load_image(tmp_path / "link") == uri()


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("PNG", "image/png")])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.txt", "a"])
def test_type_comes_from_the_bytes_not_the_name(tmp_path, kind, media_type, name):
    data = picture(kind)
    (tmp_path / name).write_bytes(data)
    assert load_image(tmp_path / name) == uri(data, media_type)


# Bad input


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not an image; Vidu takes PNG, JPEG and WebP"),
        (picture("GIF"), "is a GIF; Vidu takes PNG, JPEG and WebP"),
        (picture("BMP"), "is a BMP; Vidu takes PNG, JPEG and WebP"),
        (picture(size=(50, 250)), "measures 50x250; its aspect ratio must be between 1:4 and 4:1"),
        (picture(size=(250, 50)), "measures 250x50; its aspect ratio must be between 1:4 and 4:1"),
        (picture("JPEG", (200, 200))[:3000], "is a damaged JPEG file"),
        (PNG[: len(PNG) // 2], "is a damaged PNG file"),
    ],
)
def test_a_file_that_vidu_would_refuse_never_reaches_the_api(tmp_path, data, message):
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    assert f"{path} {message}" in refusal(path)


def test_video_file_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(3 * 1024**3)
    tracemalloc.start()
    text = refusal(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"{path} is 3072.0 MB; Vidu takes at most 50 MB" in text
    assert most < 5_000_000


def test_one_byte_more_than_fifty_megabytes_is_too_much(tmp_path):
    path = tmp_path / "cat.png"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)
    assert "at most 50 MB" in refusal(path)


def test_missing_file_is_reported_as_missing_on_the_worker(tmp_path):
    for image in (str(tmp_path / "no.png"), tmp_path / "no.png", f"file://{tmp_path}/no.png"):
        assert f"{tmp_path}/no.png was not found on the worker; looked in {tmp_path}" in refusal(image)


def test_folder_is_refused_with_advice_to_map(tmp_path):
    for image in (tmp_path, f"{tmp_path}/", f"file://{tmp_path}"):
        assert "is a folder" in refusal(image)
        assert ".expand(images=" in refusal(image)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "cat.png").chmod(0)
    assert "no permission to read" in refusal(tmp_path / "cat.png")


def test_a_permission_error_of_a_store_is_refused(tmp_path, monkeypatch):
    def forbidden(self):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "cat.png").write_bytes(PNG)
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert "no permission to read" in refusal(tmp_path / "cat.png")


@pytest.mark.parametrize("odd", ["loop", "file/inside.png", "n" * 300, "nul\0.png", "fifo"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path, odd):
    (tmp_path / "file").write_bytes(PNG)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "fifo")
    refusal(f"{tmp_path}/{odd}")


@pytest.mark.parametrize("image", ["/dev/zero", "/proc/self/status"])
def test_endless_file_is_not_read(image):
    assert "is empty" in refusal(image)


def test_unknown_users_home_is_refused():
    assert "~nobody-of-that-name" in refusal("~nobody-of-that-name/cat.png")


@pytest.mark.parametrize("size", [(2, 2), (64, 48), (300, 300)])
def test_bare_base64_is_explained_and_not_quoted(size):
    bare = base64.b64encode(picture(size=size)).decode()
    text = refusal(bare)
    assert "data:image/" in text
    assert bare[:40] not in text


@pytest.mark.parametrize("image", ["nosuch://bucket/cat.png", "ftpx://h/cat.png"])
def test_unknown_scheme_is_refused_with_what_is_missing(image):
    text = refusal(image)
    assert image in text
    assert "provider" in text


@pytest.mark.parametrize("image", [None, "", "  ", 5, b"bytes", b"/a.png", ["a.png"], {"path": "a.png"}, object()])
def test_what_is_neither_path_nor_url_is_refused(image):
    assert "must be a path or a URL" in refusal(image)


# One image


@pytest.mark.parametrize("images", [[], (), None, [None], ["a.png", "b.png"], ("a.png", "b.png", "c.png")])
def test_no_image_or_two_never_reach_the_api(images):
    count = len([image for image in images or [] if image is not None])
    with pytest.raises(ViduInputError, match=rf"images(: takes exactly one image, got {count}| is required)"):
        load_images(images)


def test_two_images_are_refused_before_either_is_read(tmp_path):
    with pytest.raises(ViduInputError, match="exactly one"):
        load_images([tmp_path / "missing-1", tmp_path / "missing-2"])


@pytest.mark.parametrize(
    ("endpoint", "fields", "message"),
    [
        (
            "reference2video",
            {"subjects": [{"images": ["https://a.example/a.png"]}, {"images": ["https://a.example/a.png"] * 4}]},
            "1].images: takes 1 to 3",
        ),
        (
            "reference2video",
            {"subjects": [{"images": "nowhere.png"}]},
            "subjects[0].images: nowhere.png was not found on",
        ),
        ("reference2video", {"subjects": [{"images": [None, "a"]}]}, "subjects[0].images: 1 of 2 is None"),
        (
            "multiframe",
            {"image_settings": [{}, {"key_image": "x.png"}]},
            "image_settings[1].key_image: x.png was not fou",
        ),
        (
            "multiframe",
            {"start_image": ["https://a.example/a.png"]},
            "start_image: an image must be a path or a URL, got list",
        ),
        ("start-end2video", {"images": ["https://a.example/a.png"]}, "images: takes exactly 2 images, got 1"),
    ],
)
def test_a_wrong_picture_is_named_by_its_place(endpoint, fields, message):
    with pytest.raises(ViduInputError) as caught:
        wire_of_endpoint(fields, None, logging.getLogger("test"), endpoint=find_endpoint(endpoint))
    assert message in str(caught.value)


def test_single_image_may_be_a_string_or_a_list(tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    for images in (
        str(tmp_path / "cat.png"),
        tmp_path / "cat.png",
        [tmp_path / "cat.png"],
        (str(tmp_path / "cat.png"),),
    ):
        assert load_images(images) == [uri()]


# Images that Vidu reads itself

REMOTE = [
    "https://a.example/cat.png?X-Amz-Signature=a%2Fb&x=%E7%8C%AB#f",
    "HTTP://A.example/cat",
    "ssupload:?id=12345",
    "http://127.0.0.1:1/cat.png",
]


@pytest.mark.parametrize("image", REMOTE)
def test_a_url_is_neither_fetched_nor_changed(image):
    assert is_remote(image)
    assert load_image(f" {image} ") == image
    assert load_images([image]) == [image]


def test_a_data_uri_is_left_to_the_request():
    assert not is_remote(uri())
    assert load_image(uri()) == uri()


# Object stores


@pytest.fixture
def bucket():
    """Attach a store in memory under a connection id, as ``s3://pictures@…`` would reach a bucket."""

    class Memory(MemoryFileSystem):
        cachable = False
        store: ClassVar = {}
        pseudo_dirs: ClassVar = [""]

    store = Memory()
    attach("s3", conn_id="pictures", fs=store)
    yield store
    _STORE_CACHE.clear()


@pytest.mark.parametrize(
    "name", ["cat.png", "with space.png", "h#ash.png", "q?uery.png", "per%20cent.png", "猫", "a@b.png"]
)
def test_an_object_is_read_through_its_connection(bucket, name):
    bucket.pipe(f"/in/sub/{name}", PNG)
    assert load_image(f"s3://pictures@in/sub/{name}") == uri()
    assert load_images([f" s3://pictures@in/sub/{name} "]) == [uri()]


@pytest.mark.parametrize("name", ["cat.png", "PO# 1/cat.png", "q?uery.png", "per%20cent.png", "100%.png", "猫 #.png"])
def test_objects_uri_is_accepted(bucket, name):
    bucket.pipe(f"/in/sub/{name}", PNG)
    lineage = asset_uri(f"s3://pictures@in/sub/{name}").replace("s3://", "s3://pictures@")
    for given in (lineage, f"s3://pictures@in/sub/{quote(name)}"):
        assert load_image(given) == uri()


def test_key_is_tried_literally_before_decoding(bucket):
    bucket.pipe("/in/a%20b.png", PNG)
    bucket.pipe("/in/a b.png", b"another")
    assert load_image("s3://pictures@in/a%20b.png") == uri()


def test_missing_object_is_named_as_given(bucket):
    assert "s3://pictures@in/a%20b.png does not exist" in refusal("s3://pictures@in/a%20b.png")


def test_an_object_storage_path_is_taken_with_its_connection(bucket):
    bucket.pipe("/in/cat.png", PNG)
    assert load_image(ObjectStoragePath("s3://pictures@in/cat.png")) == uri()
    assert load_image(ObjectStoragePath("s3://in/", conn_id="pictures") / "cat.png") == uri()


def test_an_object_that_vidu_would_refuse_never_reaches_the_api(bucket):
    bucket.pipe("/in/cat.png", picture("GIF"))
    bucket.pipe("/in/empty.png", b"")
    assert "s3://pictures@in/cat.png is a GIF" in refusal("s3://pictures@in/cat.png")
    assert "is empty" in refusal("s3://pictures@in/empty.png")
    assert "does not exist" in refusal("s3://pictures@in/no.png")
    assert "is a folder" in refusal("s3://pictures@in")


def test_video_in_a_bucket_is_refused_without_fetching_it(bucket, monkeypatch):
    bucket.pipe("/in/film.mp4", b"x")
    size = {"name": "/in/film.mp4", "size": 3 * 1024**3, "type": "file", "created": datetime(2026, 1, 1)}
    monkeypatch.setattr(type(bucket), "info", lambda self, path, **options: size)
    monkeypatch.setattr(type(bucket), "_open", None)
    assert "3072.0 MB; Vidu takes at most 50 MB" in refusal("s3://pictures@in/film.mp4")


def test_an_object_that_may_not_be_read_is_refused(bucket, monkeypatch):
    def forbidden(*arguments, **options):
        raise PermissionError("Access Denied")

    bucket.pipe("/in/cat.png", PNG)
    monkeypatch.setattr(type(bucket), "_open", forbidden)
    assert "no permission to read s3://pictures@in/cat.png (Access Denied)" in refusal("s3://pictures@in/cat.png")


def test_store_without_its_library_is_refused_naming_it(bucket, monkeypatch):
    def missing(*arguments, **options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(type(bucket), "isdir", missing)
    monkeypatch.setattr(type(bucket), "info", missing)
    text = refusal("s3://pictures@in/cat.png")
    assert "Install s3fs" in text
    assert "provider" in text


def test_unavailable_store_is_left_to_airflows_retries(bucket, monkeypatch):
    def down(*arguments, **options):
        raise TimeoutError("the store did not answer")

    bucket.pipe("/in/cat.png", PNG)
    monkeypatch.setattr(type(bucket), "_open", down)
    with pytest.raises(TimeoutError):
        load_image("s3://pictures@in/cat.png")


# The whole request


def test_request_is_built_and_ineffective_fields_are_logged(tmp_path, caplog):
    (tmp_path / "cat.png").write_bytes(PNG)
    fields = {"images": str(tmp_path / "cat.png"), "prompt": "", "duration": "3", "movement_amplitude": "large"}
    with caplog.at_level(logging.WARNING):
        wire = wire_of(fields, None, logging.getLogger("test"))
    assert wire == {"images": [uri()], "model": DEFAULT_MODEL, "duration": 3, "movement_amplitude": "large"}
    assert "movement_amplitude has no effect" in caplog.text
    assert "base64," not in caplog.text


def test_extra_params_go_last_and_unchecked():
    fields = {"images": REMOTE[0], "seed": 1}
    wire = wire_of(fields, {"seed": -1, "tomorrows_field": {"a": [1]}}, logging.getLogger("test"))
    assert wire == {"images": [REMOTE[0]], "model": DEFAULT_MODEL, "seed": -1, "tomorrows_field": {"a": [1]}}


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), float("nan"), {1}, b"x", "\ud800"])
def test_extra_params_must_be_json(value):
    with pytest.raises(ViduInputError, match="tomorrows_field"):
        wire_of({"images": REMOTE[0]}, {"tomorrows_field": value}, logging.getLogger("test"))


@pytest.mark.parametrize("missing", [{}, {"images": None}, {"images": ""}, {"images": []}])
def test_a_request_without_an_image_is_refused(missing):
    with pytest.raises(ViduInputError, match=r"^images(:| is required)"):
        wire_of(missing, None, logging.getLogger("test"))


# Identity of images


def test_bytes_are_the_same_image_wherever_they_came_from(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.jpg").write_bytes(PNG)
    first, second = (content_identity(load_image(tmp_path / name)) for name in ("a.png", "b.jpg"))
    assert first == second == content_identity(uri(PNG, "image/jpeg"))
    assert first != content_identity(uri(picture("JPEG")))
    assert len(first) == 64


def test_re_signed_link_is_the_same_image():
    first, second = (content_identity(f"https://a.example/cat%20.png?X-Amz-Signature={n}#f") for n in (1, 2))
    assert first == second == "https://a.example/cat%20.png"
    assert content_identity("https://a.example/dog.png?x=1") != first


def test_uploads_differ_by_their_query():
    assert content_identity("ssupload:?id=1") != content_identity("ssupload:?id=2")
    assert without_query("ssupload:?id=1") == "ssupload:?id=1"
    assert without_query("HTTPS://a.example/b?c#d").lower() == "https://a.example/b"


@pytest.fixture
def decodes(monkeypatch):
    """Count how often pictures are decoded, and how often base64 is."""
    counted: Counter[str] = Counter()

    def counting(module, name):
        real = getattr(module, name)

        def call(*arguments, **options):
            counted[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    counting(Image, "open")
    counting(base64, "b64decode")
    return counted


ACCOUNT = Account(base_url="https://api.vidu.com", api_key="key")


def checked(image):
    [request] = check_requests(read_requests([{"images": image}], None), LOG)
    return request


def test_a_picture_is_decoded_once_a_submission(tmp_path, decodes):
    (tmp_path / "a.png").write_bytes(PNG)
    fingerprint(wire_of({"images": f"{tmp_path}/a.png"}, None, LOG))
    assert decodes == {"open": 1}


@pytest.mark.parametrize("is_uri", [False, True])
def test_a_picture_of_a_batch_is_decoded_once(tmp_path, decodes, is_uri):
    (tmp_path / "a.png").write_bytes(PNG)
    request = checked(uri() if is_uri else f"{tmp_path}/a.png")
    assert reading_of(request.build_wire(LOG)) == request.reading
    assert decodes["open"] == 1


def test_replaced_picture_is_decoded_again(tmp_path, decodes):
    (tmp_path / "a.png").write_bytes(PNG)
    request = checked(f"{tmp_path}/a.png")
    (tmp_path / "a.png").write_bytes(PNG + b"x")
    assert reading_of(request.build_wire(LOG)) != request.reading
    assert decodes["open"] == 2
