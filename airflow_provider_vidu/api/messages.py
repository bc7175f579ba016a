# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Formats values for messages: a few names out of many, and foreign text made safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Maximum items or tasks that a message names.
MAX_NAMED = 20
#: Maximum characters of a prompt that a log line quotes.
MAX_PROMPT = 60
#: Maximum characters of a host's own words that a message quotes.
MAX_QUOTED = 500

# Terminal escapes; control characters but tab and newline; characters that reorder, hide or break a line; halves of
# characters, which no log can encode.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
_IMAGE = re.compile(
    r"(data:[\w/+.-]*;base64,[\w+/=-]*|[\w+/=-]{100,})((\s|\\[nr])+[\w+/=-]{20,})*", re.IGNORECASE | re.ASCII
)
#: A link, and its query string or fragment, whose signature lets any reader use it; also inside JSON as text, where a
#: quote is escaped.
SIGNED_LINK = re.compile(r"(https?://[^\s?#\"'<>\\]+)[?#](?:[^\s\"'<>\\]|\\(?![\"nrt]))*", re.IGNORECASE)
# A login, and a query that may sign, in what only looks like a URL: a misspelt scheme, or none.
# An object's version is a part of its name.
_LOGIN = re.compile(r"(?<=//)[^/@\s]*:[^/@\s]*@")
_QUERY = re.compile(r"[?#](?!versionId=\w*$)[\w.~%-]+=\S*")


def some_of(named: Iterable[object]) -> str:
    """Return the first names of many for a message."""
    names = [str(one) for one in named]
    return ", ".join(names[:MAX_NAMED]) + (" …" if len(names) > MAX_NAMED else "")


def item_ranges(numbers: Iterable[int]) -> str:
    """
    Return the items of a batch for a message, with runs shortened: ``items 2, 4-7``.

    :param numbers: ascending, from 0; at least one.
    """
    runs: list[list[int]] = []
    count = 0
    for number in numbers:
        count += 1
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    named = some_of("-".join(map(str, run)) for run in runs)
    return f"item {named}" if count == 1 else f"items {named}"


def counted(count: float, noun: str) -> str:
    """Return a count with its noun for a message: ``1 video``, ``2 videos``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def name_of_picture(image: object) -> str:
    """
    Return the short name of a picture for a message: its file's name, without folder, connection and signature.

    :param image: as the DAG author wrote it, or a list of one; None = unknown.
    """
    first = next(iter(image), None) if isinstance(image, (list, tuple)) else image
    text = str(first or "").strip()
    if text[:5].lower() == "data:":
        return "a data URI"
    scheme, _, rest = text.partition("://")
    path = text
    if rest:
        # In the URL of an object store, # and ? are part of the key, unless a signature follows.
        is_web = scheme.lower() in {"http", "https"}
        path = re.split(r"[?#]" if is_web else r"\?[\w.~%-]+=", rest, maxsplit=1)[0].partition("/")[2]
    return one_line(path.rstrip("/").rpartition("/")[2])


def without_secrets(text: str) -> str:
    """Return a text that a person wrote without the logins and signatures of the URLs in it, valid or not."""
    return _QUERY.sub("", _LOGIN.sub("", text))


def first_words(text: object) -> str:
    """Return the start of a prompt on one line; None and blanks become an empty text."""
    words = " ".join(printable(str(text or "")).split())
    return words if len(words) <= MAX_PROMPT else f"{words[:MAX_PROMPT].rsplit(' ', 1)[0]} …"


def describe_request(model: object, image: object, prompt: object) -> str:
    """Return a sentence that distinguishes a request from its siblings; empty if nothing is known about it."""
    known = {"model": one_line(str(model or "")), "picture": name_of_picture(image), "prompt": first_words(prompt)}
    named = ", ".join(f"{name} {value}" for name, value in known.items() if value)
    return f"{named[0].upper()}{named[1:]}." if named else ""


def printable(text: str) -> str:
    """Return a text without terminal escapes, control and invisible characters; its lines are kept."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r", "\n"))


def one_line(text: str, limit: int = MAX_QUOTED) -> str:
    """Return foreign text as one line that is safe to print."""
    words = " ".join(printable(text[: 4 * limit]).split())
    return words if len(words) <= limit else f"{words[:limit]}…"


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """
    Return a host's text for a message: one line, without images, and without the signatures of links.

    :param text: unchanged; a host may echo the request with its image.
    """
    return one_line(SIGNED_LINK.sub(r"\1", _IMAGE.sub("(an image)", text[: 4 * limit])), limit)
