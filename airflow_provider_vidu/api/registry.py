# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoints of Vidu's family that this release knows: what each takes, what it delivers, and how its requests differ.

An endpoint is a module of this package that is named as the endpoint is (``start-end2video``: ``start_end2video.py``)
and defines ``ENDPOINT``; its models are in the catalogue under the same name. What submits is given its endpoint by the
caller, so that no request reaches the path of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from airflow_provider_vidu.api.catalog import MODELS_OF, Model
from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduNotFoundError, ViduRequestError
from airflow_provider_vidu.api.images import content_identity, without_query
from airflow_provider_vidu.api.request import ViduRequest, model_shown, nearest_name

# With these, or without a reason, a host refuses a request for its model.
_MAY_BE_THE_MODEL = frozenset({None, "BadRequest", "FieldInvalid", "ModelUnavailable", "NotFound", "model_not_found"})

# What was remembered of requests before there was another endpoint names none.
_UNNAMED = "img2video"


@dataclass(frozen=True)
class Media:
    """
    What a field of a request may name.

    :param kind: of the files.
    :param count: how many are needed and allowed, in a list; None = the field is one text.
    :param is_read: a path or the URL of an object store is allowed: the file is read and sent as a data URI.
    :param is_source: the result is made of it, so lineage names it.
    """

    kind: Literal["image", "video", "audio"] = "image"
    count: tuple[int, int] | None = None
    is_read: bool = False
    is_source: bool = True

    def identity(self, value: Any) -> Any:
        """Return what makes this the same input: the content of a file, or a URL without its query."""
        if self.count is None:
            return self._identity_of_one(value) if isinstance(value, str) else value
        if not isinstance(value, list):
            return value
        return [self._identity_of_one(one if isinstance(one, str) else str(one)) for one in value]

    def _identity_of_one(self, value: str) -> str:
        return content_identity(value) if self.is_read else without_query(value)


@dataclass(frozen=True)
class Produces:
    """
    What kind of file a task delivers.

    :param name: for messages, with its article.
    :param suffixes: that its file's name may have; the first one is given to a name without any.
    :param marks: places in its first bytes, each with the bytes that are there.
    """

    name: str
    suffixes: tuple[str, ...]
    marks: tuple[tuple[int, bytes], ...]

    def matches_start(self, head: bytes) -> bool:
        """Check whether a file that starts with these bytes is of this kind."""
        return all(head[place : place + len(mark)] == mark for place, mark in self.marks)


MP4 = Produces("an MP4", (".mp4", ".mov", ".m4v"), ((4, b"ftyp"),))


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint that creates tasks.

    :param name: the last part of the create path.
    :param request: its request; it has the models of the catalogue.
    :param media: the fields that name files. Those of a structure are named by their path: ``subjects.images``.
    :param produces: what its tasks deliver.
    """

    name: str
    request: type[ViduRequest]
    media: Mapping[str, Media] = field(default_factory=dict)
    produces: Produces = MP4

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
        """The names of the request's fields."""
        return frozenset(self.request.model_fields)

    @property
    def required(self) -> list[str]:
        """The names of the fields that every request needs."""
        return [name for name, known in self.request.model_fields.items() if known.is_required()]

    def identity(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return what makes a request the same request, by field.

        Files count by their content; the query of their URLs does not count, since presigned links differ at every
        rendering.

        :param wire: the request's JSON object, ``extra_params`` included.
        """
        same = dict(wire)
        for path, media in self.media.items():
            same = replace_at(same, path, media.identity)
        return same if self.name == _UNNAMED else {**same, "endpoint": self.name}

    def sources(self, fields: Mapping[str, Any]) -> list[Any]:
        """Return what the result is made of, each field's files as the author gave them; for lineage and logs."""
        found: list[Any] = []
        for path, media in self.media.items():
            if media.is_source:
                replace_at(fields, path, found.append)
        return found

    def name_unknown_model(self, error: ViduError, model: object) -> ViduError:
        """
        Return the refusal of a request with its model named if the catalogue does not know it: a typo is likely.

        :param error: Vidu's refusal.
        :param model: the request's.
        """
        is_refusal = type(error) in {ViduRequestError, ViduNotFoundError} or error.reason == "model_not_found"
        if self.models and is_refusal and error.reason in _MAY_BE_THE_MODEL and model not in self.models:
            shown = model_shown(model, self.models)
            return error.but(message=f"{error.message.rstrip('.')}. Model {shown} is not in this release's catalogue.")
        return error


_loaded: dict[str, Endpoint] = {}


def endpoint_of(name: str) -> Endpoint:
    """
    Return an endpoint.

    :param name: the last part of its create path, for example ``img2video``.
    :raises ViduInputError: this release has none of that name.
    """
    if name not in _loaded:
        if name not in MODELS_OF:
            near = nearest_name(name, MODELS_OF)
            raise ViduInputError(f"endpoint: this release knows no {name!r}{f' ({near}?)' if near else ''}.")
        module = import_module(f"{__package__}.{name.replace('-', '_')}")
        _loaded[name] = module.ENDPOINT
    return _loaded[name]


def endpoints() -> list[Endpoint]:
    """Return every endpoint that this release knows."""
    return [endpoint_of(name) for name in MODELS_OF]


def replace_at(fields: Mapping[str, Any], path: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """
    Return fields with what is at a path replaced; a path that leads nowhere changes nothing.

    :param path: the field's name, behind the names of those that hold it: ``subjects.images`` is the ``images`` of each
        subject in a list.
    """
    return dict(_replace_at(fields, path.split("."), change))


def _replace_at(value: Any, steps: Sequence[str], change: Callable[[Any], Any]) -> Any:
    if not steps:
        return change(value)
    if isinstance(value, (list, tuple)):
        return [_replace_at(one, steps, change) for one in value]
    if isinstance(value, Mapping) and steps[0] in value:
        return {**value, steps[0]: _replace_at(value[steps[0]], steps[1:], change)}
    return value
