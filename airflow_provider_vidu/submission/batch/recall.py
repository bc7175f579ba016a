# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Finds what a batch has submitted after a clear has discarded its record: in the account's list, or in the manifest.

As with a record, a clear means the rest. Only after a generation that was delivered whole does it mean a new generation
of everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduSubmissionInDoubtError, ViduUnavailableError
from airflow_provider_vidu.api.messages import some_of
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.submission.batch.matching import match
from airflow_provider_vidu.submission.batch.records import UNREAD, Item, find_marker
from airflow_provider_vidu.submission.batch.state import BatchState
from airflow_provider_vidu.submission.batch.store import HEADER_KEY
from airflow_provider_vidu.submission.record import Phase
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.search import RECALL_GAP, age_key, best, list_settled_at
from airflow_provider_vidu.submission.task_list import Search, aread_rows, walk_list
from airflow_provider_vidu.waiting.bulk_query import in_parallel

if TYPE_CHECKING:
    from airflow_provider_vidu.client import AsyncViduClient

#: Destinations that are checked at once for a file.
MAX_PARALLEL = 20


@dataclass(frozen=True)
class MarkedTask:
    """A task of a batch, as listed or as the manifest has it, with the parts of its marker."""

    generation: str
    identity: str
    attempt: int
    task: ViduTask


@dataclass(frozen=True)
class Generation:
    """
    The newest generation of a batch's videos: for each item's identity, the task that counts and its attempt.

    ``others`` are the markers of earlier generations. ``is_listed`` is False if the manifest has it, since the host has
    no list. ``in_doubt`` are the attempts, by their items' identities, of which the manifest knows no task.
    """

    marker: str
    tasks: Mapping[str, ViduTask]
    attempts: Mapping[str, int]
    others: tuple[str, ...] = ()
    is_listed: bool = True
    in_doubt: Mapping[str, int] = field(default_factory=dict)

    @property
    def items(self) -> list[Item]:
        """The items as a record would have them; failed ones are new, if the list may yet show a later attempt."""
        items = []
        for identity, task in self.tasks.items():
            item = Item(
                identity,
                Phase.SUBMITTED,
                self.attempts[identity],
                task.task_id,
                task.credits,
                task.created,
                more=UNREAD,
            )
            items.append(Item(identity) if self.is_listed and task.failed else item)
        lost = (item for item in self.in_doubt.items() if item[0] not in self.tasks)
        items += [Item(identity, Phase.INTENT, attempt, more=UNREAD) for identity, attempt in lost]
        return items


@dataclass(frozen=True)
class Recalled:
    """What a search has shown; ``verdict`` says what it means that a submission was not found."""

    generation: Generation | None
    verdict: LookUp
    has_list: bool = True
    has_moved: bool = False
    candidates: tuple[str, ...] = ()
    outage: ViduError | None = None


def read_marker(text: str, task: ViduTask, marks: Sequence[str]) -> MarkedTask | None:
    """Return the task with the marker in its payload; None if it is not this task instance's."""
    marker = find_marker(text, tuple(marks))
    return None if marker is None else MarkedTask(*marker, task)


def newest_generation(submitted: Iterable[MarkedTask]) -> Generation | None:
    """Return the generation that was submitted last."""
    generations: dict[str, list[MarkedTask]] = {}
    for one in submitted:
        generations.setdefault(one.generation, []).append(one)
    if not generations:
        return None
    ordered = sorted(
        generations, key=lambda marker: max(age_key(one.task) for one in generations[marker]), reverse=True
    )
    tasks: dict[str, ViduTask] = {}
    attempts: dict[str, int] = {}
    for one in sorted(generations[ordered[0]], key=lambda one: one.attempt):
        earlier = tasks.get(one.identity)
        # A later attempt counts, unless an earlier one is paid or running and the later one is not.
        if earlier is None or best([earlier, one.task]) is one.task or earlier.failed:
            tasks[one.identity], attempts[one.identity] = one.task, one.attempt
    return Generation(ordered[0], tasks, attempts, tuple(ordered[1:]))


def tasks_in_manifest(rows: Iterable[Mapping[str, Any]], marks: Sequence[str]) -> list[MarkedTask]:
    """Return the tasks in a manifest, without rows that have no task or belong to another batch."""
    found = []
    for row in rows:
        try:
            task = ViduTask.from_record(row)
        except (TypeError, ValueError):
            continue
        if one := read_marker(str(row.get("payload") or ""), task, marks):
            found.append(one)
    return found


def generation_in_manifest(rows: Sequence[Mapping[str, Any]], marks: Sequence[str]) -> Generation | None:
    """Return the generation that a manifest shows, with its items in doubt."""
    markers = (find_marker(str(row.get("payload") or ""), tuple(marks)) for row in rows if not row.get("task_id"))
    lost = [marker for marker in markers if marker is not None]
    found = newest_generation(tasks_in_manifest(rows, marks))
    if found is None and lost:
        found = Generation(lost[0].generation, {}, {})
    if found is None:
        return None
    in_doubt = {one.identity: one.attempt for one in lost if one.generation == found.marker}
    return replace(found, is_listed=False, in_doubt=in_doubt)


