# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Decides which of an account's waits to poll now, and what each result means: the pure half of the watcher.

It reads no clock and does no I/O: a test runs through 100 minutes of a thousand waits in a second.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    ACCOUNT_ERRORS,
    ViduError,
    ViduRateLimitError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.api.http_messages import MAX_PAGE_SIZE
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.waiting.next_poll import (
    LISTED_GAP,
    MAX_PROBE_GAP,
    QUEUED_STATES,
    Verdict,
    Wait,
    next_poll_of_many,
)
from airflow_provider_vidu.waiting.poll_pace import PollPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.waiting.next_poll import Hints

#: Maximum pages in one round: waits that do not fit come first in the next round.
MAX_PAGES = 20
#: Maximum single queries in one round at a host without a list: their replies are handled together.
MAX_SINGLES = 30
#: Seconds between two rounds at a host without a list.
SINGLES_GAP = 0.1
#: Minimum number of the oldest queued tasks that count as next; else twice as many as are processing.
LEAST_NEXT = 20


class Entry:
    """
    One wait for one task.

    :param wait: decides its verdicts.
    :param now: when it starts, epoch seconds.
    :param subscriber: receives the results; this module only passes it through.
    """

    __slots__ = (
        "_place",
        "began",
        "polls",
        "queued_at",
        "removed",
        "scheduled",
        "state",
        "subscriber",
        "task_id",
        "wait",
    )

    def __init__(self, task_id: str, wait: Wait, now: float, subscriber: Any) -> None:
        self.task_id = task_id
        self.wait = wait
        self.began = now
        self.subscriber = subscriber
        self.polls = 0
        self.state: str | None = None
        self.queued_at: float | None = None
        self.removed = False
        #: The time of its current place in the heap; its other places are stale.
        self.scheduled = -1.0
        self._place: tuple[float, int] | None = None


