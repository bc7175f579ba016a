# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoints that create tasks: what each takes, what its answers call it, and what it renders.

Written from Vidu's API pages, and apart from the client's catalogue on purpose: a mistake that both shared would pass
every test. Prices and times are in ``estimates``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from airflow_provider_vidu.emulator.machine.fields import (
    Check,
    flag,
    json_object,
    list_of,
    number,
    object_of,
    one_of,
    picture,
    text,
    url,
    whole,
)
from airflow_provider_vidu.emulator.machine.refusals import about_fields
from airflow_provider_vidu.emulator.machine.scenarios import Scenario
from airflow_provider_vidu.emulator.video.facts import VideoFacts

#: The corners by their numbers in requests. Answers and some endpoints name them.
CORNERS = ("unspecified", "top_left", "top_right", "bottom_right", "bottom_left")

Size = tuple[int, int]


@dataclass(frozen=True)
class Model:
    """
    What a model takes on an endpoint.

    :param rows: seconds, each time with the resolutions at these seconds, of which the first is the default; none =
        neither is checked.
    :param usual_seconds: of a request that names none.
    :param audio: of a request that does not say; None = it renders no sound.
    :param max_prompt: characters of a prompt.
    :param ratios: aspect ratios, of which the first is the default; none = the first picture decides.
    :param images: minimum and maximum number of pictures.
    :param off_peak: whether it takes off-peak.
    :param watermark: of a request that does not say.
    """

    rows: tuple[tuple[Sequence[int], tuple[str, ...]], ...] = ()
    usual_seconds: float = 5
    audio: bool | None = False
    max_prompt: int = 5000
    ratios: tuple[str, ...] = ()
    images: tuple[int, int] = (0, 0)
    off_peak: bool = True
    watermark: bool = False

    def resolutions(self, seconds: float) -> tuple[str, ...] | None:
        """Return the resolutions at a duration; None if the model has no such duration."""
        return next((resolutions for durations, resolutions in self.rows if seconds in durations), None)

    @property
    def durations(self) -> list[int]:
        """Every duration that it renders, in seconds, ascending."""
        return sorted({duration for durations, _ in self.rows for duration in durations})


