# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoints that this release knows: what each takes, what it delivers, and how its requests differ.

An endpoint is a module of this package with the endpoint's name (``start-end2video``: ``start_end2video.py``) that
defines ``ENDPOINT``; its models are in the catalogue under the same name. Callers pass the endpoint to every
submission, so that no request reaches the path of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduNotFoundError, ViduRequestError
from airflow_provider_vidu.api.images import content_identity, without_query
from airflow_provider_vidu.api.request import ViduRequest, describe_unknown_model, nearest_name

# Reasons with which a host refuses a request because of its model; it may also give none.
_MAY_BE_THE_MODEL = frozenset({None, "BadRequest", "FieldInvalid", "ModelUnavailable", "NotFound", "model_not_found"})

# Identities that were stored before there was another endpoint name none.
_UNNAMED = "img2video"


#: The kinds of files that a request may name and a task may deliver.
Kind = Literal["image", "video", "audio"]


@dataclass(frozen=True)
class Media:
    """
    The files that a field of a request names.

    :param kind: their kind.
    :param count: minimum and maximum number, in a list; None = the field is one text.
    :param is_read: whether it may be a path or an object-store URL: the file is read and sent as a data URI.
    :param is_source: whether the result is made from it, so that lineage names it.
    """

    kind: Kind = "image"
    count: tuple[int, int] | None = None
    is_read: bool = False
    is_source: bool = True

    def identity(self, value: Any) -> Any:
        """Return the identity of an input: a hash of a file's content, or a URL without its query."""
        if self.count is None:
            return self._identity_of_one(value) if isinstance(value, str) else value
        if not isinstance(value, list):
            return value
        return [self._identity_of_one(one if isinstance(one, str) else str(one)) for one in value]

    def _identity_of_one(self, value: str) -> str:
        return content_identity(value) if self.is_read else without_query(value)


@dataclass(frozen=True)
class Format:
    """
    A format of files.

    :param kind: its kind.
    :param suffixes: suffixes of its file names; a name without any gets the first one.
    :param starts: the bytes at some offsets of the first 16 bytes, for each way in which its files start.
    """

    kind: Kind
    suffixes: tuple[str, ...]
    starts: tuple[Mapping[int, bytes], ...] = field(hash=False)

    def matches_start(self, head: bytes) -> bool:
        """Return whether a file that starts with these bytes is of this format."""
        return any(
            all(head[place : place + len(mark)] == mark for place, mark in marks.items()) for marks in self.starts
        )


@dataclass(frozen=True)
class Produces:
    """
    What a task delivers.

    :param name: for messages, with its article.
    :param formats: the formats that its file may have.
    """

    name: str
    formats: tuple[Format, ...]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes that its file's name may have; the usual one is first."""
        return tuple(suffix for one in self.formats for suffix in one.suffixes)

    def format_of(self, head: bytes) -> Format | None:
        """Return the format of a file that starts with these bytes; None = it is nothing that the task delivers."""
        return next((one for one in self.formats if one.matches_start(head)), None)


