# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Checks of single fields by their types and limits on Vidu's API page: each returns what is wrong, or None.

They share no code with the client's request models: an error there must be refused here. Types are those on the wire,
so that a client that sends a string where the page has a number is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[Any], "str | None"]


def text(most: float = inf, least: int = 0) -> Check:
    """Return a check for a string of so many characters; an empty one counts as not sent."""

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        if value and not least <= len(value) <= most:
            return f"must have {least} to {most} characters" if least else f"must have at most {most} characters"
        return None

    return check


def flag(value: Any) -> str | None:
    """Check a boolean."""
    return None if isinstance(value, bool) else "must be true or false"


def number(least: float, most: float = inf, *, kinds: tuple[type[float], ...] = (int, float)) -> Check:
    """Return a check for a number in a range."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, kinds):
            return "must be a number" if float in kinds else "must be a whole number"
        if not least <= value <= most:
            return f"must be {least} to {most}" if most < inf else f"must be at least {least}"
        return None

    return check


def whole(least: int, most: float = inf) -> Check:
    """Return a check for a whole number in a range."""
    return number(least, most, kinds=(int,))


def one_of(*values: str) -> Check:
    """Return a check for one of some words; an empty one counts as not sent."""
    return lambda value: None if value in ("", *values) else f"must be {', '.join(values)}"


def url(value: Any) -> str | None:
    """Check an http(s) URL; an empty one counts as not sent."""
    try:
        parts = urlsplit(value.strip()) if isinstance(value, str) else None
        is_url = parts is not None and (value == "" or (parts.scheme in {"http", "https"} and bool(parts.hostname)))
    except ValueError:
        is_url = False
    return None if is_url else "must be an http(s) URL"


def picture(value: Any) -> str | None:
    """Check the form of a picture: a URL, a data URI, or what the upload tool returned."""
    if isinstance(value, str) and value.strip().lower().startswith(("data:", "ssupload:")):
        return None
    return None if value and not url(value) else "must be a URL, a data URI or an ssupload: URI"


def json_object(value: Any) -> str | None:
    """Check a string that holds a JSON object; an empty one counts as not sent."""
    try:
        holds = isinstance(value, str) and (value == "" or isinstance(json.loads(value), dict))
    except (ValueError, RecursionError):
        holds = False
    return None if holds else "must be a string that holds a JSON object"


def list_of(check: Check, least: int = 0, most: float = inf) -> Check:
    """Return a check for an array."""

    def check_all(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be an array"
        if not least <= len(value) <= most:
            return f"must have {least} to {most} elements"
        return next((f"each {problem}" for problem in map(check, value) if problem), None)

    return check_all


def object_of(checks: Mapping[str, Check], *required: str) -> Check:
    """Return a check for an object with these fields."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict) or not all(value.get(name) for name in required):
            return f"must be an object with {' and '.join(required) or 'fields'}"
        sent = {name: field for name, field in value.items() if name in checks and field is not None}
        return next((f"{name} {problem}" for name, field in sent.items() if (problem := checks[name](field))), None)

    return check
