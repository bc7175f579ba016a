# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Cancels many tasks within a given time, for a kill: Vidu refunds what it has not begun, some hosts more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduNotFoundError, ViduRateLimitError, is_outage
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery, in_parallel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

#: Cancels under way at once.
MAX_PARALLEL = 20
#: Tasks that are queried before the first of them is cancelled: the queries of thousands must not take all the time.
CHUNK = 500
#: Queries of what could not be seen, before Vidu is asked to cancel it unseen, and of what a cancel has changed …
MAX_QUERIES = 3
#: Of the time, what one of those may take before Vidu is asked unseen.
QUERY_SHARE = 0.25
#: … and seconds between them.
QUERY_GAP = 1.0
#: Refusals that the log shows; the others are counted.
MAX_LOGGED = 5

CANCELLED, ENDED, REFUSED, UNKNOWN = "cancelled", "ended", "refused", "unknown"


@dataclass(frozen=True)
class CancelReport:
    """
    What came of cancelling; each id is in one of these.

    :param cancelled: neither rendered nor billed.
    :param ended: had ended before.
    :param refused: goes on and is billed when it succeeds: Vidu refused, or said yes and did not cancel it.
    :param unreachable: unknown: Vidu could not be asked within the time, or does not know the id.
    :param credits: the price of each refused task that a query showed it for.
    """

    cancelled: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    credits: Mapping[str, float] = field(default_factory=dict)

    def log_to(self, log: Any, why: str) -> None:
        """
        Say what came of it, and what still costs.

        :param log: where to.
        :param why: what was cancelled and why, a sentence without its full stop.
        """
        log.info(
            "%s: %d cancelled, %d had ended, %d refused (they go on and are billed when they succeed), %d not reached.",
            why,
            len(self.cancelled),
            len(self.ended),
            len(self.refused),
            len(self.unreachable),
        )
        if self.unreachable:
            log.warning("Not reached, and perhaps running on: %s", some_of(self.unreachable))


@dataclass
class _Fates:
    """What is known of each task so far. An id that is in neither is unreachable."""

    fates: dict[str, str] = field(default_factory=dict)
    credits: dict[str, float] = field(default_factory=dict)
    #: Ids whose cancel may have been accepted: only the task itself shows it.
    unverified: list[str] = field(default_factory=list)

    def note_task(self, task_id: str, task: ViduTask) -> None:
        """Note what a query after the cancel has shown."""
        if task.failed:
            self.fates[task_id] = CANCELLED
        else:
            self.fates[task_id] = ENDED if task.succeeded else REFUSED
            self.note_price(task)

    def note_price(self, task: ViduTask) -> None:
        """Note what a task costs."""
        if task.credits is not None:
            self.credits[task.task_id] = task.credits

    def report(self, task_ids: Sequence[str]) -> CancelReport:
        """Return what came of each of these."""
        ids: dict[str, list[str]] = {}
        for task_id in task_ids:
            ids.setdefault(self.fates.get(task_id, UNKNOWN), []).append(task_id)
        cancelled, ended, refused, unknown = (tuple(ids.get(fate, ())) for fate in (CANCELLED, ENDED, REFUSED, UNKNOWN))
        prices = {task_id: self.credits[task_id] for task_id in refused if task_id in self.credits}
        return CancelReport(cancelled, ended, refused, unknown, prices)


async def cancel_unfinished(
    client: AsyncViduClient, task_ids: Sequence[str], *, seconds: float, log: Any
) -> CancelReport:
    """
    Ask Vidu to cancel those of many tasks that have not ended; one that was answered 429 is asked again.

    Tasks that have not begun come first. Vidu refuses most others, but many relays cancel while processing, and so
    does Vidu off-peak: all are asked in the time that is left, and a yes is verified on the task itself.

    :param client: of the account that submitted them; not closed here.
    :param task_ids: any number.
    :param seconds: after which whatever was not reached is given up.
    :param log: where to report what came of it.
    :return: what came of each id; no id's error is raised.
    """
    asked = list(dict.fromkeys(task_ids))
    fates = _Fates()
    try:
        await asyncio.wait_for(_Cancelling(client, fates, seconds, log).run(asked), seconds)
    except asyncio.TimeoutError:
        log.warning("Vidu could not be asked about all of %d tasks within %.0f s.", len(asked), seconds)
    return fates.report(asked)


