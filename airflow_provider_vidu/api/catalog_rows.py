# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The models of each endpoint: what each accepts, what it ignores, how long it takes, what it costs.

Sources, and which of them is followed where they contradict each other:

* Durations, resolutions and defaults are those of Vidu's pages of 2026. Older copies of the image-to-video page give
  2-8 s or 1-8 s for the q2 family; the newest (1-10 s) is followed. One list gives 3-16 s for the q3 family on
  text2video; Vidu's page (1-16 s) is followed.
* ``viduq2`` is an image-to-video model because some relays document it. Vidu's own page does not list it; its row is
  that of the relays.
* Off-peak and audio: older pages exclude off-peak for every task with audio. The newest says that the q3 family
  takes off-peak *only* with audio and every other model only without; that is followed.
* Prices: see ``PRICES_AS_OF``. Where price lists in Vidu's credits contradict each other, the higher figure is the
  estimate: a request must not pass a limit because of the lower one. Resellers' prices in money are not used. The
  ``credits`` in the reply to a submission are always authoritative. The lists disagree about the q3 family: 9/20/24 or
  10/25/30 credits a second for pro (live bills of April 2026 have the latter), 7/12/13 or 8/12/14 for turbo, 12/15 or
  20/25 for pro-fast. A model without prices is on no list.
* ``viduq4-preview`` is on no price list, and no page says which ``audio`` its off-peak needs or how long its prompt may
  be: the estimate is unknown, and Vidu decides about the other two.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow_provider_vidu.api.catalog_types import Model, Price, Prices, Row

#: The day on which the price rows below were read. They are estimates: Vidu changes prices without notice.
PRICES_AS_OF = date(2026, 9, 1)

#: What ``audio`` costs on top of a task of the q2 family, in credits.
Q2_AUDIO_CREDITS = 15

_THREE = ("540p", "720p", "1080p")
_TWO = ("720p", "1080p")
_FIVE = (*_THREE, "2K", "4K")
_RATIOS = ("16:9", "9:16", "1:1")
_MORE_RATIOS = (*_RATIOS, "3:4", "4:3")
_ALL_RATIOS = (*_MORE_RATIOS, "auto")
_Q3_NO_EFFECT = frozenset({"movement_amplitude", "bgm", "voice_id", "style"})
_Q2_NO_EFFECT = frozenset({"movement_amplitude", "style"})
_NO_AUDIO = frozenset({"audio"})
_NO_VIDEOS = frozenset({"videos"})


def _seconds(least: int, most: int) -> tuple[int, ...]:
    return tuple(range(least, most + 1))


def _by_second(credits: Mapping[str, int]) -> Prices:
    """Return prices that are the same for each second."""
    return {resolution: Price(price, price) for resolution, price in credits.items()}


def _q3(
    name: str,
    prices: Prices,
    *,
    typical: float,
    seconds: tuple[int, ...] = _seconds(1, 16),
    resolutions: tuple[str, ...] = _THREE,
    **more: Any,
) -> Model:
    return Model(
        name=name,
        rows=(Row(seconds, resolutions, "720p"),),
        audio_default=True,
        off_peak_audio=True,
        no_effect=_Q3_NO_EFFECT,
        earliest=15.0,
        typical=typical,
        prices=prices,
        **more,
    )


def _q2(
    name: str,
    prices: Prices,
    *,
    typical: float,
    seconds: tuple[int, ...] = _seconds(1, 10),
    resolutions: tuple[str, ...] = _THREE,
    **more: Any,
) -> Model:
    return Model(
        name=name,
        rows=(Row(seconds, resolutions, "720p"),),
        audio_credits=Q2_AUDIO_CREDITS,
        no_effect=_Q2_NO_EFFECT,
        typical=typical,
        prices=prices,
        **more,
    )


def _q1(name: str, prices: Prices, **more: Any) -> Model:
    return Model(name=name, rows=(Row((5,), ("1080p",), "1080p"),), typical=90.0, prices=prices, **more)


def _named(*models: Model) -> dict[str, Model]:
    return {model.name: model for model in models}


# Per second, on img2video, start-end2video and text2video.
_Q3_PRO_PRICES = _by_second({"540p": 10, "720p": 25, "1080p": 30})
_Q3_TURBO_PRICES = _by_second({"540p": 8, "720p": 12, "1080p": 14})
# On img2video and start-end2video.
_Q2_PRO_PRICES: Prices = {"540p": Price(8, 5, second=10), "720p": Price(15, 10), "1080p": Price(55, 15)}
_Q2_TURBO_PRICES: Prices = {"540p": Price(6, 2), "720p": Price(8, 10, second=10), "1080p": Price(35, 10)}
_Q1_PRICES: Prices = {(5, "1080p"): 80}
_VIDU_2_ROWS = (Row((4,), ("360p", "720p", "1080p"), "360p"), Row((8,), ("720p",), "720p"))
_VIDU_2_PRICES: Prices = {(4, "360p"): 20, (4, "720p"): 40, (4, "1080p"): 100, (8, "720p"): 100}

#: The models of the image-to-video endpoint.
MODELS: dict[str, Model] = _named(
    Model(
        "viduq4-preview",
        rows=(Row(_seconds(3, 16), _FIVE, "720p"),),
        audio_default=True,
        off_peak_audio=None,
        max_prompt=None,
        earliest=15.0,
        typical=180.0,
    ),
    _q3("viduq3-pro", _Q3_PRO_PRICES, typical=180.0),
    _q3("viduq3-turbo", _Q3_TURBO_PRICES, typical=120.0),
    _q3("viduq3-pro-fast", _by_second({"720p": 20, "1080p": 25}), typical=90.0, resolutions=_TWO),
    _q2("viduq2", {}, typical=60.0),
    _q2("viduq2-pro", _Q2_PRO_PRICES, typical=60.0),
    _q2("viduq2-turbo", _Q2_TURBO_PRICES, typical=45.0),
    _q2("viduq2-pro-fast", {}, typical=30.0, resolutions=_TWO),
    _q1("viduq1", _Q1_PRICES),
    _q1("viduq1-classic", _Q1_PRICES),
    Model("vidu2.0", _VIDU_2_ROWS, default_duration=4, prices=_VIDU_2_PRICES),
)

