# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The request of ``POST /img2video``: every field, its limit, and its form on the wire.

Built after rendering, in the worker, and nowhere else: a request holds the image as a data URI. Where the sources
contradict each other: numbers and booleans travel as such (a relay's page types them as strings, its own example
and Vidu's page do not); ``prompt`` is optional and takes 5000 characters (older copies: required, 2000);
``aspect_ratio`` and ``style`` belong to other endpoints (here the first frame decides).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from airflow_provider_vidu.api.catalog import MODELS, Model
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, is_no, is_yes
from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduNotFoundError, ViduRequestError
from airflow_provider_vidu.api.fields import request_fields
from airflow_provider_vidu.api.images import EncodedImage, decode_data_uri, encode_image

#: The last part of the create path.
ENDPOINT = "img2video"
MAX_PAYLOAD_CHARACTERS = 1_048_576

#: What stands in ``images`` without being fetched or decoded by us: Vidu reads it itself.
REMOTE_PREFIXES = ("http://", "https://", "ssupload:")


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _boolean_word(value: Any) -> Any:
    # The estimate reads a switch by the same words: pydantic knows others. Text stays text: the emulator judges the
    # wire by this model, where a word is no boolean.
    if isinstance(value, bool):
        return value
    return "true" if is_yes(value) else "false" if is_no(value) else str(value)


def _utf8(value: str | None) -> str | None:
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can carry") from None
    return value


# With these, or without a reason, a host refuses a request for its model.
_MAY_BE_THE_MODEL = frozenset({None, "BadRequest", "FieldInvalid", "ModelUnavailable", "NotFound", "model_not_found"})

_NEWER_FIELD = "; a field newer than this release goes into extra_params"

Whole = Annotated[int, BeforeValidator(_no_boolean)]
Flag = Annotated[bool, BeforeValidator(_boolean_word)]
HttpUrl = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://\S+$")]


class Img2VideoRequest(BaseModel):
    """
    One image-to-video request, checked against everything that is knowable before it is paid for.

    :param images: one image: a URL that Vidu can reach, a data URI (PNG, JPEG, WebP; 1:4 to 4:1), or the
        ``ssupload:`` URI of Vidu's upload tool. A single string stands for a list of one.
    :param model: the model's name. One that the catalogue does not know passes through unchecked.
    :param prompt: what happens in the video, at most 5000 characters, where the model is in the catalogue and its limit
        is known; ignored with ``is_rec``.
    :param duration: whole seconds, within the model's row; unset = the model's default.
    :param seed: 0 or unset = random; the one used is in the answer. Vidu documents no upper limit.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``, within the model's row; a model that
        the catalogue does not know may have others.
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
    :param meta_data: provenance labels; a dict is sent as a JSON string, a string must hold a JSON object.
    :param payload: echoed untouched, at most 1 048 576 characters.
    :param callback_url: where Vidu reports state changes to.
    """

    # Inputs stay out of error texts: they may be megabytes of base64.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

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

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, fields: Any) -> Any:
        # A Jinja expression without a value renders to an empty string: that is "not given", for every field.
        if isinstance(fields, dict):
            return {name: value for name, value in fields.items() if name == "images" or value not in ("", None)}
        return fields

    # Plain: pydantic would make a mere str of an image that has been read.
    @field_validator("images", mode="plain")
    @classmethod
    def _one_readable_image(cls, value: Any) -> list[str]:
        images = [value] if isinstance(value, str) else value
        if not isinstance(images, (list, tuple)) or not all(isinstance(image, str) for image in images):
            raise ValueError("must be a string, or a list of one")
        if len(images) != 1:
            raise ValueError(f"takes exactly one image, got {len(images)}")
        if isinstance(images[0], EncodedImage):
            return list(images)
        image = images[0].strip()
        if image.lower().startswith("data:"):
            return [encode_image(decode_data_uri(image), "the data URI")]
        if image.lower().startswith(REMOTE_PREFIXES):
            return [image]
        raise ValueError("must be an http(s) URL, a data URI or an ssupload: URI once paths have been read")

    @field_validator("prompt")
    @classmethod
    def _prompt_within_limit(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        model = MODELS.get(info.data.get("model", DEFAULT_MODEL))
        limit = model.max_prompt if model else None
        if prompt is not None and limit is not None and len(prompt) > limit:
            raise ValueError(f"takes at most {limit} characters, got {len(prompt)}")
        return prompt

    @field_validator("payload")
    @classmethod
    def _payload_within_limit(cls, payload: str | None) -> str | None:
        if payload is not None and len(payload) > MAX_PAYLOAD_CHARACTERS:
            raise ValueError(f"takes at most {MAX_PAYLOAD_CHARACTERS} characters, got {len(payload)}")
        return payload

    @field_validator("seed")
    @classmethod
    def _seed_not_negative(cls, seed: int | None) -> int | None:
        if seed is not None and seed < 0:
            raise ValueError(f"must be 0 (random) or positive, got {seed}")
        return seed

    @field_validator("meta_data", mode="before")
    @classmethod
    def _meta_data_as_json(cls, value: Any) -> Any:
        try:
            told = json.loads(value) if isinstance(value, str) else value
            if isinstance(told, dict):
                text = json.dumps(told, ensure_ascii=False, allow_nan=False)
                return value if isinstance(value, str) else text
        except (TypeError, ValueError, RecursionError):
            pass
        raise ValueError("must be a dict of JSON values, or a string that holds a JSON object")

    _text_of_utf8 = field_validator(
        "model", "prompt", "resolution", "voice_id", "wm_url", "meta_data", "payload", "callback_url"
    )(_utf8)

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
            raise ViduInputError(f"duration of {model.name} must be {_listed(model.durations)} s, got {seconds}.")
        if self.resolution is not None and self.resolution not in row.resolutions:
            raise ViduInputError(
                f"resolution of {model.name} at {seconds} s must be {_listed(row.resolutions)}, "
                f"got {_shown(self.resolution)}."
            )
        audio = model.audio_default if self.audio is None else self.audio
        if self.off_peak and model.off_peak_audio is not None and audio is not model.off_peak_audio:
            needed = "true" if model.off_peak_audio else "false"
            raise ViduInputError(
                f"off_peak: {model.name} takes off-peak only with audio={needed}, got audio={str(audio).lower()}."
            )
        return self

    @property
    def known_model(self) -> Model | None:
        """The catalogue's model, or None for one that is newer than this release."""
        return MODELS.get(self.model)

    @property
    def effective_duration(self) -> int | None:
        """Seconds of the video: the asked ones or the model's default; None where neither is known."""
        if self.duration is not None or self.known_model is None:
            return self.duration
        return self.known_model.default_duration

    @property
    def effective_resolution(self) -> str | None:
        """The resolution: the asked one or the model's default at that duration; None where neither is known."""
        if self.resolution is not None or self.known_model is None:
            return self.resolution
        row = self.known_model.row(self.effective_duration or 0)
        return row.default_resolution if row else None

    def warnings(self) -> list[str]:
        """
        Return what is legal but will not do what its author may expect, one sentence each.

        :return: for the log of the submitting task; empty for most requests.
        """
        model = self.known_model
        if model is None:
            return [
                f"model {_model_shown(self.model)} is not in this release's catalogue; it is sent as it is and Vidu "
                f"decides. Known models: {', '.join(MODELS)}."
            ]
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

    def wire(self) -> dict[str, Any]:
        """Return the request's JSON object: what was given, in the types of Vidu's page; unset fields are absent."""
        return self.model_dump(exclude_none=True)


def name_unknown_model(error: ViduError, model: object) -> ViduError:
    """
    Name the model in the refusal of a request if the catalogue does not know it: a typo is the likely cause.

    :param error: Vidu's refusal.
    :param model: the request's.
    :return: the same error.
    """
    is_refusal = type(error) in {ViduRequestError, ViduNotFoundError} or error.reason == "model_not_found"
    if is_refusal and error.reason in _MAY_BE_THE_MODEL and model not in MODELS:
        error.message = f"{error.message.rstrip('.')}. Model {_model_shown(model)} is not in this release's catalogue."
    return error


def build_request(fields: dict[str, Any]) -> Img2VideoRequest:
    """
    Check fields and build the request; the one way in for operators, hook and batch.

    :param fields: fields by their API names, rendered; None and empty strings count as not given.
    :return: the checked request.
    :raises ViduInputError: names each offending field, its limit and the value (shortened), all in one message.
    """
    # Not in the model: the emulator judges the wire by it, where a number is no text.
    fields = request_fields(fields)
    try:
        return Img2VideoRequest.model_validate(fields)
    except ValidationError as error:
        raise ViduInputError(input_error_text(error, fields)) from None


def input_error_text(error: ValidationError, fields: dict[str, Any]) -> str:
    """
    Tell a pydantic error in one sentence a field, with the value where it is short.

    :param error: of an ``Img2VideoRequest``.
    :param fields: what was validated.
    """
    sentences: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, ViduInputError):
            sentences.setdefault(cause.message, cause.message)
            continue
        text = str(cause) if cause else item["msg"][0].lower() + item["msg"][1:]
        if item["type"] == "extra_forbidden":
            near = nearest_name(name, Img2VideoRequest.model_fields)
            text = f"is not a field of Vidu's image-to-video request{f' ({near}?)' if near else _NEWER_FIELD}"
        # Our own texts end in the value already; an image, a payload or a token of a URL is not repeated.
        value = fields.get(name)
        private = name in {"images", "payload", "callback_url"} and isinstance(value, (str, list, tuple))
        if cause is None or "got" not in text:
            text = text if private else f"{text}, got {_shown(value)}"
        sentences.setdefault(name, f"{name}: {text}." if name else f"{text}.")
    return " ".join(sentences.values())


