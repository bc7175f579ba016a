# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns an image into a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, REQUEST_FIELDS
from airflow_provider_vidu.operators.base import ViduSingleOperator, with_shared_settings
from airflow_provider_vidu.operators.img2video_batch import Img2VideoBatchOperator

__all__ = ["Img2VideoBatchOperator", "Img2VideoOperator"]


@with_shared_settings
class Img2VideoOperator(ViduSingleOperator):
    """
    Generates a video from an image with Vidu.

    Submits once per intended run, whatever dies: a retry re-attaches to the task that an earlier try submitted, a
    clear submits again. Waits in the triggerer (``deferrable=True``), in the worker, or
    not at all (``wait_for_completion=False``: then a :class:`ViduTaskSensor` takes the result).

    Every field of the request is templated and checked after rendering, before anything is sent; an empty string
    counts as not given.

    **Durable execution.** What a try has submitted is kept in the task state store (Airflow 3.3+):

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

    A clear of the whole Dag run keeps the state, too. Below Airflow 3.3 a retry searches the account's list, and a
    clear always submits. All situations are in ``docs/reliability.md``.

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``; the bases
        :class:`~airflow_provider_vidu.operators.base.ViduSingleOperator` and
        :class:`~airflow_provider_vidu.operators.base.ViduSubmittingOperator` for the settings of waiting, landing,
        retries and money.

    :param images: one image (a string, or a list of one): a URL that Vidu can reach, a path on the worker, any
        ``ObjectStoragePath`` URL (``s3://conn_id@bucket/key``), or a data URI (it then stands in the rendered
        field; a path does not put the image there). PNG, JPEG or WebP; sides between 1:4 and 4:1; at most 50 MB by
        URL, about 15 MB otherwise (a request takes 20 MB).
    :param prompt: what happens in the video, at most 5000 characters.
    :param model: for example ``viduq3-pro``; one newer than this release passes through with a warning.
    :param duration: whole seconds, within the model's range; None = the model's default.
    :param seed: 0 or None = random.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``; None = the model's default.
    :param movement_amplitude: ``auto``, ``small``, ``medium`` or ``large``; no effect with q2 and q3 models.
    :param audio: sound in the video; None = the model's default (on for q3).
    :param audio_type: ``all``, ``speech_only`` or ``sound_effect_only``.
    :param voice_id: a voice of Vidu's list; needs ``audio``.
    :param is_rec: Vidu writes the prompt, for 10 credits more.
    :param bgm: background music.
    :param off_peak: half the price, within 48 hours.
    :param watermark: render a watermarked copy too.
    :param wm_position: 1 top left, 2 top right, 3 bottom right, 4 bottom left.
    :param wm_url: URL of the watermark's picture.
    :param meta_data: provenance labels, a dict or a string that holds a JSON object.
    :param payload: echoed by Vidu. Unless given, it carries the marker by which a lost submission is found again; a
        literal ``{marker}`` in a payload of yours is replaced by it, one without cannot be found again.
    :param callback_url: where Vidu reports state changes to.
    :return: the task record ``{task_id, state, model, credits, err_code, payload, created_at, creations, files}``.
    """

    template_fields: Sequence[str] = (*REQUEST_FIELDS, *ViduSingleOperator.template_fields)
    template_fields_renderers = {"prompt": "md", "meta_data": "json", "extra_params": "json"}
    endpoint = "img2video"
    request_fields = REQUEST_FIELDS

    def __init__(
        self,
        *,
        images: str | Sequence[str],
        prompt: str = "",
        model: str = DEFAULT_MODEL,
        duration: int | str | None = None,
        seed: int | str | None = None,
        resolution: str | None = None,
        movement_amplitude: str | None = None,
        audio: bool | str | None = None,
        audio_type: str | None = None,
        voice_id: str | None = None,
        is_rec: bool | str | None = None,
        bgm: bool | str | None = None,
        off_peak: bool | str | None = None,
        watermark: bool | str | None = None,
        wm_position: int | str | None = None,
        wm_url: str | None = None,
        meta_data: Mapping[str, Any] | str | None = None,
        payload: str | None = None,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.images = images
        self.prompt = prompt
        self.model = model
        self.duration = duration
        self.seed = seed
        self.resolution = resolution
        self.movement_amplitude = movement_amplitude
        self.audio = audio
        self.audio_type = audio_type
        self.voice_id = voice_id
        self.is_rec = is_rec
        self.bgm = bgm
        self.off_peak = off_peak
        self.watermark = watermark
        self.wm_position = wm_position
        self.wm_url = wm_url
        self.meta_data = meta_data
        self.payload = payload
        self.callback_url = callback_url
        self._check_policies()
