# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a batch may cost, and when that stops it: pure, driven by Vidu's replies."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum


class Spending(str, Enum):
    """Whether the budget allows a submission."""

    GO = "go"
    #: Its price is unknown, and a submission in flight may show it.
    WAIT = "wait"
    #: It would exceed the budget.
    STOP = "stop"


class Budget:
    """
    What a batch may cost: at most ``limit`` credits, None = unlimited.

    A request's kind is what its price depends on (model, duration, resolution, …). Vidu's create answer gives the price
    of a kind; until then the catalogue's estimate does.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent: float = 0
        self._reserved: float = 0
        self._paid: dict[Hashable, float] = {}
        self._prices: dict[Hashable, float] = {}
        self._unpriced: set[Hashable] = set()

    def price(self, kind: Hashable, estimate: int | None) -> float | None:
        """Return what a request is going to cost; None = unknown."""
        return self._prices.get(kind, estimate)

    def has_unknown_price(self, kind: Hashable, estimate: int | None) -> bool:
        """Return whether not even a paid request of this kind has shown what it costs."""
        return kind in self._unpriced and self.price(kind, estimate) is None

    def note_unknown_price(self, kind: Hashable, estimate: int | None) -> None:
        """Note that a request may have been billed at a price that no answer will show."""
        if self.price(kind, estimate) is None:
            self._unpriced.add(kind)

    def check(self, kind: Hashable, estimate: int | None, *, others_are_out: bool) -> Spending:
        """Return whether a request may be submitted; ``others_are_out`` = submissions are in flight or lost."""
        if self.limit is None:
            return Spending.GO
        price = self.price(kind, estimate)
        if price is None and others_are_out:
            return Spending.WAIT
        if self.has_unknown_price(kind, estimate):
            return Spending.STOP
        # The first of a kind whose price is unknown goes alone, as long as anything is left.
        if self.spent + self._reserved + (1 if price is None else price) > self.limit:
            return Spending.STOP
        return Spending.GO

    def reserve(self, kind: Hashable, estimate: int | None) -> float:
        """
        Reserve the price of a request that is about to be sent.

        :return: the credits to :meth:`release` once its outcome is known.
        """
        price = self.price(kind, estimate) or 0
        self._reserved += price
        return price

    def release(self, reserved: float) -> None:
        """Release what was reserved for a request, once its outcome is known."""
        self._reserved -= reserved

    def restart(self, spent: float) -> None:
        """Forget what was paid, before all tasks are queried again; ``spent`` is what other requests have cost."""
        self.spent = spent
        self._paid.clear()

    def add_paid(self, submission: Hashable, kind: Hashable, estimate: int | None, credits: float | None) -> None:
        """
        Add a task that has not failed (Vidu does not bill failed ones), with the credits of its create answer.

        A ``submission`` counts once, whatever is learnt of it later.
        """
        # A host that does not know what a task costs may answer 0: then the estimate counts.
        if credits is not None and (credits > 0 or estimate == 0):
            self._prices[kind] = credits
        self.note_unknown_price(kind, estimate)
        self.remove_paid(submission)
        self._paid[submission] = self.price(kind, estimate) or 0
        self.spent += self._paid[submission]

    def remove_paid(self, submission: Hashable) -> None:
        """Remove a task that was cancelled, unbilled."""
        self.spent -= self._paid.pop(submission, 0)
