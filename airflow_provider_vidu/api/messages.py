# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What messages have in common: a few names of many, and other people's words made safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Items or tasks that a message names.
MAX_NAMED = 20
#: Characters of a host's own words that a message quotes.
MAX_QUOTED = 500

# Terminal escapes; controls but tab and newline; what reorders, hides or breaks a line; halves of characters, which
# no log can encode.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
_IMAGE = re.compile(
    r"(data:[\w/+.-]*;base64,[\w+/=-]*|[\w+/=-]{100,})((\s|\\[nr])+[\w+/=-]{20,})*", re.IGNORECASE | re.ASCII
)
# What makes a link good for anyone who reads it.
_SIGNED = re.compile(r"(https?://[^\s?#\"'<>\\]+)[?#](?:[^\s\"'<>\\]|\\(?![\"nrt]))*", re.IGNORECASE)


def some_of(named: Iterable[object]) -> str:
    """
    Return a few names for a message.

    :param named: any number; told as text.
    """
    names = [str(one) for one in named]
    return ", ".join(names[:MAX_NAMED]) + (" …" if len(names) > MAX_NAMED else "")


def printable(text: str) -> str:
    """Return a text without terminal escapes, controls and invisible characters; its lines are kept."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r", "\n"))


def one_line(text: str, limit: int = MAX_QUOTED) -> str:
    """
    Return somebody else's words as one line that is safe to print.

    :param text: as it came.
    :param limit: characters to keep.
    """
    words = " ".join(printable(text[: 4 * limit]).split())
    return words if len(words) <= limit else f"{words[:limit]}…"


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """
    Return what a host says, for a message: one line, without images, and without the signatures of links.

    :param text: as it came; a host may echo the request, image and all.
    :param limit: characters to keep.
    """
    return one_line(_SIGNED.sub(r"\1", _IMAGE.sub("(an image)", text[: 4 * limit])), limit)
