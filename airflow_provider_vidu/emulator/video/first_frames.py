# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The submitted image: whether Vidu would accept it, its bytes, and its upright size."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import urlsplit

from airflow_provider_vidu.api.account import is_loopback

#: Vidu's limits for one picture: bytes, and how many times its longer side may exceed the shorter one.
MAX_IMAGE_BYTES = 50 * 1024 * 1024
MAX_RATIO = 4.0

_DATA_URI = re.compile(r"data:image/(png|jpe?g|webp);base64", re.IGNORECASE)
_STARTS = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP", re.DOTALL)
# EXIF's tag for the orientation, and its values that turn the picture by a quarter.
_ORIENTATION = 274
_QUARTER_TURNS = frozenset({5, 6, 7, 8})


def image_problem(image: bytes) -> str | None:
    """Return the reason for which Vidu refuses the bytes of an image, or None."""
    from PIL import Image

    if len(image) > MAX_IMAGE_BYTES:
        return "PageSizeOutOfRange"
    if not _STARTS.match(image):
        return "ImageFormatInvalid"
    try:
        width, height = upright_size(image)
        if max(width, height) > MAX_RATIO * min(width, height):
            return "PageSizeOutOfRange"
        with Image.open(io.BytesIO(image)) as opened:
            opened.load()
    except Exception:  # a decoder can raise nearly anything on damaged bytes
        return "ImageFormatInvalid"
    return None


def data_uri_problem(uri: str) -> str | None:
    """Return the reason for which Vidu refuses a data URI, or None."""
    try:
        return image_problem(_decode(uri))
    except ValueError:
        return "ImageFormatInvalid"


def is_data_uri(image: str) -> bool:
    """Return whether an element of ``images`` carries the image itself."""
    return image.strip().lower().startswith("data:")


def is_upload(image: str) -> bool:
    """Return whether an element of ``images`` names what the upload tool received."""
    return image.strip().lower().startswith("ssupload:")


def is_loopback_url(url: str) -> bool:
    """Return whether a text is an http(s) URL of this machine, which may be fetched."""
    try:
        parts = urlsplit(url.strip())
        return parts.scheme.lower() in {"http", "https"} and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def first_frame(image: str, fetched: bytes | None = None) -> bytes:
    """
    Return the picture with which a video starts: what was submitted or fetched, else a placeholder.

    The placeholder depends on host and path: a signed query changes at every rendering, but the picture is the same.
    """
    if is_data_uri(image):
        return _decode(image)
    if fetched is not None:
        return fetched
    # Pillow is imported with the first picture: the emulator starts without it.
    from airflow_provider_vidu.emulator.video.placeholder import paint_placeholder

    return paint_placeholder(_placeholder_name(image))


def first_frame_size(image: str, fetched: bytes | None = None) -> tuple[int, int]:
    """Return width and height of :func:`first_frame` without painting it."""
    if is_data_uri(image) or fetched is not None:
        return upright_size(first_frame(image, fetched))
    from airflow_provider_vidu.emulator.video.placeholder import placeholder_size

    return placeholder_size(_placeholder_name(image))


def upright_size(image: bytes) -> tuple[int, int]:
    """Return the upright width and height of a picture: a phone may store a portrait sideways."""
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        width, height = opened.size
        turned = opened.getexif().get(_ORIENTATION) in _QUARTER_TURNS
    return (height, width) if turned else (width, height)


def _placeholder_name(image: str) -> str:
    parts = urlsplit(image)
    return f"{parts.hostname}{parts.path}" if parts.hostname else image


def _decode(uri: str) -> bytes:
    head, _, content = uri.strip().partition(",")
    if not _DATA_URI.fullmatch(head):
        raise ValueError("not a data URI of a picture")
    return base64.b64decode("".join(content.split()), validate=True)
