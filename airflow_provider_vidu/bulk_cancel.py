# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Cancels many tasks within a time that is given, for a kill: Vidu refunds those that nothing has been done for yet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduNotFoundError, is_outage
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
#: Seconds between two looks at what could not be seen.
LOOK_GAP = 1.0
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
    Cancel those of many tasks that Vidu still cancels; each is asked to at most once.

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
    for first in range(0, len(task_ids), CHUNK):
        waiting = await _unbegun(bulk, task_ids[first : first + CHUNK], fates)
        lost: list[str] = []
        told = 0

        async def cancel(task_id: str, lost: list[str] = lost) -> None:
            nonlocal told
            try:
                await client.cancel_task(task_id)
            except ViduError as error:
                told += 1
                if told <= MOST_TOLD:
                    log.warning("Vidu task %s was not cancelled and goes on: %s", task_id, error)
                # A reply that was lost says nothing of what was done.
                (lost if is_outage(error) else fates.refused).append(task_id)
            else:
                fates.cancelled.append(task_id)

        if waiting:
            await in_parallel(waiting, min(MAX_PARALLEL, len(waiting)), cancel)
        if lost:
            for task_id, result in (await bulk.get_tasks(lost)).items():
                if isinstance(result, ViduError):
                    fates.unknown.append(task_id)
                else:
                    (fates.cancelled if result.failed else fates.refused).append(task_id)


async def _unbegun(bulk: BulkQuery, task_ids: list[str], fates: _Fates) -> list[str]:
    """Look until each task was seen, and return those that Vidu may still cancel."""
    waiting: list[str] = []
    left = task_ids
    while left:
        results = await bulk.get_tasks(left)
        left = [task_id for task_id, result in results.items() if is_outage(result)]
        for task_id, result in results.items():
            if not is_outage(result):
                _sort(task_id, result, fates, waiting)
        if left:
            await asyncio.sleep(LOOK_GAP)
    return waiting


def _sort(task_id: str, seen: ViduTask | ViduError, fates: _Fates, waiting: list[str]) -> None:
    if isinstance(seen, ViduError):
        # What cannot be looked at may still be cancelled, but for an id that the account does not know.
        (fates.unknown if isinstance(seen, ViduNotFoundError) else waiting).append(task_id)
    elif seen.is_final:
        fates.ended.append(task_id)
    elif seen.state == TaskState.PROCESSING:
        fates.refused.append(task_id)
    else:
        waiting.append(task_id)
