# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Reads the rows of a manifest for a report. Pure: no file is read.

Tolerant on purpose: a row of an earlier release lacks the newer keys, and a value of another type counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.api.messages import SIGNED_LINK, name_of_picture
from airflow_provider_vidu.api.registry import MP4, PICTURE, SOUND
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.exceptions import lines_of
from airflow_provider_vidu.report.links import file_name, relative_link
from airflow_provider_vidu.report.reasons import INVALID, plain_words, was_never_sent

#: Longest sides of thumbnails in pixels: in a video's place, and beside it.
SIDE, INPUT_SIDE = 320, 160

#: The element that shows a file, by the suffix of its name.
_ELEMENTS = {
    **dict.fromkeys(MP4.suffixes, "video"),
    **dict.fromkeys(PICTURE.suffixes, "image"),
    **dict.fromkeys(SOUND.suffixes, "audio"),
}
_WATERMARKED = "watermarked"
_COVER = "cover"


class State(str, Enum):
    """What has become of an item, for people."""

    MADE = "made"
    FAILED = "failed"
    RUNNING = "running"
    NOT_SENT = "not-sent"

    @property
    def label(self) -> str:
        return self.value.replace("-", " ").capitalize()


@dataclass(frozen=True)
class LandedFile:
    """
    A landed file as the page shows it.

    :param element: ``video``, ``image``, ``audio``, or empty: it is only named.
    :param link: relative to the report; None = in another store.
    :param preview: a data URI: the cover of a video, a picture itself in small.
    """

    element: str
    path: str
    name: str
    link: str | None
    preview: str | None
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """
    A row of the manifest as the page shows it.

    :param number: its index in the batch.
    :param name: its id.
    :param picture: the name of the first picture that was sent.
    :param thumbnail: of that picture, as a data URI.
    :param headline: what happened, in a few words; empty if it has its video or may get one.
    :param code: ``err_code``, if it says more than the headline; else empty.
    :param error: what happened and what to do.
    :param credits: what it cost; None = unknown, or not billed.
    :param is_billed: whether the video was made, also if it was not landed.
    """

    number: int
    name: str
    state: State
    labels: tuple[tuple[str, str], ...]
    prompt: str
    picture: str
    thumbnail: str | None
    endpoint: str
    model: str
    task_id: str
    files: tuple[LandedFile, ...]
    headline: str
    code: str
    error: tuple[str, ...]
    credits: float | None
    is_billed: bool

    @property
    def has_no_video(self) -> bool:
        """Whether it has no video and will get none."""
        return self.state in {State.FAILED, State.NOT_SENT}


def read_item(row: Mapping[str, Any], position: int, *, report: str, thumbnails: Mapping[str, str]) -> Item:
    """
    Read a row.

    :param position: of the row in the manifest, from 0, for rows without an index.
    :param report: where the report will be.
    :param thumbnails: data URIs by the paths of pictures; see :func:`pictures_of`.
    """
    state = _state_of(row)
    index, labels, image = row.get("index"), row.get("labels"), _text(row, "image")
    is_billed = _text(row, "state") == TaskState.SUCCESS or state is State.MADE
    reason = _text(row, "err_code")
    headline = _headline(state, reason, _text(row, "error"))
    error = lines_of(ViduError(SIGNED_LINK.sub(r"\1", _text(row, "error")))) if row.get("error") else []
    return Item(
        number=index if type(index) is int else position,
        name=_text(row, "id"),
        state=state,
        labels=tuple((str(key), str(value)) for key, value in labels.items()) if isinstance(labels, Mapping) else (),
        prompt=_text(row, "prompt"),
        picture=name_of_picture(image),
        thumbnail=thumbnails.get(image),
        endpoint=_text(row, "endpoint"),
        model=_text(row, "model"),
        task_id=_text(row, "task_id"),
        files=tuple(_landed_files(row, report, thumbnails)),
        headline=headline,
        code=reason if headline and reason not in {INVALID, headline} else "",
        error=tuple(error),
        credits=number_of(row.get("credits")) if is_billed else None,
        is_billed=is_billed,
    )


