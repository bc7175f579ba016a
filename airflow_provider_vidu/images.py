# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Load the images of a request: files become data URIs or, if large, uploads; URLs that Vidu can read stay URLs."""

from __future__ import annotations

import errno
import os
import posixpath
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.http_messages import json_body
from airflow_provider_vidu.api.images import (
    REMOTE_PREFIXES,
    ImageFacts,
    check_image_size,
    decode_data_uri,
    encode_image,
)
from airflow_provider_vidu.api.messages import without_secrets
from airflow_provider_vidu.api.registry import Endpoint, Media, replace_by_place
from airflow_provider_vidu.api.rendered_fields import parse_structure, require
from airflow_provider_vidu.api.request import describe_image_count

# A data URI whose head was left out.
_BARE_BASE64 = re.compile(r"(iVBORw0KGgo|/9j/|UklGR|R0lGOD)[\w+/=\s-]*", re.ASCII)
# Errors that mean an invalid path, which a retry cannot fix. Other errors may mean that a store is down.
_NO_PATH = frozenset({errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EINVAL})


def is_remote(image: str) -> bool:
    """Check whether Vidu fetches an image itself, so that we neither fetch nor check it."""
    return image.strip().lower().startswith(REMOTE_PREFIXES)


def load_image(image: Any, known: ImageFacts | None = None) -> str:
    """
    Load an image in the form that a request needs.

    :param image: an http(s) URL or ``ssupload:`` URI (returned unchanged), a data URI, a local path (also ``file://``,
        ``~`` and ``os.PathLike``), any URL that ``ObjectStoragePath`` opens (``s3://conn_id@bucket/key``), or an
        ``ObjectStoragePath``.
    :param known: the facts of this image from an earlier check: the same bytes are not decoded again.
    :return: a URL, or an :class:`~airflow_provider_vidu.api.images.EncodedImage`.
    :raises ViduInputError: the image is missing, unreadable, or not accepted by Vidu.
    """
    if hasattr(image, "storage_options"):
        # An ObjectStoragePath. Only its URL names the connection; in some releases it also has a __fspath__.
        image = str(image)
    elif hasattr(image, "__fspath__"):
        image = image.__fspath__()
    if not isinstance(image, str):
        raise ViduInputError(f"images: an image must be a path or a URL, got {type(image).__name__}.")
    if not image.strip():
        raise ViduInputError(
            "images: an image must be a path or a URL; this one is empty after rendering. Check its template."
        )
    text = image.strip()
    if is_remote(text):
        return text
    if text.lower().startswith("data:"):
        return encode_image(decode_data_uri(text), "the data URI", known=known)
    if _BARE_BASE64.fullmatch(text) and not os.path.exists(text):
        raise ViduInputError(
            f"images: {text[:20]}… is not a file. Put data:image/png;base64 (or jpeg, webp) and a comma before base64."
        )
    return encode_image(_read(text), _named(text), known=known, read=partial(_read, text))


def load_images(images: Any, known: ImageFacts | None = None, count: tuple[int, int] = (1, 1)) -> list[str]:
    """
    Load the images of a request in the form that it needs.

    :param images: one image, or a list.
    :param known: of the first one, see :func:`load_image`.
    :param count: how many are needed and allowed.
    :raises ViduInputError: see :func:`load_image`; also for a list with another number of them.
    """
    if isinstance(images, str) and images.strip().startswith("["):
        listed = parse_structure(images.strip())
        images = images if listed is None else listed
    given = list(images) if isinstance(images, (list, tuple)) else [images]
    # Native rendering turns a numeric file name into a number.
    given = [str(image) if type(image) is int else image for image in given]
    # Count the images before reading any, so that an error does not read large files.
    require("images", images)
    if len(given) > 1 and any(image is None or image == "None" for image in given):
        raise ViduInputError(
            f"images: {sum(image is None or image == 'None' for image in given)} of {len(given)} is None: a Param or "
            f"XCom in its template has no value. It takes {describe_image_count(*count)}."
        )
    if len(given) == 1:
        require("images", given[0])
    if not count[0] <= len(given) <= count[1]:
        raise ViduInputError(f"images: takes {describe_image_count(*count)}, got {len(given)}.")
    return [load_image(image, known if number == 0 else None) for number, image in enumerate(given)]


