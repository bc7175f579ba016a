# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The triggers that wait in a watcher, each for one task or for thousands: their results and their log lines."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.waiting.group_progress import FIRST_LOGGED_AFTER, GroupCounts, progress_line
from airflow_provider_vidu.waiting.next_poll import QUEUED_STATES, Hints, Verdict
from airflow_provider_vidu.waiting.wait import LOG_EVERY, Progress, gave_up_error

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.waiting.poll_rounds import Entry


@dataclass(frozen=True)
class Outcome:
    """
    How the wait for one task ended.

    :param task: as of the last query; None if that query failed.
    :param state: as last seen; None if no query was answered.
    :param timed_out: the deadline passed first.
    :param error: why the wait was given up; None if it was not.
    """

    task_id: str
    task: ViduTask | None
    state: str | None = None
    timed_out: bool = False
    error: ViduError | None = None

    @property
    def status(self) -> str:
        """``success``, ``failed``, ``timeout`` or ``error``."""
        if self.error is not None:
            return "error"
        if self.timed_out:
            return "timeout"
        return "success" if self.task is not None and self.task.succeeded else "failed"


@dataclass
class GroupOutcome:
    """
    How the wait for many tasks ended.

    :param counts: tasks by :attr:`Outcome.status`.
    :param message: the error of the first task that was given up; empty if none was.
    """

    counts: dict[str, int] = field(default_factory=lambda: {"success": 0, "failed": 0, "timeout": 0, "error": 0})
    message: str = ""

    @property
    def status(self) -> str:
        """The worst status of any of them."""
        worst = ("error", "timeout", "failed")
        return next((status for status in worst if self.counts[status]), "success")


class _Waits:
    """The common part of both: the future that ends the wait, and the trigger's own log."""

    # A triggerer has thousands of them.
    __slots__ = ("_context", "_log", "future", "log_at")

    future: asyncio.Future[Any]

    def __init__(self, log: Any) -> None:
        #: When to log even without a new result, epoch seconds.
        self.log_at = float("inf")
        self._log = log
        # Airflow separates the logs of its triggers by context variables: the poller logs in the context of each.
        self._context = copy_context()

    def fail(self, failure: BaseException) -> None:
        """End the wait: raise this failure where the trigger waits."""
        if not self.future.done():
            self.future.set_exception(failure)


class Subscriber(_Waits):
    """
    A trigger that waits for one task. Create it on the event loop, in the trigger's own context.

    :param log: the trigger's.
    """

    __slots__ = ("_entry", "_progress")

    future: asyncio.Future[Outcome]

    def __init__(self, log: Any, hints: Hints, now: float) -> None:
        super().__init__(log)
        self.future = asyncio.get_running_loop().create_future()
        self._progress = Progress(log, hints, now)
        self._entry: Entry | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its entry in the plan, at most one: a set for each of thousands would be most of their size."""
        return () if self._entry is None else (self._entry,)

    def attach(self, entry: Entry) -> None:
        """Note its entry in the plan."""
        self._entry = entry

    def detach(self, entry: Entry) -> None:
        """Note that it no longer waits for an entry."""
        self._entry = None

    def on_result(self, entry: Entry, result: ViduTask | ViduError, verdict: Verdict, now: float) -> None:
        """Log the result of a query, and end the wait if the verdict says so."""
        if isinstance(result, ViduError):
            self._context.run(self._progress.on_error, result, now)
        else:
            self._context.run(self._progress.on_result, result, now)
        if verdict is Verdict.WAIT or self.future.done():
            return
        task = None if isinstance(result, ViduError) else result
        error = None
        if verdict is Verdict.GIVEN_UP and isinstance(result, ViduError):
            error = gave_up_error(result, entry.task_id)
        timed_out = verdict is Verdict.TIMED_OUT
        self.future.set_result(Outcome(entry.task_id, task, entry.state, timed_out=timed_out, error=error))


class GroupSubscriber(_Waits):
    """
    A trigger that waits for many tasks: one future and one log line a minute for all of them.

    :param log: the trigger's.
    :param hints: those of each task.
    :param total: the number of tasks.
    """

    future: asyncio.Future[GroupOutcome]

    def __init__(self, log: Any, hints: Hints, now: float, total: int) -> None:
        super().__init__(log)
        self.future = asyncio.get_running_loop().create_future()
        self.log_at = now + FIRST_LOGGED_AFTER
        self._entries: set[Entry] = set()
        self._since = now
        self._hints = hints
        self._total = total
        self._left = total
        self._states: Counter[str | None] = Counter()
        self._state_of: dict[str, str | None] = {}
        self._credits: dict[str, float] = {}
        self._outcome = GroupOutcome()
        self._trouble = ""
        if not total:
            self.future.set_result(self._outcome)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its entries in the plan."""
        return tuple(self._entries)

    def attach(self, entry: Entry) -> None:
        """See :meth:`Subscriber.attach`."""
        self._entries.add(entry)

    def detach(self, entry: Entry) -> None:
        """See :meth:`Subscriber.detach`."""
        self._entries.discard(entry)

    def on_result(self, entry: Entry, result: ViduTask | ViduError, verdict: Verdict, now: float) -> None:
        """See :meth:`Subscriber.on_result`."""
        if isinstance(result, ViduError):
            self._trouble = str(result)
        else:
            self._trouble = ""
            self._note(entry.task_id, None if result.is_final else result.state)
            if result.failed:
                # Not billed, whatever price an earlier reply had.
                self._credits.pop(entry.task_id, None)
            elif result.credits is not None:
                self._credits[entry.task_id] = result.credits
        if verdict is Verdict.WAIT or self.future.done():
            return
        self._note(entry.task_id, None)
        self._left -= 1
        if verdict is Verdict.GIVEN_UP and isinstance(result, ViduError):
            self._outcome.counts["error"] += 1
            self._outcome.message = self._outcome.message or str(gave_up_error(result, entry.task_id))
        elif verdict is Verdict.TIMED_OUT:
            self._outcome.counts["timeout"] += 1
        else:
            succeeded = not isinstance(result, ViduError) and result.succeeded
            self._outcome.counts["success" if succeeded else "failed"] += 1
        if self._left == 0:
            self.log_at = now
            self.log_progress(now)
            self.future.set_result(self._outcome)

    def log_progress(self, now: float) -> None:
        """Write the progress line if it is due."""
        if now < self.log_at or self.future.done():
            return
        self.log_at = now + LOG_EVERY
        queued = sum(self._states[state] for state in QUEUED_STATES)
        counts = GroupCounts(
            total=self._total,
            done=self._outcome.counts["success"],
            failed=self._outcome.counts["failed"],
            given_up=self._outcome.counts["timeout"] + self._outcome.counts["error"],
            queued=queued,
            running=sum(count for state, count in self._states.items() if state is not None) - queued,
            batch_size=self._hints.batch_size,
            batch_done=self._hints.batch_done,
        )
        line = progress_line(
            counts,
            elapsed=now - self._since,
            credits=sum(self._credits.values()) if self._credits else None,
            typical=self._hints.typical,
        )
        self._context.run(self._log.info, "%s", line)
        if self._trouble and self._left:
            self._context.run(self._log.warning, "The last query of one of them failed: %s", self._trouble)

    def _note(self, task_id: str, state: str | None) -> None:
        before = self._state_of.get(task_id)
        if before != state:
            self._states[before] -= 1
            self._states[state] += 1
            self._state_of[task_id] = state