@dataclass(frozen=True)
class Source:
    """
    The video that an endpoint takes.

    :param seconds: minimum and maximum.
    :param sides: minimum and maximum pixels of a side.
    :param below_fps: frames per second that it must stay below.
    :param must_grow: whether the result must be larger.
    """

    seconds: tuple[float, float]
    sides: tuple[float, float] = (1, inf)
    below_fps: float = inf
    must_grow: bool = False

    def takes(self, facts: VideoFacts) -> bool:
        """Return whether it takes a video with these facts."""
        (least, most), (shortest, longest) = self.seconds, self.sides
        is_in_size = shortest <= min(facts.size) and max(facts.size) <= longest
        # Files are rarely exact to the frame.
        return is_in_size and least - 0.1 <= facts.seconds <= most + 0.1 and facts.rate < self.below_fps


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint.

    :param name: the last part of its path.
    :param checks: its fields, each with its check.
    :param required: the fields that no request may lack.
    :param models: its models by name; an endpoint without the field ``model`` has one that is called ``""``.
    :param scene: what is rendered; see ``storage.rendering``.
    :param type: its name in answers, where that is another one.
    :param delivers: ``video``, ``image`` or ``audio``.
    :param source: the video that it takes, if it takes one.
    :param rule: refuses what no single field shows.
    :param sizes_problem: returns the reason for which it does not take pictures of these sizes together.
    """

    name: str
    checks: Mapping[str, Check]
    required: tuple[str, ...]
    models: Mapping[str, Model]
    scene: str
    type: str = ""
    delivers: str = "video"
    source: Source | None = None
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
    def segments(self) -> list[float]:
        """Seconds of each part of the result: as requested, or the model's default. Only ``multiframe`` has several."""
        asked = [setting.get("duration") for setting in self.image_settings or ()] or [self.duration]
        return [seconds or self.known_model.usual_seconds for seconds in asked]

    @property
    def effective_duration(self) -> float:
        """Seconds of the result, or of what is added to a source."""
        return sum(self.segments)

    @property
    def effective_resolution(self) -> str:
        """The resolution: as requested, or the model's default at that duration."""
        default = next(iter(self.known_model.resolutions(self.effective_duration) or ()), "")
        return str(self.resolution or self.upscale_resolution or default)

    @property
    def has_audio(self) -> bool:
        """Whether the video has sound: as requested, or the model's default."""
        default = self.known_model.audio
        return bool(default if self.audio is None or default is None else self.audio)

    @property
    def has_watermark(self) -> bool:
        """Whether there is a copy with a watermark: as requested, or the model's default."""
        return bool(self.known_model.watermark if self.watermark is None else self.watermark)

    @property
    def corner(self) -> int:
        """The number of the watermark's corner; 0 = not requested."""
        asked = self.wm_position or 0
        return CORNERS.index(asked) if isinstance(asked, str) else asked

    @property
    def pictures(self) -> list[str]:
        """Every picture that it names, in order."""
        frames = [self.start_image] if self.start_image else []
        inner = [picture for subject in self.subjects or () for picture in subject.get("images") or ()]
        return [*(self.images or ()), *inner, *frames, *(setting["key_image"] for setting in self.image_settings or ())]


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
    "videos": list_of(url),
    "subjects": list_of(
        object_of(
            {
                **dict.fromkeys(("name", "id", "voice_id", "server_id"), text()),
                "images": list_of(picture),
                "videos": list_of(url, most=1),
            }
        )
    ),
    "auto_subjects": flag,
    "video_url": url,
    "video_creation_id": text(),
    "upscale_resolution": one_of("1080p", "2K", "4K", "8K"),
    "start_image": picture,
    "image_settings": list_of(
        object_of({"key_image": picture, "prompt": text(2000), "duration": whole(2, 7)}, "key_image")
    ),
    "template": text(),
    "area": text(),
    "beast": text(),
    "audio_url": url,
    "text": text(2000, least=4),
    "speed": number(0.5, 2),
    "volume": number(0, 10),
    "character_id": text(),
    "ref_photo_url": url,
}
_COMMON = ("seed", "payload", "callback_url")
_SOURCES = ("video_creation_id", "video_url")
_MARKS = ("watermark", "wm_position", "wm_url", "meta_data")
_VIDEO = (
    *_COMMON,
    *_MARKS,
    *("model", "prompt", "duration", "resolution", "movement_amplitude", "off_peak"),
    *("bgm", "audio", "audio_type", "voice_id"),
)


def _checks(*names: str, **others: Check) -> dict[str, Check]:
    return {**{name: _FIELDS[name] for name in names}, **others}


def _models(*lines: tuple[Any, ...], **shared: Any) -> dict[str, Model]:
    # Each line: names, seconds, resolutions, and what differs from the shared facts.
    models: dict[str, Model] = {}
    for names, seconds, resolutions, *own in lines:
        usual = 5 if 5 in seconds else seconds[0]
        facts = {"rows": ((seconds, resolutions),), "usual_seconds": usual, **shared, **(own[0] if own else {})}
        models |= dict.fromkeys(names.split() or [""], Model(**facts))
    return models


_SOUND = {"audio": True}
_ONE = ("1080p",)
_ROWS_2_0 = {"rows": (((4,), ("360p", "720p", "1080p")), ((8,), ("720p",)))}
_THREE_RATIOS = ("16:9", "9:16", "1:1")
_FIVE_RATIOS = (*_THREE_RATIOS, "3:4", "4:3")


def _frames_problem(sizes: Sequence[Size]) -> str | None:
    # One page compares the number of pixels, another one the aspect ratios.
    (width, height), (last_width, last_height) = sizes
    shares = (width * height / (last_width * last_height), width * last_height / (height * last_width))
    return None if all(0.8 <= share <= 1.25 for share in shares) else "PageSizeOutOfRange"


def _check_off_peak(request: Request) -> None:
    # No page says which audio the off-peak of ``viduq4-preview`` needs.
    is_q3 = request.model.startswith("viduq3")
    if request.off_peak and request.model != "viduq4-preview" and request.has_audio != is_q3:
        raise about_fields("FieldInvalid", "off_peak", detail=f"{request.model} needs audio={str(is_q3).lower()}")


