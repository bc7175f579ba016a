# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What a task costs and how long its processing takes.

The times come from the catalogue of models. The prices are a separate table: the client estimates from the catalogue,
and an error there must show up as a different bill.
"""

from __future__ import annotations

from airflow_provider_vidu.api.catalog import MODELS
from airflow_provider_vidu.api.img2video import Img2VideoRequest

# Credits for the first second, the second and each one after it, by model and resolution.
_TARIFF: dict[str, dict[str, tuple[int, int, int]]] = {
    "viduq3-pro": {"540p": (10, 10, 10), "720p": (25, 25, 25), "1080p": (30, 30, 30)},
    "viduq3-turbo": {"540p": (8, 8, 8), "720p": (12, 12, 12), "1080p": (14, 14, 14)},
    "viduq3-pro-fast": {"720p": (20, 20, 20), "1080p": (25, 25, 25)},
    "viduq2-pro": {"540p": (8, 2, 5), "720p": (15, 10, 10), "1080p": (55, 15, 15)},
    "viduq2-turbo": {"540p": (6, 2, 2), "720p": (8, 2, 10), "1080p": (35, 10, 10)},
}
# Models with a price per video: credits by seconds and resolution.
_BY_THE_VIDEO = {
    "viduq1": {(5, "1080p"): 80},
    "viduq1-classic": {(5, "1080p"): 80},
    "vidu2.0": {(4, "360p"): 20, (4, "720p"): 40, (4, "1080p"): 100, (8, "720p"): 100},
}

#: Credits for a second of video where no price is published: ``viduq2``, ``viduq2-pro-fast`` and ``viduq4-preview``.
#: Invented; off-peak, audio and the recommended prompt count as for other models.
FALLBACK_CREDITS_PER_SECOND = {"360p": 5, "540p": 8, "720p": 12, "1080p": 15, "2K": 30, "4K": 60}

# How much longer a resolution takes than 720p, rounded from the few latencies that were reported.
_WEIGHTS = {"360p": 0.6, "540p": 0.75, "720p": 1.0, "1080p": 1.5, "2K": 2.0, "4K": 3.0}


def price(request: Img2VideoRequest) -> int:
    """Return the credits that a task costs."""
    duration, resolution = _rendered(request)
    if request.model in _BY_THE_VIDEO:
        parts = [_BY_THE_VIDEO[request.model][duration, resolution]]
    else:
        fallback = (FALLBACK_CREDITS_PER_SECOND[resolution],) * 3
        first, second, further = _TARIFF.get(request.model, {}).get(resolution, fallback)
        parts = [first, second, *[further] * duration][:duration]
    if request.off_peak:
        parts = [-(-credits // 2) for credits in parts]
    sound = 15 if request.audio and request.model.startswith("viduq2") else 0
    return sum(parts) + sound + (10 if request.is_rec else 0)


def processing_seconds(request: Img2VideoRequest, jitter: float) -> float:
    """
    Return how long processing takes, in seconds at Vidu's own pace.

    The catalogue's ``typical`` is for the model's default duration and resolution; half of it grows with the duration.
    Never below the catalogue's ``earliest``, before which clients do not poll.
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
