# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /extend``: the continuation of a video, which Vidu made or can reach.

``wm_position`` is left out: the pages disagree whether it is a number or a word here. Vidu's page has neither ``seed``
nor ``off_peak``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.defaults import DEFAULT_MODELS
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import Name, pictures
from airflow_provider_vidu.api.source_video import SourceVideoRequest
from airflow_provider_vidu.api.video_request import VideoRequest


class ExtendRequest(SourceVideoRequest, VideoRequest):
    """
    One request to extend a video, checked as far as possible before it is paid for.

    The video is of 4 to 60 s.

    :param images: the last frame, as in ``img2video``; unset = Vidu's choice.
    :param duration: seconds that are added, 1 to 7; unset = 5.
    """

    kind: ClassVar[str] = "extend request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["extend"]

    model: Name = DEFAULT_MODELS["extend"]
    images: Annotated[list[str] | None, pictures()] = Field(default=None, repr=False)


ENDPOINT = Endpoint(
    "extend",
    ExtendRequest,
    media={
        "images": Media("image", count=(1, 1), is_read=True),
        "video_url": Media("video"),
        "wm_url": Media("image", is_source=False),
    },
)
