# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Reads the account's task list, and the facts that it leaves out, to search for submissions without a recorded id.

A walk is a generator that does no I/O: the blocking and the asynchronous reader give it what it asks for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from airflow_provider_vidu.api import http_messages
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduNotFoundError,
    ViduUnavailableError,
)
from airflow_provider_vidu.submission.record import MARKER_PREFIX
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.state_writer import read_state

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient, ViduClient
    from airflow_provider_vidu.compat import StateStore

#: How far before the attempt the list is searched: clocks differ.
MARGIN = timedelta(minutes=15)
# A marker that no cut has shortened: its seal, other text or an item's attempt comes after it.
_WHOLE_MARKER = re.compile(rf"{re.escape(MARKER_PREFIX)}[0-9a-f]{{32}}(?:[^:]|:[0-9a-f]{{16}}(?:-\d+)?:\d)")
# One that the end of the payload cuts off.
_CUT_MARKER = re.compile(
    rf"{re.escape(MARKER_PREFIX)}(?:[0-9a-f]{{0,31}}|[0-9a-f]{{32}}:[0-9a-f]{{0,16}}(?:-\d*)?:?)\Z"
)
_ELLIPSES = ("…", "...")

#: Key in the task state store for the account whose list was seen.
LIST_KEY = "vidu_list_shown"
#: Seconds between two searches while a submission may still become visible.
GAP = 10.0
#: Maximum seconds before the last search, if the one before it could not say although the list has settled.
CONFIRM_GAP = 5.0
#: Queries of listed tasks that fail in a row before the others are not queried in this search.
MAX_OUTAGES = 3
#: Listed tasks that are queried at once, where it can be done at once.
MAX_PARALLEL = 10


class Pause(NamedTuple):
    """A wait before the next walk: for so many seconds, of so many until the list has settled (0 = it has)."""

    seconds: float
    of: float


class ListMemory:
    """
    Remembers, beyond a try, that this host has shown its list: where it is missing now, that is an outage, and neither
    shows that nothing was submitted nor that this host has no list.

    :param store: Airflow's.
    :param account: whose list.
    """

    def __init__(self, store: StateStore | None, account: Account) -> None:
        self._store = store
        self._account = account
        self._was_shown: bool | None = None
        self._is_noted = False

    @property
    def was_shown(self) -> bool:
        """Whether an earlier search has seen the list."""
        if self._was_shown is None:
            seen = None if self._store is None else read_state(self._store, LIST_KEY)
            self._was_shown = self._is_noted = seen == self._account.identity
        return self._was_shown

    def note(self, search: Search) -> None:
        """Note whether a search has seen the list."""
        self._was_shown = self.was_shown or search.has_seen_list
        if self._was_shown and not self._is_noted and self._store is not None:
            # A store that fails is written again after the next walk.
            with suppress(Exception):
                self._store.set(LIST_KEY, self._account.identity)
                self._is_noted = True


class Search:
    """
    Several walks through one list, and what a single walk must not decide.

    A walk that finds nothing decides once the list has settled. One that cannot say may have met a row on its way to
    another page, a query that failed or a list that was missing for a moment: the list is walked again until it has
    settled, and only two walks in a row decide. So it is with a list of several pages: if a row of a page that was read
    vanishes, the next page starts one row too late, and nothing shows that.

    :param account: whose list.
    :param gap: seconds between two walks.
    :param list_memory: whether earlier searches have seen the list; None = this one does not go on from any.
    """

    def __init__(self, account: Account, *, gap: float = GAP, list_memory: ListMemory | None = None) -> None:
        self._account = account
        self._gap = gap
        self._list_memory = list_memory
        #: A walk of this search has seen the list.
        self.has_seen_list = False
        #: The list had more than one page.
        self.has_pages = False
        #: When the first of the last walks with one verdict began; None = none that counts has.
        self._since: float | None = None
        self._was_sure = False
        #: Payloads that were queried, by task id; they never change.
        self.payloads: dict[str, str] = {}

    def next_walk(
        self, verdict: LookUp | None, now: float, settled: float, *, has_list: bool, can_be_found: bool
    ) -> Pause | None:
        """
        Return how long to wait before the next walk; None = this one decides.

        :param verdict: what the walk means for a submission that it has not found.
        :param now: when the walk began, epoch seconds.
        :param settled: when what was submitted would show, epoch seconds.
        :param has_list: False = the host seemed to have no list at all.
        :param can_be_found: False = no marker travels with the submission.
        :raises ViduUnavailableError: the list is missing now, and has been shown before.
        """
        may_change = (can_be_found or not has_list) and self._account.list_path is not None
        left = settled - now
        if may_change:
            is_sure = verdict is LookUp.ABSENT
            if is_sure and left > 0:
                self._since = None
            elif self._since is None or is_sure is not self._was_sure:
                self._since = now
            self._was_sure = is_sure
            if left > 0:
                return Pause(min(self._gap, left), left)
            gap = min(CONFIRM_GAP, self._account.settle_seconds)
            if self._since is not None and now - self._since < gap and (self.has_pages or not is_sure):
                return Pause(gap, 0.0)
        if not has_list and self._account.list_path is not None and self._was_list_shown:
            raise ViduUnavailableError(
                "The account's task list, which this host has shown before, cannot be read now.",
                advice=(
                    "This try submitted nothing. A retry searches again. If this host has no list any more, set "
                    "list_path: null in the connection's extra."
                ),
            )
        return None

    @property
    def _was_list_shown(self) -> bool:
        return self.has_seen_list or (self._list_memory is not None and self._list_memory.was_shown)


