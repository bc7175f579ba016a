# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoints that create tasks: what each takes, what its answers call it, and what it renders.

Written from Vidu's API pages, and apart from the client's catalogue on purpose: a mistake that both shared would pass
every test. Prices and times are in ``estimates``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_vidu.emulator.machine.fields import (
    Check,
    flag,
    json_object,
    list_of,
    one_of,
    picture,
    text,
    url,
    whole,
)
from airflow_provider_vidu.emulator.machine.scenarios import Scenario

Size = tuple[int, int]


@dataclass(frozen=True)
class Model:
    """
    What a model takes on an endpoint.

    :param rows: seconds, each time with the resolutions at these seconds, of which the first is the default.
    :param seconds: of a request that names none.
    :param audio: of a request that does not say; None = it renders no sound.
    :param max_prompt: characters of a prompt.
    :param ratios: aspect ratios, of which the first is the default; none = the first picture decides.
    :param images: minimum and maximum number of pictures.
    :param off_peak: whether it takes off-peak.
    :param off_peak_audio: the ``audio`` that off-peak needs; None = either.
    """

    rows: tuple[tuple[Sequence[int], tuple[str, ...]], ...] = ()
    seconds: float = 5
    audio: bool | None = False
    max_prompt: int = 5000
    ratios: tuple[str, ...] = ()
    images: tuple[int, int] = (0, 0)
    off_peak: bool = True
    off_peak_audio: bool | None = None

    def resolutions(self, seconds: float) -> tuple[str, ...] | None:
        """Return the resolutions at a duration; None if the model has no such duration."""
        return next((resolutions for durations, resolutions in self.rows if seconds in durations), None)

    @property
    def durations(self) -> list[int]:
        """Every duration that it renders, in seconds, ascending."""
        return sorted({duration for durations, _ in self.rows for duration in durations})


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint.

    :param name: the last part of its path.
    :param type: its name in answers.
    :param checks: its fields, each with its check.
    :param required: the fields that no request may lack.
    :param models: its models by name; an endpoint without the field ``model`` has one that is called ``""``.
    :param scene: what is rendered; see ``storage.rendering``.
    :param delivers: ``video``, ``image`` or ``audio``.
    :param rule: refuses what no single field shows.
    :param sizes_problem: returns the reason for which it does not take pictures of these sizes together.
    """

    name: str
    type: str
    checks: Mapping[str, Check]
    required: tuple[str, ...]
    models: Mapping[str, Model]
    scene: str
    delivers: str = "video"
    rule: Callable[[Request], None] = lambda request: None
    sizes_problem: Callable[[Sequence[Size]], str | None] = lambda sizes: None


@dataclass(frozen=True)
class Request:
    """
    A create call that passed every check. Its fields are attributes: None = not sent.

    :param endpoint: to which it was sent.
    :param fields: the fields as they were sent, without unknown ones.
    :param scenario: what the prompt's switches request.
    """

    endpoint: Endpoint
    fields: dict[str, Any] = field(repr=False)
    scenario: Scenario = field(default=Scenario(), repr=False)

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(name)
        return self.fields.get(name)

    @property
    def known_model(self) -> Model:
        """What its model takes."""
        return self.endpoint.models[self.model or ""]

    @property
    def effective_duration(self) -> float:
        """Seconds of the result: as requested, or the model's default."""
        return self.known_model.seconds if self.duration is None else self.duration

    @property
    def effective_resolution(self) -> str:
        """The resolution: as requested, or the model's default at that duration."""
        default = next(iter(self.known_model.resolutions(self.effective_duration) or ()), "")
        return str(self.resolution or default)

    @property
    def has_audio(self) -> bool:
        """Whether the video has sound: as requested, or the model's default."""
        default = self.known_model.audio
        return bool(default if self.audio is None or default is None else self.audio)

    @property
    def pictures(self) -> list[str]:
        """Every picture that it names, in order."""
        return list(self.images or ())


_THREE = ("720p", "540p", "1080p")
_TWO = ("720p", "1080p")

# What every field means, wherever it occurs.
_FIELDS: dict[str, Check] = {
    "model": text(),
    "images": list_of(picture),
    "prompt": text(),
    "duration": whole(0),
    "seed": whole(0),
    "resolution": text(),
    "movement_amplitude": one_of("auto", "small", "medium", "large"),
    "audio": flag,
    # The English page spells the third one with a hyphen.
    "audio_type": one_of("all", "speech_only", "sound_effect_only", "sound-effect_only"),
    "voice_id": text(),
    "is_rec": flag,
    "bgm": flag,
    "off_peak": flag,
    "watermark": flag,
    "wm_position": whole(1, 4),
    "wm_url": url,
    "meta_data": json_object,
    "payload": text(1_048_576),
    "callback_url": url,
    "aspect_ratio": text(),
    "style": one_of("general", "anime"),
    "template": text(),
}
_COMMON = ("seed", "payload", "callback_url")
_MARKS = ("watermark", "wm_position", "wm_url", "meta_data")
_VIDEO = (*_COMMON, *_MARKS, "model", "prompt", "duration", "resolution", "movement_amplitude", "off_peak", "bgm")
_SOUND = ("audio", "audio_type", "voice_id")


def _checks(names: Iterable[str], **others: Check) -> dict[str, Check]:
    return {**{name: _FIELDS[name] for name in names}, **others}


def _models(*names: str, **facts: Any) -> dict[str, Model]:
    return dict.fromkeys(names, Model(**facts))


def _q3(*names: str, **facts: Any) -> dict[str, Model]:
    usual: dict[str, Any] = {"rows": ((range(1, 17), _THREE),), "audio": True}
    return _models(*names, **{**usual, **facts})


def _q1(*names: str, **facts: Any) -> dict[str, Model]:
    return _models(*names, rows=(((5,), ("1080p",)),), **facts)


_ROWS_2_0 = (((4,), ("360p", "720p", "1080p")), ((8,), ("720p",)))

ENDPOINTS: dict[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "img2video",
            "img2video",
            checks=_checks((*_VIDEO, *_SOUND, "images", "is_rec")),
            required=("model", "images"),
            models={
                # No page says which audio its off-peak needs; a client allows it prompts of this length.
                **_q3(
                    "viduq4-preview",
                    rows=((range(3, 17), (*_THREE, "2K", "4K")),),
                    images=(1, 1),
                    max_prompt=20_000,
                ),
                **_q3("viduq3-pro", "viduq3-turbo", images=(1, 1), off_peak_audio=True),
                **_q3("viduq3-pro-fast", rows=((range(1, 17), _TWO),), images=(1, 1), off_peak_audio=True),
                # ``viduq2`` is on relays' pages only.
                **_models(
                    *("viduq2", "viduq2-pro", "viduq2-turbo"),
                    rows=((range(1, 11), _THREE),),
                    images=(1, 1),
                    off_peak_audio=False,
                ),
                **_models("viduq2-pro-fast", rows=((range(1, 11), _TWO),), images=(1, 1), off_peak_audio=False),
                **_q1("viduq1", "viduq1-classic", images=(1, 1), off_peak_audio=False),
                **_models("vidu2.0", rows=_ROWS_2_0, seconds=4, images=(1, 1), off_peak_audio=False),
            },
            scene="zoom",
        ),
    )
}