class PollPlan:
    """
    The waits of one account.

    :param is_listed: whether an id is polled through the task list; else it is queried alone.
    :param page_size: how many ids one request covers now.
    """

    def __init__(self, is_listed: Callable[[str], bool], page_size: Callable[[], int]) -> None:
        self.pace = PollPace()
        self._is_listed = is_listed
        self._page_size = page_size
        self._order = count()
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._polls: list[tuple[float, int, Entry]] = []
        self._ends: list[tuple[float, int, Entry]] = []
        self._queue: list[tuple[float, int]] = []
        self._states: Counter[str | None] = Counter()
        self._intervals: Counter[float] = Counter()
        self._count = 0
        self._asked_at = float("-inf")
        self._trouble: ViduError | None = None

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        task_id: str,
        hints: Hints,
        end_time: float,
        poll_interval: float | None,
        now: float,
        subscriber: Any = None,
    ) -> Entry:
        """
        Add a wait.

        :param task_id: several waits may have the same.
        :param end_time: the deadline, epoch seconds.
        :param poll_interval: seconds, fixed by the user; None = the schedule decides.
        :param subscriber: see :class:`Entry`.
        :return: the wait, for :meth:`remove`.
        """
        entry = Entry(task_id, Wait(hints, end_time, poll_interval, now), now, subscriber)
        # A tuple: thousands of lists with one element would mostly hold spare room.
        self._entries[task_id] = (*self._entries.get(task_id, ()), entry)
        self._count += 1
        self._states[None] += 1
        if poll_interval is not None:
            self._intervals[poll_interval] += 1
        entry.wait.poll_at = self._next_poll(entry, now)
        heappush(self._ends, (end_time, next(self._order), entry))
        self._schedule(entry)
        return entry

    def all(self) -> list[Entry]:
        """Return every wait."""
        return [entry for same in self._entries.values() for entry in same]

    def remove(self, entry: Entry) -> None:
        """Remove a wait; removing it twice is a no-op."""
        if entry.removed:
            return
        entry.removed = True
        entry.subscriber = None
        self._count -= 1
        same = tuple(other for other in self._entries.pop(entry.task_id) if other is not entry)
        if same:
            self._entries[entry.task_id] = same
        self._states[entry.state] -= 1
        self._leave_queue(entry)
        if entry.wait.poll_interval is not None:
            self._intervals[entry.wait.poll_interval] -= 1
            self._intervals += Counter()
        for heap in (self._polls, self._ends):
            # A deadline may be a day away: finished waits must not stay in memory for so long.
            if len(heap) > 2 * self._count + 100:
                heap[:] = [place for place in heap if not place[2].removed]
                heapify(heap)

    def wake_at(self) -> float:
        """Return when the next round is due, epoch seconds; infinity = there is nothing to poll."""
        poll = self._first(self._polls)
        if poll is None:
            return float("inf")
        earliest = max(self._asked_at + self._gap(), self.pace.not_before)
        if poll.scheduled >= earliest:
            return poll.scheduled
        end = self._first(self._ends)
        if end is None or not self.pace.probing:
            return earliest
        # No request may be sent before that; a deadline needs no reply.
        return min(earliest, end.wait.end_time)

    def take(self, now: float) -> list[str]:
        """Return the ids to poll now: those that are due, filled up to whole pages with those that come next."""
        if now < self.pace.not_before or now < self._asked_at + self._gap():
            return []
        page_size = self._page_size()
        listed = page_size > 1
        most = page_size * MAX_PAGES if listed else MAX_SINGLES
        if self.pace.probing:
            most = page_size
        # Waits that are due within half a gap come along, so that the waits fall into step.
        soon = now + self._gap() / 2 if listed else now
        taken: dict[str, Entry] = {}
        passed: list[Entry] = []
        due = 0
        while len(taken) < most and (entry := self._first(self._polls)) is not None:
            if entry.scheduled <= soon:
                due = len(taken) + 1
            elif page_size < MAX_PAGE_SIZE or len(taken) >= -(-due // page_size) * page_size or len(passed) > page_size:
                # A fuller page costs nothing, unless its rows are so large that it had to be made smaller.
                break
            heappop(self._polls)
            entry.scheduled = -1.0
            if entry.wait.poll_at > soon and not self._is_listed(entry.task_id):
                passed.append(entry)
            else:
                taken[entry.task_id] = entry
        for entry in passed:
            self._schedule(entry)
        if taken:
            self._asked_at = now
        return list(taken)

    def on_results(self, results: dict[str, ViduTask | ViduError], now: float) -> None:
        """Note what a round's results, for the ids of :meth:`take`, say about the account."""
        troubles = [result for result in results.values() if isinstance(result, ViduError) and is_outage(result)]
        limited = next((error for error in troubles if isinstance(error, ViduRateLimitError)), None)
        if limited is not None or len(troubles) == len(results):
            trouble = self._trouble = limited or troubles[0]
            if not isinstance(trouble, ACCOUNT_ERRORS):
                # Each wait counts refusals of the key or account itself; they do not slow the others down.
                self.pace.on_error(trouble, now, min([*self._intervals, LISTED_GAP]))
        else:
            self._trouble = None
            self.pace.on_answer()

    def verdicts(
        self, results: dict[str, ViduTask | ViduError], now: float
    ) -> Iterator[tuple[Entry, ViduTask | ViduError, Verdict]]:
        """
        Iterate over the waits of a round and decide on each when it is reached: it continues or is removed.

        :param results: for the ids of :meth:`take`.
        :return: each wait, its result, and the verdict.
        """
        for task_id, result in results.items():
            for entry in self._entries.get(task_id, ()):
                if not entry.removed:
                    yield entry, result, self._judge(entry, result, now)

    def expire(self, now: float) -> Iterator[tuple[Entry, ViduError, Verdict]]:
        """
        Remove the waits whose deadline has passed while no request may be sent: they end without a last poll.

        :return: each wait, the error, and the verdict, which always ends it.
        """
        while (
            self.pace.probing
            and self._trouble is not None
            and (entry := self._first(self._ends))
            and entry.wait.end_time <= now
        ):
            yield entry, self._trouble, self._judge(entry, self._trouble, now)

    def _judge(self, entry: Entry, result: ViduTask | ViduError, now: float) -> Verdict:
        wait = entry.wait
        entry.polls += 1
        if isinstance(result, ViduError):
            verdict = wait.on_error(result, now)
            if isinstance(result, (ViduUnavailableError, ViduRateLimitError)):
                # The account's pace spares the host; a longer delay of this wait would only make it late afterwards.
                wait.poll_at = min(wait.poll_at, now + MAX_PROBE_GAP)
        else:
            self._saw_state(entry, result.state, now)
            verdict = wait.on_result(result, now, self._next_poll(entry, now))
        if verdict is not Verdict.WAIT:
            subscriber = entry.subscriber
            self.remove(entry)
            entry.subscriber = subscriber
        else:
            self._schedule(entry)
        return verdict

    def _next_poll(self, entry: Entry, now: float) -> float:
        return min(
            next_poll_of_many(
                now,
                entry.wait.hints,
                entry.wait.poll_interval,
                state=entry.state,
                queued_at=entry.queued_at,
                is_next=self._is_next(entry),
                queued=len(self._queue),
                listed=self._is_listed(entry.task_id),
                waited=now - entry.began,
                polls=entry.polls,
            ),
            max(entry.wait.end_time, now),
        )

    def _saw_state(self, entry: Entry, state: str | None, now: float) -> None:
        self._states[entry.state] -= 1
        self._states[state] += 1
        entry.state = state
        if state not in QUEUED_STATES:
            self._leave_queue(entry)
            return
        entry.queued_at = now
        # Off-peak has a queue of its own: its hours must not come before an ordinary task.
        if entry._place is None and not entry.wait.hints.off_peak:
            submitted = entry.wait.hints.submitted_at
            entry._place = (now if submitted is None else submitted, next(self._order))
            insort(self._queue, entry._place)

    def _leave_queue(self, entry: Entry) -> None:
        if entry._place is not None:
            del self._queue[bisect_left(self._queue, entry._place)]
            entry._place = None

    def _is_next(self, entry: Entry) -> bool:
        most = max(LEAST_NEXT, 2 * self._states[TaskState.PROCESSING])
        return entry._place is None or bisect_left(self._queue, entry._place) < most

    def _schedule(self, entry: Entry) -> None:
        entry.scheduled = entry.wait.poll_at
        heappush(self._polls, (entry.scheduled, next(self._order), entry))

    def _first(self, heap: list[tuple[float, int, Entry]]) -> Entry | None:
        while heap:
            at, _, entry = heap[0]
            if not entry.removed and (heap is self._ends or at == entry.scheduled):
                return entry
            heappop(heap)
        return None

    def _gap(self) -> float:
        gap = SINGLES_GAP if self._page_size() <= 1 else min(self._intervals, default=LISTED_GAP)
        return min(gap, LISTED_GAP) * self.pace.slowdown
