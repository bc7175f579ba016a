# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the catalogue says of a model on an endpoint: its rows, its prices, what it refuses and what it ignores."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Maximum characters of a prompt, from Vidu's page.
MAX_PROMPT_CHARACTERS = 5000


@dataclass(frozen=True)
class Row:
    """
    One row of a model's table: these durations come in these resolutions.

    :param durations: the durations, in whole seconds; 0 = Vidu chooses.
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


#: Credits by resolution, or by (duration, resolution) where Vidu prices a fixed duration.
Prices = dict[str | tuple[int, str], Price | int]


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
    :param watermark_default: ``watermark``, if the request does not set it.
    :param max_prompt: characters that the prompt may have; None = not known, Vidu decides.
    :param max_images: images that a request may have, if fewer than the endpoint takes.
    :param aspect_ratios: the values of ``aspect_ratio``; empty = the endpoint has no such field.
    :param no_effect: fields that Vidu accepts but does not honour with this model.
    :param refuses: fields that the endpoint has, but not with this model.
    :param earliest: seconds after the start of processing before which no video has been seen, for waiting.
    :param typical: seconds that a short video usually takes, for waiting and for progress lines.
    :param prices: credits, where a price is published.
    """

    name: str
    rows: tuple[Row, ...]
    default_duration: int = 5
    audio_default: bool = False
    off_peak_audio: bool | None = False
    audio_credits: int = 0
    watermark_default: bool = False
    max_prompt: int | None = MAX_PROMPT_CHARACTERS
    max_images: int | None = None
    aspect_ratios: tuple[str, ...] = ()
    no_effect: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    earliest: float = 10.0
    typical: float = 60.0
    prices: Prices = field(default_factory=dict, hash=False)

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


def credits_at(price: Price | int, duration: int, *, off_peak: bool) -> int:
    """
    Return the credits of one video.

    :param price: by the second, or of the whole video.
    :param duration: whole seconds, at least 1.
    """
    if isinstance(price, Price):
        return price.of(duration, off_peak=off_peak)
    return _halved(price) if off_peak else price


def _halved(credits: int) -> int:
    """Return half of some credits, rounded up."""
    return (credits + 1) // 2
