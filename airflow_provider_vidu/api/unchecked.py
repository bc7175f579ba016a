# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The endpoints that this release has no request model for: their fields are sent unchecked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.http_messages import json_body
from airflow_provider_vidu.api.registry import ANY, MP4, PICTURE, SOUND, Endpoint, Media, Produces, known_endpoint
from airflow_provider_vidu.api.rendered_fields import as_text, given
from airflow_provider_vidu.api.request import ViduRequest, nearest_name, shown

# It becomes a part of the path of the create call: no dots, no empty parts, nothing that a URL would escape.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}(/[a-z0-9][a-z0-9-]{0,60}){0,3}", re.ASCII)
# Endpoints of Vidu's pages that create tasks, and that this release cannot check: they are here for their spelling.
_DOCUMENTED = frozenset(
    {
        "reference2image",
        "multiframe",
        "upscale",
        "lip-sync",
        "template",
        "template2video",
        "template-story",
        "ad-one-click",
        "one-click/mv",
        "text2audio",
        "timing2audio",
    }
)
# Vidu answers these at once, or they are not for generating.
_CREATE_NO_TASK = frozenset(
    {"audio-tts", "audio-clone", "img2video-prompt-recommendation", "subjects", "tasks", "credits", "models"}
)
# The fields of the family's pages that name files. Pictures may be paths, as in every other endpoint.
_MEDIA = {
    "images": Media("image", count=(0, 100), is_read=True),
    "start_image": Media("image", is_read=True),
    "image_settings.key_image": Media("image", is_read=True),
    "ref_photo_url": Media("image"),
    "video_url": Media("video"),
    "videos": Media("video", count=(0, 100)),
    "audio_url": Media("audio"),
    "sounds": Media("audio", count=(0, 100)),
    "prompt_audio_url": Media("audio"),
    "wm_url": Media("image", is_source=False),
}


class UncheckedRequest(ViduRequest):
    """
    A request of an endpoint without a model: any fields, as long as they are JSON.

    :param payload: echoed unchanged, at most 1 048 576 characters.
    """

    model_config = ConfigDict(extra="allow")

    payload: str | None = Field(default=None, repr=False)

    @classmethod
    def meant(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Leave everything as it is; only a Param or an XCom without a value counts as unset."""
        return {str(name): as_text(value) if name == "payload" else given(value) for name, value in fields.items()}

    @model_validator(mode="after")
    def _can_be_sent(self) -> UncheckedRequest:
        if "video" in (self.model_extra or {}):
            raise ViduInputError(
                f"video: is a parameter of extend and upscale-new alone. Vidu's {self.kind} has fields of its own, "
                "such as video_url: pass the link there, record['creations'][0]['url']. If it has a field named video, "
                "that goes into extra_params."
            )
        json_body(self.wire())
        return self

    def warnings(self) -> list[str]:
        """See :meth:`ViduRequest.warnings`."""
        return [
            f"This release cannot check Vidu's {self.kind} and has no price for it. Its fields are sent unchecked, "
            "except those that are None or empty; Vidu decides."
        ]


def find_endpoint(name: str) -> Endpoint:
    """
    Return any endpoint of the family that creates tasks. One that this release does not know is not checked.

    :param name: the last part of its create path, for example ``template`` or ``one-click/mv``.
    :raises ViduInputError: it is no name of an endpoint, a misspelt one, or the endpoint creates no task.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        near = _resembled(name, cutoff=0.8)
        raise ViduInputError(
            f"endpoint: must be the last part of a create path, such as template or one-click/mv (small letters, "
            f"digits, hyphens and slashes), got {shown(name)}{f' ({near}?)' if near else ''}."
        )
    if name.partition("/")[0] in _CREATE_NO_TASK:
        raise ViduInputError(
            f"endpoint: {name} creates no task. Vidu answers it at once, so there is nothing to wait for and nothing "
            "to land: call it with an HTTP client of your own."
        )
    if name in MODELS_OF:
        return known_endpoint(name)
    # A name that is only similar may be that of a newer endpoint.
    if name not in _DOCUMENTED and (near := _resembled(name, cutoff=0.92)):
        raise ViduInputError(f"endpoint: this release does not know {name!r} ({near}?).")
    return _unchecked(name)


def _resembled(name: object, cutoff: float) -> str | None:
    """Return the documented endpoint that a name resembles, which may be a path, or words; None = it resembles none."""
    last = str(name).strip().lower().rpartition("ent/v2/")[2].strip("/")
    spelt = re.sub(r"-?to-?(?=video|image|audio)", "2", re.sub(r"[\s_]+", "-", last))
    return nearest_name(re.sub(r"^image2", "img2", spelt), {*MODELS_OF, *_DOCUMENTED, *_CREATE_NO_TASK}, cutoff)


@cache
def _unchecked(name: str) -> Endpoint:
    # A class of its own, so that its request is not taken for that of another unchecked endpoint.
    class Request(UncheckedRequest):
        kind: ClassVar[str] = f"{name} request"

    return Endpoint(name, Request, media=_MEDIA, produces=_produces(name))


def _produces(name: str) -> Produces:
    if name.endswith("2image"):
        return PICTURE
    if name.endswith("2audio"):
        return SOUND
    # Of a newer endpoint, the first bytes of what it delivers decide.
    return MP4 if name in _DOCUMENTED or name.endswith("video") else ANY
