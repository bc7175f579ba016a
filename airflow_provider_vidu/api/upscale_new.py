# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /upscale-new``: a video, which Vidu made or can reach, in a higher resolution.

It has no models, and no price list has it: its estimate is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import HttpUrl
from airflow_provider_vidu.api.source_video import SourceVideoRequest


class UpscaleNewRequest(SourceVideoRequest):
    """
    One upscale request, checked as far as possible before it is paid for.

    The video has at most 300 s and less than 60 frames a second.

    :param upscale_resolution: ``1080p`` (Vidu's default), ``2K``, ``4K`` or ``8K``.
    :param payload: echoed unchanged, at most 1 048 576 characters.
    :param callback_url: the URL to which Vidu reports state changes.
    """

    kind: ClassVar[str] = "upscale request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["upscale-new"]

    upscale_resolution: Literal["1080p", "2K", "4K", "8K"] | None = None
    payload: str | None = Field(default=None, repr=False)
    callback_url: HttpUrl | None = Field(default=None, repr=False)


ENDPOINT = Endpoint("upscale-new", UpscaleNewRequest, media={"video_url": Media("video")})
