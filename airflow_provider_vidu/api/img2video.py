# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /img2video``: a video that starts with a picture.

Where the sources contradict each other: numbers and booleans are sent as such (a relay's page types them as strings,
its own example and Vidu's page do not); ``prompt`` is optional and takes 5000 characters (older copies: required,
2000); ``aspect_ratio`` and ``style`` belong to other endpoints (here the first frame decides).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import AudioType, Flag, pictures
from airflow_provider_vidu.api.video_request import GenerationRequest


class Img2VideoRequest(GenerationRequest):
    """
    One image-to-video request, checked as far as possible before it is paid for.

    :param images: one image: a URL that Vidu can reach, a data URI (PNG, JPEG, WebP; 1:4 to 4:1), or the
        ``ssupload:`` URI of Vidu's upload tool. A single string means a list of one.
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``; split for q1, q2 and 2.0 only.
    :param voice_id: the voice, from Vidu's list; only with ``audio``, and not for q3.
    :param is_rec: Vidu writes the prompt itself and ignores ``prompt``, for 10 credits more.
    """

    kind: ClassVar[str] = "image-to-video request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["img2video"]

    images: Annotated[list[str], pictures()] = Field(repr=False)
    audio_type: AudioType | None = None
    voice_id: str | None = None
    is_rec: Flag | None = None


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