def no_such_fields(unknown: Iterable[str], known: Iterable[str]) -> str:
    """
    Return unknown fields for a message, each with the known one that it resembles.

    :param unknown: the names that were given.
    :param known: the names that there are.
    """
    named = {name: nearest_name(name, known) for name in unknown}
    text = ", ".join(f"{name} ({near}?)" if near else name for name, near in named.items())
    return text if all(named.values()) else text + _NEWER_FIELD


def nearest_name(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that a name resembles as a typo does; None = there is none."""
    return next(iter(get_close_matches(str(name).lower(), sorted(known), n=1, cutoff=0.7)), None)


def _model_shown(model: object) -> str:
    """Return an unknown model's name, with the nearest known one where it looks like a typo."""
    nearest = nearest_name(model, MODELS)
    return f"{_shown(model)} ({nearest}?)" if nearest else _shown(model)


def _shown(value: Any) -> str:
    if isinstance(value, str) and value.lower().startswith("data:"):
        return "a data URI"
    if value is not None and not isinstance(value, (str, int, float, bool)):
        return f"a {type(value).__name__}"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else f"{text[:40]}…"


def _listed(values: tuple[Any, ...]) -> str:
    if len(values) > 3 and isinstance(values[0], int) and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    if len(values) == 1:
        return str(values[0])
    return f"{', '.join(str(value) for value in values[:-1])} or {values[-1]}"
