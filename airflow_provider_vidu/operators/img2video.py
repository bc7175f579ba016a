# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns an image into a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.img2video_batch import Img2VideoBatchOperator
from airflow_provider_vidu.operators.video_fields import ViduGenerationOperator

__all__ = ["Img2VideoBatchOperator", "Img2VideoOperator"]


@with_shared_settings
class Img2VideoOperator(ViduGenerationOperator):
    """
    Generate a video from an image with Vidu.

    One intended run submits once, whatever crashes: a retry re-attaches to the Vidu task that an earlier try submitted.
    The table below says what a clear does. The operator waits in the triggerer (``deferrable=True``), in the worker, or
    not at all (``wait_for_completion=False``; then use a
    :class:`~airflow_provider_vidu.sensors.task.ViduTaskSensor`).

    .. code-block:: python

        Img2VideoOperator(
            task_id="animate",
            images="/pictures/cat.png",
            prompt="The cat turns its head.",
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    Every field of the request is templated, and checked after rendering, before anything is sent. An optional field
    that is None (the default) or an empty string is not sent, unless stated otherwise below: Vidu's default applies.

    **Durable execution.** The task state store (Airflow 3.3+) remembers what a try has submitted:

    ===================  ==========================  ===================================  ===========================
    earlier task         retry                       default clear (discards the state    clear that keeps the state
                                                     from Airflow 3.4 on)
    ===================  ==========================  ===================================  ===========================
    running              re-attach                   found in the account's list:         cancel, then submit;
                                                     cancel, then submit; refused:        refused: re-attach
                                                     re-attach
    succeeded, not       land and return it          land and return it, if               land and return it
    delivered                                        ``output_path`` is set and the
                                                     file is not there; else submit
    delivered            return the same record      submit, with a warning               submit
    failed               submit, or fail for good    submit                               submit
    ===================  ==========================  ===================================  ===========================

    Clearing the whole Dag run keeps the state too. Below Airflow 3.3 a retry searches the account's list, and a clear
    always submits. ``docs/reliability.md`` covers all situations.

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``; the bases
        :class:`~airflow_provider_vidu.operators.base.ViduSingleOperator` and
        :class:`~airflow_provider_vidu.operators.base.ViduSubmittingOperator` for the settings for waiting, landing,
        retries and credit limits.

    :param images: one image (a string, or a list of one string): a URL that Vidu can reach, a path on the worker, any
        ``ObjectStoragePath`` URL (``s3://conn_id@bucket/key``), or a data URI (then the image itself appears in the
        rendered field). PNG, JPEG or WebP; aspect ratio between 1:4 and 4:1; at most 50 MB. A request may have 20 MB,
        which is about 15 MB of pictures: larger ones go through Vidu's upload tool first. On a relay without that tool
        they are rejected before anything is paid for; a URL works there, too.
    :param prompt: what happens in the video, a text of at most 5000 characters; default empty.
    :param model: name of a model, for example ``viduq3-pro``. One that is newer than this release is sent with a
        warning. Default ``viduq3-turbo``.
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``.
    :param voice_id: id of a voice from Vidu's list; needs ``audio``.
    :param is_rec: let Vidu write the prompt, for 10 more credits.
    :return: the task record ``{task_id, state, model, credits, err_code, payload, created_at, creations, files}``; its
        ``files`` are ``[{kind, path, bytes, sha256, duration, width, height, fps}]``.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "img2video"
    request_fields: Sequence[str] = (
        "images",
        *ViduGenerationOperator.request_fields,
        "audio_type",
        "voice_id",
        "is_rec",
    )
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)

    def __init__(
        self,
        *,
        images: str | Sequence[str],
        prompt: str = "",
        model: str = DEFAULT_MODEL,
        audio_type: str | None = None,
        voice_id: str | None = None,
        is_rec: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(prompt=prompt, model=model, **kwargs)
        self.images = images
        self.audio_type = audio_type
        self.voice_id = voice_id
        self.is_rec = is_rec
        self._check_policies()
