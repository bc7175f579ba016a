# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Undoes the effects of rendering: an unset Param becomes the text ``None``, native rendering retypes text."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any

from airflow_provider_vidu.api.defaults import TEXT_FIELDS, is_no, is_yes
from airflow_provider_vidu.api.errors import ViduInputError

_RESOLUTION = re.compile(r"(\d+)([pk])", re.ASCII | re.IGNORECASE)

# Fields whose value is one of a few words, or a name.
_WORDS = ("model", "resolution", "upscale_resolution", "aspect_ratio", "style", "movement_amplitude", "audio_type")

# The fields of a subject that stay text, even if they look like a number.
_SUBJECT_TEXTS = frozenset({"name", "id", "voice_id", "server_id"})

# White space and invisible characters that copying from pages and files leaves around a text.
_BLANKS = " \t\r\n\f\v\u00a0\u200b\u2060\ufeff"


def given(value: Any) -> Any:
    """Return a rendered value, or None if a Param or an XCom without a value has become the text ``None``."""
    return None if isinstance(value, str) and value.strip() == "None" else value


def as_text(value: Any) -> Any:
    """Return a text parameter as text, also if it is a path, or a number after rendering."""
    value = given(value)
    if hasattr(value, "storage_options"):
        # An ObjectStoragePath. Only its URL names the connection; in some releases it has a __fspath__ as well.
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def request_fields(fields: Mapping[str, Any], text_fields: Set[str] = TEXT_FIELDS) -> dict[str, Any]:
    """Return the fields of a request as intended: None for the text ``None``, text as text, words normalized."""
    meant = {str(name): as_text(value) if name in text_fields else given(value) for name, value in fields.items()}
    # A list of prompts or models is a forgotten .expand(): it would be billed as text.
    if isinstance(payload := meant.get("payload"), (Mapping, list, tuple)):
        # The validation of the field reports a value that is no JSON.
        with suppress(TypeError, ValueError):
            meant["payload"] = json.dumps(payload, ensure_ascii=False)
    for name in ("subjects", "videos"):
        if isinstance(text := meant.get(name), str) and text.strip().startswith("["):
            # Without tojson in its template, a list is the text of a Python list.
            parsed = parse_structure(text.strip())
            meant[name] = text if parsed is None else parsed
    if isinstance(subjects := meant.get("subjects"), (list, tuple)):
        meant["subjects"] = [_subject(one) if isinstance(one, Mapping) else one for one in subjects]
    for name in _WORDS:
        # A blank text stays, and is rejected; an unset model would become the default one.
        if isinstance(text := meant.get(name), str) and text.strip():
            meant[name] = _fold(name, text.strip())
    return meant


def without_unset(extra: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return extra parameters without those whose Param or XCom has no value, which would be sent as text."""
    return None if extra is None else {name: value for name, value in extra.items() if given(value) is value}


def require(name: str, value: Any) -> Any:
    """
    Return a required parameter.

    :raises ViduInputError: it is None, or the text ``None``.
    """
    if given(value) is None:
        raise ViduInputError(
            f"{name} is required, but it rendered to nothing (None).",
            advice="Nothing was sent to Vidu. Check the Param or XCom in its template: it has no value in this run.",
        )
    return value


def parse_switch(name: str, value: Any) -> bool:
    """
    Parse a switch.

    :param name: of the parameter, for the message.
    :param value: a boolean, or a word for one; None and an empty text mean no.
    :raises ViduInputError: it is anything else.
    """
    if is_yes(value):
        return True
    if value is None or not str(value).strip() or is_no(value):
        return False
    raise ViduInputError(f"{name} must be true or false, got {value!r}.")


def parse_structure(text: str) -> Any:
    """Parse a structure that a template has turned into text, with ``tojson`` or without; None = it is not one."""
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return parse(text)
    return None


def parse_record(value: Any) -> Any:
    """
    Parse a task record that a template has turned into text; strip the blanks around a mere id.

    :raises ViduInputError: a structure that is no record; its content is not quoted, because it may have signed links.
    """
    if isinstance(value, Mapping) and isinstance(value.get("task_id"), str):
        return {**value, "task_id": value["task_id"].strip(_BLANKS)}
    if not isinstance(value, str):
        return value
    text = value.strip(_BLANKS)
    if not text.startswith(("{", "[", "(", '"', "'")) and "://" not in text:
        return text
    parsed = parse_structure(text)
    if isinstance(parsed, Mapping) or (isinstance(parsed, str) and parsed.strip() != text):
        return parse_record(parsed)
    raise ViduInputError(
        "vidu_task must be a Vidu task id or a single task record; this text is neither.",
        advice="Pass the submitting task's output; map over several (.expand). Waiting and landing are free.",
    )


def _subject(subject: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): as_text(value) if name in _SUBJECT_TEXTS else given(value) for name, value in subject.items()}


def _fold(name: str, text: str) -> str:
    if name == "audio_type":
        return text.lower().replace("-", "_")
    if name in {"aspect_ratio", "style", "movement_amplitude"}:
        return text.lower()
    if name in {"resolution", "upscale_resolution"} and (named := _RESOLUTION.fullmatch(text)):
        number, unit = named.groups()
        # Vidu's spelling: 720p and 2K.
        return number + (unit.lower() if unit in "pP" else unit.upper())
    # Unknown names of models and resolutions stay as they are.
    return text