def is_delivered_by(generation: Generation, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a manifest belongs to this generation and has a video in every row."""
    named = {str(row.get("task_id")) for row in rows}
    made = {task.task_id for task in generation.tasks.values() if not task.failed}
    return bool(rows) and made <= named and all(row.get("error") is None for row in rows)


async def recall(
    client: AsyncViduClient,
    marks: Sequence[str],
    begin: float,
    manifest: Sequence[Mapping[str, Any]],
    log: Any,
    search: Search,
) -> Recalled:
    """
    Search the account's list once, from ``begin`` (epoch seconds) on; without a list, search the manifest.

    :raises ViduUnavailableError: the list cannot be read now; a retry searches again.
    """
    rows = await aread_rows(client, walk_list(client.account, begin, search, log))
    found = [one for task in rows.tasks if task.payload and (one := read_marker(task.payload, task, marks))]
    generation = newest_generation(found) if rows.has_list else generation_in_manifest(manifest, marks)
    return Recalled(generation, rows.verdict, rows.has_list, rows.has_moved, rows.unreadable, rows.outage)


async def find_generation(batch: BatchState) -> Generation | None:
    """
    Find the generation that a batch continues, after a clear that may have discarded its record.

    :return: None = start a new generation.
    :raises ViduSubmissionInDoubtError: the list cannot say what was submitted.
    :raises ViduUnavailableError: the list cannot be read now; a retry searches again.
    :raises SubmitLater: see :meth:`BatchState.pause`.
    """
    begin = batch.this_try.first_submission(batch.began)
    # An earlier try may have sent its last POST just before this one began.
    account = batch.client.account
    settled = list_settled_at(batch.began + account.timeout, account, batch.clock())
    search = Search(account, gap=RECALL_GAP, list_memory=batch.list_memory)
    manifest = await asyncio.to_thread(batch.read_manifest)
    batch.log.info("A clear may have discarded the record of earlier tries: searching the account's list.")
    marks = batch.this_try.marks(HEADER_KEY)
    can_be_found = [request.can_be_found for request in batch.requests]
    is_reported = False
    while True:
        searched_at = batch.clock()
        found = await recall(batch.client, marks, begin, manifest, batch.log, search)
        batch.list_memory.note(search)
        generation = found.generation
        # If all tasks have finished, a newer generation may not show yet.
        is_running = generation is not None and not all(task.is_final for task in generation.tasks.values())
        wait = None
        if not (is_running and found.has_list):
            wait = search.next_walk(
                found.verdict, searched_at, settled, has_list=found.has_list, can_be_found=any(can_be_found)
            )
        if wait is None:
            break
        if not is_reported:
            is_reported = True
            batch.log.info(
                "The account's list may still lag behind: nothing is submitted for another %.0f s.",
                wait.of or wait.seconds,
            )
        await batch.pause(*wait)
    may_be_older = generation is not None and found.has_list and not is_running and (found.outage or found.has_moved)
    if may_be_older and batch.policies.on_unknown != "resubmit":
        # There may be a newer one, which began once this one was delivered.
        raise found.outage or ViduUnavailableError(
            "The account's list has moved while it was read, so that earlier submissions may have been missed.",
            advice="This try submitted nothing. A retry searches again; on_unknown='resubmit' goes on without asking.",
        )
    if not found.has_list:
        batch.log.warning(
            "The clear may have discarded the record of earlier tries, and this host has no task list: a Vidu task "
            "that they submitted can only be found in the manifest. If others are still running, the triggerer "
            "tries to cancel them."
        )
        batch.note_discarded()
    if generation is not None and not await _was_delivered_whole(batch, generation, manifest):
        if generation.others:
            batch.log.warning(
                "Earlier tries have submitted several generations of this batch. This try uses the newest, %s; the "
                "others: %s.",
                generation.marker,
                some_of(generation.others),
            )
        return generation
    if found.outage is not None:
        raise found.outage
    is_unknown = found.has_list and (found.verdict is LookUp.UNKNOWN or not all(can_be_found))
    if is_unknown and batch.policies.on_unknown == "fail":
        raise _in_doubt_error(batch, found)
    if generation is not None:
        batch.warn_about_another_generation(
            {task.task_id: task.credits for task in generation.tasks.values() if task.succeeded}
        )
    return None


async def _was_delivered_whole(
    batch: BatchState, generation: Generation, manifest: Sequence[Mapping[str, Any]]
) -> bool:
    """Check whether every video was delivered, as far as the manifest and the destinations show."""
    if is_delivered_by(generation, manifest):
        return True
    made = {task.task_id for task in generation.tasks.values()}
    if any(row.get("error") is not None and row.get("task_id") in made for row in manifest):
        return False
    items = match(generation.items, [request.reading for request in batch.requests], by_place=False).items
    tasks = [generation.tasks.get(item.identity) if item.has_been_sent else None for item in items]
    if not all(task is not None and task.succeeded for task in tasks):
        return False
    missing: list[int] = []

    async def check(index: int) -> None:
        task = tasks[index]
        if not missing and task is not None and await asyncio.to_thread(batch.is_landed, index, task) is False:
            missing.append(index)

    await in_parallel(range(len(tasks)), min(MAX_PARALLEL, len(tasks)), check)
    return not missing


def _in_doubt_error(batch: BatchState, found: Recalled) -> ViduSubmissionInDoubtError:
    this_try = batch.this_try
    listed = f" Vidu tasks that may belong to it: {some_of(found.candidates)}." if found.candidates else ""
    return ViduSubmissionInDoubtError(
        f"An earlier try of {this_try.name} may have submitted: a clear may have discarded its record, and the "
        f"account's list does not show what it submitted.{listed}",
        advice=(
            "It may be billed; this try submitted nothing. Check the account's tasks since this Dag run began. If none "
            f"belongs to this batch, record that: {this_try.nothing_created_by_hand(HEADER_KEY)} . Then "
            f"{clear_this_task()}: {this_try.clear_command()} (AIRFLOW_TOKEN is a token for Airflow's API; "
            "AIRFLOW_URL, if a command has it, is Airflow's address). on_unknown='resubmit' submits everything again "
            "without asking. If you set your own payload, put {marker} into it, so that later runs find what they "
            "submitted."
        ),
    )
