# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The bases of the operators whose endpoint renders a video with a model: the fields that they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator


class ViduVideoOperator(ViduSingleOperator):
    """
    The base of the operators whose requests name a model.

    Every field of the request is templated, and checked after rendering, before anything is sent. An optional field
    that is None (the default) or an empty string is not sent: Vidu's default applies.

    :param prompt: what happens in the video, a text of at most 5000 characters; None (default) = no text.
    :param model: name of a model. One that is newer than this release is sent with a warning. None (default) = the
        fastest of the current family, ``viduq3-turbo``.
    :param duration: length of the video in whole seconds, within the model's range; None (default) = the model's
        default.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``, as far as the model has it; None
        (default) = the model's default.
    :param watermark: render a watermarked copy too.
    :param wm_url: URL of the watermark's picture.
    :param meta_data: provenance labels, a dict or a string with a JSON object.
    :param payload: a text of at most 1 048 576 characters, which Vidu returns with the task. None (default) = the
        marker by which a lost submission is found again. In your own payload a literal ``{marker}`` is replaced by that
        marker; without it a lost submission cannot be found.
    :param callback_url: URL to which Vidu reports state changes.
    """

    request_fields: Sequence[str] = (
        "prompt",
        "model",
        "duration",
        "resolution",
        "watermark",
        "wm_url",
        "meta_data",
        "payload",
        "callback_url",
    )
    template_fields_renderers = {"prompt": "md", "meta_data": "json", "extra_params": "json"}

    def __init__(
        self,
        *,
        prompt: str | None = None,
        model: str | None = None,
        duration: int | str | None = None,
        resolution: str | None = None,
        watermark: bool | str | None = None,
        wm_url: str | None = None,
        meta_data: Mapping[str, Any] | str | None = None,
        payload: str | None = None,
        callback_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.model = model
        self.duration = duration
        self.resolution = resolution
        self.watermark = watermark
        self.wm_url = wm_url
        self.meta_data = meta_data
        self.payload = payload
        self.callback_url = callback_url


class ViduGenerationOperator(ViduVideoOperator):
    """
    The base of the operators that generate a video from pictures, a text or both.

    :param seed: a whole number; 0 or None (default) = random.
    :param movement_amplitude: ``auto``, ``small``, ``medium`` or ``large``; no effect with q2 and q3 models.
    :param audio: whether the video has sound; None (default) = the model's default (on for q3).
    :param bgm: add background music.
    :param off_peak: pay half the price and get the video within 48 hours.
    :param wm_position: 1 = top left, 2 = top right, 3 = bottom right, 4 = bottom left.
    """

    request_fields: Sequence[str] = (
        *ViduVideoOperator.request_fields,
        "seed",
        "movement_amplitude",
        "audio",
        "bgm",
        "off_peak",
        "wm_position",
    )

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        movement_amplitude: str | None = None,
        audio: bool | str | None = None,
        bgm: bool | str | None = None,
        off_peak: bool | str | None = None,
        wm_position: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.movement_amplitude = movement_amplitude
        self.audio = audio
        self.bgm = bgm
        self.off_peak = off_peak
        self.wm_position = wm_position