# Vidu's page gives audio to the q3 family alone.
_TEXT2VIDEO = _named(
    _q3("viduq3-pro", _Q3_PRO_PRICES, typical=180.0, aspect_ratios=_MORE_RATIOS),
    _q3("viduq3-turbo", _Q3_TURBO_PRICES, typical=120.0, aspect_ratios=_MORE_RATIOS),
    _q2(
        "viduq2",
        {"540p": Price(10, 2), "720p": Price(15, 5), "1080p": Price(20, 10)},
        typical=60.0,
        aspect_ratios=_MORE_RATIOS,
        refuses=_NO_AUDIO,
    ),
    _q1("viduq1", {}, aspect_ratios=_RATIOS, refuses=_NO_AUDIO),
)

# Prices are those of image-to-video; audio is for the q3 family alone.
_START_END2VIDEO = _named(
    _q3("viduq3-pro", _Q3_PRO_PRICES, typical=180.0),
    _q3("viduq3-turbo", _Q3_TURBO_PRICES, typical=120.0),
    _q2("viduq2-pro", _Q2_PRO_PRICES, typical=60.0, seconds=_seconds(1, 8), refuses=_NO_AUDIO),
    _q2("viduq2-turbo", _Q2_TURBO_PRICES, typical=45.0, seconds=_seconds(1, 8), refuses=_NO_AUDIO),
    _q2("viduq2-pro-fast", {}, typical=30.0, seconds=_seconds(1, 8), resolutions=_TWO, refuses=_NO_AUDIO),
    _q1("viduq1", _Q1_PRICES, refuses=_NO_AUDIO),
    _q1("viduq1-classic", _Q1_PRICES, refuses=_NO_AUDIO),
    Model("vidu2.0", _VIDU_2_ROWS, default_duration=4, prices=_VIDU_2_PRICES, refuses=_NO_AUDIO),
)

# No price list has viduq3-drama: its figures are those of live bills of August 2026.
_REFERENCE2VIDEO = _named(
    _q3(
        "viduq3-drama",
        _by_second({"720p": 20, "1080p": 24}),
        typical=180.0,
        seconds=_seconds(2, 15),
        resolutions=_TWO,
        aspect_ratios=("9:16", "16:9"),
        watermark_default=True,
        refuses=_NO_VIDEOS,
    ),
    _q3(
        "viduq3-ad",
        {},
        typical=180.0,
        seconds=_seconds(3, 15),
        resolutions=_TWO,
        aspect_ratios=_ALL_RATIOS,
        refuses=_NO_VIDEOS,
    ),
    _q3(
        "viduq3-mix",
        _by_second({"720p": 24, "1080p": 29}),
        typical=180.0,
        resolutions=_TWO,
        aspect_ratios=_ALL_RATIOS,
        refuses=_NO_VIDEOS | {"subjects", "off_peak"},
    ),
    _q3(
        "viduq3",
        _by_second({"540p": 7, "720p": 12, "1080p": 15}),
        typical=180.0,
        seconds=_seconds(3, 16),
        aspect_ratios=_ALL_RATIOS,
        refuses=_NO_VIDEOS,
    ),
    _q3(
        "viduq3-turbo",
        _by_second({"540p": 4, "720p": 10, "1080p": 13}),
        typical=120.0,
        seconds=_seconds(3, 16),
        aspect_ratios=_ALL_RATIOS,
        refuses=_NO_VIDEOS,
    ),
    _q2("viduq2-pro", {}, typical=60.0, seconds=_seconds(0, 10), aspect_ratios=_ALL_RATIOS),
    _q2(
        "viduq2",
        {"540p": Price(15, 5), "720p": Price(25, 5), "1080p": Price(75, 10)},
        typical=60.0,
        aspect_ratios=_ALL_RATIOS,
        refuses=_NO_VIDEOS,
    ),
    _q1("viduq1", {}, aspect_ratios=_RATIOS, refuses=_NO_VIDEOS),
    Model(
        "vidu2.0",
        (Row((4,), ("360p", "720p"), "360p"),),
        default_duration=4,
        max_images=3,
        aspect_ratios=_RATIOS,
        refuses=_NO_VIDEOS,
        prices={(4, "360p"): 80, (4, "720p"): 80},
    ),
)

_EXTEND_PROMPT = 2000
_EXTEND = _named(
    _q2(
        "viduq2-pro",
        {"540p": Price(15, 5), "720p": Price(30, 10), "1080p": Price(60, 15)},
        typical=60.0,
        seconds=_seconds(1, 7),
        max_prompt=_EXTEND_PROMPT,
    ),
    _q2(
        "viduq2-turbo",
        {"540p": Price(10, 2), "720p": Price(15, 5), "1080p": Price(40, 10)},
        typical=45.0,
        seconds=_seconds(1, 7),
        max_prompt=_EXTEND_PROMPT,
    ),
)

#: The models of each endpoint that this release knows, by the last part of its create path; some have no models.
MODELS_OF: dict[str, dict[str, Model]] = {
    "img2video": MODELS,
    "text2video": _TEXT2VIDEO,
    "start-end2video": _START_END2VIDEO,
    "reference2video": _REFERENCE2VIDEO,
    "extend": _EXTEND,
    "upscale-new": {},
}