def _check_references(request: Request) -> None:
    images, videos, subjects = (list(value or ()) for value in (request.images, request.videos, request.subjects))
    if not (images or subjects):
        raise about_fields("FieldLacking", "images")
    if images and subjects:
        raise about_fields("FieldUnwanted", "images", detail="not together with subjects")
    takes_videos = request.model == "viduq2-pro"
    if len(videos) > 2 or (videos and len(images) > 4):
        raise about_fields("FieldItemCountOutOfRange", "videos" if len(videos) > 2 else "images")
    if videos and not takes_videos:
        raise about_fields("FieldInvalid", "videos", detail=f"{request.model} takes none")
    if subjects and request.model == "viduq3-mix":
        raise about_fields("FieldInvalid", "subjects", detail=f"{request.model} takes none")
    if any(len(subject.get("images") or ()) > 3 for subject in subjects) or len(request.pictures) > 7:
        raise about_fields("FieldItemCountOutOfRange", "subjects")
    for subject in subjects:
        is_named = subject.get("name") or subject.get("id")
        if not is_named or not any(subject.get(source) for source in ("images", "videos", "server_id")):
            raise about_fields("FieldLacking", "subjects", detail="each needs a name, and pictures")
        if subject.get("videos") and not takes_videos:
            raise about_fields("FieldInvalid", "subjects", detail=f"{request.model} takes no videos")
    # The page has prompts that call subjects; it does not say that a prompt must call all of them.
    names = [f"@{subject.get('name') or subject.get('id')}" for subject in subjects]
    if names and not request.auto_subjects and not any(name in request.prompt for name in names):
        raise about_fields("FieldInvalid", "prompt", detail=f"calls none of {', '.join(names)}")


def _check_frame_count(request: Request) -> None:
    if not 2 <= len(request.image_settings) <= 9:
        raise about_fields("FieldItemCountOutOfRange", "image_settings")


def _check_source(request: Request) -> None:
    if not (request.video_creation_id or request.video_url):
        raise about_fields("FieldLacking", "video_creation_id", "video_url")


def _check_voice(request: Request) -> None:
    if not (request.audio_url or request.text):
        raise about_fields("FieldLacking", "audio_url", "text")


