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

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from airflow_provider_vidu.api.defaults import DEFAULT_MODEL, is_yes
from airflow_provider_vidu.api.fields import request_fields

#: The day on which the price rows below were read. They are estimates: Vidu changes prices without notice.
PRICES_AS_OF = date(2026, 9, 1)

#: What the recommended prompt (``is_rec``) costs on top of every task, in credits.
RECOMMENDED_PROMPT_CREDITS = 10

#: What ``audio`` costs on top of a task of the q2 family, in credits.
Q2_AUDIO_CREDITS = 15

#: Maximum characters of a prompt, from Vidu's page.
MAX_PROMPT_CHARACTERS = 5000


@dataclass(frozen=True)
class Row:
    """
    One row of a model's table: these durations come in these resolutions.

    :param durations: the durations, in whole seconds.
    :param resolutions: the resolutions that Vidu renders at these durations.
    :param default_resolution: what Vidu renders when the request names none.
    """

    durations: tuple[int, ...]
    resolutions: tuple[str, ...]
    default_resolution: str


@dataclass(frozen=True)
class Price:
    """
    Credits of a resolution: ``first`` for the first second and ``more`` for each further one.

    :param first: credits for a video of one second.
    :param more: credits for each second beyond the first; where ``second`` is given, beyond the second.
    :param second: credits for a video of two seconds, where the step from one to two seconds differs.
    """

    first: int
    more: int
    second: int | None = None

    def of(self, duration: int, *, off_peak: bool = False) -> int:
        """
        Return the credits of one video.

        :param duration: whole seconds, at least 1.
        :param off_peak: half of what each second costs, rounded up second by second as on Vidu's pricing page.
        """
        seconds = [self.first] + [self.more] * (duration - 1)
        if self.second is not None and duration >= 2:
            seconds[1] = self.second - self.first
        return sum(_halved(credits) if off_peak else credits for credits in seconds)


@dataclass(frozen=True)
class Model:
    """
    What is known of one model on one endpoint.

    :param name: the ``model`` value of the API.
    :param rows: the combinations of duration and resolution; the default duration is in the first row.
    :param default_duration: seconds, if the request names none.
    :param audio_default: ``audio``, if the request does not set it.
    :param off_peak_audio: the value of ``audio`` that off-peak needs with this model; None = not known, Vidu decides.
    :param audio_credits: what ``audio`` costs on top of a task.
    :param max_prompt: characters that the prompt may have; None = not known, Vidu decides.
    :param no_effect: fields that Vidu accepts but does not honour with this model.
    :param earliest: seconds after the start of processing before which no video has been seen, for waiting.
    :param typical: seconds that a short video usually takes, for waiting and for progress lines.
    :param prices: credits by resolution, or by (duration, resolution) where Vidu prices a fixed duration.
    """

    name: str
    rows: tuple[Row, ...]
    default_duration: int = 5
    audio_default: bool = False
    off_peak_audio: bool | None = False
    audio_credits: int = 0
    max_prompt: int | None = MAX_PROMPT_CHARACTERS
    no_effect: frozenset[str] = frozenset()
    earliest: float = 10.0
    typical: float = 60.0
    prices: dict[str | tuple[int, str], Price | int] = field(default_factory=dict, hash=False)

    @property
    def durations(self) -> tuple[int, ...]:
        """Every duration that this model accepts, in seconds, ascending."""
        return tuple(sorted(duration for row in self.rows for duration in row.durations))

    def row(self, duration: int) -> Row | None:
        """Return the row of a duration in seconds; None if the model has no such duration."""
        return next((row for row in self.rows if duration in row.durations), None)

    def ignores(self, name: str, duration: int) -> bool:
        """
        Return whether Vidu accepts a field but ignores it.

        :param name: the field's API name.
        :param duration: seconds; the q2 family ignores ``bgm`` at 9 and 10 s only.
        """
        if name == "bgm" and self.name.startswith("viduq2") and duration in {9, 10}:
            return True
        return name in self.no_effect


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


def _q2(
    name: str, resolutions: tuple[str, ...], typical: float, prices: dict[str | tuple[int, str], Price | int]
) -> Model:
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


_Q2_PRO_PRICES: dict[str | tuple[int, str], Price | int] = {
    "540p": Price(8, 5, second=10),
    "720p": Price(15, 10),
    "1080p": Price(55, 15),
}
_Q2_TURBO_PRICES: dict[str | tuple[int, str], Price | int] = {
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
#: The model of an estimate if the request names none.
DEFAULT_MODELS: dict[str, str] = {"img2video": DEFAULT_MODEL}


def estimate_credits(request: Any, *, endpoint: str = "img2video") -> int | None:
    """
    Estimate the price of a request from the dated price rows of this catalogue.

    :param request: a request of the endpoint, such as an ``Img2VideoRequest``, or its fields by their API names, before
        or after rendering (numbers and booleans may be text); the images are not read.
    :param endpoint: the last part of its create path.
    :return: credits, or None if this catalogue has no price: it never guesses. The prices are those of the day
        ``PRICES_AS_OF``.
    """

    rendered = request_fields(request) if isinstance(request, Mapping) else None

    def given(name: str) -> Any:
        value = getattr(request, name, None) if rendered is None else rendered.get(name)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    try:
        duration = None if given("duration") is None else int(given("duration"))
    except (TypeError, ValueError):
        return None
    resolution, audio = given("resolution"), given("audio")
    return credits_of(
        str(given("model") or DEFAULT_MODELS.get(endpoint)),
        duration,
        None if resolution is None else str(resolution),
        audio=None if audio is None else is_yes(audio),
        off_peak=is_yes(given("off_peak")),
        is_rec=is_yes(given("is_rec")),
        endpoint=endpoint,
    )


def credits_of(
    model: str,
    duration: int | None,
    resolution: str | None,
    *,
    audio: bool | None = None,
    off_peak: bool = False,
    is_rec: bool = False,
    endpoint: str = "img2video",
) -> int | None:
    """
    Return the price of a generation from the price rows.

    :param model: the model's name.
    :param duration: seconds; None = the model's default.
    :param resolution: as Vidu spells it, ``720p`` or ``2K``; None = the model's default at that duration.
    :param audio: sound costs 15 credits more with the q2 family; None = the model's default.
    :param off_peak: off-peak costs half, rounded up for each second.
    :param is_rec: the recommended prompt costs 10 credits more.
    :param endpoint: the last part of the create path.
    :return: credits, or None if this catalogue has no price: it never guesses.
    """
    known = MODELS_OF.get(endpoint, {}).get(model)
    if known is None:
        return None
    seconds = known.default_duration if duration is None else duration
    row = known.row(seconds)
    if row is None:
        return None
    rendered = row.default_resolution if resolution is None else resolution
    price = known.prices.get((seconds, rendered), known.prices.get(rendered)) if rendered in row.resolutions else None
    if price is None:
        return None
    if isinstance(price, Price):
        credits = price.of(seconds, off_peak=off_peak)
    else:
        credits = _halved(price) if off_peak else price
    has_audio = known.audio_default if audio is None else audio
    return credits + (known.audio_credits if has_audio else 0) + (RECOMMENDED_PROMPT_CREDITS if is_rec else 0)


def _halved(credits: int) -> int:
    """Return half of some credits, rounded up."""
    return (credits + 1) // 2
