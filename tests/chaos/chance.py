# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The source of a run's accidents: a seed, or Hypothesis, which finds the shortest run that fails."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol


class Chance(Protocol):
    """A source of accidents."""

    def happens(self, probability: float) -> bool:
        """Return whether something happens that has this probability."""

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""

    def between(self, least: float, most: float) -> float:
        """Return a number between two."""


class Seeded:
    """Accidents from a seed: the same seed gives the same run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def one_of(self, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)

    def between(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)


class Drawn:
    """Accidents that Hypothesis draws; simpler data means fewer of them."""

    def __init__(self, data: Any) -> None:
        from hypothesis import strategies

        self._data = data
        self._strategies = strategies

    def happens(self, probability: float) -> bool:
        return bool(self._data.draw(self._strategies.integers(0, 999)) >= 1000 - 1000 * probability)

    def one_of(self, choices: Sequence[Any]) -> Any:
        return self._data.draw(self._strategies.sampled_from(list(choices)))

    def between(self, least: float, most: float) -> float:
        return least + (most - least) * self._data.draw(self._strategies.integers(0, 100)) / 100