def pictures_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the pictures of which the page shows thumbnails, with the longest side of each in pixels."""
    sides: dict[str, int] = {}
    for row in rows:
        files = _files_of(row)
        results = [_text(file, "path") for file in files if _element_of(file) == "image"]
        # Beside its video it is small; without a video it takes the video's place.
        wanted = {_text(row, "image"): INPUT_SIDE if files else SIDE, **dict.fromkeys(results, SIDE)}
        for picture, side in wanted.items():
            sides[picture] = max(side, sides.get(picture, 0))
    return sides


def picture_and_video(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the paths of the first picture that was sent and of the video; empty if it is unknown."""
    videos = [file for file in _files_of(row) if _element_of(file) == "video" and _text(file, "kind") != _WATERMARKED]
    return _text(row, "image"), _text(videos[0], "path") if videos else ""


def number_of(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _state_of(row: Mapping[str, Any]) -> State:
    state, has_error = _text(row, "state"), bool(row.get("error"))
    reason = _text(row, "err_code")
    if state == TaskState.SUCCESS or (not state and _files_of(row)):
        return State.FAILED if has_error else State.MADE
    if state == TaskState.FAILED:
        return State.FAILED
    if _text(row, "task_id"):
        # Without a state it was submitted and never queried, or Vidu does not know it.
        is_running = bool(state) or not has_error or reason == "ViduStillRunningError"
        return State.RUNNING if is_running else State.FAILED
    # One in doubt has the payload with which it was sent.
    was_sent = bool(_text(row, "payload")) or not was_never_sent(reason, _text(row, "error"))
    return State.FAILED if has_error and was_sent else State.NOT_SENT


def _headline(state: State, reason: str, error: str) -> str:
    if state is State.NOT_SENT and not reason:
        return "Not sent to Vidu"
    if state is State.MADE or (state is State.RUNNING and not error):
        return ""
    return plain_words(reason, error)


def _files_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    files = row.get("files")
    return [file for file in files if isinstance(file, Mapping)] if isinstance(files, (list, tuple)) else []


def _element_of(file: Mapping[str, Any]) -> str:
    kind = _text(file, "kind")
    # Earlier releases call everything that a task delivers a video.
    by_name = _ELEMENTS.get(PurePosixPath(_text(file, "path")).suffix.lower(), "")
    return kind if kind in {"image", "audio"} else by_name


def _landed_files(row: Mapping[str, Any], report: str, thumbnails: Mapping[str, str]) -> Iterator[LandedFile]:
    files = _files_of(row)
    for place, file in enumerate(files):
        kind, path = _text(file, "kind"), _text(file, "path")
        preview = thumbnails.get(path)
        # A cover is on its video.
        if not path or (kind == _COVER and preview):
            continue
        if kind != _COVER and _element_of(file) == "video":
            preview = _cover_of(files, place, thumbnails)
        yield LandedFile(
            element=_element_of(file),
            path=path,
            name=file_name(path),
            link=relative_link(path, report),
            preview=preview,
            facts=tuple(_facts_of(file)),
        )


def _cover_of(files: list[Mapping[str, Any]], place: int, thumbnails: Mapping[str, str]) -> str | None:
    """Return the cover of a video: landed right after it, or before its watermarked copy, but not after another."""
    start = place
    while start and _text(files[start], "kind") in {_WATERMARKED, _COVER}:
        start -= 1
    for file in files[start + 1 :]:
        kind = _text(file, "kind")
        if kind == _COVER:
            return thumbnails.get(_text(file, "path"))
        if kind != _WATERMARKED:
            break
    return None


def _facts_of(file: Mapping[str, Any]) -> Iterator[str]:
    if _text(file, "kind") in {_WATERMARKED, _COVER}:
        yield _text(file, "kind")
    if seconds := number_of(file.get("duration")):
        yield f"{round(seconds, 1):g} s"
    width, height = number_of(file.get("width")), number_of(file.get("height"))
    if width and height:
        yield f"{width:g}×{height:g}"
    if size := number_of(file.get("bytes")):
        yield f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
