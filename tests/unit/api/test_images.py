# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the bytes say of an image, and what is refused before it is paid for."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import (
    MAX_BODY_BYTES,
    MAX_IMAGE_BYTES,
    EncodedImage,
    LargeImage,
    check_image_size,
    decode_data_uri,
    encode_image,
    inspect_image,
    pictures_in,
    replace_pictures,
)


def picture(kind="PNG", size=(64, 48), mode="RGB", **options):
    """Encode a noisy picture: noise does not shrink to nothing, so that half a file is half a picture."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def uri(data, media_type="image/png"):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (picture("PNG"), "image/png"),
        (picture("PNG", mode="L"), "image/png"),
        (picture("PNG", mode="RGBA"), "image/png"),
        (picture("PNG", mode="P"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("JPEG", mode="CMYK"), "image/jpeg"),
        (picture("JPEG", progressive=True), "image/jpeg"),
        (picture("WEBP"), "image/webp"),
        (picture("WEBP", lossless=True), "image/webp"),
    ],
)
def test_the_type_is_read_from_the_bytes(data, media_type):
    facts = inspect_image(data)
    assert (facts.media_type, facts.width, facts.height) == (media_type, 64, 48)
    assert encode_image(data) == uri(data, media_type)


def chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def with_chunk(*made: bytes) -> bytes:
    """A PNG with further chunks behind its header."""
    png = picture("PNG")
    return png[:33] + b"".join(made) + png[33:]


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 1_200_000))),
        with_chunk(chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(b"x" * 1_200_000))),
        with_chunk(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 900_000)) for _ in range(90)]),
        with_chunk(chunk(b"iCCP", b"k\0\0" + zlib.compress(b"x" * 1_500_000))),
        with_chunk(chunk(b"tEXt", b"k\0v", crc=1)),
        picture("JPEG")[:-2],
        picture("JPEG", mode="L")[:-2],
        picture("JPEG") + b"a trailer",
        picture("JPEG", progressive=True) + b"a trailer",
    ],
    ids=["zTXt", "iTXt", "many texts", "ICC", "CRC", "JPEG", "grey JPEG", "trailer", "progressive trailer"],
)
def test_what_every_viewer_opens_is_taken_as_it_is(data):
    assert encode_image(data).endswith(base64.b64encode(data).decode())


@pytest.mark.parametrize("cut", [200, 1000])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_that_was_cut_off_is_damaged(cut, options):
    with pytest.raises(ViduInputError, match="damaged JPEG"):
        encode_image(picture("JPEG", (200, 150), **options)[: -2 - cut])


@pytest.mark.parametrize(
    ("brands", "kind"),
    [(b"heic\0\0\0\0mif1heic", "HEIC"), (b"mif1\0\0\0\0miafheic", "HEIC"), (b"avif\0\0\0\0mif1miaf", "AVIF")],
)
def test_a_phones_format_is_named_with_what_to_do(brands, kind):
    data = struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100)
    with pytest.raises(ViduInputError, match=rf"in {kind} format; Vidu takes PNG, JPEG and WebP. Save it as a JPEG"):
        encode_image(data)


def test_too_many_pixels_are_a_size(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ViduInputError, match="megapixels: make it smaller") as refused:
        encode_image(picture("PNG"))
    assert "attack" not in str(refused.value)


def test_a_phones_double_picture_is_a_jpeg():
    buffer = io.BytesIO()
    first, second = (Image.effect_noise((64, 48), sigma).convert("RGB") for sigma in (40, 80))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    assert Image.open(buffer).format == "MPO"
    assert inspect_image(buffer.getvalue()).media_type == "image/jpeg"


@pytest.mark.parametrize("size", [(50, 200), (200, 50), (100, 100), (1, 1), (1, 4), (400, 101)])
def test_a_ratio_up_to_one_to_four_is_taken(size):
    facts = inspect_image(picture(size=size))
    assert (facts.width, facts.height) == size


@pytest.mark.parametrize("size", [(50, 250), (250, 50), (50, 201), (201, 50), (1, 5)])
def test_an_image_narrower_than_one_to_four_is_rejected(size):
    with pytest.raises(ViduInputError, match=rf"images: a\.png measures {size[0]}x{size[1]}.*1:4 and 4:1"):
        encode_image(picture(size=size), "a.png")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_a_picture_of_another_kind_never_reaches_the_api(kind):
    with pytest.raises(ViduInputError, match=rf"images: a\.png is a {kind}; Vidu takes PNG, JPEG and WebP"):
        encode_image(picture(kind), "a.png")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"<html>403 Forbidden</html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"\x00\x00\x00\x18ftypmp42" + bytes(100),
        b"%PDF-1.7",
        bytes(1000),
    ],
)
def test_other_files_never_reach_the_api(data):
    with pytest.raises(ViduInputError, match=r"images: a\.png is not an image; Vidu takes PNG, JPEG and WebP"):
        encode_image(data, "a.png")


def test_an_empty_file_never_reaches_the_api():
    with pytest.raises(ViduInputError, match=r"images: a\.png is empty"):
        encode_image(b"", "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_never_reaches_the_api(kind, part):
    whole = picture(kind, (160, 120))
    with pytest.raises(ViduInputError, match=r"images: a\.png (is a damaged|cannot be read|is not an image)"):
        encode_image(whole[: int(len(whole) * part)], "a.png")


def test_a_flipped_byte_in_a_png_never_reaches_the_api():
    damaged = bytearray(picture("PNG"))
    damaged[len(damaged) // 2] ^= 0xFF
    with pytest.raises(ViduInputError, match="damaged PNG"):
        encode_image(bytes(damaged))


def test_a_decompression_bomb_is_refused_without_being_unpacked():
    side = 30_000
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    with pytest.raises(ViduInputError, match="more than 178 megapixels"):
        encode_image(bomb)


@pytest.mark.parametrize("size", [1, MAX_IMAGE_BYTES])
def test_fifty_megabytes_is_the_limit_of_an_image(size):
    check_image_size(size, "a.png")


@pytest.mark.parametrize("size", [MAX_IMAGE_BYTES + 1, 10**12])
def test_an_image_above_fifty_megabytes_never_reaches_the_api(size):
    with pytest.raises(ViduInputError, match=r"images: a\.png is [\d.]+ MB; Vidu takes at most 50 MB"):
        check_image_size(size, "a.png")


def test_an_image_too_large_as_base64_has_to_be_uploaded():
    small = picture()
    # Both PNG and JPEG readers pass over what follows the picture.
    fits = small + bytes(MAX_BODY_BYTES * 3 // 4 - len(small))
    assert len(encode_image(fits)) == pytest.approx(MAX_BODY_BYTES, abs=100)
    large = encode_image(fits + b"x", "a.png")
    assert isinstance(large, LargeImage)
    assert (large.label, large.facts, large.read()) == ("a.png (15.0 MB)", inspect_image(fits + b"x"), fits + b"x")
    assert len(large) < 100


def test_large_image_that_has_changed_is_refused():
    large = LargeImage(lambda: b"other", inspect_image(picture()), "a.png")
    with pytest.raises(ViduInputError, match=r"images: a\.png has changed"):
        large.read()


def test_pictures_are_found_and_replaced_wherever_they_are():
    one, two = encode_image(picture()), encode_image(picture("JPEG"))
    assert (type(one), one.read()) == (EncodedImage, decode_data_uri(one))
    wire = {
        "images": [one, "https://a.example/b.png"],
        "subjects": [{"images": (two, one)}],
        "start_image": two,
        "n": 1,
    }
    assert list(pictures_in(wire)) == [one, two, one, two]
    assert replace_pictures(wire, {one.facts.sha256: "ssupload:?id=1"}) == {
        "images": ["ssupload:?id=1", "https://a.example/b.png"],
        "subjects": [{"images": [two, "ssupload:?id=1"]}],
        "start_image": two,
        "n": 1,
    }


def test_an_authors_data_uri_gets_its_true_type():
    data = picture("JPEG")
    assert encode_image(decode_data_uri(uri(data, "image/png")), "the data URI") == uri(data, "image/jpeg")
    assert encode_image(decode_data_uri(uri(data, "image/jpg")), "the data URI") == uri(data, "image/jpeg")
    shouted = uri(data).replace("data:image/png;base64", "DATA:image/PNG;BASE64")
    assert encode_image(decode_data_uri(shouted), "the data URI") == uri(data, "image/jpeg")


def test_line_breaks_in_base64_are_passed_over():
    data = picture()
    wrapped = "data:image/png;base64,\n" + base64.encodebytes(data).decode()
    assert decode_data_uri(wrapped) == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data:image/png;base64,@@@@", "not valid base64"),
        ("data:image/png;base64,AAAAA", "not valid base64"),
        ("data:image/png;base64,AA-_", "not valid base64"),
        ("data:image/png;base64,iVBO中", "not valid base64"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png,iVBORw0KGgo", "must begin with data:image"),
        ("data:image/png;base64", "must begin with data:image"),
        ("data:", "must begin with data:image"),
        ("data:text/plain;base64,aGVsbG8=", "not an image"),
    ],
)
def test_a_data_uri_without_an_image_is_rejected(text, message):
    with pytest.raises(ViduInputError, match=f"^images: .*{message}"):
        encode_image(decode_data_uri(text), "the data URI")


def test_a_rejected_data_uri_is_not_in_the_message():
    narrow = uri(picture(size=(50, 250)))
    for text in (narrow, uri(picture("GIF")), narrow[:-7] + "!" * 7, narrow[:2000]):
        with pytest.raises(ViduInputError) as caught:
            encode_image(decode_data_uri(text), "the data URI")
        assert text[30:50] not in str(caught.value)
        assert "base64," not in str(caught.value)


SAMPLES = [picture(kind, (24, 16)) for kind in ("PNG", "JPEG", "WEBP", "GIF")]


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.binary(max_size=200)
    | st.tuples(st.sampled_from(SAMPLES), st.integers(0, 600), st.binary(max_size=30)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    )
)
def test_no_bytes_raise_anything_but_our_own_error(data):
    try:
        facts = inspect_image(data)
    except ViduInputError:
        return
    assert facts.media_type.startswith("image/")
