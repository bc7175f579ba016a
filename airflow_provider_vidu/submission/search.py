# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Searches the account's task list for a submission whose id nobody noted.

*Absent* is only said of a list that was seen to its end, with the whole payload of every row, and late enough after the
POST can have ended; everything else is *unknown*, and nothing is submitted on it unless the user has chosen so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_vidu.api import endpoints
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduNotFoundError,
    ViduUnavailableError,
)
from airflow_provider_vidu.submission.protocol import MARKER_PREFIX, LookUp, SubmissionRecord

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient
    from airflow_provider_vidu.compat import StateStore

#: How far before the attempt the list is searched: clocks differ.
MARGIN = timedelta(minutes=15)
#: How far Vidu's clock may be behind ours where the time alone tells what may be a submission, in seconds.
CLOCKS_DIFFER = 60.0
# A marker that no cut has shortened: its seal, other text or an item's attempt comes after it.
_WHOLE_MARKER = re.compile(rf"{re.escape(MARKER_PREFIX)}[0-9a-f]{{32}}(?:[^:]|:[0-9a-f]{{16}}(?:-\d+)?:\d)")
# One that the end of the payload cuts off.
_CUT_MARKER = re.compile(
    rf"{re.escape(MARKER_PREFIX)}(?:[0-9a-f]{{0,31}}|[0-9a-f]{{32}}:[0-9a-f]{{0,16}}(?:-\d*)?:?)\Z"
)
_ELLIPSES = ("…", "...")

#: Seconds between two searches while a submission may still become visible.
GAP = 10.0
#: The same, where a whole Dag run's time is searched.
RECALL_GAP = 30.0
#: Seconds before the last search, where the one before it could not say although the list has settled.
CONFIRM_GAP = 5.0
#: The key in the task state store under which an account is noted whose list was seen.
LIST_KEY = "vidu_list_shown"
#: Queries of listed tasks that fail in a row before the others are not queried in this search.
MAX_OUTAGES = 3


@dataclass(frozen=True)
class Found:
    """
    What a look-up has shown.

    :param task: the submission's task; None = not found.
    :param look_up: what it means that it was not found.
    :param candidates: ids of tasks that may be it, where they cannot be told apart.
    :param has_list: False = this host has no list at all.
    :param others: ids of further tasks of this task instance, newest first; only :func:`recall` looks for them.
    :param outage: why some of the list's tasks could not be queried now, so that a task may have been overlooked.
    :param shows_all_rows: the list was seen to its end: only rows that no query shows may be further tasks.
    """

    task: ViduTask | None = None
    look_up: LookUp | None = None
    candidates: tuple[str, ...] = ()
    has_list: bool = True
    others: tuple[str, ...] = ()
    outage: ViduError | None = None
    shows_all_rows: bool = False


class Search:
    """
    Several walks through one list, and what a single walk must not decide.

    A walk that finds nothing decides once the list has settled. One that cannot say may have met a row on its way to
    another page, a query that failed or a list that was missing for a moment: the list is walked again until it has
    settled, and only two walks in a row decide.

    :param account: whose list.
    :param settled: when what was submitted would show, epoch seconds.
    :param gap: seconds between two walks.
    :param was_shown: the list has been seen: where it is missing now, that is an outage.
    """

    def __init__(self, account: Account, settled: float, *, gap: float = GAP, was_shown: bool = False) -> None:
        self._account = account
        self.settled = settled
        self._gap = gap
        self.was_shown = was_shown
        #: When the first of the last walks that could not say began.
        self._unsure_at: float | None = None
        #: Payloads that were queried, by task id; they never change.
        self.payloads: dict[str, str] = {}

    def next_walk(self, verdict: LookUp | None, now: float, *, has_list: bool, can_be_found: bool) -> Pause | None:
        """
        Return how long to wait before the next walk; None = this one decides.

        :param verdict: what the walk means for a submission that it has not found.
        :param now: when the walk began, epoch seconds.
        :param has_list: False = the host seemed to have no list at all.
        :param can_be_found: False = no marker travels with the submission.
        :raises ViduUnavailableError: the list is missing now, and has been shown before.
        """
        may_change = (can_be_found or not has_list) and self._account.list_path is not None
        left = self.settled - now
        if may_change:
            is_sure = verdict is LookUp.ABSENT
            self._unsure_at = None if is_sure else self._unsure_at or now
            if left > 0:
                return Pause(min(self._gap, left), left)
            if self._unsure_at == now:
                return Pause(CONFIRM_GAP, 0.0)
        if not has_list and self.was_shown and self._account.list_path is not None:
            raise ViduUnavailableError(
                "The account's task list, which this host has shown before, cannot be read now.",
                advice=(
                    "Nothing was submitted by this try. A retry searches again. If this host has no list any more, set "
                    "list_path: null in the connection's extra."
                ),
            )
        return None


