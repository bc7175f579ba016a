# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The progress of a wait for many tasks, as one log line."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_vidu.api.messages import counted

#: Seconds until the first progress line of a wait for many; one a minute follows.
FIRST_LOGGED_AFTER = 10.0
#: Finished tasks that a rate needs: two or three say nothing about the rest.
_ENDS_FOR_A_RATE = 5


@dataclass(frozen=True)
class GroupCounts:
    """
    How many tasks of a wait are in which state.

    :param done: succeeded.
    :param failed: finished at Vidu without a video, unbilled.
    :param given_up: no longer waited for: their deadline has passed, or their queries are refused.
    :param queued: last seen in Vidu's queue.
    :param running: last seen processing.
    :param batch_size: requests of the whole batch, of which this wait may cover only a few; None = no batch.
    :param batch_done: requests of the batch that had their video before this wait.
    """

    total: int
    done: int = 0
    failed: int = 0
    given_up: int = 0
    queued: int = 0
    running: int = 0
    batch_size: int | None = None
    batch_done: int = 0

    @property
    def left(self) -> int:
        """Tasks that are still waited for."""
        return self.total - self.done - self.failed - self.given_up


def progress_line(
    counts: GroupCounts, *, elapsed: float, credits: float | None = None, typical: float | None = None
) -> str:
    """
    Return the log line of a wait for many tasks.

    :param elapsed: seconds since the wait began.
    :param credits: sum of the prices that are known; None = no price is known.
    :param typical: seconds that one such video usually takes, used until enough of them have finished for a rate.
    """
    done = f"{counts.done} of {counted(counts.total, 'Vidu task')} succeeded"
    if counts.batch_size is not None:
        done = f"{counts.batch_done + counts.done} of {counted(counts.batch_size, 'request')} succeeded"
    parts = [done]
    named = {"running": counts.running, "queued": counts.queued, "failed": counts.failed, "given up": counts.given_up}
    unseen = counts.left - counts.running - counts.queued
    parts += [f"{number} {name}" for name, number in {**named, "not queried yet": unseen}.items() if number > 0]
    if credits is not None:
        # A task that is no longer waited for still runs, and is billed if it succeeds.
        parts.append(
            f"{counted(round(credits, 2), 'credit')} {'committed' if counts.left + counts.given_up else 'spent'}"
        )
    line = f"{', '.join(parts)} after {_span(elapsed)}"
    ended = counts.done + counts.failed
    if not counts.left:
        return f"{line}."
    if ended >= _ENDS_FOR_A_RATE and elapsed > 0:
        return f"{line}; at this rate the last one finishes in about {_span(counts.left * elapsed / ended)}."
    if typical:
        return f"{line}; one usually takes about {_span(typical)} once it is processing."
    return f"{line}."


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
