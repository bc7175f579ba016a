# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Checks image bytes against every limit that Vidu documents, and encodes them as a data URI.

The type is read from the bytes, never from a file's name or a declared content type: a PNG named ``.jpg`` is a PNG,
and Vidu would refuse it under the wrong label after the upload. Pillow decodes the images and is imported with the
first one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_vidu.api.errors import ViduInputError

MEBIBYTE = 1024 * 1024
#: Vidu's limit for one image, in bytes.
MAX_IMAGE_BYTES = 50 * MEBIBYTE
#: Vidu's limit for the body of a POST, in bytes. Base64 makes an image a third larger, so about 15 MB of image fit; a
#: larger one is uploaded first.
MAX_BODY_BYTES = 20 * MEBIBYTE
#: The longer side may be at most this many times the shorter one.
MAX_RATIO = 4.0

#: Prefixes of images that Vidu fetches itself.
REMOTE_PREFIXES = ("http://", "https://", "ssupload:")

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_HEIC_BRAND = re.compile(rb"hei[cxms]|hev[cxms]|mif1|msf1")
# Pillow's names. An MPO is a JPEG with further pictures behind the first: phones write them as .jpg.
_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True)
class ImageFacts:
    """
    What the bytes say about an image.

    :param media_type: ``image/png``, ``image/jpeg`` or ``image/webp``.
    :param width: pixels.
    :param height: pixels.
    :param sha256: of the bytes, as hexadecimal digits.
    :param size: bytes.
    """

    media_type: str
    width: int
    height: int
    sha256: str
    size: int


class EncodedImage(str):
    """An image as it travels in a request, a data URI, with the facts of its bytes: decoded and hashed once."""

    facts: ImageFacts
    #: Its name in messages.
    name: str

    def __new__(cls, data: bytes, facts: ImageFacts, name: str = "the image") -> EncodedImage:
        """Encode an image whose facts are known."""
        image = str.__new__(cls, f"data:{facts.media_type};base64,{base64.b64encode(data).decode('ascii')}")
        image.facts = facts
        image.name = name
        return image

    @property
    def label(self) -> str:
        """Its name and size, for messages."""
        return f"{self.name} ({self.facts.size / MEBIBYTE:.1f} MB)"

    def read(self) -> bytes:
        """Return its bytes."""
        return decode_data_uri(self)


class LargeImage(EncodedImage):
    """
    An image that no request has room for. It has to be uploaded, and its text replaced by the URI of the upload.

    It keeps no bytes: up to 50 MB would stay in memory as long as the request waits to be sent.
    """

    _read: Callable[[], bytes]

    def __new__(cls, read: Callable[[], bytes], facts: ImageFacts, name: str) -> LargeImage:
        """Describe an image; ``read`` returns its bytes."""
        image = str.__new__(cls, f"not uploaded: {facts.sha256}")
        image.facts = facts
        image.name = name
        image._read = read
        return image

    def read(self) -> bytes:
        """
        Read its bytes again.

        :raises ViduInputError: the file has changed since it was checked.
        """
        data = self._read()
        if hashlib.sha256(data).hexdigest() != self.facts.sha256:
            raise ViduInputError(f"images: {self.name} has changed since it was checked.")
        return data


def check_image_size(size: int, name: str) -> None:
    """
    Reject a size that Vidu would refuse, before the file is read.

    :param name: the image's name in the message.
    :raises ViduInputError: empty, or above 50 MB.
    """
    if size == 0:
        raise ViduInputError(f"images: {name} is empty.")
    if size > MAX_IMAGE_BYTES:
        raise ViduInputError(f"images: {name} is {size / MEBIBYTE:.1f} MB; Vidu takes at most 50 MB per image.")


def inspect_image(data: bytes, name: str = "the image") -> ImageFacts:
    """
    Read the facts of an image, and reject one that Vidu would refuse.

    The picture is decoded once: a file that was cut off in an upload has a perfect header and would be paid for.

    :param data: the file's bytes.
    :param name: the image's name in messages (a path or URL, never its content).
    :raises ViduInputError: empty, above 50 MB, not an image, not PNG, JPEG or WebP, damaged, or narrower than 1:4.
    """
    from PIL import Image, UnidentifiedImageError

    check_image_size(len(data), name)
    if kind := _phone_format(data):
        raise ViduInputError(
            f"images: {name} is a picture in {kind} format; Vidu takes PNG, JPEG and WebP. Save it as a JPEG, for "
            f"example with: magick picture.{kind.lower()} picture.jpg"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(_without_ancillary_chunks(data)))
    except UnidentifiedImageError:
        raise ViduInputError(f"images: {name} is not an image; Vidu takes PNG, JPEG and WebP.") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise ViduInputError(f"images: {name} has more than {most} megapixels: make it smaller.") from None
    except Exception as error:
        raise ViduInputError(f"images: {name} cannot be read as an image ({error}).") from error
    media_type = _MEDIA_TYPES.get(image.format or "")
    if media_type is None:
        raise ViduInputError(f"images: {name} is a {image.format}; Vidu takes PNG, JPEG and WebP.")
    width, height = image.size
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ViduInputError(f"images: {name} measures {width}x{height}; its aspect ratio must be between 1:4 and 4:1.")
    try:
        image.load()
    except Exception as error:
        if not _lacks_only_its_end_mark(data):
            raise ViduInputError(f"images: {name} is a damaged {image.format} file ({error}).") from error
    return ImageFacts(media_type, width, height, hashlib.sha256(data).hexdigest(), len(data))


