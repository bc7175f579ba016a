# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The common part of all endpoints' requests: types of fields, rules for fields that several have, and messages.

A request is built after rendering, in the worker, and nowhere else: it contains images as data URIs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.defaults import TEXT_FIELDS, is_no, is_yes
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import REMOTE_PREFIXES, EncodedImage, decode_data_uri, encode_image
from airflow_provider_vidu.api.messages import without_secrets
from airflow_provider_vidu.api.rendered_fields import request_fields

MAX_PAYLOAD_CHARACTERS = 1_048_576

# Fields whose values no message repeats.
_PRIVATE = frozenset({"images", "videos", "video_url", "payload", "callback_url"})
_NEWER_FIELD = "; a field newer than this release goes into extra_params"
# Words for pydantic's types of errors, whose own texts are about parsing.
_NO_NUMBER, _NO_FLAG = "must be a whole number", "must be true or false"
_WORDS = {
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    # Only URLs have a pattern.
    "string_pattern_mismatch": "must be an http(s) URL",
    "int_type": _NO_NUMBER,
    "int_parsing": _NO_NUMBER,
    "int_from_float": _NO_NUMBER,
    "bool_type": _NO_FLAG,
    "bool_parsing": _NO_FLAG,
    "list_type": "must be a list",
    "model_type": "must be a dict of fields",
}


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _boolean_word(value: Any) -> Any:
    # The estimate reads a switch by the same words, pydantic by others. Text stays text: the emulator validates JSON
    # bodies with this model, and a word in them is no boolean.
    if isinstance(value, bool):
        return value
    return "true" if is_yes(value) else "false" if is_no(value) else str(value)


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must be a text; it is empty after rendering")
    return text


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Flag = Annotated[bool, BeforeValidator(_boolean_word)]
HttpUrl = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://\S+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
RequiredText = Annotated[str, AfterValidator(_says_something)]
AudioType = Literal["all", "speech_only", "sound_effect_only"]

Request = TypeVar("Request", bound="ViduRequest")


