# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Thousands of task ids as one short text, for a trigger's arguments: Airflow stores, encrypts and logs about those.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable

# The newest ids of an account share their first digits, so that deflate at its best pays.
_LEVEL = 9


def packed(ids: Iterable[str]) -> str:
    """
    Pack ids into one text, in their order.

    :param ids: any non-blank texts.
    :return: ASCII.
    """
    # The whole is one JSON array: an id may hold any separator.
    text = json.dumps(list(ids), ensure_ascii=False, separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)).decode()


def unpacked(text: str) -> list[str]:
    """
    Return the ids of :func:`packed`.

    :param text: of this or of an earlier process.
    :raises ValueError: it is none of ours.
    """
    try:
        ids = json.loads(zlib.decompress(base64.b85decode(text)).decode("utf-8", "surrogatepass"))
    except (ValueError, zlib.error, binascii.Error) as error:
        raise ValueError(f"These are no packed task ids: {text[:40]!r}.") from error
    return [str(task_id) for task_id in ids]
