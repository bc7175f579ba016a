# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Pack thousands of task ids into one short text for a trigger's arguments, which Airflow stores and encrypts."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable

# Recent ids of an account share their first digits, so the best compression pays off.
_LEVEL = 9


def packed(ids: Iterable[str]) -> str:
    """
    Pack ids into one text, in their order.

    :param ids: any non-blank texts.
    :return: ASCII.
    """
    # A JSON array, since an id may contain any separator.
    text = json.dumps(list(ids), ensure_ascii=False, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)).decode()


def unpacked(text: str) -> list[str]:
    """
    Return the ids from a text of :func:`packed`.

    :raises ValueError: the text is not from :func:`packed`.
    """
    try:
        ids = json.loads(zlib.decompress(base64.b85decode(text)).decode("utf-8", "surrogatepass"))
    except (ValueError, zlib.error, binascii.Error) as error:
        raise ValueError(f"Not packed task ids: {text[:40]!r}.") from error
    return [str(task_id) for task_id in ids]
