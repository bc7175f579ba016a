# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /reference2video``: a video with the people and things of reference pictures.

It has two modes: pictures (``images``), or named subjects (``subjects``) that the prompt calls by ``@name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from airflow_provider_vidu.api import subjects
from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import (
    AudioType,
    Flag,
    RequiredText,
    check_urls,
    describe_image_count,
    exactly_one,
    pictures,
)
from airflow_provider_vidu.api.subjects import Subject, check_subjects, not_called, unknown_call
from airflow_provider_vidu.api.video_request import GenerationRequest

MAX_SUBJECTS = 7
MAX_IMAGES = 7
MAX_IMAGES_WITH_VIDEOS = 4
MAX_VIDEOS = 2


class Reference2VideoRequest(GenerationRequest):
    """
    One reference-to-video request, checked as far as possible before it is paid for.

    :param prompt: what happens in the video; required. ``@name`` calls a subject.
    :param images: 1 to 7 pictures (``vidu2.0``: 1 to 3; with ``videos``: 1 to 4), each as in ``img2video``.
    :param subjects: 1 to 7 subjects instead of ``images``, with at most 7 pictures altogether.
    :param videos: URLs of one video of at most 8 s or two of at most 5 s; only with ``viduq2-pro``.
    :param auto_subjects: let Vidu find subjects in its library; the prompt may then call others than ``subjects``.
    :param duration: see :class:`VideoRequest`; with ``viduq2-pro`` 0 = Vidu chooses.
    :param aspect_ratio: ``16:9`` (Vidu's default), ``9:16`` or ``1:1``; the q2 and q3 families also take ``3:4``,
        ``4:3`` and ``auto``, and ``viduq3-drama`` only ``9:16`` (its default) and ``16:9``.
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``.
    :param voice_id: the voice, from Vidu's list; only with ``audio``, and not for q3.
    """

    kind: ClassVar[str] = "reference-to-video request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["reference2video"]
    rejected_models: ClassVar[frozenset[str]] = frozenset({"viduq3-pro"})

    prompt: RequiredText
    images: Annotated[list[str] | None, pictures(1, MAX_IMAGES)] = Field(default=None, repr=False)
    subjects: list[Subject] | None = None
    videos: list[str] | None = Field(default=None, repr=False)
    auto_subjects: Flag | None = None
    aspect_ratio: str | None = None
    audio_type: AudioType | None = None
    voice_id: str | None = None

    @field_validator("videos", mode="plain")
    @classmethod
    def _videos_by_url(cls, value: Any) -> list[str]:
        return check_urls(value, MAX_VIDEOS)

    @field_validator("subjects")
    @classmethod
    def _number_of_subjects(cls, subjects: list[Subject] | None) -> list[Subject] | None:
        if subjects is not None and not 1 <= len(subjects) <= MAX_SUBJECTS:
            raise ValueError(f"takes 1 to {MAX_SUBJECTS} subjects, got {len(subjects)}")
        return subjects

    @model_validator(mode="after")
    def _one_mode(self) -> Reference2VideoRequest:
        exactly_one(self, "images", "subjects")
        if self.subjects is None:
            most, how = (MAX_IMAGES_WITH_VIDEOS, " with videos") if self.videos else (MAX_IMAGES, "")
            self._check_count("images", len(self.images or ()), most, how)
            return self
        if self.videos:
            raise ViduInputError("videos: go with images; with subjects, each subject has its own videos.")
        self._check_count("subjects", sum(len(one.images or ()) for one in self.subjects), MAX_IMAGES, " altogether")
        if self.known_model is not None and any(subject.videos for subject in self.subjects):
            self.check_taken("videos", self.known_model, "subjects")
        check_subjects(self.subjects, use_library=bool(self.auto_subjects))
        unknown = None if self.auto_subjects else unknown_call(self.prompt, self.subjects)
        if unknown is not None:
            raise ViduInputError(
                f"prompt: calls @{unknown}, but the subjects are {', '.join(one.called for one in self.subjects)}. "
                "Call one of them, or set auto_subjects to use Vidu's library."
            )
        return self

    def _check_count(self, field: str, count: int, most: int, how: str) -> None:
        model = self.known_model
        if model is not None and model.max_images is not None and model.max_images < most:
            most, how = model.max_images, f" with {model.name}"
        if count > most:
            raise ViduInputError(f"{field}: takes {describe_image_count(1, most)}{how}, got {count}.")

    def warnings(self) -> list[str]:
        """See :meth:`ViduRequest.warnings`."""
        subjects = self.subjects or ()
        found = super().warnings()
        if self.known_model is not None and not self._has_audio(self.known_model):
            voices = [number for number, subject in enumerate(subjects) if subject.voice_id]
            found += [f"subjects[{number}].voice_id has no effect without audio." for number in voices]
        names = not_called(self.prompt, subjects)
        return found + [f"The prompt does not call the subject {name}: write @{name}." for name in names]


ENDPOINT = Endpoint(
    "reference2video",
    Reference2VideoRequest,
    media={
        "images": Media("image", count=(1, MAX_IMAGES), is_read=True),
        "subjects.images": Media("image", count=(1, subjects.MAX_IMAGES), is_read=True),
        "videos": Media("video", count=(1, MAX_VIDEOS)),
        "subjects.videos": Media("video", count=(1, subjects.MAX_VIDEOS)),
        "wm_url": Media("image", is_source=False),
    },
)
