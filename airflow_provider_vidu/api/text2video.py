# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The endpoint ``POST /text2video``: a video from a text alone.

Where the sources contradict each other: the prompt takes 5000 characters (older copies: 1500, 2000), and ``audio`` is
for the q3 family alone, as Vidu's page says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from airflow_provider_vidu.api.catalog_rows import MODELS_OF
from airflow_provider_vidu.api.catalog_types import Model
from airflow_provider_vidu.api.registry import Endpoint, Media
from airflow_provider_vidu.api.request import RequiredText
from airflow_provider_vidu.api.video_request import GenerationRequest


class Text2VideoRequest(GenerationRequest):
    """
    One text-to-video request, checked as far as possible before it is paid for.

    ``video_request`` checks what its model takes, by the rows in ``catalog_rows``; ``request`` checks what all
    endpoints have, such as the prompt's length by the model's ``max_prompt``.

    :param prompt: what happens in the video; required.
    :param style: ``general`` or ``anime``; no effect with the q2 and q3 families.
    :param aspect_ratio: ``16:9`` (Vidu's default), ``9:16`` or ``1:1``; the q2 and q3 families also take ``3:4`` and
        ``4:3``.
    """

    kind: ClassVar[str] = "text-to-video request"
    models: ClassVar[Mapping[str, Model]] = MODELS_OF["text2video"]

    prompt: RequiredText
    style: Literal["general", "anime"] | None = None
    aspect_ratio: str | None = None


ENDPOINT = Endpoint("text2video", Text2VideoRequest, media={"wm_url": Media("image", is_source=False)})
