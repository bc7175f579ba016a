# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""An endpoint that exists only in tests: two frames, a nested list of pictures, pictures as its result."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import field_validator

from airflow_provider_vidu.api.catalog import Model, Price, Row
from airflow_provider_vidu.api.registry import Endpoint, Media, Produces
from airflow_provider_vidu.api.request import HttpUrl, ViduRequest, check_images

MODELS = {
    "frames-1": Model("frames-1", (Row((4,), ("720p",), "720p"),), default_duration=4, prices={"720p": Price(5, 5)})
}
PNG = Produces("a PNG", (".png",), ((0, b"\x89PNG"),))


class FramesRequest(ViduRequest):
    kind: ClassVar[str] = "two-frames request"
    models = MODELS

    images: list[str]
    prompt: str
    model: str = "frames-1"
    subjects: list[dict[str, Any]] | None = None
    sound_url: HttpUrl | None = None
    payload: str | None = None

    @field_validator("images", mode="plain")
    @classmethod
    def _two(cls, value: Any) -> list[str]:
        return check_images(value, 2, 2)


FRAMES = Endpoint(
    "two-frames2video",
    FramesRequest,
    media={
        "images": Media("image", count=(2, 2), is_read=True),
        "subjects.images": Media("image", count=(1, 3), is_read=True),
        "sound_url": Media("audio", is_source=False),
    },
    produces=PNG,
)
