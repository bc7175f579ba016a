# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Removes the API key from a host's text before a message quotes it. Signatures of links: see ``messages``."""

from __future__ import annotations

import re
from functools import lru_cache

#: Characters in a row that count as a part of the secret. Fewer could be a word, or the digits of an id.
_PART = 8
# One character, as it is or escaped for JSON, a URL or HTML, once or more often. Backslashes that escape nothing, and
# the white space that they write, are one match: each character of a text is read once, whatever the text.
_CHARACTER = re.compile(
    r"\\+u([0-9a-f]{4})|%(?:25)*([0-9a-f]{2})|&(?:amp;)*#(?:x([0-9a-f]{1,4})|([0-9]{1,5}));?|\\+[nrt]?|</?w?br ?/?>|.",
    re.IGNORECASE | re.DOTALL,
)
# Characters that only `_read` decodes or skips, besides those that cannot be printed.
_SPECIAL = re.compile(r"[\\%&< \ufffd]")
# `printable` puts it where an invisible character was.
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def redacted(text: str, secret: str) -> str:
    """
    Return a text without a secret and without any eight characters in a row of it.

    A part is enough, so the text may have been cut before. The secret is found in any case, even if white space, an
    HTML break or invisible characters split it, or if its characters are percent-encoded or escaped as JSON or HTML.

    :param text: the quotation, not the megabytes that it comes from.
    :param secret: ASCII; one of fewer than eight characters is not searched for.
    """
    parts = _parts_of(secret)
    if len(text) < _PART or not parts:
        return text
    if text.isprintable() and not _SPECIAL.search(text) and parts.isdisjoint(_windows(text.lower())):
        # A poll reads hundreds of short texts without an escape.
        return text
    plain, spans = _read(text)
    kept = []
    end = 0
    for first, window in enumerate(_windows(plain)):
        if window in parts:
            start = spans[first][0]
            if start >= end:
                kept += [text[end:start], "***"]
            end = spans[first + _PART - 1][1]
    return "".join([*kept, text[end:]])


@lru_cache(maxsize=8)
def _parts_of(secret: str) -> frozenset[str]:
    plain, _ = _read(secret)
    return frozenset(_windows(plain))


def _windows(plain: str) -> list[str]:
    return [plain[first : first + _PART] for first in range(len(plain) - _PART + 1)]


def _read(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return a text without escapes, case and invisible characters, and the position of each character."""
    characters = []
    spans = []
    for found in _CHARACTER.finditer(text):
        code = found[1] or found[2] or found[3]
        one = chr(int(code, 16)) if code else chr(int(found[4])) if found[4] else found[0]
        # Longer matches are breaks, and backslashes that escape nothing.
        if len(one) == 1 and one.isprintable() and one not in {" ", "\\", _REPLACED}:
            characters.append(one.lower() if one.isascii() else "\0")
            spans.append(found.span())
    return "".join(characters), spans