@dataclass(frozen=True)
class Rows:
    """
    The account's list, as far as it was seen.

    :param tasks: each with its payload, as far as the list or a query has it.
    :param unreadable: the ids of those whose whole payload is unknown.
    :param is_whole: the list was seen to its end, and each of its rows could be read.
    :param has_list: False = this host has no list at all.
    :param has_moved: a row was met twice, so others may have been missed.
    :param outage: why some of the tasks could not be queried now.
    """

    tasks: tuple[ViduTask, ...] = ()
    unreadable: tuple[str, ...] = ()
    is_whole: bool = False
    has_list: bool = True
    has_moved: bool = False
    outage: ViduError | None = None

    @property
    def verdict(self) -> LookUp:
        """What it means that a submission is not among them."""
        return LookUp.ABSENT if self.is_whole and not self.unreadable else LookUp.UNKNOWN


#: What a walk asks for: a page of the list, by its query, or some of the listed tasks, by their ids.
Asked = dict[str, Any] | list[str]


def walk_list(
    account: Account,
    begin: float,
    search: Search,
    log: Any,
    select: Callable[[Sequence[ViduTask]], Sequence[ViduTask]] = lambda rows: rows,
) -> Generator[Asked, Any, Rows]:
    """
    Walk through the list once, and query what it leaves out. Does no I/O: it yields what it needs and is sent the
    answer, an error included; see :func:`read_rows`.

    :param begin: start of the time that is searched, epoch seconds.
    :param search: that this walk is a part of.
    :param select: the rows that matter; the others are neither queried nor returned.
    :raises ViduUnavailableError: the list cannot be read now.
    """
    walk = Walk(begin, search)
    while not walk.paging.ended:
        page = yield walk.query()
        if isinstance(page, ViduError):
            return Rows(has_list=walk.check_for_list(account, page, log))
        walk.take(page)
    rows = {row.task_id: row for row in select(walk.shown())}
    while asked := walk.next_queries(rows.values()):
        for task_id, answer in zip(asked, (yield asked), strict=True):
            rows[task_id] = walk.learn(rows[task_id], answer)
    unreadable = tuple(row.task_id for row in rows.values() if not walk.is_payload_known(row))
    shown = tuple(rows.values())
    return Rows(shown, unreadable, walk.shows_all_rows, has_moved=walk.paging.has_moved, outage=walk.outage)  # ruff: ignore[return-in-generator] -- driven by read_rows, never iterated over


