# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What a task costs and how long its processing takes.

Both are tables of the emulator's own: the client estimates from its catalogue, and an error there must show up as a
different bill.
"""

from __future__ import annotations

from airflow_provider_vidu.emulator.machine.endpoints import Request

# Credits for the first second, the second and each one after it.
_Tariff = dict[str, tuple[int, int, int]]

_FRAMES: dict[str, _Tariff] = {
    "viduq3-pro": {"540p": (10, 10, 10), "720p": (25, 25, 25), "1080p": (30, 30, 30)},
    "viduq3-turbo": {"540p": (8, 8, 8), "720p": (12, 12, 12), "1080p": (14, 14, 14)},
    "viduq3-pro-fast": {"720p": (20, 20, 20), "1080p": (25, 25, 25)},
    "viduq2-pro": {"540p": (8, 2, 5), "720p": (15, 10, 10), "1080p": (55, 15, 15)},
    "viduq2-turbo": {"540p": (6, 2, 2), "720p": (8, 2, 10), "1080p": (35, 10, 10)},
}
_ADDED: dict[str, _Tariff] = {
    "viduq2-turbo": {"540p": (10, 2, 2), "720p": (15, 5, 5), "1080p": (40, 10, 10)},
    "viduq2-pro": {"540p": (15, 5, 5), "720p": (30, 10, 10), "1080p": (60, 15, 15)},
}
# By endpoint and model.
_TARIFFS: dict[str, dict[str, _Tariff]] = {
    "img2video": _FRAMES,
    "start-end2video": _FRAMES,
    "text2video": {
        "viduq3-pro": _FRAMES["viduq3-pro"],
        "viduq3-turbo": _FRAMES["viduq3-turbo"],
        "viduq2": {"540p": (10, 2, 2), "720p": (15, 5, 5), "1080p": (20, 10, 10)},
    },
    "reference2video": {
        "viduq3": {"540p": (7, 7, 7), "720p": (12, 12, 12), "1080p": (15, 15, 15)},
        "viduq3-mix": {"720p": (24, 24, 24), "1080p": (29, 29, 29)},
        "viduq3-turbo": {"540p": (4, 4, 4), "720p": (10, 10, 10), "1080p": (13, 13, 13)},
        # On no list: two bills are known.
        "viduq3-drama": {"720p": (20, 20, 20), "1080p": (24, 24, 24)},
        "viduq2": {"540p": (15, 5, 5), "720p": (25, 5, 5), "1080p": (75, 10, 10)},
    },
    "multiframe": _ADDED,
    "extend": _ADDED,
}

# Credits for a whole result, by seconds and resolution.
_Price = dict[tuple[float, str], int]

_FRAMES_WHOLE: dict[str, _Price] = {
    "viduq1": {(5, "1080p"): 80},
    "viduq1-classic": {(5, "1080p"): 80},
    "vidu2.0": {(4, "360p"): 20, (4, "720p"): 40, (4, "1080p"): 100, (8, "720p"): 100},
}
_WHOLE: dict[str, dict[str, _Price]] = {
    "img2video": _FRAMES_WHOLE,
    "start-end2video": _FRAMES_WHOLE,
    "text2video": {"viduq1": {(5, "1080p"): 80}},
    "reference2video": {"viduq1": {(5, "1080p"): 80}, "vidu2.0": {(4, "360p"): 80, (4, "720p"): 80}},
    "reference2image": {
        "viduq2": {(0, "1080p"): 6, (0, "2K"): 8, (0, "4K"): 10},
        # Invented, like the next three.
        "viduq1": {(0, "1080p"): 6},
    },
    "template": {"": {(4, "720p"): 40}},
    "lip-sync": {"": {(0, ""): 30}},
    "upscale-new": {"": {(0, "1080p"): 20, (0, "2K"): 40, (0, "4K"): 80, (0, "8K"): 160}},
}

#: Credits for a second of video where no price is published, for example that of ``viduq2-pro-fast``.
#: Invented; off-peak, audio and the recommended prompt count as for other models.
FALLBACK_CREDITS_PER_SECOND = {"360p": 5, "540p": 8, "720p": 12, "1080p": 15, "2K": 30, "4K": 60}

# Seconds that a video of the model's default duration and resolution takes at Vidu's own pace.
_TYPICAL = {
    "viduq4-preview": 180.0,
    "viduq3-pro": 180.0,
    "viduq3-turbo": 120.0,
    "viduq3-pro-fast": 90.0,
    "viduq2-turbo": 45.0,
    "viduq2-pro-fast": 30.0,
    "viduq1": 90.0,
    "viduq1-classic": 90.0,
}
_USUAL_SECONDS = 60.0
# How much longer a resolution takes than 720p, rounded from the few latencies that were reported.
_WEIGHTS = {"360p": 0.6, "540p": 0.75, "720p": 1.0, "1080p": 1.5, "2K": 2.0, "4K": 3.0}


def price(request: Request) -> int:
    """Return the credits that a task costs."""
    name, model = request.endpoint.name, request.model or ""
    seconds, resolution = request.effective_duration, request.effective_resolution
    if name == "text2audio":
        return 10 if seconds < 5 else 20
    whole = _WHOLE.get(name, {}).get(model, {}).get((seconds, resolution))
    if whole is not None:
        parts = [whole]
    else:
        fallback = (FALLBACK_CREDITS_PER_SECOND[resolution],) * 3
        first, second, further = _TARIFFS.get(name, {}).get(model, {}).get(resolution, fallback)
        parts = [first, second, *[further] * int(seconds)][: int(seconds)]
    if request.off_peak:
        parts = [-(-credits // 2) for credits in parts]
    sound = 15 if request.has_audio and model.startswith("viduq2") else 0
    return sum(parts) + sound + (10 if request.is_rec else 0)


def processing_seconds(request: Request, jitter: float) -> float:
    """
    Return how long processing takes, in seconds at Vidu's own pace.

    Half of the usual time grows with the duration, and all of it with the resolution. It is never below the time that
    clients may rely on.
    """
    model = request.model or ""
    known = request.known_model
    usual = next(iter(known.resolutions(known.usual_seconds) or ()), "")
    growth = 0.5 + 0.5 * request.effective_duration / (known.usual_seconds or request.effective_duration or 1)
    weight = _WEIGHTS.get(request.effective_resolution, 1.0) / _WEIGHTS.get(usual, 1.0)
    earliest = 15.0 if model.startswith(("viduq3", "viduq4")) else 10.0
    return max(earliest, _TYPICAL.get(model, _USUAL_SECONDS) * growth * weight * jitter)
