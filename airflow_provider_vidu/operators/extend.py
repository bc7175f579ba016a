# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that continues a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.video_fields import ViduVideoOperator


@with_shared_settings
class ExtendVideoOperator(ViduVideoOperator):
    """
    Continue a video with Vidu, by 1 to 7 seconds.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        longer = ExtendVideoOperator(task_id="longer", video=animate.output, prompt="The cat walks away.", duration=5)

    .. seealso:: Vidu's page on extending videos, ``POST /ent/v2/extend``.

    :param video: the video to continue, 4 to 60 s long: the output of a task that made one (its record), the id of a
        creation, or a URL that Vidu can reach. A record's link expires, but its creation's id does not: that is sent.
        For the records of a batch: ``.expand(video=batch.output)``; records without a video are skipped.
    :param prompt: what happens next, a text of at most 2000 characters; None (default) = no text.
    :param images: one image, the last frame, as in ``Img2VideoOperator``; None (default) = Vidu's choice.
    :param model: ``viduq2-turbo`` (default) or ``viduq2-pro``. One that is newer than this release is sent with a
        warning.
    :param duration: seconds to add, 1 to 7; None (default) = 5.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "extend"
    request_fields: Sequence[str] = ("video", "images", *ViduVideoOperator.request_fields)
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)

    def __init__(
        self, *, video: str | Mapping[str, Any], images: Sequence[str] | str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.video = video
        self.images = images
        self._check_policies()