class ListMemory:
    """
    Remembers, beyond a try, that this host has shown its list: where a clear has discarded a record, a list that is
    missing would otherwise count as the user's consent to submit again.

    :param store: Airflow's.
    :param account: whose list.
    """

    def __init__(self, store: StateStore | None, account: Account) -> None:
        self._store = store
        self._account = account
        self._was_shown: bool | None = None

    def search(self, account: Account, attempted_at: float) -> Search:
        """Return a search for what was sent until a moment, epoch seconds."""
        settled = attempted_at + account.timeout + account.settle_seconds
        return Search(account, settled, gap=RECALL_GAP, was_shown=self.was_shown)

    @property
    def was_shown(self) -> bool:
        """Whether an earlier search has seen the list."""
        if self._was_shown is None:
            try:
                self._was_shown = self._store is not None and self._store.get(LIST_KEY) == self._account.identity
            except Exception as error:
                raise ViduUnavailableError(
                    f"The task state store cannot be read ({error}).",
                    advice="Nothing was submitted by this try. A retry looks again.",
                ) from error
        return self._was_shown

    def note(self, search: Search) -> None:
        """Note whether a search has seen the list."""
        if search.was_shown and not self.was_shown:
            self._was_shown = True
            if self._store is not None:
                # A store that fails now fails the intent, too, and then nothing is sent.
                with suppress(Exception):
                    self._store.set(LIST_KEY, self._account.identity)


class Pause(NamedTuple):
    """A wait before the next walk: for so many seconds, of so many until the list has settled (0 = it has)."""

    seconds: float
    of: float


def look_up(
    client: ViduClient,
    record: SubmissionRecord,
    *,
    clock: Callable[[], float],
    pause: Callable[[float, float], None],
    log: Any,
    shared_marker: bool = False,
) -> Found:
    """
    Search until the submission is found, or can be said to be absent, or cannot be told.

    :param client: whose list.
    :param record: with the intent's marker and the time of the attempt.
    :param clock: epoch seconds.
    :param pause: waits before the next search: see :class:`Pause`. It may raise instead, where that is long and the
        caller can come back.
    :param log: where the wait is told.
    :param shared_marker: other attempts have sent this marker too (below Airflow 3.3): that one of them has failed
        says nothing of the last one, until the list has settled.
    :raises ViduUnavailableError: the list cannot be read now; the intent stays, a retry looks again.
    """
    search = Search(client.account, settled_at(record, client.account, clock()))
    while True:
        looked_at = clock()
        found = _search(client, record, search, log, shared_marker=shared_marker)
        if found.task is None and found.outage is not None:
            raise found.outage
        if shared_marker and found.task is not None and found.task.failed and looked_at < search.settled:
            found = Found(look_up=LookUp.ABSENT)
        if found.task is not None:
            log.info("The earlier attempt was accepted: it is Vidu task %s.", found.task.task_id)
            return found
        wait = search.next_walk(
            found.look_up, looked_at, has_list=found.has_list, can_be_found=record.marker is not None
        )
        if wait is None:
            return found
        if found.look_up is LookUp.ABSENT:
            log.info("The earlier attempt is not in the account's list yet; it counts as absent in %.0f s.", wait.of)
        else:
            log.info("The account's list cannot say yet; searching again in %.0f s.", wait.seconds)
        pause(*wait)


def recall(
    client: ViduClient,
    marks: Sequence[str],
    *,
    search_from: float,
    attempted_at: float,
    can_be_found: bool,
    is_enough: Callable[[ViduTask], bool],
    list_memory: ListMemory,
    clock: Callable[[], float],
    pause: Callable[[float, float], None],
    log: Any,
) -> Found:
    """
    Search for the tasks of a task instance whose record is gone, and return the newest.

    :param marks: what the markers of its submissions begin with.
    :param search_from: when its first try can have submitted, epoch seconds.
    :param attempted_at: when an earlier try can have sent its last POST, epoch seconds.
    :param can_be_found: False = its payload has no place for a marker.
    :param list_memory: whether earlier searches have seen the list.
    :param pause: see :func:`look_up`.
    :return: with an outage, a task that was found is not known to be the newest.
    :raises ViduUnavailableError: the list cannot be read now; a retry searches again.
    """
    search = list_memory.search(client.account, min(attempted_at, clock()))
    is_reported = False
    while True:
        searched_at = clock()
        found = _search_marks(client, marks, search_from, can_be_found, log, search)
        list_memory.note(search)
        is_clear = found.look_up is not LookUp.UNKNOWN or found.shows_all_rows
        if found.task is not None and is_clear and is_enough(found.task):
            return found
        wait = search.next_walk(found.look_up, searched_at, has_list=found.has_list, can_be_found=can_be_found)
        if wait is None:
            return found
        if not is_reported:
            is_reported = True
            log.info(
                "The record of earlier tries is gone, and the account's list may still lag behind them: nothing is "
                "submitted for another %.0f s.",
                wait.of or wait.seconds,
            )
        pause(*wait)


