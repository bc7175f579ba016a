# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Searches the account's list once for all lost submissions of a batch, by the rules of ``submission.search``."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.submission.batch.records import identity_of
from airflow_provider_vidu.submission.protocol import LookUp
from airflow_provider_vidu.submission.search import best
from airflow_provider_vidu.submission.task_list import Search, aread_rows, walk_list

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient


@dataclass
class ListedTasks:
    """
    What the list has shown of a batch.

    :param by_attempt: the tasks of each item's identity, by the attempt's number.
    :param verdict: what it means that an attempt is not among them.
    :param has_list: False = this host has no list at all.
    :param candidates: tasks that may be one, and cannot be told apart.
    :param outage: why some of them could not be queried now.
    """

    by_attempt: dict[str, dict[int, ViduTask]] = field(default_factory=lambda: defaultdict(dict))
    verdict: LookUp = LookUp.UNKNOWN
    has_list: bool = True
    candidates: tuple[str, ...] = ()
    outage: ViduError | None = None

    def find(self, identity: str, attempt: int) -> tuple[int, ViduTask] | None:
        """
        Return the task of an attempt, and the attempt's number.

        :param identity: the item's.
        :param attempt: its number; 0 = nobody knows, any will do.
        """
        attempts = self.by_attempt.get(identity, {})
        if attempt:
            return (attempt, attempts[attempt]) if attempt in attempts else None
        if not attempts:
            return None
        task = best(list(attempts.values()))
        return next(number for number, one in attempts.items() if one is task), task

    def sort_key(self, identity: str) -> tuple[bool, bool, float, str]:
        """
        Return a key that sorts items by their tasks: what succeeded is worth most, what has failed least.

        :param identity: of an item that was seen.
        """
        task = best(list(self.by_attempt[identity].values()))
        return task.succeeded, not task.is_final, task.created or 0.0, task.created_at or ""


async def search_list(client: AsyncViduClient, generation: str, begin: float, log: Any, search: Search) -> ListedTasks:
    """
    Walk through the list once, for one generation of a batch.

    :param generation: the batch's marker.
    :param begin: when the first attempt that is looked for was made, epoch seconds.
    :param search: that this walk is a part of.
    :raises ViduUnavailableError: the list cannot be read now; the intents stay, a retry searches again.
    """
    rows = await aread_rows(client, walk_list(client.account, begin, search, log))
    found = ListedTasks(verdict=rows.verdict, has_list=rows.has_list, candidates=rows.unreadable, outage=rows.outage)
    for row in rows.tasks:
        if row.payload is not None and (named := identity_of(row.payload, generation)):
            identity, attempt = named
            attempts = found.by_attempt[identity]
            attempts[attempt] = best([attempts[attempt], row]) if attempt in attempts else row
    return found
