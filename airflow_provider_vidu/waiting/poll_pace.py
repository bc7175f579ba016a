# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Slows an account's polling down after a 429, and lets it recover."""

from __future__ import annotations

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduRateLimitError,
)
from airflow_provider_vidu.waiting.next_poll import LISTED_GAP, MAX_OUTAGE_GAP, MAX_PROBE_GAP

#: Maximum factor by which 429s slow an account down.
_MAX_SLOWDOWN = 8.0


class PollPace:
    """
    Slows down all waits of an account at once during outages and 429s, so that an outage does not multiply the load.

    :ivar not_before: epoch seconds before which no request is sent.
    :ivar probing: the last request failed: a single request checks whether the host is back before others follow.
    """

    def __init__(self) -> None:
        self.not_before = 0.0
        self.probing = False
        self._failures = 0
        self._slowdown = 1.0

    @property
    def slowdown(self) -> float:
        """The factor on every gap: each 429 doubles it, each reply reduces it."""
        return self._slowdown

    def on_answer(self) -> None:
        """Note that the host has replied."""
        self.probing = False
        self._failures = 0
        self._slowdown = max(1.0, self._slowdown * 0.7)

    def on_error(self, error: ViduError, now: float, gap: float = LISTED_GAP) -> None:
        """
        Note that the host is down, or limits this account.

        :param gap: seconds between requests in normal operation: the first delay.
        """
        self.probing = True
        self._failures += 1
        backoff = min(gap * 2.0 ** min(self._failures - 1, 10), MAX_PROBE_GAP)
        if isinstance(error, ViduRateLimitError):
            self._slowdown = min(self._slowdown * 2, _MAX_SLOWDOWN)
        if error.retry_after is not None:
            backoff = min(max(error.retry_after, gap), MAX_OUTAGE_GAP)
        self.not_before = max(self.not_before, now + backoff)