def _search_marks(
    client: ViduClient,
    marks: Sequence[str],
    search_from: float,
    can_be_found: bool,
    log: Any,
    search: Search,
) -> Found:
    walk = Walk(search_from, search)
    if (without_list := _read(client, walk, log)) is not None:
        return without_list
    rows = _queried(client, walk, walk.shown())
    own = [row for row in rows if any(mark in (row.payload or "") for mark in marks)]
    own.sort(key=lambda row: (row.created or 0.0, len(row.task_id), row.task_id), reverse=True)
    unreadable = [row.task_id for row in rows if row not in own and not walk.is_told(row)]
    verdict = walk.verdict(unreadable) if can_be_found else LookUp.UNKNOWN
    if not own:
        return Found(look_up=verdict, candidates=tuple(unreadable), outage=walk.outage)
    # A list that was not seen whole may hide a newer one.
    hidden = LookUp.UNKNOWN if verdict is LookUp.UNKNOWN else None
    candidates = tuple(row.task_id for row in own) + tuple(unreadable)
    others = tuple(row.task_id for row in own[1:])
    return Found(
        own[0],
        hidden,
        candidates,
        others=others,
        outage=walk.outage,
        shows_all_rows=walk.shows_all_rows and can_be_found,
    )


def look_once(client: ViduClient, record: SubmissionRecord, *, log: Any) -> ViduTask | None:
    """
    Search once, without waiting for the list to settle.

    :param client: whose list.
    :param record: see :func:`look_up`.
    :param log: where problems are told.
    :return: the submission's task; None = not found, which says nothing.
    """
    try:
        return _search(client, record, Search(client.account, float("inf")), log, shared_marker=True).task
    except ViduError as error:
        log.warning("The account's task list cannot be searched: %s", error)
        return None


def _search(
    client: ViduClient,
    record: SubmissionRecord,
    search: Search,
    log: Any,
    *,
    shared_marker: bool,
) -> Found:
    begin = record.attempted_at if record.search_from is None else record.search_from
    walk = Walk(begin, search)
    if (without_list := _read(client, walk, log)) is not None:
        return without_list
    if record.marker is None:
        # The user's payload has no place for it, so that only the time tells which they may be.
        near = tuple(row.task_id for row in walk.rows if _created_within(row, record.attempted_at, search.settled))
        return Found(look_up=LookUp.UNKNOWN, candidates=near)
    # Without its seal, which is long: a host may cut payloads in a list.
    core = record.marker.partition(".")[0]
    rows = walk.shown()
    visible = [row for row in rows if core in (row.payload or "")]
    # No other row can have a marker of one attempt.
    rows = _queried(client, walk, visible if visible and not shared_marker else rows)
    found = [row for row in rows if core in (row.payload or "")]
    candidates = tuple(row.task_id for row in rows if row not in found and not walk.is_told(row))
    if not found:
        return Found(look_up=walk.verdict(candidates), candidates=candidates, outage=walk.outage)
    task = best(found)
    if task.failed and (walk.outage or candidates):
        # The reason is missing, or another attempt with this marker may run.
        return Found(look_up=LookUp.UNKNOWN, candidates=candidates, outage=walk.outage)
    return Found(task)


def _queried(client: ViduClient, walk: Walk, rows: Sequence[ViduTask]) -> list[ViduTask]:
    """Return rows with what the list leaves out, as far as it can be queried."""
    known = []
    for row in rows:
        try:
            known.append(walk.learn(client.get_task(row.task_id), row) if walk.may_query(row) else row)
        except ViduError as error:
            walk.failed(error, row)
            known.append(row)
    return known


