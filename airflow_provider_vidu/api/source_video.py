# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The video that a request starts from: one of Vidu's own creations, or any video by its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from airflow_provider_vidu.api.errors import ViduInputError, ViduNoSourceError
from airflow_provider_vidu.api.messages import one_line, some_of
from airflow_provider_vidu.api.rendered_fields import given, parse_structure
from airflow_provider_vidu.api.request import HttpUrl, Name, ViduRequest, exactly_one, shown
from airflow_provider_vidu.api.tasks import ViduTask

_SOURCES = ("video_creation_id", "video_url")

# What an id is not. Vidu's are digits, a relay's may be UUIDs. A drive's letter is no scheme.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r".*[/\\].*|.*\.[a-z]\w{1,3}", re.IGNORECASE | re.ASCII | re.DOTALL)
# Only the public ids of plain new-api say what they are: Vidu's own tasks and creations have ids of one kind.
_TASK_ID = re.compile(r"task_\w+", re.ASCII)


class SourceVideoRequest(ViduRequest):
    """
    A request that starts from a video.

    The parameter ``video`` sets one of the two fields below. It is a URL, the id of a creation, a creation of a task's
    record, or the record of a finished task, whose first creation with a link is used: the one that is landed
    first.

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

    @classmethod
    def landed_sources(cls, fields: Mapping[str, Any]) -> list[Any]:
        """See :meth:`ViduRequest.landed_sources`."""
        video = _parsed(given(fields.get("video")))
        files = video.get("files") if isinstance(video, Mapping) else None
        # A record may have been written by anyone.
        known = [file for file in files if isinstance(file, Mapping)] if isinstance(files, (list, tuple)) else []
        paths = [file["path"] for file in known if file.get("kind") == "video" and isinstance(file.get("path"), str)]
        return paths[:1]

    @field_validator("video_creation_id")
    @classmethod
    def _creation_id_is_an_id(cls, value: str | None) -> str | None:
        if value is not None and (other := _not_an_id(value)):
            raise ValueError(f"must be the id of a creation, got {other}")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> SourceVideoRequest:
        if self.video_creation_id is None and self.video_url is None:
            raise ViduInputError(
                "video: is required: the output of a task that made a video, the id of a creation, or a URL. It is "
                "unset or empty after rendering, and so are video_creation_id and video_url."
            )
        exactly_one(self, *_SOURCES)
        return self


def _named(video: Any, rest: Mapping[str, Any]) -> dict[str, str]:
    if any(given(rest.get(name)) for name in _SOURCES):
        raise ViduInputError("video: takes the place of video_creation_id and video_url; pass only one of the three.")
    video = _parsed(video)
    if isinstance(video, Mapping):
        return _creation_of(video)
    if isinstance(video, (list, tuple)):
        raise ViduInputError(
            f"video: takes one video, got a list of {len(video)}. Map over the list: .expand(video=…)."
        )
    is_text = isinstance(video, (str, int)) and not isinstance(video, bool)
    text = str(video).strip()
    if is_text and text.lower().startswith(("http://", "https://")):
        return {"video_url": text}
    if (other := _not_an_id(text) if is_text else shown(video)) is None:
        return {"video_creation_id": text}
    hint = ""
    if _SCHEME.match(text) or _PATH.fullmatch(text):
        hint = " Vidu fetches the video itself: put it where Vidu can, for example behind a presigned https URL."
    elif _TASK_ID.fullmatch(text):
        hint = " Pass the task's record: it has the ids of its creations."
    raise ViduInputError(
        "video: must be an http(s) URL that Vidu can reach, the id of a creation or a task's record, got "
        f"{other}.{hint}"
    )


def _parsed(video: Any) -> Any:
    """Return the record that a template has turned into text; anything else is returned unchanged."""
    is_text = isinstance(video, str) and video.strip().startswith(("{", "["))
    return (parse_structure(video.strip()) or video) if is_text else video


def _not_an_id(text: str) -> str | None:
    """Return what a text is, for a message, if it cannot be the id of a creation; a URL may have secrets."""
    if scheme := _SCHEME.match(text):
        return f"a URL that starts with '{scheme[1].lower()}:'"
    if _PATH.fullmatch(text):
        return f"the path of a file ({shown(text)})"
    if _TASK_ID.fullmatch(text):
        return f"the id of a task ({shown(text)})"
    return shown(text) if re.search(r"\s", text) else None


def _creation_of(record: Mapping[str, Any]) -> dict[str, str]:
    # Vidu's own answer has the task's id as "id", and a creation has its own.
    is_task = not record.keys().isdisjoint({"task_id", "state", "creations"})
    known: Sequence[Mapping[str, Any]] = [] if is_task else [record]
    if is_task:
        # As for landing.
        with suppress(ValueError):
            read = ViduTask.from_record({**record, "task_id": record.get("task_id") or "of the record"})
            known = [creation.model_dump() for creation in read.results]
    for field, name in zip(_SOURCES, ("id", "url"), strict=True):
        if known and known[0].get(name):
            return {field: str(known[0][name])}
    if not is_task:
        only = f", only {one_line(some_of(record), 80)}" if record else ""
        raise ViduInputError(
            "video: a dict must be the record of a task or one of its creations; this one has neither id nor url"
            f"{only}."
        )
    if record.get("error"):
        raise ViduNoSourceError(f"There is no video to start from: {record['error']}")
    task = f"Vidu task {one_line(str(record.get('task_id') or record.get('id')), 80)}"
    state = one_line(str(record.get("state") or "unknown"), 80)
    if state == "failed":
        reason = one_line(str(record.get("err_code") or "no reason given"), 80)
        raise ViduInputError(
            f"video: {task} has failed ({reason}): it has no video. Clear the task that submitted it, not this one."
        )
    if state == "success":
        raise ViduInputError(
            f"video: the record of {task} does not name its video. A batch of more than 300 requests leaves the links "
            "out of its XCom: map over the records of its manifest_path, or put a mapped ViduTaskSensor between them."
        )
    raise ViduInputError(
        f"video: {task} has no video yet (state {state}). Pass the output of a task that has waited for its video: the "
        "operator with wait_for_completion, or the sensor behind it."
    )
