# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns reference pictures into a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.video_fields import ViduGenerationOperator


@with_shared_settings
class Reference2VideoOperator(ViduGenerationOperator):
    """
    Generate a video with the people and things of reference pictures with Vidu.

    Pass the pictures as ``images``, or as ``subjects`` that the prompt calls by ``@name``.

    A retry re-attaches to the submitted task, and a clear is handled as
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` describes under "Durable execution".

    .. code-block:: python

        Reference2VideoOperator(
            task_id="cat_and_dog",
            subjects=[
                {"name": "cat", "images": ["/pictures/cat.png"]},
                {"name": "dog", "images": ["/pictures/dog.png"]},
            ],
            prompt="@cat and @dog play in the garden.",
            output_path="s3://conn_id@bucket/videos/",
            deferrable=True,
        )

    .. seealso:: Vidu's reference-to-video page, ``POST /ent/v2/reference2video``.

    :param prompt: what happens in the video, a text of at most 5000 characters. ``@name`` calls a subject.
    :param images: 1 to 7 pictures (``vidu2.0``: 1 to 3; with ``videos``: 1 to 4), each as in ``Img2VideoOperator``. The
        20 MB of a request are for all of them: the largest ones are uploaded until the others fit.
    :param subjects: 1 to 7 subjects instead of ``images``: dicts with a ``name``, with ``images`` (at most 3 each and 7
        altogether), ``videos`` or a ``server_id`` (its id in Vidu's library) and, if wanted, a ``voice_id``.
    :param videos: URLs of one video of at most 8 s or two of at most 5 s; only with ``viduq2-pro``.
    :param auto_subjects: let Vidu find subjects in its library; the prompt may then call others than ``subjects``.
    :param aspect_ratio: ``16:9`` (Vidu's default), ``9:16`` or ``1:1``; some models take ``3:4``, ``4:3`` and ``auto``.
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``.
    :param voice_id: id of a voice from Vidu's list; needs ``audio``.
    :return: the task record, as :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` returns it.
    :raises AirflowFailException: if a retry would fail in the same way, or pay again.
    :raises ViduError: if a retry may succeed.
    """

    endpoint = "reference2video"
    request_fields: Sequence[str] = (
        "images",
        "subjects",
        "videos",
        *ViduGenerationOperator.request_fields,
        "auto_subjects",
        "aspect_ratio",
        "audio_type",
        "voice_id",
    )
    template_fields: Sequence[str] = (*request_fields, *ViduSingleOperator.template_fields)
    template_fields_renderers = {**ViduGenerationOperator.template_fields_renderers, "subjects": "json"}

    def __init__(
        self,
        *,
        prompt: str,
        images: Sequence[str] | str | None = None,
        subjects: Sequence[Mapping[str, Any]] | str | None = None,
        videos: Sequence[str] | str | None = None,
        auto_subjects: bool | str | None = None,
        aspect_ratio: str | None = None,
        audio_type: str | None = None,
        voice_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(prompt=prompt, **kwargs)
        self.images = images
        self.subjects = subjects
        self.videos = videos
        self.auto_subjects = auto_subjects
        self.aspect_ratio = aspect_ratio
        self.audio_type = audio_type
        self.voice_id = voice_id
        self._check_policies()
