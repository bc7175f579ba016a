# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""How fast a batch submits, and when it has to stop for its budget: pure, fed with what came back."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum

from airflow_provider_vidu.waiting.schedule import next_submission


class Pace:
    """
    How many submissions may be out at once.

    One 429 halves it and holds everything back; each acceptance adds a little, up to the limit again.

    :param limit: at the most, at least 1.
    :param spread: 0 to 1, see :func:`~airflow_provider_vidu.waiting.schedule.next_submission`.
    """

    def __init__(self, limit: int, spread: float) -> None:
        self._limit = limit
        self._spread = spread
        self._allowed = float(limit)
        self.refusals = 0
        #: Epoch seconds before which nothing is to be sent.
        self.not_before = 0.0

    @property
    def allowed(self) -> int:
        """Submissions that may be out now."""
        return max(1, int(self._allowed))

    def on_accepted(self) -> None:
        """Note a submission that was answered."""
        self.refusals = 0
        self._allowed = min(self._limit, self._allowed + 1 / self._allowed)

    def on_refused(self, now: float, retry_after: float | None = None) -> bool:
        """
        Note a 429, or that Vidu could not be reached. Several at once are one: they were sent before the first came
        back.

        :param now: epoch seconds.
        :param retry_after: seconds that the answer asked for; None = it did not.
        :return: whether it was another one.
        """
        if now < self.not_before:
            return False
        self.refusals += 1
        self._allowed = max(1.0, self._allowed / 2)
        self.not_before = now + next_submission(self.refusals, retry_after, self._spread)
        return True


class Spending(str, Enum):
    """Whether the budget lets a submission pass."""

    GO = "go"
    #: Its price is not known, and one that is out may tell it.
    WAIT = "wait"
    #: It would exceed the budget.
    STOP = "stop"


class Budget:
    """
    What a batch may cost, in credits. Vidu's create answer is the price; before it, the catalogue's estimate.

    :param limit: credits; None = any.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent: float = 0
        self._reserved: float = 0
        self._prices: dict[Hashable, float] = {}
        self._unpriced: set[Hashable] = set()

    def price(self, kind: Hashable, estimate: int | None) -> float | None:
        """
        Return what a request is going to cost; None = nobody knows.

        :param kind: what its price depends on (model, duration, resolution, …).
        :param estimate: the catalogue's.
        """
        return self._prices.get(kind, estimate)

    def has_unknown_price(self, kind: Hashable, estimate: int | None) -> bool:
        """
        Tell whether even a request of this kind that was paid for has not shown what it costs.

        :param kind: see :meth:`price`.
        :param estimate: see :meth:`price`.
        """
        return kind in self._unpriced and self.price(kind, estimate) is None

    def note_unknown_price(self, kind: Hashable, estimate: int | None) -> None:
        """
        Note that a request may have been billed, and that nobody will ever tell for how much.

        :param kind: see :meth:`price`.
        :param estimate: see :meth:`price`.
        """
        if self.price(kind, estimate) is None:
            self._unpriced.add(kind)

    def check(self, kind: Hashable, estimate: int | None, *, others_are_out: bool) -> Spending:
        """
        Tell whether a request may be submitted.

        :param kind: see :meth:`price`.
        :param estimate: see :meth:`price`.
        :param others_are_out: submissions are under way, so that waiting is not for ever.
        """
        if self.limit is None:
            return Spending.GO
        price = self.price(kind, estimate)
        if price is None and others_are_out:
            return Spending.WAIT
        if self.has_unknown_price(kind, estimate):
            return Spending.STOP
        # The first of a kind whose price nobody knows goes alone, while anything at all is left.
        if self.spent + self._reserved + (1 if price is None else price) > self.limit:
            return Spending.STOP
        return Spending.GO

    def reserve(self, kind: Hashable, estimate: int | None) -> float:
        """
        Note that a request leaves.

        :param kind: see :meth:`price`.
        :param estimate: see :meth:`price`.
        :return: what is held back for it until :meth:`release`.
        """
        price = self.price(kind, estimate) or 0
        self._reserved += price
        return price

    def release(self, reserved: float) -> None:
        """
        Give back what was held for a request, once its fate is known.

        :param reserved: what was held back for it.
        """
        self._reserved -= reserved

    def add_paid(self, kind: Hashable, credits: float | None, estimate: int | None) -> None:
        """
        Note a task that has not failed (Vidu does not bill failed ones).

        :param kind: see :meth:`price`.
        :param credits: the create answer's; None, or 0 where the estimate is more, = it does not tell.
        :param estimate: see :meth:`price`.
        """
        # A host that does not know what a task costs may answer 0.
        if credits is not None and (credits > 0 or not estimate):
            self._prices[kind] = credits
        self.note_unknown_price(kind, estimate)
        self.spent += self.price(kind, estimate) or 0
