# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The named subjects of a reference-to-video request, and which of them a prompt calls by ``@name``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.request import RequestPart, check_urls, pictures, shown

#: Pictures and videos of one subject.
MAX_IMAGES, MAX_VIDEOS = 3, 2

# An at sign inside a word is an e-mail address.
_AT = re.compile(r"(?<![A-Za-z0-9._%+-])@(?=\S)")
_WORD = re.compile(r"[\w-]*")
_SAME_WORD = re.compile(r"[A-Za-z0-9_]{2}")


class Subject(RequestPart):
    """
    One person or thing of a video.

    :param name: by which the prompt calls it; older pages say ``id``.
    :param images: at most 3, each as in ``img2video``.
    :param videos: URLs.
    :param voice_id: its voice, from Vidu's list.
    :param server_id: its id in Vidu's library of subjects, which has its pictures.
    """

    name: str | None = None
    id: str | None = None
    images: Annotated[list[str] | None, pictures(1, MAX_IMAGES)] = Field(default=None, repr=False)
    videos: list[str] | None = Field(default=None, repr=False)
    voice_id: str | None = None
    server_id: str | None = None

    @field_validator("videos", mode="plain")
    @classmethod
    def _videos_by_url(cls, value: Any) -> list[str]:
        return check_urls(value, MAX_VIDEOS)

    @property
    def called(self) -> str:
        """How the prompt calls it, without the at sign; empty if it has no name."""
        return self.name or self.id or ""


def check_subjects(subjects: Sequence[Subject], *, use_library: bool) -> None:
    """
    Check that each subject can be called, and is one that Vidu can show.

    :param use_library: Vidu may find subjects in its library by their names.
    :raises ViduInputError: one has no name, the name of another, or nothing to show.
    """
    names = [subject.called for subject in subjects]
    for number, name in enumerate(names):
        if not name.strip():
            raise ViduInputError(f"subjects[{number}].name: every subject needs one, got {shown(name)}.")
        if names.index(name) != number:
            raise ViduInputError(f"subjects[{number}].name: must be unique, got {shown(name)} twice.")
    for number, subject in enumerate(subjects):
        if not (use_library or subject.images or subject.videos or subject.server_id):
            raise ViduInputError(
                f"subjects[{number}]: {subject.called} needs images, videos or a server_id (its id in Vidu's library); "
                "without them Vidu knows nothing of it but its name."
            )


def unknown_call(prompt: str, subjects: Sequence[Subject]) -> str | None:
    """Return the first name that a prompt calls although no subject has it; None = there is none."""
    return next((word for name, word in _calls(prompt, subjects) if name is None and word), None)


def not_called(prompt: str, subjects: Sequence[Subject]) -> list[str]:
    """Return the names of the subjects that a prompt does not call."""
    called = {name for name, _ in _calls(prompt, subjects)}
    return [subject.called for subject in subjects if subject.called not in called]


def _calls(prompt: str, subjects: Sequence[Subject]) -> Iterator[tuple[str | None, str]]:
    """
    Yield, for each at sign, the name of the subject that it calls (None = no subject), and the word after it.

    Chinese has no blanks between words, so the longest name with which the text goes on is meant. A Latin name ends
    where its word does.
    """
    names = [subject.called for subject in subjects]
    for at in _AT.finditer(prompt):
        rest = prompt[at.end() :]
        fitting = [name for name in names if rest.startswith(name) and not _SAME_WORD.match(rest, len(name) - 1)]
        word = _WORD.match(rest)
        yield max(fitting, key=len, default=None), word[0] if word else ""
