# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Durable submission of many requests: every item by the rules of ``submission_rules``, many of them at once.

::

    header and shards read                    ->  each item decided on
    lost ones searched in one walk of the list, known ones read 100 a query
    intents written for those that can leave  and the ids of those that have returned: one write for both
    POSTs, at most max_in_flight              each payload carries its item's marker
    what is in doubt is searched again        once it can be told

Runs on an event loop of the worker's own; the store is written from that loop, since nothing else waits for it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduCreditError,
    ViduError,
    ViduNoCreationError,
    ViduNotFoundError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
    task_error,
)
from airflow_provider_vidu.batch.flow import Flow, kept_text, refusal_of
from airflow_provider_vidu.batch.pacing import Budget, Pace
from airflow_provider_vidu.batch.records import Header, Item, ItemPhase, match, renewed
from airflow_provider_vidu.batch.requests import BatchRequest, names_of, problems_of
from airflow_provider_vidu.batch.search import search
from airflow_provider_vidu.batch.store import ADOPTED_KEY, HEADER_KEY, BatchStore, TravellingStore
from airflow_provider_vidu.bulk_query import BulkQuery
from airflow_provider_vidu.submission import (
    IN_PLACE_SECONDS,
    MAX_ATTEMPTS,
    MIN_ABSENCE,
    UNKNOWN_RUN_AGE,
    SubmitLater,
)
from airflow_provider_vidu.submission_rules import (
    MARKER_PREFIX,
    Action,
    Known,
    LookUp,
    Remote,
    decide,
    derived_marker,
    remote_of,
)
from airflow_provider_vidu.submission_search import GAP, settled_at
from airflow_provider_vidu.submission_try import Policies, Resumed, Try
from airflow_provider_vidu.waiting import EMPTY_GAP, EMPTY_LOOKS, SLICE

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient
    from airflow_provider_vidu.compat import StateStore

#: Seconds between two lines of progress while submitting.
SAY_EVERY = 15.0
#: Seconds for cancelling what is not in the batch any more.
LEAVE_SECONDS = 30.0
#: Items that a message names.
MAX_NAMED = 20


