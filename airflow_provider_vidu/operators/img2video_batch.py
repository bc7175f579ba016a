# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns thousands of images into videos in one task instance."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidu.operators.base import with_shared_settings
from airflow_provider_vidu.operators.batch import ViduManyOperator


@with_shared_settings
class Img2VideoBatchOperator(ViduManyOperator):
    """
    Generate a video from each of many images in one task instance: one submission run, one trigger, one resume.

    All requests are checked before the first one is paid for. One intended run then submits each request once, whatever
    crashes: a retry continues where the last try ended, and a clear submits only what has failed or was never
    submitted. Only a clear after a complete delivery generates all videos again. (Unlike with
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator`, a clear cancels nothing that is running.)
    Below Airflow 3.3, which has no task state store, retries do the same on hosts with a task list, but a clear pays
    for every request again.

    .. code-block:: python

        Img2VideoBatchOperator(
            task_id="animate",
            requests=[{"images": "/pictures/cat.png"}, {"images": "/pictures/dog.png"}],
            defaults={"prompt": "It turns its head.", "duration": 4},
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``; the base
        :class:`~airflow_provider_vidu.operators.base.ViduSubmittingOperator` for settings that are not named here.

    :return: a list of task records in the order of the requests. Each has ``error`` (None, or why there is no video)
        beside the fields that the single operator returns. With more than 300 requests the records in XCom have no
        links and payloads; the manifest has them.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "img2video"

    def __init__(self, *, requests: Any, **kwargs: Any) -> None:
        super().__init__(requests=requests, **kwargs)
