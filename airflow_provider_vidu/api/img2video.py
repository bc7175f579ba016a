# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /img2video``: every field of its request, with its limit and its JSON type.

Where the sources contradict each other: numbers and booleans are sent as such (a relay's page types them as strings,
its own example and Vidu's page do not); ``prompt`` is optional and takes 5000 characters (older copies: required,
2000); ``aspect_ratio`` and ``style`` belong to other endpoints (here the first frame decides).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from airflow_provider_vidu.api.catalog import MODELS_OF, Model
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import Flag, HttpUrl, ViduRequest, Whole, check_images, listed, shown


class Img2VideoRequest(ViduRequest):
    """
    One image-to-video request, checked as far as possible before it is paid for.

    :param images: one image: a URL that Vidu can reach, a data URI (PNG, JPEG, WebP; 1:4 to 4:1), or the
        ``ssupload:`` URI of Vidu's upload tool. A single string means a list of one.
    :param model: the model's name. One that is not in the catalogue is sent unchecked.
    :param prompt: what happens in the video, at most 5000 characters, if the model is in the catalogue and its limit is
        known; ignored with ``is_rec``.
    :param duration: whole seconds, within the model's row; unset = the model's default.
    :param seed: 0 or unset = random; the reply has the one that was used. Vidu documents no upper limit.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``, within the model's row; a model that
        is not in the catalogue may have others.
    :param movement_amplitude: ``auto``, ``small``, ``medium``, ``large``; the q2 and q3 families ignore it.
    :param audio: speech and sound in the video; unset = the model's default (true for q3 and q4).
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``; split for q1, q2 and 2.0 only.
    :param voice_id: the voice, from Vidu's list; only with ``audio``, and not for q3.
    :param is_rec: Vidu writes the prompt itself, for 10 credits more.
    :param bgm: background music; no effect for q3, nor for q2 at 9 and 10 s.
    :param off_peak: half price, within 48 hours. The q3 family takes it only with audio, others only without.
    :param watermark: also render a watermarked copy (``watermarked_url``).
    :param wm_position: 1 top left, 2 top right, 3 bottom right, 4 bottom left.
    :param wm_url: URL of the watermark's picture; unset = Vidu's own text.
    :param meta_data: provenance labels; a dict is sent as a JSON string, a string must be a JSON object.
    :param payload: echoed unchanged, at most 1 048 576 characters.
    :param callback_url: the URL to which Vidu reports state changes.
    """

    kind: ClassVar[str] = "image-to-video request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["img2video"]

    images: list[str] = Field(repr=False)
    model: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = DEFAULT_MODEL
    prompt: str | None = None
    duration: Whole | None = None
    seed: Whole | None = None
    resolution: str | None = None
    movement_amplitude: Literal["auto", "small", "medium", "large"] | None = None
    audio: Flag | None = None
    audio_type: Literal["all", "speech_only", "sound_effect_only"] | None = None
    voice_id: str | None = None
    is_rec: Flag | None = None
    bgm: Flag | None = None
    off_peak: Flag | None = None
    watermark: Flag | None = None
    wm_position: Annotated[Whole, Field(ge=1, le=4)] | None = None
    wm_url: HttpUrl | None = None
    meta_data: str | None = None
    payload: str | None = Field(default=None, repr=False)
    callback_url: HttpUrl | None = Field(default=None, repr=False)

    @field_validator("images", mode="plain")
    @classmethod
    def _one_readable_image(cls, value: Any) -> list[str]:
        return check_images(value)

    @model_validator(mode="after")
    def _within_the_model_row(self) -> Img2VideoRequest:
        model = self.known_model
        if model is None:
            if self.duration is not None and self.duration < 1:
                raise ViduInputError(f"duration must be at least 1 second, got {self.duration}.")
            return self
        seconds = model.default_duration if self.duration is None else self.duration
        row = model.row(seconds)
        if row is None:
            raise ViduInputError(f"duration of {model.name} must be {listed(model.durations)} s, got {seconds}.")
        if self.resolution is not None and self.resolution not in row.resolutions:
            raise ViduInputError(
                f"resolution of {model.name} at {seconds} s must be {listed(row.resolutions)}, "
                f"got {shown(self.resolution)}."
            )
        audio = model.audio_default if self.audio is None else self.audio
        if self.off_peak and model.off_peak_audio is not None and audio is not model.off_peak_audio:
            needed = "true" if model.off_peak_audio else "false"
            raise ViduInputError(
                f"off_peak: {model.name} takes off-peak only with audio={needed}, got audio={str(audio).lower()}."
            )
        return self

    @property
    def effective_duration(self) -> int | None:
        """Seconds of the video: as requested, or the model's default; None if neither is known."""
        if self.duration is not None or self.known_model is None:
            return self.duration
        return self.known_model.default_duration

    @property
    def effective_resolution(self) -> str | None:
        """The resolution: as requested, or the model's default at that duration; None if neither is known."""
        if self.resolution is not None or self.known_model is None:
            return self.resolution
        row = self.known_model.row(self.effective_duration or 0)
        return row.default_resolution if row else None

    def warnings(self) -> list[str]:
        """See :meth:`ViduRequest.warnings`."""
        model = self.known_model
        if model is None:
            return super().warnings()
        seconds = self.effective_duration or 0
        found = [
            f"{name} has no effect with {model.name}" + (f" at {seconds} s." if name not in model.no_effect else ".")
            for name in ("movement_amplitude", "bgm", "voice_id")
            if getattr(self, name) not in (None, False, "auto") and model.ignores(name, seconds)
        ]
        audio = model.audio_default if self.audio is None else self.audio
        found += [
            f"{name} has no effect without audio."
            for name in ("voice_id", "audio_type")
            if getattr(self, name) is not None and not audio
        ]
        if self.audio_type not in (None, "all") and model.audio_default:
            found.append(f"audio_type={self.audio_type} has no effect with {model.name}, which renders all sound.")
        if self.is_rec and self.prompt:
            found.append("prompt is ignored with is_rec: Vidu writes its own.")
        if not self.watermark and (self.wm_position is not None or self.wm_url):
            found.append("wm_position and wm_url have no effect without watermark.")
        return found


ENDPOINT = Endpoint(
    "img2video",
    Img2VideoRequest,
    media={
        "images": Media("image", count=(1, 1), is_read=True),
        "wm_url": Media("image", is_source=False),
    },
)


def input_error_text(error: ValidationError, fields: Mapping[str, Any]) -> str:
    """See :meth:`ViduRequest.error_text`."""
    return Img2VideoRequest.error_text(error, fields)