def read_rows(client: ViduClient, walk: Generator[Asked, Any, Rows]) -> Rows:
    """Give a walk what it needs, one query after the other."""

    def ask(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ViduError as error:
            return error

    step = _next_step(walk, None)
    while not isinstance(step, Rows):
        if isinstance(step, dict):
            answer = ask(partial(client.list_page, **step))
        else:
            answer = [ask(partial(client.get_task, task_id)) for task_id in step]
        step = _next_step(walk, answer)
    return step


async def aread_rows(client: AsyncViduClient, walk: Generator[Asked, Any, Rows]) -> Rows:
    """Give a walk what it needs; several queries run at once."""

    async def ask(call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await call()
        except ViduError as error:
            return error

    step = _next_step(walk, None)
    while not isinstance(step, Rows):
        if isinstance(step, dict):
            answer = await ask(partial(client.list_page, **step))
        else:
            answer = await asyncio.gather(*(ask(partial(client.get_task, task_id)) for task_id in step))
        step = _next_step(walk, answer)
    return step


def _next_step(walk: Generator[Asked, Any, Rows], answer: Any) -> Asked | Rows:
    """Return what a walk needs next, or its result."""
    try:
        return walk.send(answer)
    except StopIteration as ended:
        return cast("Rows", ended.value)


class Walk:
    """
    A walk through the account's list, and what it allows to say of a submission that is not in it.

    :param begin: start of the time that is searched, epoch seconds; clocks differ, so the query goes back further.
    :param search: that it is a part of.
    """

    def __init__(self, begin: float, search: Search) -> None:
        self.paging = http_messages.Paging()
        self.rows: list[ViduTask] = []
        self._since = datetime.fromtimestamp(begin, timezone.utc) - MARGIN
        self._readable = True
        self._has_begun = False
        self._longest = 0
        self._search = search
        self._payloads = search.payloads
        self._outages = 0
        self._asked: set[str] = set()
        #: Why rows cannot be queried now.
        self.outage: ViduError | None = None

    def query(self) -> dict[str, Any]:
        """Return the question for the next page."""
        return {"created_after": self._since, "page_token": self.paging.token}

    def take(self, page: http_messages.TaskPage) -> None:
        """
        Note a page.

        :param page: the answer to :meth:`query`.
        """
        self._has_begun = self._search.has_seen_list = True
        self._search.has_pages = self._search.has_pages or bool(page.next_page_token)
        self._readable = self._readable and page.row_count == len(page.tasks)
        new = self.paging.take(page)
        self.rows += new
        self._longest = max([self._longest, *(len(row.payload or "") for row in new)])

    def shown(self) -> list[ViduTask]:
        """Return the rows, with the payloads that earlier searches have queried."""
        known = self._payloads
        return [
            row.model_copy(update={"payload": known[row.task_id]}) if row.task_id in known else row for row in self.rows
        ]

    def is_payload_known(self, row: ViduTask) -> bool:
        """Say whether the whole payload of a row is known: lists may leave it out, leave it empty, or cut it."""
        return row.task_id in self._payloads or not (row.payload is None or may_be_cut(row.payload, self._longest))

    def next_queries(self, rows: Iterable[ViduTask]) -> list[str]:
        """Return the tasks to query next: whose rows lack facts, unless the host fails to answer in a row."""
        if self._outages >= MAX_OUTAGES:
            return []
        lacking = (row for row in rows if row.task_id not in self._asked)
        asked = [row.task_id for row in lacking if not self.is_payload_known(row) or lacks_facts(row)][:MAX_PARALLEL]
        self._asked.update(asked)
        return asked

    def learn(self, row: ViduTask, answer: ViduTask | ViduError) -> ViduTask:
        """
        Return a row with what a query has shown. Without an answer it may be another application's task, of a kind that
        this host does not show.

        :raises ViduError: it is about the connection or its key.
        """
        if isinstance(answer, ViduError):
            if isinstance(answer, ViduConfigurationError) or answer.http_status == 401:
                raise answer
            if answer.fate is Fate.RETRYABLE:
                self._outages += 1
                self.outage = ViduUnavailableError(
                    f"Vidu task {row.task_id}, which the account's list shows, cannot be queried now. {answer.message}",
                    http_status=answer.http_status,
                    advice="It may be the lost submission: nothing more was submitted. A retry searches again.",
                )
            return row
        self._outages = 0
        if answer.payload is not None:
            self._payloads[row.task_id] = answer.payload
        return answer.filled_from(row)

    def check_for_list(self, account: Account, error: ViduError, log: Any) -> bool:
        """
        Say whether this host has a list at all, after a page of it that could not be read; report one that is missing.

        :param account: whose list.
        :param error: of the page.
        :param log: where to.
        :raises ViduError: it may pass. A host that has shown one page has a list.
        """
        is_missing = http_messages.is_missing_endpoint(error)
        if is_missing and (self._has_begun or not lacks_list(account, error)):
            raise ViduUnavailableError(
                f"Vidu's task list cannot be read now. {error.message}", http_status=error.http_status
            ) from error
        if error.fate is Fate.RETRYABLE and not is_missing:
            raise error
        setting = "If this relay has none, set list_path: null in the connection's extra."
        hint = "" if account.list_path is None else f" {setting}"
        log.warning("The account's task list cannot be searched: %s%s", error.message, hint)
        return not lacks_list(account, error)

    @property
    def shows_all_rows(self) -> bool:
        """Whether the list was seen to its end and each of its rows could be read."""
        return self.paging.complete and self._readable


def lacks_list(account: Account, error: ViduError) -> bool:
    """
    Say whether an error of the list means that this host has none; a refused key or a redirect does not.

    Vidu's own hosts have one: a missing path there is an outage.

    :param error: of a walk.
    """
    if account.list_path is None:
        return True
    return http_messages.is_missing_endpoint(error) and not account.is_vidus


def may_be_cut(payload: str, longest: int) -> bool:
    """
    Say whether a list may have left out a row's payload, or a part of it with a marker.

    :param payload: as listed.
    :param longest: characters of the longest payload in the list: one that is shorter was not cut for its length.
    """
    text = payload.rstrip("".join(_ELLIPSES))
    if not text or _CUT_MARKER.search(text):
        return True
    if _WHOLE_MARKER.search(text):
        return False
    return payload.endswith(_ELLIPSES) or len(payload) >= longest


def lacks_facts(row: ViduTask) -> bool:
    """
    Say whether a listed task has to be queried: lists may leave out the payload, and why a task has failed.

    Without the reason, a failure that a retry would get past counts as one for good.
    """
    return row.payload is None or (row.is_unexplained and MARKER_PREFIX in row.payload)


def with_facts(client: ViduClient, row: ViduTask) -> ViduTask:
    """
    Return a listed task with what its list leaves out.

    :return: its payload is None where no reply has it.
    """
    if not lacks_facts(row):
        return row
    try:
        return client.get_task(row.task_id).filled_from(row)
    except ViduNotFoundError:
        return row
