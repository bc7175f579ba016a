# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The rules of every endpoint that renders a video with a model: what its row in the catalogue accepts and ignores.

A rule applies to the fields that an endpoint has; each rule is here once.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.request import Flag, HttpUrl, Name, ViduRequest, Whole, listed, shown

_Video = TypeVar("_Video", bound="VideoRequest")


class VideoRequest(ViduRequest):
    """
    A request for a video of a model.

    :param model: the model's name. One that is not in the catalogue is sent unchecked.
    :param prompt: what happens in the video, at most 5000 characters (``extend``: 2000), if the model is in the
        catalogue and its limit is known.
    :param duration: whole seconds, within the model's row; unset = the model's default.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``, within the model's row; a model that
        is not in the catalogue may have others.
    :param watermark: also render a watermarked copy (``watermarked_url``).
    :param wm_url: URL of the watermark's picture; unset = Vidu's own text.
    :param meta_data: provenance labels; a dict is sent as a JSON string, a string must be a JSON object.
    :param payload: echoed unchanged, at most 1 048 576 characters.
    :param callback_url: the URL to which Vidu reports state changes.
    """

    #: Models that Vidu's page excludes, although other endpoints have them.
    rejected_models: ClassVar[frozenset[str]] = frozenset()

    model: Name = DEFAULT_MODEL
    prompt: str | None = None
    duration: Whole | None = None
    resolution: str | None = None
    watermark: Flag | None = None
    wm_url: HttpUrl | None = None
    meta_data: str | None = None
    payload: str | None = Field(default=None, repr=False)
    callback_url: HttpUrl | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _accepted_by_its_model(self: _Video) -> _Video:
        if self.model in self.rejected_models:
            raise ViduInputError(
                f"model: Vidu's {self.kind} does not take {self.model}; its models are {', '.join(self.models)}."
            )
        model = self.known_model
        if model is None:
            least = min(one.durations[0] for one in self.models.values())
            if self.duration is not None and self.duration < least:
                raise ViduInputError(f"duration must be at least {counted(least, 'second')}, got {self.duration}.")
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
        ratio = self._value("aspect_ratio")
        if ratio is not None and ratio not in model.aspect_ratios:
            raise ViduInputError(
                f"aspect_ratio of {model.name} must be {listed(model.aspect_ratios)}, got {shown(ratio)}."
            )
        for name in sorted(model.refuses):
            if self._value(name):
                self.check_taken(name, model)
        audio = self._has_audio(model)
        if self._value("off_peak") and model.off_peak_audio is not None and audio is not model.off_peak_audio:
            needed = "true" if model.off_peak_audio else "false"
            raise ViduInputError(
                f"off_peak: {model.name} takes off-peak only with audio={needed}, got audio={str(audio).lower()}."
            )
        return self

    def check_taken(self, name: str, model: Model, place: str | None = None) -> None:
        """
        Check that a field may be used with a model.

        :param place: where the field is, if it is inside another one.
        :raises ViduInputError: it may not.
        """
        if name in model.refuses:
            takers = [one.name for one in self.models.values() if name not in one.refuses]
            what = "it" if place is None else name
            raise ViduInputError(
                f"{place or name}: Vidu's {self.kind} does not take {what} with {model.name}, only with "
                f"{', '.join(takers)}."
            )

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
            for name in ("movement_amplitude", "bgm", "voice_id", "style")
            if self._value(name) not in (None, False, "auto", "general") and model.ignores(name, seconds)
        ]
        found += [
            f"{name} has no effect without audio."
            for name in ("voice_id", "audio_type")
            if self._value(name) is not None and not self._has_audio(model)
        ]
        kind_of_audio = self._value("audio_type")
        if kind_of_audio not in (None, "all") and model.audio_default:
            found.append(f"audio_type={kind_of_audio} has no effect with {model.name}, which renders all sound.")
        if self._value("is_rec") and self.prompt:
            found.append("prompt is ignored with is_rec: Vidu writes its own.")
        has_watermark = model.watermark_default if self.watermark is None else self.watermark
        if not has_watermark and (self._value("wm_position") is not None or self.wm_url):
            found.append("wm_position and wm_url have no effect without watermark.")
        return found

    def _has_audio(self, model: Model) -> bool:
        audio: bool | None = self._value("audio")
        return model.audio_default if audio is None else audio

    def _value(self, name: str) -> Any:
        """Return the value of a field that only some endpoints have."""
        return getattr(self, name, None)


class GenerationRequest(VideoRequest):
    """
    A request that generates a video from pictures, a text or both.

    :param seed: 0 or unset = random; the reply has the one that was used. Vidu documents no upper limit.
    :param movement_amplitude: ``auto``, ``small``, ``medium``, ``large``; the q2 and q3 families ignore it.
    :param audio: speech and sound in the video; unset = the model's default (true for q3 and q4).
    :param bgm: background music; no effect for q3, nor for q2 at 9 and 10 s.
    :param off_peak: half price, within 48 hours. The q3 family takes it only with audio, others only without.
    :param wm_position: 1 top left, 2 top right, 3 bottom right, 4 bottom left.
    """

    seed: Whole | None = None
    movement_amplitude: Literal["auto", "small", "medium", "large"] | None = None
    audio: Flag | None = None
    bgm: Flag | None = None
    off_peak: Flag | None = None
    wm_position: Annotated[Whole, Field(ge=1, le=4)] | None = None
