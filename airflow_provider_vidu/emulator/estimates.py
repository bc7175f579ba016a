# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a task costs and how long it is processed, derived from the catalogue of models."""

from __future__ import annotations

from math import ceil

from airflow_provider_vidu.api.catalog import MODELS, RECOMMENDED_PROMPT_CREDITS, credits_of
from airflow_provider_vidu.api.img2video import Img2VideoRequest

#: Credits for a second of video where the catalogue knows no price: ``viduq2`` and ``viduq2-pro-fast``. Invented,
#: between the prices of their families; off-peak and the recommended prompt count as everywhere.
FALLBACK_CREDITS_PER_SECOND = {"360p": 5, "540p": 8, "720p": 12, "1080p": 15}

# How much longer a resolution takes than 720p; the ratios are rounded from the few latencies that were reported.
_WEIGHTS = {"360p": 0.6, "540p": 0.75, "720p": 1.0, "1080p": 1.5}


def price(request: Img2VideoRequest) -> int:
    """
    Return the credits that a task is charged with.

    :param request: of a model that the catalogue knows.
    """
    duration, resolution = _rendered(request)
    off_peak, is_rec = bool(request.off_peak), bool(request.is_rec)
    known = credits_of(request.model, duration, resolution, off_peak=off_peak, is_rec=is_rec)
    if known is not None:
        return known
    credits = FALLBACK_CREDITS_PER_SECOND[resolution] * duration
    return (ceil(credits / 2) if off_peak else credits) + (RECOMMENDED_PROMPT_CREDITS if is_rec else 0)


def processing_seconds(request: Img2VideoRequest, jitter: float) -> float:
    """
    Return how long a task is processed.

    The catalogue's ``typical`` stands for the model's default duration and resolution; half of it grows with the
    duration. Never below the catalogue's ``earliest``, which clients wait for before their first look.

    :param request: of a model that the catalogue knows.
    :param jitter: factor around 1.
    :return: seconds at Vidu's own pace.
    """
    model = MODELS[request.model]
    duration, resolution = _rendered(request)
    row = model.row(duration)
    usual = row.default_resolution if row else resolution
    growth = 0.5 + 0.5 * duration / model.default_duration
    return max(model.earliest, model.typical * growth * _WEIGHTS[resolution] / _WEIGHTS[usual] * jitter)


def _rendered(request: Img2VideoRequest) -> tuple[int, str]:
    duration, resolution = request.effective_duration, request.effective_resolution
    if duration is None or resolution is None:
        raise ValueError(f"{request.model} is not in the catalogue")
    return duration, resolution
