# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The video that a request starts from: one of Vidu's own creations, or any video by its URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.fields import given, parse_structure
from airflow_provider_vidu.api.request import HttpUrl, Name, ViduRequest, exactly_one, shown

_SOURCES = ("video_creation_id", "video_url")


class SourceVideoRequest(ViduRequest):
    """
    A request that starts from a video.

    The parameter ``video`` sets one of the two fields below. It is a URL, the id of a creation, or the record of a
    finished task, whose first creation is used.

    :param video_creation_id: the id of a creation of Vidu's (``creations[].id``, not the task's id). Vidu prefers it.
    :param video_url: instead of it the URL of any video that Vidu can reach.
    """

    more_fields: ClassVar[frozenset[str]] = frozenset({"video"})

    video_creation_id: Name | None = None
    video_url: HttpUrl | None = Field(default=None, repr=False)

    @classmethod
    def meant(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Undo the effects of rendering, and put what ``video`` names into its field of the API."""
        rest = {name: value for name, value in fields.items() if name != "video"}
        video = given(fields.get("video"))
        if video is None or video == "":
            # In a row of a batch this removes the default.
            unset = dict.fromkeys(_SOURCES) if "video" in fields else {}
            return super().meant({**unset, **rest})
        return super().meant({**rest, **dict.fromkeys(_SOURCES), **_named(video, rest)})

    @model_validator(mode="after")
    def _one_source(self) -> SourceVideoRequest:
        exactly_one(self, "video_creation_id", "video_url")
        return self


def _named(video: Any, rest: Mapping[str, Any]) -> dict[str, str]:
    if any(given(rest.get(name)) for name in _SOURCES):
        raise ViduInputError("video: takes the place of video_creation_id and video_url; pass only one of the three.")
    if isinstance(video, str) and video.strip().startswith("{"):
        # A template has turned the record into text.
        video = parse_structure(video.strip()) or video
    if isinstance(video, Mapping):
        return _first_creation(video)
    if isinstance(video, bool) or not isinstance(video, (str, int)):
        raise ViduInputError(
            f"video: must be a URL, the id of a creation or the record of a task, got {shown(video)}. Map over several "
            "videos with .expand()."
        )
    text = str(video).strip()
    return {"video_url" if text.lower().startswith(("http://", "https://")) else "video_creation_id": text}


def _first_creation(record: Mapping[str, Any]) -> dict[str, str]:
    creations = record.get("creations")
    first = creations[0] if isinstance(creations, (list, tuple)) and creations else None
    if isinstance(first, Mapping):
        for field, name in (("video_creation_id", "id"), ("video_url", "url")):
            if first.get(name):
                return {field: str(first[name])}
    raise ViduInputError(
        f"video: the record of Vidu task {shown(record.get('task_id'))} has no video (state "
        f"{shown(record.get('state'))}). Pass the output of a task that has waited for its video: the operator with "
        "wait_for_completion, or the sensor behind it."
    )
