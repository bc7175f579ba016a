# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns a first and a last frame into a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.video_fields import ViduGenerationOperator


@with_shared_settings
class StartEnd2VideoOperator(ViduGenerationOperator):
    """
    Generate a video between two images with Vidu: the first frame and the last.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        StartEnd2VideoOperator(
            task_id="opening",
            images=["/pictures/closed.png", "/pictures/open.png"],
            prompt="The box opens.",
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    .. seealso:: Vidu's start-end-to-video page, ``POST /ent/v2/start-end2video``.

    :param images: the first and the last frame, a list of two, each as in ``Img2VideoOperator``; the 20 MB of a request
        are for both. The first one has 0.8 to 1.25 times as many pixels as the last; two URLs cannot be compared, so
        Vidu decides about those.
    :param is_rec: let Vidu write the prompt, for 10 more credits.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "start-end2video"
    request_fields: Sequence[str] = ("images", *ViduGenerationOperator.request_fields, "is_rec")
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)

    def __init__(self, *, images: Sequence[str] | str, is_rec: bool | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.images = images
        self.is_rec = is_rec
        self._check_policies()
