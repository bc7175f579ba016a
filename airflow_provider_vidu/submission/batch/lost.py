# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A batch's submissions of which nobody noted what became of them: all are searched for in one walk of the list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import Fate, ViduSubmissionInDoubtError
from airflow_provider_vidu.api.messages import counted, some_of
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.submission.batch.records import Item, reset_item
from airflow_provider_vidu.submission.batch.results import Memory
from airflow_provider_vidu.submission.batch.search import ListedTasks, search_list
from airflow_provider_vidu.submission.batch.state import BatchState
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY
from airflow_provider_vidu.submission.protocol import LookUp, Phase
from airflow_provider_vidu.submission.search import settled_at
from airflow_provider_vidu.submission.task_list import Pause, Search

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask


class LostSubmissions:
    """
    Finds what was accepted, and decides on the rest by the rules of submission.

    :param batch: whose.
    """

    def __init__(self, batch: BatchState) -> None:
        self._batch = batch
        self._search = Search(batch.client.account, 0.0)
        #: Tasks that may be a lost one, and cannot be told apart.
        self.candidates: Sequence[str] = ()

    async def adopt(self) -> None:
        """
        Search for what has a marker that no other attempt should have, and take the rest for never sent.

        So it is in a first try where nothing but the list remembers: unless this worker's idea of the task's retries is
        another one than Airflow's.
        """
        batch = self._batch
        await self.look_up(batch.lost, only_adopt=True)
        for index in batch.lost:
            batch.store.put(index, reset_item(batch.items[index]))

    async def look_up(self, lost: Sequence[int], *, only_adopt: bool = False) -> Pause | None:
        """
        Search the list once, and note what was found and what was not.

        :param lost: the numbers of the items.
        :return: how long to wait before the next search; None = nothing is left to find out.
        :raises ViduUnavailableError: the list cannot be read now.
        """
        batch = self._batch
        batch.log.info("Searching the account's list for %s.", counted(len(lost), "lost submission"))
        header = batch.header
        began = min(batch.items[index].attempted_at or batch.began for index in lost)
        if batch.memory is Memory.LIST and any(not batch.items[index].attempt for index in lost):
            began = batch.this_try.first_submission_since_the_clear(batch.began)
        elif any(not batch.items[index].attempt for index in lost):
            # A clear has discarded the record: any try of the run may have sent it.
            began = batch.this_try.first_submission(batch.began)
        now = batch.clock()
        listed = await search_list(batch.client, header.generation, began, batch.log, self._search)
        if any(not batch.items[index].attempt for index in lost):
            self._assign_equal_items(lost, listed)
        waits: list[Pause] = []
        is_held_up = False
        for index in lost:
            item = batch.items[index]
            request = batch.requests[index]
            record = item.as_submission(header, batch.client.account.timeout)
            self._search.settled = settled_at(record, batch.client.account, now)
            found = listed.find(item.identity, item.attempt)
            is_overlooked = listed.outage is not None and request.can_be_found
            if is_overlooked and (found is None or found[1].is_unexplained or (found[1].failed and not item.attempt)):
                # A task that cannot be queried now may be it, and a failure's reason decides what is done about it.
                is_held_up = True
                continue
            if found is not None:
                attempt, task = found
                if not item.attempt and task.failed:
                    # The number of attempts is unknown: a later one than the failed one may still show.
                    wait = self._search.next_walk(listed.verdict, now, has_list=listed.has_list, can_be_found=True)
                    if wait is not None:
                        waits.append(wait)
                        continue
                    if batch.memory is Memory.STORE:
                        self._reset_failed(index, task, attempt, listed)
                        continue
                if batch.memory is Memory.STORE and item.phase is Phase.INTENT:
                    # Its reply was lost. Without a store it may as well have been counted by the try that sent it.
                    metrics.submitted(request.model)
                batch.record_created(index, task, attempt)
                batch.log.info("Item %d: the earlier attempt was accepted: it is Vidu task %s.", index, task.task_id)
                continue
            verdict = listed.verdict if request.can_be_found else LookUp.UNKNOWN
            if only_adopt:
                continue
            wait = self._search.next_walk(verdict, now, has_list=listed.has_list, can_be_found=request.can_be_found)
            if wait is None:
                batch.look_ups[index] = verdict
            else:
                waits.append(wait)
        self.candidates = listed.candidates
        batch.store.write(needed=False)
        if is_held_up and listed.outage is not None and not only_adopt:
            raise listed.outage
        # The last one decides when all of them can be told.
        wait = max(waits, key=lambda wait: wait.of, default=None)
        if wait is not None and wait.of:
            batch.log.info(
                "Lost submissions are not in the account's list yet; they count as absent in %.0f s.", wait.of
            )
        return wait

    def _reset_failed(self, index: int, task: ViduTask, attempt: int, listed: ListedTasks) -> None:
        """Submit an item again that has failed before a clear discarded its record."""
        batch = self._batch
        if listed.verdict is LookUp.UNKNOWN:
            batch.look_ups[index] = LookUp.UNKNOWN
            return
        batch.log.info(
            "Item %d is submitted again: Vidu task %s failed, unbilled, before the clear.", index, task.task_id
        )
        batch.budget.release(batch.reserved.pop(index, 0))
        batch.store.put(index, replace(reset_item(batch.items[index]), attempt=attempt))

    def _assign_equal_items(self, lost: Sequence[int], listed: ListedTasks) -> None:
        """
        Give equal requests the best of their tasks where nothing but the list remembers them.

        :raises ViduError: an earlier try has submitted what no request asks for now.
        """
        batch = self._batch
        rows_of: dict[str, list[int]] = defaultdict(list)
        for index in lost:
            # What this try has sent itself has a name of its own.
            if not batch.items[index].attempt:
                rows_of[batch.items[index].reading.identity].append(index)
        if not rows_of:
            return
        free = {batch.items[index].identity for rows in rows_of.values() for index in rows}
        taken = {item.identity for item in batch.items} - free
        best = sorted((name for name in listed.by_attempt if name not in taken), key=listed.sort_key, reverse=True)
        for identity, rows in rows_of.items():
            seen = [name for name in best if name.partition("-")[0] == identity][: len(rows)]
            unseen = [name for index in rows if (name := batch.items[index].identity) not in seen]
            for index, name in zip(rows, seen + unseen, strict=False):
                batch.store.put(index, replace(batch.items[index], identity=name))
        asked_for = {item.identity for item in batch.items}
        left = [
            task.task_id
            for name in best
            if name not in asked_for
            for task in listed.by_attempt[name].values()
            if not task.failed
        ]
        if left and batch.memory is Memory.LIST and batch.policies.on_input_change != "resubmit":
            raise batch.changed_error(len(left), left)

    def in_doubt_error(self, index: int, reason: str) -> ViduSubmissionInDoubtError:
        """Return the error of an item of which nobody can tell whether it was accepted."""
        batch = self._batch
        item = batch.items[index]
        reply = f" {batch.lost_replies[index]}" if index in batch.lost_replies else ""
        listed = f" Vidu tasks that may be it: {some_of(self.candidates)}." if self.candidates else ""
        return ViduSubmissionInDoubtError(
            f"An attempt was made, and {reason}.{reply}{listed}",
            # Whoever has chosen to submit in doubt does so with the next try.
            fate=Fate.RETRYABLE if batch.policies.on_unknown == "resubmit" else None,
            advice=(
                f"It may exist and be billed: look for {item.marker(batch.header.generation)} in the payloads of the "
                f"account's tasks. If one is it, {self._adopt_advice(item)} on_unknown='resubmit' submits it again all "
                "the same."
            ),
        )

    def _adopt_advice(self, item: Item) -> str:
        batch = self._batch
        if batch.memory is not Memory.STORE:
            return batch.memory.by_clearing("what failed")
        command = batch.this_try.write_by_hand(ADOPTED_KEY, {item.marker(batch.generation): "THE-VIDU-TASK-ID"})
        return f"adopt it: {command} ; then {clear_this_task()}: {batch.this_try.clear_command()} ;"
