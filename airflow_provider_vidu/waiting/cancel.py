# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Cancels tasks, and verifies it: a task that only seems to be cancelled would be paid for twice.

Vidu refunds tasks that it has not started, some hosts more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduNotFoundError, ViduRateLimitError, is_outage
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery, in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient, ViduClient

#: Seconds for verifying accepted cancels beyond the time limit, where their items are to be submitted again.
VERIFY_SECONDS = 30.0
#: Queries that verify a cancel which Vidu has accepted, or whose reply was lost.
VERIFYING_QUERIES = 3
#: Maximum cancels at once.
MAX_PARALLEL = 20
#: Tasks that are queried before the first of them is cancelled: the queries of thousands must not use up the time.
CHUNK = 500
#: Queries before a task whose state stays unknown is cancelled anyway.
MAX_QUERIES = 3
#: Seconds between two queries of a task.
QUERY_GAP = 1.0
#: Share of the time limit that one query may take before its tasks are cancelled without it.
QUERY_SHARE = 0.25
#: Maximum refusals that are logged one by one; the others are counted.
MAX_LOGGED = 5

CANCELLED, UNVERIFIED, ENDED, REFUSED, UNKNOWN = "cancelled", "unverified", "ended", "refused", "unknown"


class CancelCheck:
    """
    Decides from queries of a task whether it has been cancelled, whatever the reply to the cancel was.

    One query counts if it shows the cancel. Any other failure must show twice in a row, since a gateway's error may
    look like a failed task.

    :param queries: how many of them have to show something.
    """

    def __init__(self, queries: int = VERIFYING_QUERIES) -> None:
        self._left = queries
        self._has_failed = False

    def on_query(self, answer: ViduTask | ViduError) -> bool | None:
        """Return whether the task has been cancelled; None = query again."""
        self._left -= 1
        if isinstance(answer, ViduError):
            self._has_failed = False
        elif answer.failed and (self._has_failed or answer.err_code == "UserCancelled"):
            return True
        elif answer.succeeded:
            return False
        else:
            self._has_failed = answer.failed
        return None if self._left > 0 or self._has_failed else False


def cancel_and_verify(
    client: ViduClient, task_id: str, log: Any, *, sleep: Callable[[float], None] = timing.sleep
) -> bool:
    """
    Cancel a task, and return whether it will be neither rendered nor billed.

    :param log: receives the result.
    :param sleep: takes seconds; it may raise, to end the try.
    """
    why, is_accepted = "Vidu accepted the cancel, but the task does not show it", True
    try:
        client.cancel_task(task_id)
    except ViduError as error:
        why, is_accepted = str(error), False
    check = CancelCheck(VERIFYING_QUERIES if is_accepted else 1)
    while True:
        answer: ViduTask | ViduError
        try:
            answer = client.get_task(task_id, retry=not is_accepted)
        except ViduError as error:
            answer, why = error, f"{why}; {error.message}"
        is_cancelled = check.on_query(answer)
        if is_cancelled is not None:
            break
        sleep(QUERY_GAP)
    if is_cancelled:
        log.info("Vidu task %s has been cancelled and is not billed.", task_id)
        return True
    if not isinstance(answer, ViduError) and answer.succeeded:
        why = "it has already succeeded"
    log.info("Vidu task %s was not cancelled: %s", task_id, why)
    return False


@dataclass(frozen=True)
class CancelReport:
    """
    The result of cancelling; each id is in one of these.

    :param cancelled: neither rendered nor billed: a query has shown it.
    :param unverified: Vidu accepted the cancel, and there was no time to verify it.
    :param ended: had already finished.
    :param refused: continues and is billed if it succeeds: Vidu refused, or accepted the cancel and ignored it.
    :param unreachable: unknown: Vidu did not answer in time, or does not know the id.
    :param credits: the prices of refused tasks, as far as a query has shown them.
    """

    cancelled: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    credits: Mapping[str, float] = field(default_factory=dict)

    def log_to(self, log: Any, why: str) -> None:
        """
        Log the result, and what is still billed.

        :param why: what was cancelled and why, a sentence without its full stop.
        """
        log.info(
            "%s: %d cancelled%s, %d had finished, %d refused (they continue and are billed if they succeed), "
            "%d not reached.",
            why,
            len(self.cancelled) + len(self.unverified),
            f" ({len(self.unverified)} of them not verified)" if self.unverified else "",
            len(self.ended),
            len(self.refused),
            len(self.unreachable),
        )
        if self.unreachable:
            log.warning("Not reached, and perhaps still running: %s", some_of(self.unreachable))


@dataclass
class _Fates:
    """What is known about each task so far. An id without a fate is unreachable."""

    fates: dict[str, str] = field(default_factory=dict)
    credits: dict[str, float] = field(default_factory=dict)
    #: Those whose cancel may have been accepted: only queries of the task show it.
    checks: dict[str, CancelCheck] = field(default_factory=dict)

    def note_query(self, task_id: str, answer: ViduTask | ViduError) -> None:
        """Note the answer to a query after the cancel."""
        is_cancelled = self.checks[task_id].on_query(answer)
        if is_cancelled is not None:
            del self.checks[task_id]
        if is_cancelled:
            self.fates[task_id] = CANCELLED
        elif not isinstance(answer, ViduError) and not answer.failed:
            self.fates[task_id] = ENDED if answer.succeeded else REFUSED
            self.note_price(answer)

    def note_price(self, task: ViduTask) -> None:
        """Note the price of a task."""
        if task.credits is not None:
            self.credits[task.task_id] = task.credits

    def report(self, task_ids: Sequence[str]) -> CancelReport:
        """Return the result for these ids."""
        ids: dict[str, list[str]] = {}
        for task_id in task_ids:
            ids.setdefault(self.fates.get(task_id, UNKNOWN), []).append(task_id)
        prices = {task_id: self.credits[task_id] for task_id in ids.get(REFUSED, ()) if task_id in self.credits}
        cancelled, unverified, ended, refused, unknown = (
            tuple(ids.get(fate, ())) for fate in (CANCELLED, UNVERIFIED, ENDED, REFUSED, UNKNOWN)
        )
        return CancelReport(cancelled, unverified, ended, refused, unknown, prices)


