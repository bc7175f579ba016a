# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /start-end2video``: a video from its first to its last frame.

Vidu's page wants both frames in a similar resolution; this module compares their numbers of pixels. Copies of the page
disagree about whether it means those or the aspect ratios, and pictures by URL cannot be compared here at all: Vidu
decides about the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, field_validator

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.images import EncodedImage
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import Flag, check_images
from airflow_provider_vidu.api.video_request import GenerationRequest

#: The first frame's pixels divided by the last frame's.
LEAST_RATIO, MOST_RATIO = 0.8, 1.25


class StartEnd2VideoRequest(GenerationRequest):
    """
    One request for a video between two frames, checked as far as possible before it is paid for.

    :param images: the first and the last frame, each as in ``img2video``; the first has 0.8 to 1.25 times as many
        pixels as the last.
    :param is_rec: Vidu writes the prompt itself and ignores ``prompt``, for 10 credits more.
    """

    kind: ClassVar[str] = "start-end-to-video request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["start-end2video"]

    images: list[str] = Field(repr=False)
    is_rec: Flag | None = None

    @field_validator("images", mode="plain")
    @classmethod
    def _two_readable_images(cls, value: Any) -> list[str]:
        images = check_images(value, 2, 2)
        _check_sizes(images)
        return images


def _check_sizes(images: Sequence[str]) -> None:
    facts = [image.facts for image in images if isinstance(image, EncodedImage)]
    if len(facts) != len(images):
        return
    first, last = facts
    ratio = (first.width * first.height) / (last.width * last.height)
    if not LEAST_RATIO <= ratio <= MOST_RATIO:
        raise ValueError(
            f"the first frame must have {LEAST_RATIO} to {MOST_RATIO} times as many pixels as the last, got "
            f"{first.width}x{first.height} and {last.width}x{last.height}, which is {ratio:.2f} times"
        )


ENDPOINT = Endpoint(
    "start-end2video",
    StartEnd2VideoRequest,
    media={
        "images": Media("image", count=(2, 2), is_read=True),
        "wm_url": Media("image", is_source=False),
    },
)
