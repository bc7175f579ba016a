# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Makes thumbnails of a few kB, as data URIs, of pictures in the worker's reach."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_provider_vidu.api.images import check_image_size
from airflow_provider_vidu.images import is_remote, path_to_read

#: Pixels of a picture beyond which it is not decoded. A small file may unpack to gigabytes.
MAX_PIXELS = 64_000_000
#: Pictures read at once.
READERS = 8
_QUALITY = 60
# Pictures of more pixels than this are decoded one at a time, so that memory holds one of them.
_LARGE = 8_000_000
_one_large = threading.Lock()


def make_thumbnails(pictures: Mapping[str, int]) -> dict[str, str]:
    """
    Make thumbnails, several at once.

    :param pictures: the longest side in pixels by local path or ``ObjectStoragePath`` URL. An http(s) URL is never
        fetched.
    :return: data URIs by picture. One that is missing, broken or too large has none.
    """
    wanted = {picture: side for picture, side in pictures.items() if may_be_read(picture)}
    with ThreadPoolExecutor(READERS, thread_name_prefix="vidu-thumbnails") as pool:
        made = dict(zip(wanted, pool.map(_make_thumbnail, wanted, wanted.values()), strict=True))
    return {picture: uri for picture, uri in made.items() if uri is not None}


def may_be_read(picture: str) -> bool:
    """Return whether a path is one of a file or a store: what is at an http(s) URL is never fetched."""
    # A URL in another one's clothes (simplecache::https://…) would be fetched, too.
    is_chained = "::" in picture.partition("://")[0]
    return bool(picture) and not is_chained and not is_remote(picture) and picture[:5].lower() != "data:"


def _make_thumbnail(picture: str, side: int) -> str | None:
    try:
        source = path_to_read(picture)
        check_image_size(source.stat().st_size, picture)
        return f"data:image/webp;base64,{base64.b64encode(_shrink(source.read_bytes(), side)).decode('ascii')}"
    except Exception:
        # Stores and Pillow have exceptions of their own. A report without this picture is better than none.
        return None


def _shrink(content: bytes, side: int) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as picture:
        pixels = picture.width * picture.height
        if pixels > MAX_PIXELS:
            raise ValueError(f"{pixels} pixels are too many")
        if pixels <= _LARGE:
            return _encode(picture, side)
        with _one_large:
            return _encode(picture, side)


def _encode(picture: Any, side: int) -> bytes:
    from PIL import Image, ImageOps

    if picture.mode in {"1", "P", "PA"}:
        # Colours of a palette cannot be mixed.
        picture = picture.convert("RGBA")
    picture.thumbnail((side, side))
    upright = ImageOps.exif_transpose(picture)
    if upright.mode != "RGB":
        upright = upright.convert("RGBA")
        flat = Image.new("RGBA", upright.size, "white")
        flat.alpha_composite(upright)
        upright = flat.convert("RGB")
    encoded = io.BytesIO()
    upright.save(encoded, "WEBP", quality=_QUALITY)
    return encoded.getvalue()
