# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Searches the account's task list for a submission whose id was not recorded.

A submission is *absent* only if the list was read to its end, with the whole payload of every row, late enough after
the POST can have ended. Everything else is *unknown*, and nothing is submitted unless the user has chosen so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.submission.record import SubmissionRecord
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.task_list import ListMemory, Rows, Search, read_rows, walk_list

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: How far Vidu's clock may be behind ours where the time alone shows what may be a submission, in seconds.
CLOCKS_DIFFER = 60.0
#: Seconds between two searches where a whole Dag run's time is searched.
RECALL_GAP = 30.0


@dataclass(frozen=True)
class Found:
    """
    The result of a search.

    :param task: the submission's task; None = not found.
    :param look_up: what it means that it was not found.
    :param candidates: ids of tasks that may be it, if they cannot be distinguished.
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


def look_up(
    client: ViduClient,
    record: SubmissionRecord,
    *,
    list_memory: ListMemory,
    clock: Callable[[], float],
    pause: Callable[[float, float], None],
    log: Any,
    shared_marker: bool = False,
) -> Found:
    """
    Search until the submission is found, is known to be absent, or is known to remain unknown.

    :param record: with the intent's marker and the time of the attempt.
    :param list_memory: whether earlier searches have seen the list.
    :param pause: waits before the next search: see :class:`Pause`. It may raise instead, where that is long and the
        caller can come back.
    :param shared_marker: other attempts have sent this marker too (below Airflow 3.3): that one of them has failed
        says nothing of the last one, until the list has settled.
    :raises ViduUnavailableError: the list cannot be read now; the intent stays, a retry searches again.
    """
    search = Search(client.account, list_memory=list_memory)
    settled = settled_at(record, client.account, clock())
    while True:
        searched_at = clock()
        found = _search(client, record, search, settled, log, shared_marker=shared_marker)
        list_memory.note(search)
        if found.task is None and found.outage is not None:
            raise found.outage
        if shared_marker and found.task is not None and found.task.failed and searched_at < settled:
            found = Found(look_up=LookUp.ABSENT)
        if found.task is not None:
            log.info("The earlier attempt was accepted: it is Vidu task %s.", found.task.task_id)
            return found
        wait = search.next_walk(
            found.look_up, searched_at, settled, has_list=found.has_list, can_be_found=record.marker is not None
        )
        if wait is None:
            return found
        if found.look_up is LookUp.ABSENT:
            log.info(
                "The earlier attempt is not in the account's list yet. If still missing in %.0f s it counts as absent.",
                wait.of or wait.seconds,
            )
        else:
            log.info("The account's list is not conclusive yet; searching again in %.0f s.", wait.seconds)
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
    search = Search(client.account, gap=RECALL_GAP, list_memory=list_memory)
    settled = list_settled_at(attempted_at + client.account.timeout, client.account, clock())
    is_reported = False
    while True:
        searched_at = clock()
        rows = read_rows(client, walk_list(client.account, search_from, search, log))
        found = _found_by_marks(rows, marks, can_be_found=can_be_found)
        list_memory.note(search)
        is_clear = found.look_up is not LookUp.UNKNOWN or found.shows_all_rows
        if found.task is not None and is_clear and is_enough(found.task):
            return found
        wait = search.next_walk(found.look_up, searched_at, settled, has_list=found.has_list, can_be_found=can_be_found)
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


def _found_by_marks(rows: Rows, marks: Sequence[str], *, can_be_found: bool) -> Found:
    """Return which of the rows is the newest task of a task instance."""
    if not rows.has_list:
        return Found(look_up=LookUp.UNKNOWN, has_list=False)
    own = [row for row in rows.tasks if any(mark in (row.payload or "") for mark in marks)]
    own.sort(key=age_key, reverse=True)
    owned = tuple(row.task_id for row in own)
    unreadable = tuple(task_id for task_id in rows.unreadable if task_id not in owned)
    is_seen = rows.is_whole and can_be_found
    verdict = LookUp.ABSENT if is_seen and not unreadable else LookUp.UNKNOWN
    if not own:
        return Found(look_up=verdict, candidates=unreadable, outage=rows.outage)
    return Found(
        own[0],
        # A list that was not seen whole may hide a newer one.
        LookUp.UNKNOWN if verdict is LookUp.UNKNOWN else None,
        owned + unreadable,
        others=owned[1:],
        outage=rows.outage,
        shows_all_rows=is_seen,
    )


def look_once(client: ViduClient, record: SubmissionRecord, *, log: Any) -> ViduTask | None:
    """
    Search once, without waiting for the list to settle.

    :param record: see :func:`look_up`.
    :return: the submission's task; None = not found, which says nothing.
    """
    try:
        return _search(client, record, Search(client.account), float("inf"), log, shared_marker=True).task
    except ViduError as error:
        log.warning("The account's task list cannot be searched: %s", error)
        return None


def _search(
    client: ViduClient, record: SubmissionRecord, search: Search, settled: float, log: Any, *, shared_marker: bool
) -> Found:
    begin = record.attempted_at if record.search_from is None else record.search_from
    # Without its seal, which is long: a host may cut payloads in a list.
    core = (record.marker or "").partition(".")[0]

    def select(rows: Sequence[ViduTask]) -> Sequence[ViduTask]:
        if not core:
            # The user's payload has no place for it, so only the time shows which they may be.
            return [row for row in rows if _created_within(row, record.attempted_at, settled)]
        visible = [row for row in rows if core in (row.payload or "")]
        # No other row can have a marker of one attempt.
        return visible if visible and not shared_marker else rows

    rows = read_rows(client, walk_list(client.account, begin, search, log, select))
    if not rows.has_list or not core:
        near = tuple(row.task_id for row in rows.tasks)
        return Found(look_up=LookUp.UNKNOWN, candidates=near, has_list=rows.has_list)
    found = [row for row in rows.tasks if core in (row.payload or "")]
    own = {row.task_id for row in found}
    candidates = tuple(task_id for task_id in rows.unreadable if task_id not in own)
    if not found:
        return Found(look_up=rows.verdict, candidates=candidates, outage=rows.outage)
    task = best(found)
    if task.failed and (rows.outage or candidates):
        # The reason is missing, or another attempt with this marker may run.
        return Found(look_up=LookUp.UNKNOWN, candidates=candidates, outage=rows.outage)
    return Found(task)


def best(found: Sequence[ViduTask]) -> ViduTask:
    """
    Return which of several tasks with one marker counts; below Airflow 3.3 one marker serves all retries.

    :param found: what succeeded or runs outranks what failed.
    """
    return max(found, key=worth_key)


def worth_key(task: ViduTask) -> tuple[bool, bool, float, str]:
    """Return a key that sorts tasks of one marker: what succeeded or runs comes after what failed."""
    return task.succeeded, not task.is_final, task.created or 0.0, task.created_at or ""


def age_key(task: ViduTask) -> tuple[float, int, str]:
    """Return a key that sorts tasks by their age. Some lists have no times; Vidu's ids grow."""
    return task.created or 0.0, len(task.task_id), task.task_id


def settled_at(record: SubmissionRecord, account: Account, now: float) -> float:
    """
    Return when a submission that is not in the list starts to count as absent, epoch seconds.

    :param record: of the attempt.
    :param account: knows how long a POST can last, and how long a list may lag.
    :param now: epoch seconds.
    """
    ended = record.ended_at
    if ended is None:
        ended = record.not_after if record.not_after is not None else record.attempted_at + account.timeout
    return list_settled_at(ended, account, now)


def list_settled_at(ended: float, account: Account, now: float) -> float:
    """Return when the list shows every submission whose POST ended by then, epoch seconds."""
    # Nothing that was sent before now can take longer, whatever another worker's clock has written.
    return min(ended, now + account.timeout) + account.settle_seconds


def _created_within(row: ViduTask, begin: float, end: float) -> bool:
    return row.created is None or begin - CLOCKS_DIFFER <= row.created <= end