ENDPOINTS: dict[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint(
            "img2video",
            _checks("images", "is_rec", *_VIDEO),
            required=("model", "images"),
            models=_models(
                # A client allows it prompts of this length.
                ("viduq4-preview", range(3, 17), (*_THREE, "2K", "4K"), {**_SOUND, "max_prompt": 20_000}),
                ("viduq3-pro viduq3-turbo", range(1, 17), _THREE, _SOUND),
                ("viduq3-pro-fast", range(1, 17), _TWO, _SOUND),
                # ``viduq2`` is on relays' pages only.
                ("viduq2 viduq2-pro viduq2-turbo", range(1, 11), _THREE),
                ("viduq2-pro-fast", range(1, 11), _TWO),
                ("viduq1 viduq1-classic", (5,), _ONE),
                ("vidu2.0", (4, 8), (), _ROWS_2_0),
                images=(1, 1),
            ),
            scene="still",
            rule=_check_off_peak,
        ),
        Endpoint(
            "text2video",
            _checks("aspect_ratio", "style", *_VIDEO),
            required=("model", "prompt"),
            models=_models(
                ("viduq3-pro viduq3-turbo", range(1, 17), _THREE, _SOUND),
                ("viduq2", range(1, 11), _THREE),
                ("viduq1", (5,), _ONE, {"ratios": _THREE_RATIOS}),
                ratios=_FIVE_RATIOS,
            ),
            scene="still",
        ),
        Endpoint(
            "start-end2video",
            _checks("images", "is_rec", *_VIDEO),
            required=("model", "images"),
            models=_models(
                ("viduq3-pro viduq3-turbo", range(1, 17), _THREE, _SOUND),
                ("viduq2-pro viduq2-turbo", range(1, 9), _THREE),
                ("viduq2-pro-fast", range(1, 9), _TWO),
                ("viduq1 viduq1-classic", (5,), _ONE),
                ("vidu2.0", (4, 8), (), _ROWS_2_0),
                images=(2, 2),
                audio=None,
            ),
            scene="fade",
            type="headtailimg2video",
            sizes_problem=_frames_problem,
        ),
        Endpoint(
            "reference2video",
            _checks("images", "videos", "subjects", "auto_subjects", "aspect_ratio", *_VIDEO),
            required=("model", "prompt"),
            models=_models(
                (
                    "viduq3-drama",
                    range(2, 16),
                    _THREE,
                    {**_SOUND, "ratios": ("9:16", "16:9", "1:1", "3:4", "4:3", "auto"), "watermark": True},
                ),
                ("viduq3-ad", range(3, 16), _TWO, _SOUND),
                ("viduq3-mix", range(1, 17), _TWO, {**_SOUND, "off_peak": False}),
                ("viduq3 viduq3-turbo", range(3, 17), _THREE, _SOUND),
                # 0 seconds: Vidu decides.
                ("viduq2-pro", range(11), _THREE),
                ("viduq2", range(1, 11), _THREE),
                ("viduq1", (5,), _ONE, {"ratios": _THREE_RATIOS}),
                ("vidu2.0", (4,), ("360p", "720p"), {"ratios": _THREE_RATIOS, "images": (0, 3)}),
                ratios=(*_FIVE_RATIOS, "auto"),
                images=(0, 7),
            ),
            scene="still",
            type="character2video",
            rule=_check_references,
        ),
        Endpoint(
            "reference2image",
            _checks("model", "prompt", "images", "aspect_ratio", "resolution", *_COMMON),
            required=("model", "prompt"),
            models=_models(
                ("viduq2", (0,), ("1080p", "2K", "4K"), {"images": (0, 7)}),
                ("viduq1", (0,), _ONE, {"images": (1, 7), "ratios": (*_FIVE_RATIOS, "auto")}),
                ratios=(*_FIVE_RATIOS, "21:9", "2:3", "3:2", "auto"),
                max_prompt=2000,
            ),
            scene="still",
            delivers="image",
        ),
        Endpoint(
            "multiframe",
            _checks(
                *("model", "start_image", "image_settings", "resolution", *_COMMON, *_MARKS),
                wm_position=one_of(*CORNERS[1:]),
            ),
            required=("model", "start_image", "image_settings"),
            models=_models(("viduq2-pro viduq2-turbo", range(64), _THREE)),
            scene="fade",
            rule=_check_frame_count,
        ),
        Endpoint(
            "extend",
            _checks("model", *_SOURCES, "images", "prompt", "duration", "resolution", *_COMMON, *_MARKS),
            required=("model",),
            models=_models(("viduq2-pro viduq2-turbo", range(1, 8), _THREE), images=(0, 1), max_prompt=2000),
            scene="source",
            source=Source(seconds=(4, 60)),
            rule=_check_source,
        ),
        Endpoint(
            "upscale-new",
            _checks(*_SOURCES, "upscale_resolution", "payload", "callback_url"),
            required=(),
            models=_models(("", (0,), ("1080p", "2K", "4K", "8K"))),
            scene="source",
            source=Source(seconds=(0, 300), below_fps=60, must_grow=True),
            rule=_check_source,
        ),
        Endpoint(
            "lip-sync",
            _checks(
                *("video_url", "audio_url", "text", "speed", "voice_id", "character_id", "volume", "ref_photo_url"),
                *(*_COMMON, *_MARKS),
            ),
            required=("video_url",),
            models={"": Model(usual_seconds=0, audio=True)},
            scene="source",
            source=Source(seconds=(1, 600), sides=(360, 4096)),
            rule=_check_voice,
        ),
        Endpoint(
            "template",
            _checks("template", "images", "prompt", "aspect_ratio", "area", "beast", "bgm", *_COMMON, *_MARKS),
            required=("template", "images"),
            models=_models(("", (4,), ("720p",)), images=(1, 7), ratios=("auto", *_FIVE_RATIOS)),
            scene="still",
        ),
        Endpoint(
            "text2audio",
            _checks("model", "prompt", *_COMMON, duration=number(2, 10)),
            required=("model", "prompt"),
            models={"audio1.0": Model(usual_seconds=10, max_prompt=1500)},
            scene="sound",
            delivers="audio",
        ),
    )
}
