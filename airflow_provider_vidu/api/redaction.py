# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The one way in which a secret is taken out of what a host has sent, before any of it is cut and quoted."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import AnyStr

#: A shorter secret could be a word of the text.
_SHORTEST = 8
# What may be between two characters: white space as it is, and escaped for JSON or for a URL, once or more often.
# Every repetition has a bound, so that no text takes long to search.
_BETWEEN = r"(?:\s|\\{1,8}(?:[nrt]|u00(?:0[9a-dA-D]|20))|%(?:25){0,3}(?:0[9a-dA-D]|20)){0,8}"


def redacted(text: AnyStr, secret: str) -> AnyStr:
    """
    Return a text without a secret.

    Found also where white space splits it, and where characters of it are percent-encoded or escaped as JSON.

    :param text: whole: half of a secret, of a text that was cut before, is not recognised.
    :param secret: ASCII.
    """
    if len(secret) < _SHORTEST:
        return text
    if isinstance(text, bytes):
        return re.sub(_pattern(secret).encode(), b"***", text)
    return re.sub(_pattern(secret), "***", text)


@lru_cache(maxsize=8)
def _pattern(secret: str) -> str:
    return _BETWEEN.join(
        rf"(?:\\{{0,8}}{re.escape(one)}|(?i:%(?:25){{0,3}}{ord(one):02x})|(?i:\\{{1,8}}u{ord(one):04x}))"
        for one in secret
    )