class RequestPart(BaseModel):
    """A JSON object of a request: the request itself, or one inside it."""

    # Error texts do not repeat inputs, which may be megabytes of base64.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, fields: Any) -> Any:
        # A Jinja expression without a value renders to an empty string: that means unset, unless the field is required.
        if not isinstance(fields, dict):
            return fields
        needed = {name for name, known in cls.model_fields.items() if known.is_required()}
        return {name: value for name, value in fields.items() if name in needed or value not in ("", None)}

    @field_validator("*")
    @classmethod
    def _text_of_utf8(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be text that UTF-8 can encode") from None
        return value


class ViduRequest(RequestPart):
    """
    A request, checked as far as possible before it is paid for.

    The rules below apply to fields of these names in every endpoint that has them.
    """

    #: Its name in messages.
    kind: ClassVar[str] = "request"
    #: The models of its endpoint, by name.
    models: ClassVar[Mapping[str, Model]] = {}
    #: Parameters that are translated into fields of the API.
    more_fields: ClassVar[frozenset[str]] = frozenset()
    #: Parameters that stay text, even if they look like a number or a structure.
    text_fields: ClassVar[frozenset[str]] = TEXT_FIELDS

    @classmethod
    def of(cls: type[Request], fields: Mapping[str, Any]) -> Request:
        """
        Check fields and build the request; operators, hook and batch use only this.

        :param fields: rendered fields by their API names; None and empty strings count as unset.
        :raises ViduInputError: one message with each invalid field, its limit and its value (shortened).
        """
        meant = cls.meant(fields)
        try:
            return cls.model_validate(meant)
        except ValidationError as error:
            raise ViduInputError(cls.error_text(error, meant)) from None

    @classmethod
    def meant(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Undo the effects of rendering, before the fields are checked."""
        # Not in the model: the emulator validates JSON bodies with it, and a number in them is no text.
        return request_fields(fields, cls.text_fields)

    @classmethod
    def landed_sources(cls, fields: Mapping[str, Any]) -> list[Any]:
        """Return the paths of what the fields name only by a record of an earlier task, for lineage and logs."""
        return []

    @field_validator("prompt", check_fields=False)
    @classmethod
    def _prompt_within_limit(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        # If the model itself is invalid, the default one sets the limit.
        model = cls.models.get(info.data["model"] if "model" in info.data else cls.model_fields["model"].default)
        limit = model.max_prompt if model else None
        if prompt is not None and limit is not None and len(prompt) > limit:
            raise ValueError(f"takes at most {limit} characters, got {len(prompt)}")
        return prompt

    @field_validator("payload", check_fields=False)
    @classmethod
    def _payload_within_limit(cls, payload: str | None) -> str | None:
        if payload is not None and len(payload) > MAX_PAYLOAD_CHARACTERS:
            raise ValueError(f"takes at most {MAX_PAYLOAD_CHARACTERS} characters, got {len(payload)}")
        return payload

    @field_validator("seed", check_fields=False)
    @classmethod
    def _seed_not_negative(cls, seed: int | None) -> int | None:
        if seed is not None and seed < 0:
            raise ValueError(f"must be 0 (random) or positive, got {seed}")
        return seed

    @field_validator("meta_data", mode="before", check_fields=False)
    @classmethod
    def _meta_data_as_json(cls, value: Any) -> Any:
        try:
            labels = json.loads(value) if isinstance(value, str) else value
            if isinstance(labels, dict):
                text = json.dumps(labels, ensure_ascii=False, allow_nan=False)
                return value if isinstance(value, str) else text
        except (TypeError, ValueError, RecursionError):
            pass
        raise ValueError("must be a dict of JSON values, or a string that is a JSON object")

    @property
    def known_model(self) -> Model | None:
        """The model in the catalogue; None for one that is newer than this release."""
        return self.models.get(getattr(self, "model", ""))

    def warnings(self) -> list[str]:
        """
        Return a sentence for each valid field that will not do what its author may expect.

        They are for the log of the submitting task; most requests have none.
        """
        if not self.models or self.known_model is not None:
            return []
        return [
            f"{describe_unknown_model(getattr(self, 'model', None), self.models)}; it is sent unchecked and Vidu "
            f"decides. Known models: {', '.join(self.models)}."
        ]

    def wire(self) -> dict[str, Any]:
        """Return the request's JSON object, in the types of Vidu's page, without unset fields."""
        return self.model_dump(exclude_none=True)

    @classmethod
    def error_text(cls, error: ValidationError, fields: Mapping[str, Any]) -> str:
        """
        Return a pydantic error as one sentence for each field, with the value if it is short.

        :param fields: the validated fields.
        """
        sentences: dict[str, str] = {}
        for item in error.errors(include_url=False, include_input=False):
            name = _path_shown(item["loc"])
            cause = item.get("ctx", {}).get("error")
            if isinstance(cause, ViduInputError):
                sentences.setdefault(cause.message, cause.message)
                continue
            text = str(cause) if cause else _WORDS.get(item["type"]) or item["msg"].replace("Input should", "must")
            if item["type"] == "extra_forbidden":
                # extra_params is merged into the request itself, not into a part of it.
                hint = None if len(item["loc"]) == 1 else ""
                text = describe_unknown_field(name, cls.kind, {*cls.model_fields, *cls.more_fields}, hint)
            # Our own texts end with the value already; a file, a payload or a token in a URL is not repeated.
            value = _value_at(fields, item["loc"])
            private = not _PRIVATE.isdisjoint(item["loc"]) and isinstance(value, (str, list, tuple))
            if cause is None or "got" not in text:
                text = text if private else f"{text}, got {shown(value)}"
            sentences.setdefault(name, f"{name}: {text}." if name else f"{text}.")
        return " ".join(sentences.values())


def exactly_one(request: ViduRequest, first: str, second: str) -> None:
    """
    Check that a request has one of two fields.

    :raises ViduInputError: it has both or neither.
    """
    given = [name for name in (first, second) if getattr(request, name) is not None]
    if len(given) != 1:
        raise ViduInputError(
            f"{first}: Vidu's {request.kind} takes exactly one of {first} and {second}, got "
            f"{'both' if given else 'neither'}."
        )


def check_urls(value: Any, most: int) -> list[str]:
    """
    Check a request's videos, which Vidu fetches itself.

    :param value: a list of URLs; a single string means a list of one.
    :raises ValueError: anything else, or more than ``most`` of them.
    """
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, (list, tuple)) or not all(isinstance(url, str) for url in urls):
        raise ValueError("must be a list of URLs")
    if not 1 <= len(urls) <= most:
        raise ValueError(f"takes 1 to {most} URLs, got {len(urls)}")
    found = [url.strip() for url in urls]
    if not all(url.lower().startswith(REMOTE_PREFIXES) for url in found):
        raise ValueError("must be http(s) URLs or ssupload: URIs; Vidu fetches videos itself")
    return found


def pictures(least: int = 1, most: int = 1) -> PlainValidator:
    """Return the validator of a field of pictures: pydantic's own would turn an encoded one into a plain str."""
    return PlainValidator(partial(check_images, least=least, most=most))


def check_images(value: Any, least: int = 1, most: int = 1) -> list[str]:
    """
    Check a request's images; see :func:`pictures`.

    :param value: the images after paths have been read; a single string means a list of one.
    :raises ValueError: anything else, or another number of images.
    """
    images = [value] if isinstance(value, str) else value
    if not isinstance(images, (list, tuple)) or not all(isinstance(image, str) for image in images):
        raise ValueError("must be a string, or a list of one" if most == 1 else "must be a list of strings")
    if not least <= len(images) <= most:
        raise ValueError(f"takes {describe_image_count(least, most)}, got {len(images)}")
    return [_check_image(image) for image in images]


def _path_shown(steps: tuple[int | str, ...]) -> str:
    """Return the place of a value in a request, for messages: ``subjects[0].images``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _value_at(fields: Any, steps: tuple[int | str, ...]) -> Any:
    for step in steps:
        try:
            fields = fields[step]
        except (LookupError, TypeError):
            return None
    return fields


def _check_image(given: str) -> str:
    if isinstance(given, EncodedImage):
        return given
    image = given.strip()
    if image.lower().startswith("data:"):
        return encode_image(decode_data_uri(image), "the data URI")
    if image.lower().startswith(REMOTE_PREFIXES):
        return image
    raise ValueError("must be an http(s) URL, a data URI or an ssupload: URI once paths have been read")


def describe_image_count(least: int, most: int) -> str:
    """Return the number of images that a request takes, for messages."""
    if least != most:
        return f"{least} to {most} images"
    return "exactly one image" if most == 1 else f"exactly {most} images"


def describe_unknown_field(name: str, kind: str, known: Iterable[str], hint: str | None = None) -> str:
    """Say, for a message, that a request has no field of a name; ``hint`` is what to do about it."""
    near = nearest_name(name, known)
    if hint is None:
        hint = "" if near else _NEWER_FIELD
    return f"is not a field of Vidu's {kind}{f' ({near}?)' if near else ''}{hint}"


def nearest_name(name: object, known: Iterable[str], cutoff: float = 0.7) -> str | None:
    """Return the known name of which this one may be a typo, or None; ``cutoff`` is how similar they are, up to 1."""
    return next(iter(get_close_matches(str(name).lower(), sorted(known), n=1, cutoff=cutoff)), None)


def describe_unknown_model(model: object, models: Mapping[str, Model]) -> str:
    """Say, for a message, that a model is that of other endpoints, or of none; in that case it may be a typo."""
    elsewhere = tuple(name for name, known in MODELS_OF.items() if model in known)
    if elsewhere:
        here = next((name for name, known in MODELS_OF.items() if known is models), "this endpoint")
        return f"model {shown(model)} is known for {listed(elsewhere, 'and')}, not for {here}"
    nearest = nearest_name(model, models)
    return f"model {shown(model)}{f' ({nearest}?)' if nearest else ''} is not in this release's catalogue"


def shown(value: Any) -> str:
    """Return a value for a message: short, and without the content of an image."""
    if isinstance(value, str) and value.lower().startswith("data:"):
        return "a data URI"
    if value is not None and not isinstance(value, (str, int, float, bool)):
        return f"a {type(value).__name__}"
    if isinstance(value, str):
        value = without_secrets(value)
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else f"{text[:40]}…"


def listed(values: tuple[Any, ...], last: str = "or") -> str:
    """Return the allowed values of a field, for a message; ``last`` is the word before the last one."""
    if len(values) > 3 and isinstance(values[0], int) and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    if len(values) == 1:
        return str(values[0])
    return f"{', '.join(str(value) for value in values[:-1])} {last} {values[-1]}"
