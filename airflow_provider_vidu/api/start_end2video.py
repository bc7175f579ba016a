# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /start-end2video``: a video from its first to its last frame.

Vidu's page wants both frames in a similar resolution. Copies of the page disagree about whether it means their numbers
of pixels or their aspect ratios: this module compares the pixels and warns about the ratios. Pictures by URL cannot be
compared here: Vidu decides.
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
        if sizes := _sizes_of(images):
            (width, height), (last_width, last_height) = sizes
            ratio = (width * height) / (last_width * last_height)
            if not _is_similar(ratio):
                raise ValueError(
                    f"the first frame must have {LEAST_RATIO} to {MOST_RATIO} times as many pixels as the last, got "
                    f"{width}x{height} and {last_width}x{last_height}, which is {ratio:.2f} times"
                )
        return images

    def warnings(self) -> list[str]:
        """See :meth:`ViduRequest.warnings`."""
        found = super().warnings()
        if sizes := _sizes_of(self.images):
            (width, height), (last_width, last_height) = sizes
            if not _is_similar((width / height) / (last_width / last_height)):
                found.append(
                    f"The frames have different aspect ratios ({width}x{height} and {last_width}x{last_height}); "
                    "Vidu may refuse them."
                )
        return found


def _sizes_of(images: Sequence[str]) -> list[tuple[int, int]]:
    """Return width and height of both frames; empty if one of them is not read here."""
    sizes = [(image.facts.width, image.facts.height) for image in images if isinstance(image, EncodedImage)]
    return sizes if len(sizes) == len(images) else []


def _is_similar(ratio: float) -> bool:
    return LEAST_RATIO <= ratio <= MOST_RATIO


ENDPOINT = Endpoint(
    "start-end2video",
    StartEnd2VideoRequest,
    media={
        "images": Media("image", count=(2, 2), is_read=True),
        "wm_url": Media("image", is_source=False),
    },
)
