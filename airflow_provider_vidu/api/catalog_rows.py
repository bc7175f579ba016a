# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The models of each endpoint: what each accepts, what it ignores, how long it takes, what it costs.

Sources, and which of them is followed where they contradict each other:

* Durations, resolutions and defaults are those of Vidu's image-to-video page of 2026. Older copies of that page
  give 2-8 s or 1-8 s for the q2 family; the newest (1-10 s) is followed.
* ``viduq2`` is in the table because some relays document it for this endpoint. Vidu's own page does not list it; its
  row is that of the relays.
* Off-peak and audio: older pages exclude off-peak for every task with audio. The newest says that the q3 family
  takes off-peak *only* with audio and every other model only without; that is followed.
* Prices: see ``PRICES_AS_OF``. Where price lists in Vidu's credits contradict each other, the higher figure is the
  estimate: a request must not pass a limit because of the lower one. Resellers' prices in money are not used. The
  ``credits`` in the reply to a submission are always authoritative.
* ``viduq4-preview`` is on no price list, and no page says which ``audio`` its off-peak needs or how long its prompt may
  be: the estimate is unknown, and Vidu decides about the other two.
"""

from __future__ import annotations

from datetime import date

from airflow_provider_vidu.api.catalog_types import Model, Price, Prices, Row

#: The day on which the price rows below were read. They are estimates: Vidu changes prices without notice.
PRICES_AS_OF = date(2026, 9, 1)

#: What ``audio`` costs on top of a task of the q2 family, in credits.
Q2_AUDIO_CREDITS = 15

_SECONDS_1_16 = tuple(range(1, 17))
_SECONDS_3_16 = tuple(range(3, 17))
_SECONDS_1_10 = tuple(range(1, 11))
_Q3_NO_EFFECT = frozenset({"movement_amplitude", "bgm", "voice_id"})
_Q2_NO_EFFECT = frozenset({"movement_amplitude"})
_THREE = ("540p", "720p", "1080p")
_TWO = ("720p", "1080p")
_FIVE = (*_THREE, "2K", "4K")


def _q3(name: str, resolutions: tuple[str, ...], typical: float, prices: tuple[int, ...]) -> Model:
    return Model(
        name=name,
        rows=(Row(_SECONDS_1_16, resolutions, "720p"),),
        audio_default=True,
        off_peak_audio=True,
        no_effect=_Q3_NO_EFFECT,
        earliest=15.0,
        typical=typical,
        prices={resolution: Price(price, price) for resolution, price in zip(resolutions, prices, strict=True)},
    )


def _q2(name: str, resolutions: tuple[str, ...], typical: float, prices: Prices) -> Model:
    return Model(
        name=name,
        rows=(Row(_SECONDS_1_10, resolutions, "720p"),),
        audio_credits=Q2_AUDIO_CREDITS,
        no_effect=_Q2_NO_EFFECT,
        typical=typical,
        prices=prices,
    )


def _q1(name: str) -> Model:
    return Model(name=name, rows=(Row((5,), ("1080p",), "1080p"),), typical=90.0, prices={(5, "1080p"): 80})


_Q2_PRO_PRICES: Prices = {
    "540p": Price(8, 5, second=10),
    "720p": Price(15, 10),
    "1080p": Price(55, 15),
}
_Q2_TURBO_PRICES: Prices = {
    "540p": Price(6, 2),
    "720p": Price(8, 10, second=10),
    "1080p": Price(35, 10),
}

#: The models of the image-to-video endpoint by name. The lists disagree about the q3 family: 9/20/24 or 10/25/30
#: credits a second for pro (live bills of April 2026 have the latter), 7/12/13 or 8/12/14 for turbo, 12/15 or 20/25 for
#: pro-fast.
MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="viduq4-preview",
            rows=(Row(_SECONDS_3_16, _FIVE, "720p"),),
            audio_default=True,
            off_peak_audio=None,
            max_prompt=None,
            earliest=15.0,
            typical=180.0,
        ),
        _q3("viduq3-pro", _THREE, 180.0, (10, 25, 30)),
        _q3("viduq3-turbo", _THREE, 120.0, (8, 12, 14)),
        _q3("viduq3-pro-fast", _TWO, 90.0, (20, 25)),
        _q2("viduq2", _THREE, 60.0, {}),
        _q2("viduq2-pro", _THREE, 60.0, _Q2_PRO_PRICES),
        _q2("viduq2-turbo", _THREE, 45.0, _Q2_TURBO_PRICES),
        _q2("viduq2-pro-fast", _TWO, 30.0, {}),
        _q1("viduq1"),
        _q1("viduq1-classic"),
        Model(
            name="vidu2.0",
            rows=(Row((4,), ("360p", "720p", "1080p"), "360p"), Row((8,), ("720p",), "720p")),
            default_duration=4,
            typical=60.0,
            prices={(4, "360p"): 20, (4, "720p"): 40, (4, "1080p"): 100, (8, "720p"): 100},
        ),
    )
}


#: The models of each endpoint that this release knows, by the last part of its create path; some have no models.
MODELS_OF: dict[str, dict[str, Model]] = {"img2video": MODELS}
