# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a task was made from, as the DAG author named it: so that people know which video is which product's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import public_url
from airflow_provider_vidu.api.messages import name_of_picture, without_secrets
from airflow_provider_vidu.api.rendered_fields import given, parse_structure


@dataclass(frozen=True)
class Origin:
    """
    The part of a task record that Vidu never sees.

    :param index: the position of a batch's request, from 0; None = it is not from a batch.
    :param id: the DAG author's own id for it; None = none was given.
    :param labels: the DAG author's own values, as JSON.
    :param image: the first picture or video that it starts from, as given, without a signature; None = there is none,
        or it is a data URI.
    :param prompt: the prompt.
    """

    index: int | None = None
    id: str | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    image: str | None = None
    prompt: str | None = None

    @property
    def name(self) -> str:
        """How messages call a batch's request: by its number, and its id or its picture."""
        known = self.id or name_of_picture(self.image)
        return f"item {self.index} ({known})" if known else f"item {self.index}"

    @property
    def subject(self) -> str:
        """The name at the start of a sentence."""
        return f"I{self.name[1:]}"

    def as_record(self) -> dict[str, Any]:
        """Return it as the keys of a task record."""
        return {name: getattr(self, name) for name in NAMES} | {"labels": dict(self.labels)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Origin:
        """Read it from a task record, which may be one of an older release or a host's own row."""
        values = {name: record.get(name) for name in NAMES}
        labels = values["labels"]
        texts = {name: value for name in ("id", "image", "prompt") if isinstance(value := values[name], str)}
        index = values["index"] if isinstance(values["index"], int) else None
        return cls(index=index, labels=labels if isinstance(labels, Mapping) else {}, **texts)


#: The keys of a task record that are an origin's.
NAMES = tuple(one.name for one in fields(Origin))


#: How deep labels may be nested.
MAX_DEPTH = 8


def parse_labels(value: Any) -> dict[str, Any]:
    """
    Parse the labels of a request.

    :param value: a dict of JSON values, or a text of one; None = no labels.
    :raises ViduInputError: it is anything else.
    """
    labels = given(value)
    if isinstance(labels, str):
        labels = parse_structure(labels) if labels.strip() else None
        labels = value if labels is None else labels
    if labels is None or labels == "":
        return {}
    try:
        if isinstance(labels, Mapping):
            text = json.dumps({str(name): one for name, one in labels.items()}, allow_nan=False, ensure_ascii=False)
            # Half a character, which no file could hold, raises an error.
            text.encode()
            if _depth(labels) <= MAX_DEPTH:
                return dict(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        pass
    raise ViduInputError(
        f"labels: must be a dict of JSON values, at most {MAX_DEPTH} deep, got a {type(value).__name__}."
    )


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, (Mapping, list, tuple)) else 0


def first_source(sources: Any) -> str | None:
    """
    Return the first of a request's pictures and videos as a record may show it, without a signature.

    :param sources: see ``Endpoint.sources``.
    """
    while isinstance(sources, (list, tuple)):
        sources = next((one for one in sources if one), None)
    text = "" if sources is None else str(sources).strip()
    if not text or text[:5].lower() == "data:":
        return None
    if not text.lower().startswith(("http://", "https://")):
        return without_secrets(text)
    try:
        return public_url(text)
    except ValueError:
        # It is invalid, and may have a signature.
        return None