def _phone_format(data: bytes) -> str | None:
    """Return the name of a format that phones and cameras write and that Vidu does not accept."""
    if data[4:8] != b"ftyp":
        return None
    brands = data[8:12] + data[16:64]
    return "AVIF" if b"avif" in brands or b"avis" in brands else "HEIC" if _HEIC_BRAND.search(brands) else None


def _without_ancillary_chunks(data: bytes) -> bytes:
    """
    Return a PNG without the chunks that no viewer needs; any other file unchanged.

    Pillow rejects long texts, long colour profiles and wrong checksums in those chunks.
    """
    if not data.startswith(_PNG_START):
        return data
    kept, offset = [_PNG_START], len(_PNG_START)
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        chunk = data[offset : offset + 12 + length]
        # The case of its first letter says whether a decoder may skip it.
        if not chunk[4:5].islower():
            kept.append(chunk)
        offset += 12 + length
    return b"".join(kept)


def _lacks_only_its_end_mark(data: bytes) -> bool:
    """
    Return whether a JPEG that Pillow rejects has its whole picture, which every viewer shows.

    If a part is missing, its last block is the decoder's grey. A progressive one could lack its finer passes, which
    cannot be seen.
    """
    from PIL import Image

    if not data.startswith(_JPEG_START):
        return False
    try:
        image = Image.open(io.BytesIO(data + _JPEG_END))
        image.load()
    except Exception:
        # Pillow raises many kinds of errors.
        return False
    width, height = image.size
    last = image.convert("RGB").crop(((width - 1) // 8 * 8, (height - 1) // 8 * 8, width, height))
    is_grey = last.getextrema() == ((128, 128),) * 3
    return not is_grey and not image.info.get("progressive")


def encode_image(
    data: bytes,
    name: str = "the image",
    *,
    known: ImageFacts | None = None,
    read: Callable[[], bytes] | None = None,
) -> EncodedImage:
    """
    Check an image and encode it for a request.

    :param data: the file's bytes.
    :param name: the image's name in messages.
    :param known: the facts of an image that was checked before; the same bytes are not decoded again.
    :param read: reads the bytes again, so that those of a large image are not kept; None = they are.
    :return: a :class:`LargeImage` if the encoded image alone exceeds the body limit.
    :raises ViduInputError: see :func:`inspect_image`.
    """
    if known is None or known.sha256 != hashlib.sha256(data).hexdigest():
        known = inspect_image(data, name)
    if len(data) * 4 / 3 > MAX_BODY_BYTES:
        return LargeImage(read or (lambda: data), known, name)
    return EncodedImage(data, known, name)


def pictures_in(value: Any) -> Iterator[EncodedImage]:
    """Yield the encoded images of a request, wherever they are in it."""
    if isinstance(value, EncodedImage):
        yield value
    elif isinstance(value, (list, tuple, Mapping)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from pictures_in(inner)


def replace_pictures(value: Any, texts: Mapping[str, str]) -> Any:
    """Return a request with other texts in place of encoded images, by the SHA-256 of their bytes."""
    if isinstance(value, EncodedImage):
        return texts.get(value.facts.sha256, value)
    if isinstance(value, Mapping):
        return {name: replace_pictures(inner, texts) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_pictures(inner, texts) for inner in value]
    return value


def decode_data_uri(uri: str) -> bytes:
    """
    Return the bytes of a base64 data URI.

    :param uri: ``data:<type>;base64,<content>``; line breaks and spaces in the content are ignored.
    :raises ViduInputError: not base64, or not a data URI. The message has no part of the content.
    """
    head, comma, content = uri.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        raise ViduInputError("images: a data URI must begin with data:image/png;base64 (or jpeg, webp) and a comma.")
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ViduInputError("images: the content of the data URI is not valid base64.") from None


def content_identity(image: str) -> str:
    """
    Return the identity of an image in a request: a hash of its bytes, or its URL without the query.

    Presigned URLs of the same picture differ on every rendering.
    """
    if isinstance(image, EncodedImage):
        return image.facts.sha256
    if image.lower().startswith("data:"):
        return hashlib.sha256(decode_data_uri(image)).hexdigest()
    return without_query(image)


def public_url(url: str) -> str:
    """
    Return an http(s) URL without what may be secret: login, query and fragment.

    :raises ValueError: it is not valid.
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_query(url: str) -> str:
    """Return a URL without query and fragment; an ``ssupload:`` URI, which is all query, is returned whole."""
    if not url.lower().startswith(("http://", "https://")):
        return url
    return urlunsplit((*urlsplit(url)[:3], "", ""))