async def cancel_unfinished(
    client: AsyncViduClient, task_ids: Sequence[str], *, seconds: float, verify_seconds: float = 0.0, log: Any
) -> CancelReport:
    """
    Cancel those of many tasks that have not finished; a cancel that gets a 429 is repeated.

    Tasks that have not started come first. Vidu refuses most others, but many relays cancel while processing, and so
    does Vidu off-peak: all are cancelled in the time that is left, and each accepted cancel is verified by a query.

    :param client: of the account that submitted them; not closed here.
    :param seconds: the time limit; tasks that were not reached by then are given up.
    :param verify_seconds: further time for verifying the cancels that Vidu accepted, where their items are to be
        submitted again.
    :param log: receives refusals and timeouts.
    :return: the result for each id; no error is raised.
    """
    asked = list(dict.fromkeys(task_ids))
    fates = _Fates()
    cancelling = _Cancelling(client, fates, seconds, log)
    try:
        await asyncio.wait_for(cancelling.run(asked), seconds)
    except asyncio.TimeoutError:
        log.warning("Could not cancel and verify all of %d Vidu tasks within %.0f s.", len(asked), seconds)
        if verify_seconds:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(cancelling.verify(), verify_seconds)
    return fates.report(asked)


class _Cancelling:
    def __init__(self, client: AsyncViduClient, fates: _Fates, seconds: float, log: Any) -> None:
        self._client = client
        self._fates = fates
        self._log = log
        self._bulk = BulkQuery(client)
        # A query that hangs must leave time for the cancels, which are then sent without it.
        self._query_seconds = seconds * QUERY_SHARE
        self._logged = 0

    async def run(self, task_ids: list[str]) -> None:
        processing: list[str] = []
        for first in range(0, len(task_ids), CHUNK):
            processing += await self._cancel_queued(task_ids[first : first + CHUNK])
        await self._cancel(processing)
        await self.verify()

    async def _cancel_queued(self, left: list[str]) -> list[str]:
        """Cancel tasks that are queued or whose state stays unknown, and return those in processing."""
        processing: list[str] = []
        for number in range(MAX_QUERIES):
            if number:
                await timing.asleep(QUERY_GAP)
            try:
                seen = await asyncio.wait_for(self._bulk.get_tasks(left), self._query_seconds)
            except asyncio.TimeoutError:
                await self._cancel(left)
                break
            left = [task_id for task_id in left if is_outage(seen[task_id])]
            waiting = []
            for task_id, shown in seen.items():
                if isinstance(shown, ViduError):
                    # A task that cannot be read may still be cancelled, unless the account does not know its id.
                    if not is_outage(shown) and not isinstance(shown, ViduNotFoundError):
                        waiting.append(task_id)
                    continue
                self._fates.note_price(shown)
                if shown.is_final:
                    self._fates.fates[task_id] = ENDED
                else:
                    (processing if shown.state == TaskState.PROCESSING else waiting).append(task_id)
            if number == MAX_QUERIES - 1:
                # A task may be cancelled even if its state stays unknown.
                waiting += left
            await self._cancel(waiting)
            if not left:
                break
        return processing

    async def _cancel(self, task_ids: list[str]) -> None:
        if task_ids:
            await in_parallel(task_ids, min(MAX_PARALLEL, len(task_ids)), self._cancel_one)

    async def _cancel_one(self, task_id: str) -> None:
        try:
            await _cancel_past_limits(self._client, task_id)
        except ViduError as error:
            self._warn("Vidu task %s was not cancelled: %s", task_id, error)
            if is_outage(error):
                # The cancel may have worked although its reply was lost.
                self._fates.checks[task_id] = CancelCheck()
            else:
                self._fates.fates[task_id] = REFUSED
        else:
            self._fates.fates[task_id] = UNVERIFIED
            self._fates.checks[task_id] = CancelCheck()

    async def verify(self) -> None:
        """Query tasks whose cancel was accepted, which some hosts then ignore, or whose reply was lost."""
        asked = list(self._fates.checks)
        while self._fates.checks:
            for task_id, answer in (await self._bulk.get_tasks(list(self._fates.checks))).items():
                self._fates.note_query(task_id, answer)
            if self._fates.checks:
                await timing.asleep(QUERY_GAP)
        for task_id in asked:
            if self._fates.fates.get(task_id) == REFUSED:
                self._warn("Vidu task %s continues: its host %s", task_id, "accepted the cancel but ignored it.")

    def _warn(self, text: str, task_id: str, why: object) -> None:
        self._logged += 1
        if self._logged <= MAX_LOGGED:
            self._log.warning(text, task_id, why)


async def _cancel_past_limits(client: AsyncViduClient, task_id: str) -> None:
    """Cancel a task, and again after each 429, which has no effect; the time limit of the whole call ends this."""
    while True:
        try:
            return await client.cancel_task(task_id)
        except ViduRateLimitError as error:
            await timing.asleep(QUERY_GAP if error.retry_after is None else max(error.retry_after, QUERY_GAP))