class _Cancelling:
    def __init__(self, client: AsyncViduClient, fates: _Fates, seconds: float, log: Any) -> None:
        self._client = client
        self._fates = fates
        self._log = log
        self._bulk = BulkQuery(client)
        # A query that hangs must leave time for the cancels: they are asked unseen then.
        self._query_seconds = seconds * QUERY_SHARE
        self._logged = 0

    async def run(self, task_ids: list[str]) -> None:
        begun: list[str] = []
        for first in range(0, len(task_ids), CHUNK):
            begun += await self._cancel_queued(task_ids[first : first + CHUNK])
        await self._cancel(begun)
        await self._verify()

    async def _cancel_queued(self, left: list[str]) -> list[str]:
        """Cancel what has not begun and what cannot be seen, and return what is being processed."""
        begun: list[str] = []
        for query in range(MAX_QUERIES):
            if query:
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
                    # What cannot be read may still be cancelled, but for an id that the account does not know.
                    if not is_outage(shown) and not isinstance(shown, ViduNotFoundError):
                        waiting.append(task_id)
                    continue
                self._fates.note_price(shown)
                if shown.is_final:
                    self._fates.fates[task_id] = ENDED
                else:
                    (begun if shown.state == TaskState.PROCESSING else waiting).append(task_id)
            if query == MAX_QUERIES - 1:
                # What cannot be seen may be cancelled all the same.
                waiting += left
            await self._cancel(waiting)
            if not left:
                break
        return begun

    async def _cancel(self, task_ids: list[str]) -> None:
        if task_ids:
            await in_parallel(task_ids, min(MAX_PARALLEL, len(task_ids)), self._cancel_one)

    async def _cancel_one(self, task_id: str) -> None:
        try:
            await _cancel_past_limits(self._client, task_id)
        except ViduError as error:
            self._warn("Vidu task %s was not cancelled: %s", task_id, error)
            if is_outage(error):
                # A reply that was lost says nothing of what was done.
                self._fates.unverified.append(task_id)
            else:
                self._fates.fates[task_id] = REFUSED
        else:
            self._fates.fates[task_id] = CANCELLED
            self._fates.unverified.append(task_id)

    async def _verify(self) -> None:
        """Query what said yes, since hosts say yes and go on, and what did not answer."""
        left = self._fates.unverified
        for query in range(MAX_QUERIES):
            if not left:
                return
            if query:
                await timing.asleep(QUERY_GAP)
            seen = await self._bulk.get_tasks(left)
            for task_id, shown in seen.items():
                if not isinstance(shown, ViduError):
                    self._fates.note_task(task_id, shown)
            left = [task_id for task_id, shown in seen.items() if isinstance(shown, ViduError) or not shown.is_final]
        for task_id in left:
            if self._fates.fates.get(task_id) == REFUSED:
                self._warn("Vidu task %s goes on: its host %s", task_id, "did not carry the cancel out.")

    def _warn(self, text: str, task_id: str, why: object) -> None:
        self._logged += 1
        if self._logged <= MAX_LOGGED:
            self._log.warning(text, task_id, why)


async def _cancel_past_limits(client: AsyncViduClient, task_id: str) -> None:
    """Cancel a task. A 429 has done nothing, and cancelling many at once provokes it: the time for all ends this."""
    while True:
        try:
            return await client.cancel_task(task_id)
        except ViduRateLimitError as error:
            await timing.asleep(QUERY_GAP if error.retry_after is None else max(error.retry_after, QUERY_GAP))
