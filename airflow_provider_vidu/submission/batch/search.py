# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Searches the account's list once for all lost submissions of a batch, by the rules of ``submission.search``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.submission.batch.records import find_marker
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.search import best, worth_key
from airflow_provider_vidu.submission.task_list import Search, aread_rows, walk_list

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient


@dataclass
class ListedTasks:
    """
    The tasks of a batch that the list has shown, by the items' identities and the attempts' numbers.

    ``verdict`` says what a missing attempt means, ``candidates`` are ids of tasks whose payloads are unknown, and
    ``outage`` is why some tasks could not be queried.
    """

    by_attempt: dict[str, dict[int, ViduTask]] = field(default_factory=lambda: defaultdict(dict))
    verdict: LookUp = LookUp.UNKNOWN
    has_list: bool = True
    candidates: tuple[str, ...] = ()
    outage: ViduError | None = None

    def find(self, identity: str, attempt: int) -> tuple[int, ViduTask] | None:
        """Return the task of an attempt and the attempt's number; attempt 0 is unknown and matches any."""
        attempts = self.by_attempt.get(identity, {})
        if attempt:
            return (attempt, attempts[attempt]) if attempt in attempts else None
        if not attempts:
            return None
        task = best(list(attempts.values()))
        if task.failed:
            # All have failed, and the next one must not bear the marker of any of them.
            return max(attempts), attempts[max(attempts)]
        return next(number for number, one in attempts.items() if one is task), task

    def sort_key(self, identity: str) -> tuple[bool, bool, float, str]:
        """Return a key that sorts items by their tasks: succeeded ones are the greatest, failed ones the least."""
        return worth_key(best(list(self.by_attempt[identity].values())))


async def search_list(client: AsyncViduClient, generation: str, begin: float, log: Any, search: Search) -> ListedTasks:
    """
    Read the list once, from ``begin`` (epoch seconds) on, for one generation of a batch.

    :raises ViduUnavailableError: the list cannot be read now; the intents stay, and a retry searches again.
    """
    rows = await aread_rows(client, walk_list(client.account, begin, search, log))
    found = ListedTasks(verdict=rows.verdict, has_list=rows.has_list, candidates=rows.unreadable, outage=rows.outage)
    for row in rows.tasks:
        if row.payload is not None and (marker := find_marker(row.payload, generation)):
            attempts = found.by_attempt[marker.identity]
            earlier = attempts.get(marker.attempt)
            attempts[marker.attempt] = row if earlier is None else best([earlier, row])
    return found
