# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The video that a request starts from: one of Vidu's own creations, or any video by its URL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from pydantic import Field, model_validator

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.fields import given, parse_structure
from airflow_provider_vidu.api.request import HttpUrl, Name, ViduRequest, exactly_one, shown
from airflow_provider_vidu.api.tasks import ViduTask

_SOURCES = ("video_creation_id", "video_url")


class SourceVideoRequest(ViduRequest):
    """
    A request that starts from a video.

    The parameter ``video`` sets one of the two fields below. It is a URL, the id of a creation, or the record of a
    finished task, whose first creation with a link is used: the one that is landed first.

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
        return _first_result(video)
    if isinstance(video, bool) or not isinstance(video, (str, int)):
        raise ViduInputError(
            f"video: must be a URL, the id of a creation or the record of a task, got {shown(video)}. Map over several "
            "videos with .expand()."
        )
    text = str(video).strip()
    return {"video_url" if text.lower().startswith(("http://", "https://")) else "video_creation_id": text}


def _first_result(record: Mapping[str, Any]) -> dict[str, str]:
    with suppress(ValueError):
        for creation in ViduTask.model_validate({**record, "task_id": "of the record"}).results[:1]:
            if creation.id:
                return {"video_creation_id": creation.id}
            if creation.url:
                return {"video_url": creation.url}
    raise ViduInputError(
        f"video: the record of Vidu task {shown(record.get('task_id'))} has no video (state "
        f"{shown(record.get('state'))}). Pass the output of a task that has waited for its video: the operator with "
        "wait_for_completion, or the sensor behind it."
    )
