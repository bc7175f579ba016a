# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Decides what becomes of a batch's submissions whose replies were lost, by what the account's list shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from airflow_provider_vidu.api.errors import Fate, ViduSubmissionInDoubtError
from airflow_provider_vidu.api.messages import counted, some_of
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.submission.batch.records import reset_item
from airflow_provider_vidu.submission.batch.search import ListedTasks, search_list
from airflow_provider_vidu.submission.batch.state import BatchState
from airflow_provider_vidu.submission.batch.store import ADOPTED_KEY
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.submission.record import Phase
from airflow_provider_vidu.submission.retry_or_clear import LookUp
from airflow_provider_vidu.submission.search import settled_at
from airflow_provider_vidu.submission.task_list import Pause, Search


class LostSubmissions:
    """Finds the lost submissions that Vidu accepted, and decides on the others by the rules of submission."""

    def __init__(self, batch: BatchState) -> None:
        self._batch = batch
        self._search = Search(batch.client.account, list_memory=batch.list_memory)
        #: Tasks that may be lost submissions, though no query shows which.
        self.candidates: Sequence[str] = ()

    async def adopt(self) -> None:
        """
        Search for the items of a first try without a store, and take those that are not found for never sent.

        Usually none is found. One may be, if this worker counts the task's retries differently from Airflow: then the
        marker of this "first" try is that of an earlier one.
        """
        batch = self._batch
        await self.look_up(batch.lost, only_adopt=True)
        for index in batch.lost:
            batch.store.put(index, reset_item(batch.items[index]))

    async def look_up(self, lost: Sequence[int], *, only_adopt: bool = False) -> Pause | None:
        """
        Search the list once, and record what was found; with ``only_adopt``, conclude nothing about the rest.

        :return: how long to wait before the next search; None = nothing is left to find out.
        :raises ViduUnavailableError: the list cannot be read now.
        """
        batch = self._batch
        batch.log.info("Searching the account's list for %s.", counted(len(lost), "lost submission"))
        header = batch.header
        is_recalled = any(not batch.items[index].attempt for index in lost)
        if not is_recalled:
            began = min(batch.items[index].attempted_at or batch.began for index in lost)
        elif batch.memory is Memory.LIST:
            began = batch.this_try.first_submission_since_the_clear(batch.began)
        else:
            # A clear has discarded the record: any try of the run may have sent it.
            began = batch.this_try.first_submission(batch.began)
        now = batch.clock()
        listed = await search_list(batch.client, header.generation, began, batch.log, self._search)
        batch.list_memory.note(self._search)
        if is_recalled:
            self._assign_equal_items(lost, listed)
        waits: list[Pause] = []
        is_held_up = False
        for index in lost:
            item = batch.items[index]
            request = batch.requests[index]
            record = item.as_submission(header, batch.client.account.timeout)
            settled = settled_at(record, batch.client.account, now)
            found = listed.find(item.identity, item.attempt)
            is_overlooked = listed.outage is not None and request.can_be_found
            if is_overlooked and (found is None or found[1].is_unexplained or (found[1].failed and not item.attempt)):
                # A task that cannot be queried now may be it, and what follows depends on why a task has failed.
                is_held_up = True
                continue
            if found is not None:
                attempt, task = found
                if not item.attempt and task.failed:
                    # The number of attempts is unknown: a later one than the failed one may still show.
                    wait = self._search.next_walk(
                        listed.verdict, now, settled, has_list=listed.has_list, can_be_found=True
                    )
                    if wait is not None:
                        waits.append(wait)
                        continue
                    if batch.memory is Memory.STORE:
                        batch.log.info("%s: Vidu task %s failed, unbilled.", request.origin.subject, task.task_id)
                        batch.failed_attempts[index] = attempt
                        batch.look_ups[index] = listed.verdict
                        continue
                if batch.memory is Memory.STORE and item.phase is Phase.INTENT:
                    # Its reply was lost. Without a store, the try that sent it may have counted it already.
                    metrics.submitted(request.model)
                batch.record_created(index, task, attempt)
                name = request.origin.subject
                batch.log.info("%s: the earlier attempt was accepted: it is Vidu task %s.", name, task.task_id)
                continue
            verdict = listed.verdict if request.can_be_found else LookUp.UNKNOWN
            if only_adopt:
                continue
            wait = self._search.next_walk(
                verdict, now, settled, has_list=listed.has_list, can_be_found=request.can_be_found
            )
            if wait is None:
                batch.look_ups[index] = verdict
            else:
                waits.append(wait)
        self.candidates = listed.candidates
        batch.store.write(needed=False)
        if is_held_up and listed.outage is not None and not only_adopt:
            raise listed.outage
        # The longest wait decides, since all of them need the same walk.
        wait = max(waits, key=lambda wait: wait.of, default=None)
        if wait is not None and wait.of:
            batch.log.info(
                "Lost submissions are not in the account's list yet. Those still missing in %.0f s count as absent.",
                wait.of,
            )
        return wait

    def _assign_equal_items(self, lost: Sequence[int], listed: ListedTasks) -> None:
        """
        Assign the best of their tasks to equal requests of which only the list has a record.

        :raises ViduError: an earlier try has submitted a request that is not in the batch now.
        """
        batch = self._batch
        rows_of: dict[str, list[int]] = defaultdict(list)
        for index in lost:
            # An item that this try has sent keeps its own name.
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
        """Return the error of an item of which it is unknown whether Vidu accepted it."""
        batch = self._batch
        item = batch.items[index]
        reply = f" {batch.lost_replies[index]}" if index in batch.lost_replies else ""
        listed = f" Vidu tasks that may be the lost one: {some_of(self.candidates)}." if self.candidates else ""
        marker = item.marker(batch.generation)
        # Of a recalled item it is unknown how often it was sent.
        sought = f"contains {marker if item.attempt else marker.removesuffix('0')}"
        return ViduSubmissionInDoubtError(
            f"A submission was attempted, but {reason}.{reply}{listed}",
            # With on_unknown='resubmit' the next try submits it again.
            fate=Fate.RETRYABLE if batch.policies.on_unknown == "resubmit" else None,
            advice=(
                f"The task may exist and be billed: search the account's tasks for one whose payload {sought}. "
                f"If there is one, {self._adopt_advice(marker)} Setting on_unknown='resubmit' submits the request "
                "again in any case."
            ),
        )

    def _adopt_advice(self, marker: str) -> str:
        batch = self._batch
        if batch.memory is not Memory.STORE:
            return batch.memory.by_clearing(None)
        this_try = batch.this_try
        return (
            f"adopt it: {this_try.write_by_hand(ADOPTED_KEY, {marker: 'THE-VIDU-TASK-ID'})} ; if there is none, "
            f"record that nothing was created: {this_try.write_by_hand(ADOPTED_KEY, {marker: None})} . Then "
            f"{clear_this_task()}: {this_try.clear_command()} ."
        )
