# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns a text into a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.video_fields import ViduGenerationOperator


@with_shared_settings
class Text2VideoOperator(ViduGenerationOperator):
    """
    Generate a video from a text with Vidu.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        Text2VideoOperator(
            task_id="lighthouse",
            prompt="A lighthouse at dawn, waves below.",
            aspect_ratio="9:16",
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    .. seealso:: Vidu's text-to-video page, ``POST /ent/v2/text2video``.

    :param prompt: what happens in the video, a text of at most 5000 characters.
    :param style: ``general`` (Vidu's default) or ``anime``; no effect with the q2 and q3 families.
    :param aspect_ratio: ``16:9`` (Vidu's default), ``9:16`` or ``1:1``; the q2 and q3 families also take ``3:4`` and
        ``4:3``.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "text2video"
    request_fields: Sequence[str] = (*ViduGenerationOperator.request_fields, "style", "aspect_ratio")
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)

    def __init__(
        self, *, prompt: str, style: str | None = None, aspect_ratio: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(prompt=prompt, **kwargs)
        self.style = style
        self.aspect_ratio = aspect_ratio
        self._check_policies()
