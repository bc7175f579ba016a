# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""How fast a batch submits, after a 429 more slowly: pure. For polls see ``waiting.poll_pace``."""

from __future__ import annotations

from airflow_provider_vidu.waiting.next_poll import next_submission


class Pace:
    """
    How many submissions may be in flight at once: at most ``limit``, at least one.

    A 429 halves the number and delays all submissions; each acceptance adds a little, up to the limit again.
    ``spread``, from 0 to 1, varies the delay; see :func:`~airflow_provider_vidu.waiting.next_poll.next_submission`.
    """

    def __init__(self, limit: int, spread: float) -> None:
        self._limit = limit
        self._spread = spread
        self._allowed = float(limit)
        self.refusals = 0
        #: Epoch seconds before which nothing may be sent.
        self.not_before = 0.0

    @property
    def allowed(self) -> int:
        """The number of submissions that may be in flight now."""
        return max(1, int(self._allowed))

    def on_accepted(self) -> None:
        """Speed up after a submission that Vidu accepted."""
        self.refusals = 0
        self._allowed = min(self._limit, self._allowed + 1 / self._allowed)

    def on_refused(self, now: float, retry_after: float | None = None) -> bool:
        """
        Slow down after a 429, or when Vidu could not be reached.

        ``now`` is in epoch seconds, ``retry_after`` in seconds. Refusals of submissions that were in flight together
        count once.

        :return: whether this one counts.
        """
        if now < self.not_before:
            return False
        self.refusals += 1
        self._allowed = max(1.0, self._allowed / 2)
        self.not_before = now + next_submission(self.refusals, retry_after, self._spread)
        return True