class BatchSubmission:
    """
    The submissions of one batch, over all tries of its task instance.

    :param client: where to submit.
    :param this_try: which try asks.
    :param store: what outlives a try; None = nothing does (Airflow below 3.3).
    :param policies: what the DAG author has chosen.
    :param max_in_flight: submissions that may be out at once.
    :param item_retries: how often an item is submitted again within a try after it has failed for a passing reason.
    :param credit_budget: credits that all of it may cost; None = any.
    :param resumed: what the try took with it when it left the worker; None = it has not.
    :param travelled: the values of a :class:`TravellingStore` that came with it.
    :param clock: epoch seconds; injected by tests.
    :param stop: called at least every half second; raises to end the try.
    :param log: where to tell what is done and why.
    """

    def __init__(
        self,
        client: AsyncViduClient,
        this_try: Try,
        store: StateStore | None,
        policies: Policies,
        *,
        max_in_flight: int,
        item_retries: int = 0,
        credit_budget: int | None = None,
        resumed: Resumed | None = None,
        travelled: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
        stop: Callable[[], None] = lambda: None,
        log: Any,
    ) -> None:
        self.client = client
        self.this_try = this_try
        self.policies = policies
        self.requests: Sequence[BatchRequest] = ()
        #: Tasks as last seen, by their items' numbers.
        self.tasks: dict[int, ViduTask] = {}
        #: Why an item has no task that can succeed, by its number.
        self.errors: dict[int, ViduError] = {}
        #: Why nothing more is submitted; None = nothing stands in the way.
        self.stopped: ViduError | None = None
        #: Replies that this try has lost, by the items' numbers.
        self.in_doubt: Counter[int] = Counter()
        #: Credits that are held back for what is out, by the items' numbers.
        self.reserved: dict[int, int] = {}
        self.pace = Pace(max_in_flight, this_try.spread)
        self.budget = Budget(credit_budget)
        self.max_in_flight = max_in_flight
        self.clock = clock
        self.stop = stop
        self.log = log
        self.began = clock() if resumed is None else resumed.began
        lasting = store if policies.durable else None
        #: What has to travel in the arguments of a deferral; None = the store has it.
        self.travelling = TravellingStore(travelled) if lasting is None else None
        self.kept = BatchStore(lasting or self.travelling or TravellingStore(), this_try, log)
        self._derived = lasting is None and policies.durable
        self._item_retries = item_retries
        self._has_left = resumed is not None
        self._waited = 0.0 if resumed is None else IN_PLACE_SECONDS
        self._query = BulkQuery(client)
        self._said_at = clock()

    @property
    def items(self) -> Sequence[Item]:
        """What is known of each item, in the order of the requests."""
        return self.kept.items

    async def submit(self, requests: Sequence[BatchRequest]) -> None:
        """
        Submit what has not been submitted by any try, and find what has. The first thing that a try does.

        :param requests: as checked. One that cannot be built now is taken for what stood in its place.
        :raises ViduInputError: requests that nothing was submitted for cannot be built.
        :raises ViduError: the list differs from what was paid for, or nothing can be told or written now.
        :raises SubmitLater: only where the policies have ``may_leave``.
        """
        self.requests = requests
        header = self.kept.load()
        if header is None or self._begins_anew(header):
            self._begin(layout=1 if header is None else header.layout + 1)
        else:
            await self._meet(header)
        await self._search_lost()
        await self._read()
        if self._cleared:
            # Last: a death before this leaves the clear to the next try.
            self.kept.write(needed=True)
            self.kept.write_header(replace(self._header, max_tries=self.this_try.max_tries, returned=""))
        await self._submit_rest()

    async def resume(self, requests: Sequence[BatchRequest]) -> bool:
        """
        Read what became of the batch; what a resumed worker does first. Items that may be tried again are submitted.

        :param requests: as read.
        :return: whether the batch is the one that is remembered; False = a try has to begin anew.
        """
        self.requests = requests
        header = self.kept.load()
        if header is None or header.size != len(requests):
            return False
        await self._search_lost()
        await self._read(within_try=True)
        await self._submit_rest()
        return True

    async def go_on(self) -> None:
        """Look at every task, and submit again what may be: after a wait in the worker."""
        await self._read(within_try=True)
        await self._submit_rest()

    @property
    def running(self) -> dict[int, str]:
        """The ids of the tasks that have not ended, by their items' numbers, in the order of their submission."""
        running = [
            (item.attempted_at or 0.0, index, item.task_id)
            for index, item in enumerate(self.items)
            if item.task_id and index not in self.errors and not (index in self.tasks and self.tasks[index].is_final)
        ]
        return {index: task_id for _, index, task_id in sorted(running)}

    async def fetch_missing_links(self) -> None:
        """Give what has succeeded without a video a second chance, a few seconds long."""
        for look in range(EMPTY_LOOKS):
            empty = [index for index, task in self.tasks.items() if task.succeeded and not task.video_url]
            if not empty:
                return
            if look:
                await asyncio.sleep(EMPTY_GAP)
            for index in empty:
                with suppress(ViduUnavailableError):
                    self.tasks[index] = await self.client.get_task(self.tasks[index].task_id)
        for index in empty:
            task = self.tasks[index]
            error = ViduNoCreationError("The task has succeeded but has no video.", task_id=task.task_id)
            self.errors[index] = error
            # As a refusal: a retry would find nothing either, and a clear means a new generation.
            self.kept.update(index, phase=ItemPhase.REFUSED, error=kept_text(error))
        self.kept.write(needed=False)

    def note_returned(self, *, whole: bool) -> None:
        """
        Note that ``execute`` is about to hand the results over.

        :param whole: no item has failed: a clear after this means a new generation of all. Otherwise a clear means
            the rest.
        """
        if self.kept.header is not None:
            returned = "whole" if whole else "partly"
            self.kept.write_header(replace(self.kept.header, returned=returned), needed=False)

    @property
    def generation(self) -> str:
        """The batch's own marker, which every item's begins with."""
        return self._header.generation

    # -- begin ------------------------------------------------------------------------------------------------

    @property
    def _header(self) -> Header:
        if self.kept.header is None:
            raise RuntimeError("a batch that has not begun")
        return self.kept.header

    @property
    def _cleared(self) -> bool:
        return self._header.max_tries != self.this_try.max_tries

    def _begins_anew(self, header: Header) -> bool:
        if header.returned == "whole" and self._cleared:
            self.log.info("The earlier videos were delivered, and the task has been cleared to run again.")
            return True
        if header.account == self.client.account.identity:
            return False
        if self._cleared and self.policies.on_unknown == "resubmit":
            self.log.warning("The connection's host or key has changed; on_unknown is resubmit: all is submitted anew.")
            return True
        ids = [item.task_id for item in self.items if item.task_id]
        raise ViduError(
            f"An earlier try has submitted {len(ids)} Vidu tasks ({_some(ids)}), and the connection's host or key has "
            "changed since.",
            advice=(
                "They may be billed; nothing was submitted by this try. Restore the connection that submitted them, or "
                "clear this task with on_unknown='resubmit' to submit all anew."
            ),
        )

    async def _meet(self, header: Header) -> None:
        """Meet what is remembered: each request finds what was done for it, wherever it stands now."""
        found = match(self.items, names_of(self.requests))
        problems_of(request for request, item in zip(self.requests, found.items, strict=True) if not item.has_been_sent)
        if found.left_over:
            await self._leave(found.left_over)
        if found.moved:
            self.kept.begin(replace(header, layout=header.layout + 1, size=len(found.items)), found.items)
        sent = sum(item.has_been_sent for item in self.items)
        self.log.info("%d of %d requests have been sent before, and are not sent again.", sent, len(self.items))

    async def _leave(self, left_over: Sequence[Item]) -> None:
        ids = [item.task_id for item in left_over if item.task_id]
        # Of one in doubt, its marker is all that tells it in the account's list.
        names = [item.task_id or item.marker(self.generation) for item in left_over]
        named = f"{len(left_over)} requests that were submitted are not in the batch any more ({_some(names)})"
        if not self._cleared and self.policies.on_input_change != "resubmit":
            raise ViduError(
                f"This try asks for something else than the try before: {named}.",
                advice=(
                    "Nothing was submitted by this try. Clear the task to go on with the new requests (what is in both "
                    "is not paid again), or set on_input_change='resubmit'. A field that renders anew at every try (a "
                    "time, a random value) causes this."
                ),
            )
        from airflow_provider_vidu.bulk_cancel import cancel_unfinished

        report = await cancel_unfinished(self.client, ids, seconds=LEAVE_SECONDS, log=self.log)
        self.log.warning(
            "%s: %d of them are cancelled; the videos of the others stay at Vidu for as long as Vidu keeps them.",
            named,
            len(report.cancelled),
        )

    def _begin(self, layout: int) -> None:
        """Write a new generation: every item new, unless an earlier part of it may be forgotten."""
        problems_of(self.requests)
        names = [name or "" for name in names_of(self.requests)]
        items: Sequence[Item] = [Item(name) for name in names]
        generation = MARKER_PREFIX + uuid.uuid4().hex
        if self._derived:
            generation = derived_marker(*self.this_try.marker_parts, HEADER_KEY)
            if self.this_try.try_number > 1 or self._has_left:
                items = [Item(name, ItemPhase.INTENT, attempted_at=self.began) for name in names]
        elif self._has_left and self.travelling is not None:
            raise ViduError(
                "What this try has submitted before it left the worker is forgotten (durable=False).",
                advice="Look at the account's tasks; nothing more was submitted.",
            )
        account = self.client.account.identity
        self.kept.begin(Header(generation, layout, len(items), self.this_try.max_tries, account), items)

    # -- what is lost -----------------------------------------------------------------------------------------

    def _lost(self) -> list[int]:
        return [
            index
            for index, item in enumerate(self.items)
            if item.phase is ItemPhase.INTENT and index not in self.errors
        ]

    async def _search_lost(self) -> None:
        """Search once, without waiting for the list to settle: what is found need not wait for the rest."""
        lost = self._lost()
        if not lost:
            return
        self.log.info("Searching the account's list for %d submissions that nobody noted.", len(lost))
        if self._derived and self.this_try.try_number <= self.this_try.first_try and not self._has_left:
            # A marker that nobody has used yet, unless this worker's idea of the task's retries is another one.
            await self._look_up(lost, only_adopt=True)
            for index in self._lost():
                self.kept.put(index, renewed(self.items[index]))
        else:
            await self._look_up(lost)

    async def _settle_lost(self) -> None:
        """Search until every lost submission is found, or known to be absent, or cannot be told."""
        while (left := await self._look_up(self._lost())) is not None:
            self.log.info("Lost submissions are not in the account's list yet; they count as absent in %.0f s.", left)
            await self.pause(min(GAP, left), left)

    async def _look_up(self, lost: Sequence[int], *, only_adopt: bool = False) -> float | None:
        """Search once. Returns the seconds until the rest can be told; None = nothing is left to tell."""
        if not lost:
            return None
        header = self._header
        began = min(self.items[index].attempted_at or self.began for index in lost)
        if self._derived and any(not self.items[index].attempt for index in lost):
            began = self.this_try.run_began or self.began - UNKNOWN_RUN_AGE
        now = self.clock()
        sightings = await search(self.client, header.generation, began, self.log)
        latest: float | None = None
        for index in lost:
            item = self.items[index]
            request = self.requests[index]
            record = item.as_submission(header, self.client.account.timeout)
            settled = settled_at(record, self.client.account, now)
            found = sightings.of(item.identity, item.attempt)
            if found is not None:
                attempt, task = found
                if self._derived and not item.attempt and task.failed and now < settled:
                    # One marker serves all retries there: that one has failed says nothing of the last one yet.
                    latest = max(latest or 0.0, settled)
                    continue
                self.created(index, task, attempt)
                self.log.info("Item %d: the earlier attempt was accepted: it is Vidu task %s.", index, task.task_id)
                continue
            verdict = sightings.otherwise if request.can_be_found else LookUp.UNKNOWN
            if only_adopt:
                continue
            if verdict is LookUp.ABSENT and now < settled:
                latest = max(latest or 0.0, settled)
                continue
            self._not_found(index, verdict, sightings.candidates)
        self.kept.write(needed=False)
        return None if latest is None else max(0.1, latest - now)

    def _not_found(self, index: int, verdict: LookUp, candidates: Sequence[str]) -> None:
        item = self.items[index]
        here = self.in_doubt[index] > 0
        known = replace(
            self._known(index),
            look_up=verdict,
            # What this try has put in doubt itself is only sent again where the list shows that it is absent.
            has_list=here or self.client.account.list_path is not None,
            on_unknown="fail" if here else self.policies.on_unknown,
        )
        decision = decide(known)
        self.budget.release(self.reserved.pop(index, 0))
        if decision.action is Action.SUBMIT:
            self.kept.put(index, renewed(item))
            if self.in_doubt[index] < MAX_ATTEMPTS:
                self.log.info("Item %d is submitted anew, since %s.", index, decision.reason)
                return
            self.errors[index] = ViduUnavailableError(
                f"Vidu has created nothing in {MAX_ATTEMPTS} attempts.", advice="Nothing is billed."
            )
            return
        listed = f" Vidu tasks that may be it: {_some(candidates)}." if candidates else ""
        self.errors[index] = ViduSubmissionInDoubtError(
            f"An attempt was made, and {decision.reason}.{listed}",
            # Whoever has chosen to submit in doubt does so with the next try.
            fate=Fate.RETRYABLE if self.policies.on_unknown == "resubmit" else None,
            advice=(
                f"It may exist and be billed: look for {item.marker(self._header.generation)} in the payloads of the "
                f"account's tasks. If one is it, adopt it: {self._adopt_command(item)} ; then clear this task. "
                "on_unknown='resubmit' submits it anew all the same."
            ),
        )

    def _adopt_command(self, item: Item) -> str:
        if self.travelling is not None:
            return "fetch its video with ViduHook().download('THE-VIDU-TASK-ID', path)"
        return self.this_try.write_command(ADOPTED_KEY, {item.identity: "THE-VIDU-TASK-ID"})

    # -- what is known ----------------------------------------------------------------------------------------

    def _known(self, index: int, remote: Remote | None = None) -> Known:
        return Known(
            record=self.items[index].as_submission(self._header, self.client.account.timeout),
            max_tries=self.this_try.max_tries,
            account=self.client.account.identity,
            remote=remote,
            on_unknown=self.policies.on_unknown,
        )

    async def _read(self, *, within_try: bool = False) -> None:
        """
        Look at every task, and decide on each item.

        :param within_try: it is still the try that has submitted them: they are submitted again only as often as
            ``item_retries`` says.
        """
        known = {item.task_id: index for index, item in enumerate(self.items) if item.task_id}
        seen = await self._query.get_tasks(list(known))
        self.budget.spent = 0
        for task_id, answer in seen.items():
            index = known[task_id]
            self._take_look(index, answer, within_try=within_try)
        for index, item in enumerate(self.items):
            if item.phase is ItemPhase.REFUSED:
                if self._cleared:
                    self.kept.put(index, renewed(item))
                else:
                    self.errors.setdefault(index, refusal_of(item.error or ""))

    def _take_look(self, index: int, answer: ViduTask | ViduError, *, within_try: bool) -> None:
        item = self.items[index]
        if isinstance(answer, ViduNotFoundError):
            self.errors[index] = ViduNotFoundError("Vidu does not know this task (any more).", task_id=item.task_id)
            remote = Remote.MISSING
        elif isinstance(answer, ViduError):
            if answer.fate is not Fate.RETRYABLE:
                raise answer
            remote = Remote.UNREACHABLE
        else:
            self.tasks[index] = answer
            remote = remote_of(answer)
            if answer.failed:
                self.errors[index] = task_error(answer.task_id, answer.err_code, credits=answer.credits)
        if index not in self.errors:
            self.budget.paid(None, item.credits, None)
        may_again = not within_try or item.attempt <= self._item_retries
        if may_again and decide(self._known(index, remote)).action is Action.SUBMIT:
            self.log.info("Item %d is submitted anew: %s", index, self.errors.pop(index, remote.value))
            self.tasks.pop(index, None)
            self.kept.put(index, renewed(item))

    # -- submitting -------------------------------------------------------------------------------------------

    async def _submit_rest(self) -> None:
        while True:
            new = [i for i, item in enumerate(self.items) if item.phase is ItemPhase.NEW and i not in self.errors]
            if new and self.stopped is None:
                await Flow(self, new).run()
            elif not self._lost():
                break
            if self.stopped is not None and not isinstance(self.stopped, ViduCreditError):
                self.say(now=True)
                raise self.stopped
            await self._settle_lost()
        self.kept.write(needed=False)

    async def pause(self, seconds: float, of: float) -> None:
        """
        Wait here, or leave the worker if all of it would take long.

        :param seconds: to wait now.
        :param of: seconds that it may take in all.
        :raises SubmitLater: only where the policies have ``may_leave``.
        """
        if self.policies.may_leave and self._waited + of > IN_PLACE_SECONDS:
            self.kept.write(needed=False)
            raise SubmitLater(max(of, MIN_ABSENCE), Resumed(self.began))
        self._waited += seconds
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self.stop()
            await asyncio.sleep(min(SLICE, left))

    def created(
        self, index: int, task: ViduTask, attempt: int, kind: tuple[Any, ...] | None = None, estimate: int | None = None
    ) -> None:
        """
        Note the task of an item; it reaches the store with the next write.

        :param index: the item's number.
        :param task: the create answer, or the row that a look-up found.
        :param attempt: number of the attempt that has created it.
        :param kind: what its price depends on.
        :param estimate: credits by the catalogue.
        """
        self.kept.update(index, phase=ItemPhase.SUBMITTED, attempt=attempt, task_id=task.task_id, credits=task.credits)
        self.tasks[index] = task
        self.budget.release(self.reserved.pop(index, 0))
        if not task.failed:
            self.budget.paid(kind, task.credits, estimate)

    def say(self, *, now: bool = False) -> None:
        """
        Tell the progress of the submissions, once in a while.

        :param now: in any case.
        """
        if not now and self.clock() - self._said_at < SAY_EVERY:
            return
        self._said_at = self.clock()
        submitted = sum(item.phase is ItemPhase.SUBMITTED for item in self.items)
        failed = len(self.errors)
        self.log.info(
            "Submitted %d of %d, %d credits so far%s.",
            submitted,
            len(self.items),
            self.budget.spent,
            f"; {failed} failed" if failed else "",
        )


def _some(named: Iterable[str | None]) -> str:
    ids = [str(one) for one in named]
    return ", ".join(ids[:MAX_NAMED]) + (" …" if len(ids) > MAX_NAMED else "")
