# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that renders a video in a higher resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings


@with_shared_settings
class UpscaleVideoOperator(ViduSingleOperator):
    """
    Render a video in a higher resolution with Vidu.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        UpscaleVideoOperator(task_id="sharp", video=animate.output, upscale_resolution="4K", output_path="/videos/")

    .. seealso:: Vidu's page on upscaling, ``POST /ent/v2/upscale-new``. No price list has this endpoint, so the
        catalogue cannot estimate it: only Vidu's reply is checked against ``max_credits``.

    :param video: the video, of at most 300 s and less than 60 frames a second: the output of a task that made one (its
        record), the id of a creation, or a URL that Vidu can reach. For the records of a batch:
        ``.expand(video=batch.output)``; records without a video are skipped.
    :param upscale_resolution: ``1080p``, ``2K``, ``4K`` or ``8K``; None (default) = Vidu's default, ``1080p``.
    :param payload: a text of at most 1 048 576 characters, see ``Img2VideoOperator``; None (default) = the marker by
        which a lost submission is found again.
    :param callback_url: URL to which Vidu reports state changes.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "upscale-new"
    request_fields: Sequence[str] = ("video", "upscale_resolution", "payload", "callback_url")
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)

    def __init__(
        self,
        *,
        video: str | Mapping[str, Any],
        upscale_resolution: str | None = None,
        payload: str | None = None,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.video = video
        self.upscale_resolution = upscale_resolution
        self.payload = payload
        self.callback_url = callback_url
        self._check_policies()