class Walk:
    """
    A walk through the account's list, and what it allows to say of a submission that is not in it.

    :param begin: of the time that is searched, epoch seconds; clocks differ, so it goes back further.
    :param search: that it is a part of.
    """

    def __init__(self, begin: float, search: Search) -> None:
        self.paging = endpoints.Paging()
        self.rows: list[ViduTask] = []
        self._since = datetime.fromtimestamp(begin, timezone.utc) - MARGIN
        self._readable = True
        self._has_begun = False
        self._longest = 0
        self._search = search
        self._payloads = search.payloads
        self._outages = 0
        #: Why rows cannot be queried now.
        self.outage: ViduError | None = None

    def query(self) -> dict[str, Any]:
        """Return the question for the next page."""
        return {"created_after": self._since, "page_token": self.paging.token}

    def take(self, page: endpoints.TaskPage) -> None:
        """
        Note a page.

        :param page: the answer to :meth:`query`.
        """
        self._has_begun = self._search.was_shown = True
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

    def is_told(self, row: ViduTask) -> bool:
        """Say whether the whole payload of a row is known: lists may leave it out, leave it empty, or cut it."""
        return row.task_id in self._payloads or not (row.payload is None or may_be_cut(row.payload, self._longest))

    def may_query(self, row: ViduTask) -> bool:
        """Say whether a row lacks facts, see :func:`lacks_facts`, and the host has not failed to answer in a row."""
        return self._outages < MAX_OUTAGES and (not self.is_told(row) or lacks_facts(row))

    def learn(self, answer: ViduTask, row: ViduTask) -> ViduTask:
        """
        Return a row with what a query has shown.

        :param answer: to the query.
        :param row: as listed.
        """
        self._outages = 0
        if answer.payload is not None:
            self._payloads[row.task_id] = answer.payload
        return answer.filled_from(row)

    def failed(self, error: ViduError, row: ViduTask) -> None:
        """
        Note a query that failed. The row may be another application's task, of a kind that this host does not show.

        :param error: of the query.
        :param row: as listed.
        :raises ViduError: it is about the connection or its key.
        """
        if isinstance(error, ViduConfigurationError) or error.http_status == 401:
            raise error
        if error.fate is Fate.RETRYABLE:
            self._outages += 1
            self.outage = ViduUnavailableError(
                f"Vidu task {row.task_id}, which the account's list shows, cannot be queried now. {error.message}",
                http_status=error.http_status,
                advice="It may be the lost submission: nothing more was submitted. A retry searches again.",
            )

    def verdict(self, untold: Sequence[object]) -> LookUp:
        """
        Tell what it means that a submission was not found.

        :param untold: rows whose payload nobody tells.
        """
        return LookUp.ABSENT if self.shows_all_rows and not untold else LookUp.UNKNOWN

    def check_for_list(self, account: Account, error: ViduError, log: Any) -> bool:
        """
        Say whether this host has a list at all, after a page of it that could not be read; report one that is missing.

        :param account: whose list.
        :param error: of the page.
        :param log: where to.
        :raises ViduError: it may pass. A host that has shown one page has a list.
        """
        is_missing = endpoints.is_missing_endpoint(error)
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


def _read(client: ViduClient, walk: Walk, log: Any) -> Found | None:
    """Walk to the list's end; what is returned instead is what it means that the list cannot be searched."""
    try:
        while not walk.paging.ended:
            walk.take(client.list_page(**walk.query()))
    except ViduError as error:
        return Found(look_up=LookUp.UNKNOWN, has_list=walk.check_for_list(client.account, error, log))
    return None


def lacks_list(account: Account, error: ViduError) -> bool:
    """
    Say whether an error of the list means that this host has none; a refused key or a redirect does not.

    Vidu's own hosts have one: what looks like a missing path there is an outage.

    :param error: of a walk.
    """
    if account.list_path is None:
        return True
    return endpoints.is_missing_endpoint(error) and not account.is_vidus


def best(found: Sequence[ViduTask]) -> ViduTask:
    """
    Return which of several tasks with one marker counts; below Airflow 3.3 one marker serves all retries.

    :param found: what succeeded or runs outranks what failed.
    """
    return max(found, key=lambda row: (row.succeeded, not row.is_final, row.created or 0.0, row.created_at or ""))


def settled_at(record: SubmissionRecord, account: Account, now: float) -> float:
    """
    Return from when on a submission that is not in the list counts as absent.

    :param record: of the attempt.
    :param account: tells how long a POST can last, and how long a list may lag.
    :param now: epoch seconds.
    """
    ended = record.ended_at
    if ended is None:
        ended = record.not_after if record.not_after is not None else record.attempted_at + account.timeout
    # Nothing that was sent before this look can take longer, whatever another worker's clock has written.
    return min(ended, now + account.timeout) + account.settle_seconds


def _created_within(row: ViduTask, begin: float, end: float) -> bool:
    return row.created is None or begin - CLOCKS_DIFFER <= row.created <= end


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