def wire_of(
    fields: Mapping[str, Any],
    extra_params: Mapping[str, Any] | None,
    log: Any,
    known: ImageFacts | None = None,
    *,
    endpoint: Endpoint,
) -> dict[str, Any]:
    """
    Build the JSON object of a request from rendered fields: load the images, check every field, log warnings.

    :param fields: by their API names; None and empty strings count as not given.
    :param extra_params: merged in last, unchecked.
    :param log: gets a warning for each value that is legal but has no effect.
    :param known: see :func:`load_images`.
    :param endpoint: the endpoint that the request is for.
    :raises ViduInputError: a field is invalid, or ``extra_params`` is not JSON.
    """
    read = {**dict.fromkeys(endpoint.required), **fields}
    for path, media in endpoint.media.items():
        if media.is_read:
            load = partial(_loaded, known=known, media=media, needed=path in endpoint.required)
            read = replace_by_place(read, path, load)
    request = endpoint.request.of(read)
    for warning in request.warnings():
        log.warning("%s", warning)
    if extra_params:
        json_body(extra_params)
    return {**request.wire(), **(extra_params or {})}


def _loaded(value: Any, place: str, *, known: ImageFacts | None, media: Media, needed: bool) -> Any:
    if not needed and (value is None or value == ""):
        return None
    try:
        return load_image(value, known) if media.count is None else load_images(value, known, media.count)
    except ViduInputError as error:
        # A request may have pictures in several places.
        raise error.but(message=f"{place}{error.message.removeprefix('images')}") from error.__cause__


def below(folder: str, image: Any) -> Any:
    """
    Resolve an image's relative path against a folder; anything else is returned unchanged.

    :param folder: an absolute path, or the URL of a folder in an object store.
    :param image: see :func:`load_image`.
    """
    if not isinstance(image, str):
        return image
    text = image.strip()
    is_url = "://" in text or is_remote(text) or text.lower().startswith("data:")
    if not text or is_url or text.startswith(("/", "~")) or _BARE_BASE64.fullmatch(text):
        return image
    return f"{folder}/{posixpath.normpath(text)}"


def local_path(path: str) -> Path | None:
    """
    Return the local path of a path or URL.

    :param path: a path (``~`` is expanded), a ``file://`` URL, or the URL of an object store.
    :return: None for an object store.
    """
    if path.startswith("file://"):
        return Path(path.removeprefix("file://"))
    return None if "://" in path else Path(path).expanduser()


def meant_path(path: str, local: Path) -> Path:
    """
    Return the local file to read. A ``file://`` URL may be percent-encoded, as in asset events, or not.

    :param path: the given path or URL.
    :param local: its :func:`local_path`.
    """
    is_literal = "%" not in path or not path.startswith("file://") or local.exists()
    return local if is_literal else Path(unquote(str(local)))


def path_to_read(path: str) -> Any:
    """
    Return the file or object to read. A URL may be percent-encoded, as in asset events, or not.

    :param path: a path, a ``file://`` URL, or the URL of an object store.
    :return: a ``Path`` or an ``ObjectStoragePath``, which need not exist.
    :raises Exception: an error of the store, if this had to check whether the object exists.
    """
    local = local_path(path)
    if local is not None:
        return meant_path(path, local)
    from airflow.sdk import ObjectStoragePath

    source = ObjectStoragePath(path)
    if "%" in path and not source.exists():
        start, slashes, place = path.partition("://")
        bucket, slash, key = place.partition("/")
        decoded = ObjectStoragePath(f"{start}{slashes}{bucket}{slash}{unquote(key)}")
        if decoded.exists():
            return decoded
    return source


def _read(path: str) -> bytes:
    name = _named(path)
    try:
        source = path_to_read(path)
        if source.is_dir():
            raise ViduInputError(f"images: {name} is a folder. Map over its files: .expand(images=[…]).")
        # Check the size first: a film given by mistake must not be read into memory.
        check_image_size(source.stat().st_size, name)
        content: bytes = source.read_bytes()
        return content
    except ViduInputError:
        raise
    except FileNotFoundError:
        local = local_path(path)
        if local is None:
            raise ViduInputError(f"images: {name} does not exist, as seen from the worker.") from None
        folder = local.absolute().parent
        raise ViduInputError(f"images: {name} was not found on the worker; looked in {_named(str(folder))}.") from None
    except PermissionError as error:
        raise ViduInputError(f"images: this worker has no permission to read {name} ({error}).") from None
    except OSError as error:
        if error.errno not in _NO_PATH:
            raise
        raise ViduInputError(f"images: {name} is not the path of a file ({error.strerror}).") from None
    except (ImportError, ValueError) as error:
        raise ViduInputError(
            f"images: {name} cannot be opened ({error}). Install the Airflow provider of its file system."
        ) from error
    except RuntimeError as error:
        raise ViduInputError(f"images: {name} is not the path of a file ({error}).") from None


def _named(path: str) -> str:
    shown = without_secrets(path)
    return shown if len(shown) <= 300 else f"{shown[:100]}…"
