# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Queries many tasks with few requests: up to 100 tasks with one page of the task list.

If a host has no list (relays) or leaves ids out, they are queried singly, a limited number at a time. So are failed
tasks without a reason in the list: the reason decides whether they are submitted again.
``waiting.task_list_health`` decides how each id is queried. Nothing is retried here: the callers pace themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_vidu.api.errors import (
    ViduError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.api.http_messages import Paging
from airflow_provider_vidu.waiting.task_list_health import Fallback, ListHealth

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Maximum single queries at once.
MAX_PARALLEL = 10
#: Maximum page requests at once.
MAX_PARALLEL_PAGES = 4
#: Maximum pages that are followed if a host returns smaller pages than requested.
MAX_FOLLOWED = 10
#: Timeout of one request in seconds, even if the account allows more: a request that hangs delays the others.
REQUEST_SECONDS = 20.0
#: Failed single queries in a row after which the remaining ids of a call get the same error.
MAX_FAILURES = 3

# Kept with the client, so that a new BulkQuery does not start from nothing.
_known_health: WeakKeyDictionary[AsyncViduClient, ListHealth] = WeakKeyDictionary()


async def in_parallel(items: Iterable[Item], limit: int, act: Callable[[Item], Awaitable[None]]) -> None:
    """
    Act on each item, a limited number at a time; the first exception cancels the others.

    :param items: consumed while earlier ones are in progress, so that items may be added meanwhile.
    """
    left = iter(items)

    async def work() -> None:
        for item in left:
            await act(item)

    workers = [asyncio.ensure_future(work()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


class BulkQuery:
    """
    Queries tasks of one account. What it learns about the list is remembered with the client.

    :param client: not closed here.
    :param paced: the caller polls repeatedly: an outage of the list costs one request a call, and a single query
        checks the host only if the outage lasts. False = a single call must work even if only the list is down.
    """

    def __init__(self, client: AsyncViduClient, *, paced: bool = False) -> None:
        self._client = client
        self._paced = paced
        self._health = _known_health.setdefault(client, ListHealth(exists=client.account.list_path is not None))
        self._seconds = min(client.account.timeout, REQUEST_SECONDS)

    @property
    def page_size(self) -> int:
        """How many ids one request covers; 1 if the host has no list."""
        return self._health.page_size if self._health.is_usable else 1

    def is_listed(self, task_id: str) -> bool:
        """Return whether an id is queried through the list; else it is queried alone."""
        return self._health.is_listed(task_id)

    async def get_tasks(self, task_ids: Sequence[str]) -> dict[str, ViduTask | ViduError]:
        """
        Query tasks, each once.

        An outage, a 429 or a refused key does not cost a hundred requests: the ids that are left get the same error.

        :param task_ids: any number; duplicates are queried once.
        :return: for each id, in the order of ``task_ids``: the task as it is now, or the error.
        """
        asked = list(dict.fromkeys(task_ids))
        found: dict[str, ViduTask | ViduError] = {}
        self._health.begin_call()
        if self._health.needs_probe and asked:
            await self._probe(asked, found)
        listed = [task_id for task_id in asked if task_id not in found and self._health.is_listed(task_id)]
        unread: list[str] = []
        missed = await self._query_pages(listed, found, unread)
        if unread:
            # One query shows whether only the list is down; the list is then tried once more, because a momentary
            # failure is no reason for a thousand single queries.
            await self._probe(unread, found)
            missed += await self._query_pages([task_id for task_id in unread if task_id not in found], found, [])
        unexplained = {
            task_id: found.pop(task_id)
            for task_id, row in list(found.items())
            if task_id in listed and not isinstance(row, ViduError) and row.is_unexplained
        }
        await self._query_singly([task_id for task_id in asked if task_id not in found], found)
        for task_id, row in unexplained.items():
            found[task_id] = _with_reason(found[task_id], row)
        wrongly = [task_id for task_id in missed if not isinstance(found[task_id], ViduError)]
        self._health.on_omitted(wrongly, all_of_them=len(missed) == len(listed))
        return {task_id: found[task_id] for task_id in asked}

    async def _probe(self, asked: list[str], found: dict[str, ViduTask | ViduError]) -> None:
        result = await self._query(asked[0])
        error = result if isinstance(result, ViduError) else None
        self._health.on_probe(error)
        found.update(dict.fromkeys(asked if is_outage(error) else asked[:1], result))

    async def _query_pages(
        self, task_ids: list[str], found: dict[str, ViduTask | ViduError], unread: list[str]
    ) -> list[str]:
        """
        Query the list, and return the requested ids that it has left out.

        :param unread: receives the ids without a result because the list is down, unless the caller is paced.
        """
        left = deque(task_ids)
        missed: list[str] = []

        def pages() -> Iterable[list[str]]:
            while left and self._health.is_usable:
                yield [left.popleft() for _ in range(min(self._health.page_size, len(left)))]

        async def ask(page: list[str]) -> None:
            rows: dict[str, ViduTask] = {}
            try:
                await self._read_page(page, rows)
            except ViduError as error:
                found.update(rows)
                rest = [task_id for task_id in page if task_id not in rows]
                fallback = self._health.on_error(error, len(page))
                if fallback is Fallback.RETURN_ERROR:
                    if isinstance(error, ViduUnavailableError) and not self._paced:
                        unread.extend([*rest, *left])
                    else:
                        found.update(dict.fromkeys([*rest, *left], error))
                    left.clear()
                elif fallback is Fallback.ASK_FEWER:
                    left.extendleft(reversed(rest))
            else:
                found.update(rows)
                self._health.on_page(rows)
                missed.extend(task_id for task_id in page if task_id not in rows)

        # A page that must be requested again in halves may come back after other workers have found nothing left.
        while left and self._health.is_usable:
            await in_parallel(pages(), min(MAX_PARALLEL_PAGES, len(left)), ask)
        return missed

    async def _read_page(self, page: list[str], rows: dict[str, ViduTask]) -> None:
        paging = Paging()
        for _ in range(MAX_FOLLOWED):
            # The page size is always a hundred: a host that counts differently must not cut the reply.
            answer = await self._with_timeout(
                self._client.list_page(task_ids=page, page_token=paging.token, retry=False), None
            )
            rows.update(self._health.select_rows(page, paging.take(answer)))
            if paging.ended or len(rows) == len(page):
                return

    async def _query_singly(self, task_ids: list[str], found: dict[str, ViduTask | ViduError]) -> None:
        failures = 0
        left = deque(task_ids)

        def ids() -> Iterable[str]:
            while left:
                yield left.popleft()

        async def ask(task_id: str) -> None:
            nonlocal failures
            result = found[task_id] = await self._query(task_id)
            failures = failures + 1 if is_outage(result) else 0
            if failures >= MAX_FAILURES or isinstance(result, ViduRateLimitError):
                found.update(dict.fromkeys(left, result))
                left.clear()

        if left:
            await in_parallel(ids(), min(MAX_PARALLEL, len(left)), ask)

    async def _query(self, task_id: str) -> ViduTask | ViduError:
        try:
            return await self._with_timeout(self._client.get_task(task_id, retry=False), task_id)
        except ViduError as error:
            return error

    async def _with_timeout(self, request: Awaitable[Result], task_id: str | None) -> Result:
        try:
            return await asyncio.wait_for(request, self._seconds)
        except asyncio.TimeoutError:
            raise ViduUnavailableError(
                f"Vidu has not answered within {self._seconds:.0f} s.", task_id=task_id
            ) from None


def _with_reason(result: ViduTask | ViduError, row: ViduTask | ViduError) -> ViduTask | ViduError:
    if isinstance(result, ViduNotFoundError) or isinstance(row, ViduError):
        return row
    return result if isinstance(result, ViduError) else result.filled_from(row)