MP4 = Produces("an MP4", (Format("video", (".mp4", ".mov", ".m4v"), ({4: b"ftyp"},)),))
PICTURE = Produces(
    "a PNG, JPEG or WebP",
    (
        Format("image", (".png",), ({0: b"\x89PNG"},)),
        Format("image", (".jpg", ".jpeg"), ({0: b"\xff\xd8\xff"},)),
        Format("image", (".webp",), ({0: b"RIFF", 8: b"WEBP"},)),
    ),
)
# An MP3 without a tag starts with the frame of MPEG 1 or 2, layer III.
_MP3_FRAMES = (b"\xfb", b"\xfa", b"\xf3", b"\xf2")
SOUND = Produces(
    "an MP3 or WAV",
    (
        Format("audio", (".mp3",), ({0: b"ID3"}, *({0: b"\xff" + second} for second in _MP3_FRAMES))),
        Format("audio", (".wav",), ({0: b"RIFF", 8: b"WAVE"},)),
    ),
)
#: What a task delivers whose endpoint is unknown.
ANY = Produces("an MP4, PNG, JPEG, WebP, MP3 or WAV", (*MP4.formats, *PICTURE.formats, *SOUND.formats))


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint that creates tasks.

    :param name: the last part of the create path.
    :param request: its request, which has the models of the catalogue.
    :param media: the fields that name files. Nested ones have a path as their name: ``subjects.images``.
    :param produces: what its tasks deliver.
    """

    name: str
    request: type[ViduRequest]
    media: Mapping[str, Media] = field(default_factory=dict)
    produces: Produces = MP4

    @property
    def is_unnamed(self) -> bool:
        """Whether stored identities of its requests do not name it, because they are older than other endpoints."""
        return self.name == _UNNAMED

    @property
    def models(self) -> Mapping[str, Model]:
        """The models that this release knows of this endpoint, by name."""
        return self.request.models

    @property
    def default_model(self) -> str | None:
        """The model of a request that names none; None = the endpoint has no models, or needs a name."""
        known = self.request.model_fields.get("model")
        return known.default if known is not None and isinstance(known.default, str) else None

    @property
    def fields(self) -> frozenset[str]:
        """The names of the request's fields in the API."""
        return frozenset(self.request.model_fields)

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the parameters of a request: its fields, and those that are translated into fields."""
        return self.fields | self.request.more_fields

    @property
    def takes_any_field(self) -> bool:
        """Whether its requests may have fields that this release does not know."""
        return self.request.model_config.get("extra") == "allow"

    @property
    def required(self) -> list[str]:
        """The names of the fields that every request needs."""
        return [name for name, known in self.request.model_fields.items() if known.is_required()]

    def identity(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the identity of a request, by field.

        Files count by their content; the query of their URLs does not count, because presigned links differ on every
        rendering.

        :param wire: the request's JSON object, ``extra_params`` included.
        """
        same = dict(wire)
        for path, media in self.media.items():
            same = replace_at(same, path, media.identity)
        return same if self.is_unnamed else {**same, "endpoint": self.name}

    def sources(self, fields: Mapping[str, Any]) -> list[Any]:
        """Return the sources of the result, each field's files as the DAG author wrote them; for lineage and logs."""
        found = self.request.landed_sources(fields)
        with suppress(ViduInputError):
            # Invalid fields are reported where the request is built.
            fields = self.request.meant(fields)
        for path, media in self.media.items():
            if media.is_source:
                replace_at(fields, path, found.append)
        return found

    def name_unknown_model(self, error: ViduError, model: object) -> ViduError:
        """
        Name the model in the refusal of a request if it is not in the catalogue, because a typo is likely.
        """
        is_refusal = type(error) in {ViduRequestError, ViduNotFoundError} or error.reason == "model_not_found"
        if self.models and is_refusal and error.reason in _MAY_BE_THE_MODEL and model not in self.models:
            named = describe_unknown_model(model, self.models)
            return error.but(message=f"{error.message.rstrip('.')}. {named[0].upper()}{named[1:]}.")
        return error


_loaded: dict[str, Endpoint] = {}


def known_endpoint(name: str) -> Endpoint:
    """
    Return an endpoint whose requests this release can check; ``unchecked.find_endpoint`` returns any of the family.

    :param name: the last part of its create path, for example ``img2video``.
    :raises ViduInputError: this release has none of that name.
    """
    if name not in _loaded:
        if name not in MODELS_OF:
            near = nearest_name(name, MODELS_OF)
            raise ViduInputError(f"endpoint: this release does not know {name!r}{f' ({near}?)' if near else ''}.")
        module = import_module(f"{__package__}.{name.replace('-', '_')}")
        _loaded[name] = module.ENDPOINT
    return _loaded[name]


def endpoints() -> list[Endpoint]:
    """Return every endpoint that this release knows."""
    return [known_endpoint(name) for name in MODELS_OF]


def replace_at(fields: Mapping[str, Any], path: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """
    Return fields with the value at a path replaced; a path that does not exist changes nothing.

    :param path: field names from the outside in: ``subjects.images`` is the ``images`` of each subject in a list.
    """
    return replace_by_place(fields, path, lambda value, _: change(value))


def replace_by_place(fields: Mapping[str, Any], path: str, change: Callable[[Any, str], Any]) -> dict[str, Any]:
    """See :func:`replace_at`; ``change`` also gets the place of the value, for messages: ``subjects[0].images``."""
    return dict(_replace_at(fields, path.split("."), change, ""))


def _replace_at(value: Any, steps: Sequence[str], change: Callable[[Any, str], Any], place: str) -> Any:
    if not steps:
        return change(value, place)
    if isinstance(value, (list, tuple)):
        return [_replace_at(one, steps, change, f"{place}[{number}]") for number, one in enumerate(value)]
    if isinstance(value, Mapping) and steps[0] in value:
        inner = f"{place}.{steps[0]}" if place else steps[0]
        return {**value, steps[0]: _replace_at(value[steps[0]], steps[1:], change, inner)}
    return value
