# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Cancels many tasks within a time that is given, for a kill: Vidu refunds those that nothing has been done for yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduNotFoundError, ViduRateLimitError, is_outage
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.bulk_query import BulkQuery, in_parallel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

#: Cancels under way at once.
MAX_PARALLEL = 20
#: Tasks that are looked at before the first of them is cancelled: the looks at thousands must not take all the time.
CHUNK = 500
#: Looks at what could not be seen, before Vidu is asked to cancel it unseen …
MAX_LOOKS = 3
#: … and seconds between them.
LOOK_GAP = 1.0
#: What passes the time between them.
pause = asyncio.sleep
#: Refusals that are told in the log; the others are counted.
MOST_TOLD = 5


@dataclass(frozen=True)
class CancelReport:
    """
    What came of cancelling; each id is in one of these.

    :param cancelled: neither rendered nor billed.
    :param ended: had ended before.
    :param refused: goes on and is billed when it succeeds: Vidu refuses once a task is processing.
    :param unreachable: nobody knows: Vidu could not be asked within the time, or does not know the id.
    """

    cancelled: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()

    def tell(self, log: Any, why: str) -> None:
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
    cancelled: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


async def cancel_unfinished(
    client: AsyncViduClient, task_ids: Sequence[str], *, seconds: float, log: Any
) -> CancelReport:
    """
    Cancel those of many tasks that Vidu still cancels; one that was answered 429 is asked to again.

    :param client: of the account that submitted them; not closed here.
    :param task_ids: any number.
    :param seconds: after which whatever was not reached is given up.
    :param log: where to tell what came of it.
    :return: what came of each id; no id's error is raised.
    """
    asked = list(dict.fromkeys(task_ids))
    fates = _Fates()
    try:
        await asyncio.wait_for(_cancel_all(client, asked, fates, log), seconds)
    except asyncio.TimeoutError:
        log.warning("Vidu could not be asked about all of %d tasks within %.0f s.", len(asked), seconds)
    known = {*fates.cancelled, *fates.ended, *fates.refused}
    return CancelReport(
        tuple(fates.cancelled),
        tuple(fates.ended),
        tuple(fates.refused),
        tuple(task_id for task_id in asked if task_id not in known),
    )


async def _cancel_all(client: AsyncViduClient, task_ids: list[str], fates: _Fates, log: Any) -> None:
    bulk = BulkQuery(client)
    told = 0
    for first in range(0, len(task_ids), CHUNK):
        lost: list[str] = []

        async def cancel(task_id: str, lost: list[str] = lost) -> None:
            nonlocal told
            try:
                await _once_taken(client, task_id)
            except ViduError as error:
                told += 1
                if told <= MOST_TOLD:
                    log.warning("Vidu task %s was not cancelled and goes on: %s", task_id, error)
                # A reply that was lost says nothing of what was done.
                (lost if is_outage(error) else fates.refused).append(task_id)
            else:
                fates.cancelled.append(task_id)

        left = task_ids[first : first + CHUNK]
        for look in range(MAX_LOOKS):
            if look:
                await pause(LOOK_GAP)
            seen = await bulk.get_tasks(left)
            left = [task_id for task_id in left if is_outage(seen[task_id])]
            waiting = [
                task_id
                for task_id, shown in seen.items()
                if not is_outage(shown) and _is_unbegun(task_id, shown, fates)
            ]
            if look == MAX_LOOKS - 1:
                # What cannot be seen may be cancelled all the same; Vidu refuses what it has begun.
                waiting += left
            if waiting:
                await in_parallel(waiting, min(MAX_PARALLEL, len(waiting)), cancel)
            if not left:
                break
        if lost:
            for task_id, result in (await bulk.get_tasks(lost)).items():
                if isinstance(result, ViduError):
                    fates.unknown.append(task_id)
                elif result.failed:
                    fates.cancelled.append(task_id)
                else:
                    (fates.ended if result.succeeded else fates.refused).append(task_id)


async def _once_taken(client: AsyncViduClient, task_id: str) -> None:
    """Cancel a task. A 429 has done nothing, and cancelling many at once provokes it: the time for all ends this."""
    while True:
        try:
            return await client.cancel_task(task_id)
        except ViduRateLimitError as error:
            await pause(LOOK_GAP if error.retry_after is None else max(error.retry_after, LOOK_GAP))


def _is_unbegun(task_id: str, seen: ViduTask | ViduError, fates: _Fates) -> bool:
    """Tell whether Vidu may still cancel a task, and note the fate of the others."""
    if isinstance(seen, ViduError):
        # What cannot be looked at may still be cancelled, but for an id that the account does not know.
        if isinstance(seen, ViduNotFoundError):
            fates.unknown.append(task_id)
            return False
        return True
    if seen.is_final:
        fates.ended.append(task_id)
    elif seen.state == TaskState.PROCESSING:
        fates.refused.append(task_id)
    return not seen.is_final and seen.state != TaskState.PROCESSING
