# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Submits many requests durably: every item follows the rules of ``submission.retry_or_clear``.

::

    read the header and the shards           then decide on each item
    search the list once for lost items      and query the known tasks, 100 a request
    write the intents of what is sent next   in one write with the ids of what has returned
    POST, at most max_in_flight at once      each payload carries its item's marker
    search again for what is in doubt        once the list has settled

Runs on an event loop of its own in the worker. The store is written from that loop: a write takes milliseconds, and
only this batch's submissions wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    ViduUnavailableError,
    no_creation_error,
)
from airflow_provider_vidu.api.messages import MAX_NAMED, counted, some_of
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.submission.batch.credit_limits import cancel_over_limit, check_prices
from airflow_provider_vidu.submission.batch.lost import LostSubmissions
from airflow_provider_vidu.submission.batch.matching import KeepPriority, match
from airflow_provider_vidu.submission.batch.recall import Generation, find_generation
from airflow_provider_vidu.submission.batch.records import (
    MAX_PARAMETERS,
    UNREAD,
    Header,
    Item,
    new_items,
    next_number,
)
from airflow_provider_vidu.submission.batch.requests import BatchRequest, digest_requests, raise_problems
from airflow_provider_vidu.submission.batch.sending import Sender, refusal_error
from airflow_provider_vidu.submission.batch.state import BatchState, failed_ids, is_refused, removed_requests
from airflow_provider_vidu.submission.batch.store import HEADER_KEY
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.submission.record import Phase, derived_marker
from airflow_provider_vidu.submission.retry_or_clear import MAX_ATTEMPTS, Action, Remote, decide
from airflow_provider_vidu.submission.uploads import check_tool
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import MAX_PARALLEL, in_parallel
from airflow_provider_vidu.waiting.next_poll import REFUSALS
from airflow_provider_vidu.waiting.wait import EMPTY_GAP, EMPTY_QUERIES

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.submission.task_list import Pause

#: Seconds for cancelling tasks whose requests were removed from the batch.
DROP_SECONDS = 30.0
#: Seconds between two queries for tasks that Vidu refuses to show; ``REFUSALS`` in a row are final.
REFUSAL_GAP = 3.0
#: How often tasks are queried again after a wait that ended without an answered query …
OUTAGE_QUERIES = 4
#: … and the seconds in between.
OUTAGE_GAP = 5.0


class BatchSubmission(BatchState):
    """All submissions of one batch, over all tries of its task instance."""

    async def submit(self, requests: Sequence[BatchRequest]) -> None:
        """
        Submit what no try has submitted yet, and find what has been submitted. The first step of a try.

        A request that cannot be built now is matched with the one that was in its place before.

        :raises ViduInputError: a request cannot be built, and no earlier try has submitted it.
        :raises ViduError: the requests differ from what was paid for, or neither Vidu nor the store can be used now.
        :raises SubmitLater: only if the policies have ``may_leave``.
        """
        self.requests = requests
        header = self.store.load()
        if header is None and self._may_be_discarded and (generation := await find_generation(self)) is not None:
            await self._restore(generation)
        elif header is None or self._must_start_over(header):
            self._start_generation(layout=1 if header is None else header.layout + 1)
        else:
            await self._match_items(header)
        self.forget_queries(within_try=self.has_left)
        is_first = self.this_try.try_number <= self.this_try.first_try and not self.has_left
        if self.memory is Memory.LIST and is_first and self.lost:
            await LostSubmissions(self).adopt()
        await self._advance(may_send=False)
        if self._is_cleared:
            # Last: if the worker dies before this, the next try still sees the clear.
            self.store.write(needed=True)
            this_try = self.this_try
            self.store.write_header(
                replace(
                    self.header,
                    max_tries=this_try.max_tries,
                    try_number=this_try.try_number,
                    returned="",
                    over_limit=0,
                    clears=self.header.clears + 1,
                )
            )
        await self._advance_and_save()

    async def resume(self, requests: Sequence[BatchRequest]) -> bool:
        """
        Query every task, and submit again what may be retried. The first step of a resumed worker.

        :return: False if the requests are not those of the record: then :meth:`submit` has to match them.
        """
        self.requests = requests
        header = self.store.load()
        if header is None or header.requests_digest != digest_requests(requests):
            # The file of requests may have been rewritten: only a full match shows which video belongs to which.
            return False
        if self.records_invalid:
            unsent = {index for index, item in enumerate(self.items) if not item.has_been_sent}
            self.requests = await asyncio.to_thread(self._check, requests, unsent)
        await self.continue_after_wait()
        return True

    async def continue_after_wait(self) -> None:
        """Query every task after a wait, and submit again what may be retried."""
        self.forget_queries(within_try=True)
        await self._advance_and_save()

    async def query_until_answered(self, is_unchanged: Callable[[], bool] = lambda: False) -> None:
        """
        Query again after a wait that has ended without news: another wait would end at once.

        ``is_unchanged`` says whether everything that was waited for still seems to run.

        :raises ViduUnavailableError: there is still no news; a retry continues.
        """

        def is_stuck() -> bool:
            running = self.running
            return self.may_submit and bool(running) and (running.keys() <= self._unanswered.keys() or is_unchanged())

        for _ in range(OUTAGE_QUERIES):
            if not is_stuck():
                return
            await self._sleep(OUTAGE_GAP)
            await self.continue_after_wait()
        if not is_stuck():
            return
        running = self.running
        error = next((self._unanswered[index] for index in running if index in self._unanswered), None)
        problem = (
            "Vidu still shows them as running" if error is None else f"they cannot be queried now: {error.message}"
        )
        advice = "Their videos stay at Vidu and nothing is lost. "
        if self.memory is Memory.NONE:
            # Permanent, since a retry would pay for everything again.
            advice += (
                f"A retry would submit everything again (durable=False): {self.memory.by_clearing('what is missing')}"
            )
        else:
            advice += "A retry queries them again and submits only what is missing."
        raise ViduUnavailableError(
            f"The wait for {counted(len(running), 'Vidu task')} has ended ({some_of(running.values())}), and {problem}",
            fate=Fate.PERMANENT if self.memory is Memory.NONE else Fate.RETRYABLE,
            http_status=None if error is None else error.http_status,
            advice=advice,
        )

    async def fetch_missing_links(self) -> None:
        """Query again, for a few seconds, the tasks that have succeeded without a link to their video."""
        unanswered: dict[int, ViduError] = {}

        async def query(index: int) -> None:
            self.stop()
            unanswered.pop(index, None)
            try:
                self.tasks[index] = await self.client.get_task(self.tasks[index].task_id, retry=False)
            except ViduError as error:
                unanswered[index] = error

        for number in range(EMPTY_QUERIES):
            empty = [index for index, task in self.tasks.items() if task.succeeded and not task.video_url]
            if not empty:
                return
            if number:
                await timing.asleep(EMPTY_GAP)
            await in_parallel(empty, min(MAX_PARALLEL, len(empty)), query)
        for index in (index for index in empty if not self.tasks[index].video_url):
            task = self.tasks[index]
            if index in unanswered:
                # Only an answer shows that there is no video. It is paid for, so the next try queries again.
                self.errors[index] = ViduUnavailableError(
                    f"The task has succeeded, and its links cannot be read now ({unanswered[index].message}).",
                    task_id=task.task_id,
                    advice="The video is paid for and stays at Vidu; a retry fetches it.",
                )
                continue
            # It stays submitted: the video exists at the host, and a new generation would be billed again.
            error = no_creation_error(task.task_id, task.unread_reply, state=task.state, credits=task.credits)
            self.errors[index] = error.without(self.client.account.api_key).but(
                advice=(
                    "It is billed: check the task with Vidu (console or support) before anything else. "
                    f"{self.memory.queried_again}"
                )
            )

    def note_returned(self, *, whole: bool) -> None:
        """
        Note that ``execute`` is about to return the results.

        After a whole batch (no item has failed), a clear means a new generation of everything; otherwise it means the
        rest.
        """
        if self.store.header is not None:
            returned = "whole" if whole else "partly"
            self.store.write_header(replace(self.store.header, returned=returned), needed=False)

    # -- starting ---------------------------------------------------------------------------------------------

    @property
    def _is_cleared(self) -> bool:
        return self.known_of(self.header.as_submission()).is_cleared

    @property
    def _may_be_discarded(self) -> bool:
        return self.memory is Memory.STORE and self.this_try.record_may_be_discarded and not self.store.is_known_empty

    def _must_start_over(self, header: Header) -> bool:
        """Decide, by the rules of submission, whether the task asks for a new generation of everything."""
        decision = decide(self.known_of(header.as_submission()))
        if decision.action is Action.SUBMIT:
            self.log.info("Everything is submitted again because %s.", decision.reason)
            if header.returned == "whole":
                self.warn_about_another_generation({item.task_id: item.credits for item in self.items if item.task_id})
            return True
        if decision.action is not Action.FAIL:
            return False
        ids = [item.task_id for item in self.items if item.task_id]
        raise ViduError(
            f"An earlier try has submitted {counted(len(ids), 'Vidu task')} ({some_of(ids)}), and the connection's "
            "host or key has changed since then.",
            advice=(
                "They may be billed; this try submitted nothing. Restore the connection that submitted them, or set "
                f"on_unknown='resubmit' and {clear_this_task()} to submit everything again."
            ),
        )

    async def _restore(self, generation: Generation) -> None:
        """Use what a search has found in place of the discarded record; the task counts as cleared."""
        # Any earlier try may have sent what is in doubt, and the last one just before this one began.
        sent_at = self.this_try.first_submission(self.began)
        ended_at = self.began + self.client.account.timeout
        items = [
            replace(item, attempted_at=sent_at, ended_at=ended_at) if item.phase is Phase.INTENT else item
            for item in generation.items
        ]
        header = Header(generation.marker, 0, len(items), max_tries=-1, account=self.client.account.identity)
        self.store.remember(header, items)
        # With a list, an item that was not found may still show, and so may a later attempt at one that has failed.
        await self._match_items(header, unsent=Phase.INTENT if generation.is_listed else Phase.NEW)

    async def _match_items(self, header: Header, *, unsent: Phase = Phase.NEW) -> None:
        """
        Match the requests with the record, wherever each one is in the list now.

        ``unsent`` is the phase of requests that the record does not have.
        """
        wanted = [request.reading for request in self.requests]
        by_place = bool(header.layout)
        number = max(header.next_number, next_number(self.items))
        # What a search has found may not be all: a task that shows later is found by its first name.
        first_number = number if by_place else 0
        given = [request.given for request in self.requests]
        matched = partial(match, self.items, wanted, by_place=by_place, first_number=first_number, given=given)
        found = matched()
        if found.unclear:
            priorities = await self._query_priorities(found.unclear)
            found = matched(priorities)
        if found.ambiguous and self.policies.on_input_change != "resubmit":
            raise self._ambiguous_links_error(found.ambiguous)
        unsent_requests = [
            request for request, item in zip(self.requests, found.items, strict=True) if not item.has_been_sent
        ]
        # One that cannot be built now may be one that was paid for.
        self._raise_problems(unsent_requests, may_be_sent=bool(found.left_over))
        dropped_credits = header.dropped_credits
        if found.left_over:
            dropped_credits += await self._drop_items(found.left_over)
        digest = digest_requests(self.requests)
        read = [
            item
            if reading is None
            else replace(item, given=one, more=reading.more if item.more == UNREAD else item.more)
            for item, reading, one in zip(found.items, wanted, given, strict=True)
        ]
        found = replace(found, items=tuple(read))
        if unsent is Phase.INTENT:
            found = replace(found, items=tuple(self._as_possibly_sent(found.items)))
        if found.moved or not header.layout:
            layout, size = header.layout + 1, len(found.items)
            new = replace(header, layout=layout, size=size, requests_digest=digest, dropped_credits=dropped_credits)
            number = max(number, next_number(found.items))
            self.store.write_layout(replace(new, next_number=number), found.items)
        elif header.requests_digest != digest:
            self.store.write_header(replace(header, requests_digest=digest))
        sent = sum(item.has_been_sent for item in self.items)
        self.log.info(
            "%d of %s %s sent before. Only those that failed %s.",
            sent,
            counted(len(self.items), "request"),
            "was" if sent == 1 else "were",
            "or were never sent are sent now" if self._has_unsent_items else "are sent again",
        )

    async def _query_priorities(self, items: Sequence[Item]) -> dict[str, KeepPriority]:
        """
        Query the tasks of some items, and return which of them are worth keeping, by the items' identities.

        :raises ViduError: the tasks cannot be queried now; without the answer a request might be paid for again.
        """
        seen = await self._query_patiently([item.task_id for item in items if item.task_id])
        priorities = {}
        for item in items:
            found = seen[item.task_id] if item.task_id else None
            if found is None or isinstance(found, ViduNotFoundError):
                priorities[item.identity] = KeepPriority.IN_DOUBT
            elif isinstance(found, ViduError):
                raise ViduUnavailableError(
                    "The list of requests has changed, but Vidu cannot be queried right now to find out which of the "
                    f"earlier tasks are paid for ({found.message}).",
                    task_id=item.task_id,
                    fate=found.fate,
                    http_status=found.http_status,
                    advice="This try submitted nothing; tasks submitted earlier continue. A retry queries them again.",
                )
            elif found.failed:
                priorities[item.identity] = KeepPriority.FAILED
            else:
                priorities[item.identity] = KeepPriority.SUCCEEDED if found.succeeded else KeepPriority.RUNNING
        return priorities

    def _ambiguous_links_error(self, ambiguous: Sequence[tuple[int, Item]]) -> ViduError:
        """Return the error for links that may lead to paid pictures with a new signature, or to other pictures."""
        differing: dict[str, None] = {}
        for row, item in ambiguous:
            reading = self.requests[row].reading
            if reading is not None:
                differing.update(dict.fromkeys(reading.differing(item.reading)))
        rows = [row for row, _ in ambiguous]
        # Of one in doubt, its marker is all that tells it in the account's list.
        tasks = list(dict.fromkeys(item.task_id or item.marker(self.generation) for _, item in ambiguous))
        what = f"{self.requests[rows[0]].origin.subject} asks" if len(rows) == 1 else f"Items {some_of(rows)} ask"
        names = f" ({', '.join(list(differing)[:MAX_PARAMETERS])})" if differing else ""
        return ViduError(
            f"{what} for a picture whose URL differs only in its query{names} from that of Vidu task {some_of(tasks)}, "
            "which was submitted and is no longer in the batch. It may be the same picture with a new signature, or "
            "another picture.",
            advice=(
                "This try submitted nothing; the earlier task may be billed. If it is another picture and may be "
                "billed too, set on_input_change='resubmit'. If it is the same picture, pass the earlier link again, "
                "or fetch the video with ViduHook().download('THE-VIDU-TASK-ID', path) and remove the item from the "
                "batch. In later runs, pass the picture as a file or an unsigned URL."
            ),
        )

    async def _drop_items(self, left_over: Sequence[Item]) -> float:
        """Cancel what was removed from the batch, and return the credits that it costs."""
        ids = [item.task_id for item in left_over if item.task_id]
        # Of one in doubt, its marker is all that tells it in the account's list.
        names = [item.task_id or item.marker(self.generation) for item in left_over]
        if not self._is_cleared and self.policies.on_input_change != "resubmit":
            raise self.changed_error(len(left_over), names)
        from airflow_provider_vidu.waiting.cancel import VERIFY_SECONDS, cancel_unfinished

        await cancel_unfinished(self.client, ids, seconds=DROP_SECONDS, verify_seconds=VERIFY_SECONDS, log=self.log)
        # Query the tasks themselves: a cancelled one shows as failed, and Vidu does not bill failed tasks.
        seen = await self._query.get_tasks(ids)
        unbilled = failed_ids(seen)
        self.log.info(
            "%s: %d of them have failed or are cancelled, unbilled.",
            removed_requests(len(left_over), names),
            len(unbilled),
        )
        if len(unbilled) < len(left_over):
            self.log.warning(
                "%d of them are billed or may be; their videos can be fetched as long as Vidu keeps them.",
                len(left_over) - len(unbilled),
            )
        return sum(item.credits or 0 for item in left_over if item.task_id not in unbilled)

    def _start_generation(self, layout: int) -> None:
        """Write the record of a new generation."""
        self._raise_problems(self.requests, may_be_sent=False)
        items = new_items([request.reading for request in self.requests])
        items = [replace(item, given=request.given) for item, request in zip(items, self.requests, strict=True)]
        if self.memory is Memory.LIST:
            # Only the account's list shows what earlier tries have sent.
            if self._is_not_first:
                items = self._as_possibly_sent(items)
        elif self.has_left and self.memory is Memory.NONE:
            raise ViduError(
                "What this try submitted before it left the worker is unknown (durable=False).",
                advice="Check the account's tasks; nothing more was submitted.",
            )
        account = self.client.account.identity
        digest = digest_requests(self.requests)
        header = Header(self._new_generation(), layout, len(items), self.this_try.max_tries, account, digest)
        header = replace(header, try_number=self.this_try.try_number, next_number=next_number(items))
        self.store.write_layout(header, items)

    def _as_possibly_sent(self, items: Iterable[Item]) -> list[Item]:
        """Return unsent items as lost submissions. One without a name cannot be searched for."""
        return [
            replace(item, phase=Phase.INTENT, attempted_at=self.began)
            if item.identity and not item.has_been_sent
            else item
            for item in items
        ]

    def _raise_problems(self, requests: Iterable[BatchRequest], *, may_be_sent: bool) -> None:
        """Raise one error for all problems of requests, except those that become errors of their items."""
        # What a request with a reading has paid for was found by it.
        raise_problems(
            request
            for request in requests
            if request.invalidity is None or not self.records_invalid or (may_be_sent and request.reading is None)
        )

    def _stop_invalid(self, new: Iterable[int]) -> bool:
        """
        Set the errors of invalid requests that would be sent next, and log them; return whether there are any.

        They may also have been taken for lost submissions, or have become invalid since an attempt that has failed.
        """
        found = {index: error for index in new if (error := self.requests[index].invalidity) is not None}
        if found and not self.has_left:
            lines = [f"{self.requests[index].origin.subject}: {error.message}" for index, error in found.items()]
            more = [f"… and {len(lines) - MAX_NAMED} more"] if len(lines) > MAX_NAMED else []
            what = "1 request is" if len(lines) == 1 else f"{len(lines)} requests are"
            self.log.warning("%s invalid and not sent:\n%s", what, "\n".join([*lines[:MAX_NAMED], *more]))
        if self.memory is Memory.LIST and self._is_not_first:
            advice = (
                "This try has not sent it. If an earlier try has, before it became invalid, it may be billed: correct "
                "it, and a retry finds its task and lands the video."
            )
            found = {index: error.but(advice=advice) for index, error in found.items()}
        self.errors.update(found)
        return bool(found)

    @property
    def _is_not_first(self) -> bool:
        """Whether an earlier try, or this one before it left the worker, may have sent something."""
        return self.this_try.try_number > 1 or self.has_left

    def _new_generation(self) -> str:
        """Return a random marker; without a store, one that a later try computes again."""
        if self.memory is Memory.LIST:
            return derived_marker(*self.this_try.marker_parts, HEADER_KEY)
        return self.this_try.new_marker(HEADER_KEY)

    @property
    def _has_unsent_items(self) -> bool:
        return not all(item.has_been_sent for item in self.items)

    # -- querying ---------------------------------------------------------------------------------------------

    async def _read(self, indices: Iterable[int]) -> None:
        """Query the tasks of some items."""
        task_ids = {index: task_id for index in indices if (task_id := self.items[index].task_id)}
        seen = await self._query_patiently(list(task_ids.values()))
        for result in seen.values():
            if isinstance(result, (ViduAuthError, ViduConfigurationError)):
                raise self._refused_queries_error(
                    result, [task_id for task_id in seen if type(seen[task_id]) is type(result)]
                )
        for index, task_id in task_ids.items():
            self.record_answer(index, seen[task_id])

    async def _query_patiently(self, task_ids: Sequence[str]) -> dict[str, ViduTask | ViduError]:
        """Query tasks, and again those that Vidu refuses to show: a single refusal may come from a gateway."""
        seen = await self._query.get_tasks(task_ids)
        for _ in range(REFUSALS - 1):
            refused = [task_id for task_id, result in seen.items() if is_refused(result)]
            if not refused:
                break
            await self._sleep(REFUSAL_GAP)
            seen.update(await self._query.get_tasks(refused))
        return seen

    def _refused_queries_error(self, error: ViduError, task_ids: Sequence[str]) -> ViduError:
        """Return the error for a host that refuses all queries; the tasks may be billed."""
        return type(error)(
            f"Vidu refuses queries for {counted(len(task_ids), 'task')} of this batch ({some_of(task_ids)}). "
            f"{error.message}",
            fate=error.fate,
            reason=error.reason,
            trace_id=error.trace_id,
            http_status=error.http_status,
            advice=(
                f"The tasks continue at Vidu and may be billed; nothing is lost. {error.advice} Then "
                f"{self.memory.by_clearing('what is missing' if self._has_unsent_items else None)}"
            ),
        )

    # -- submitting -------------------------------------------------------------------------------------------

    async def _advance_and_save(self) -> None:
        """Advance every item, and cancel what costs more than ``max_credits``."""
        self.stop_if_over_limit()
        await self._advance()
        await cancel_over_limit(self)
        self.store.write(needed=False)

    async def _advance(self, *, may_send: bool = True) -> None:
        """
        Advance every item by the rules of submission, until nothing is left to do now.

        Items that need the same step take it together. Without ``may_send``, only find out what became of them, without
        waiting for the list to settle.
        """
        lost = LostSubmissions(self)
        # The budget depends on the lost ones.
        waits_for_lost = False
        # Before the next search; None = it is due.
        wait: Pause | None = None
        while True:
            needs = self.next_actions()
            self._set_errors(needs.get(Action.FAIL, {}), lost)
            submits = needs.get(Action.SUBMIT, {})
            new = [index for index, reason in submits.items() if not self._reset_if_attempted(index, reason)]
            look_ups = list(needs.get(Action.LOOK_UP, ()))
            if len(new) < len(submits) or self._stop_invalid(new):
                continue
            if reads := needs.get(Action.READ):
                await self._read(reads)
            elif look_ups and wait is None:
                wait = await self._look_up(lost, look_ups)
            elif not may_send:
                return
            elif new and not self.may_submit:
                late = ViduUnavailableError(
                    "The wait ended before the request was submitted.", advice="It is not billed; a retry submits it."
                )
                self.errors.update(dict.fromkeys(new, late))
            elif new and not self.stopped and not (waits_for_lost and look_ups):
                await self._check_prices(new)
                await self._check_uploads(new)
                sendable = [index for index in new if index not in self.errors]
                waits_for_lost, wait = await Sender(self, sendable).run(), None
                self._raise_unless_credits_ran_out()
            elif look_ups and wait is not None:
                await self.pause(*wait)
                wait = None
            else:
                return

    async def _look_up(self, lost: LostSubmissions, look_ups: Sequence[int]) -> Pause | None:
        """
        Search the list; one that cannot be read now holds up no other item, if all that is looked up has an id.

        :raises ViduUnavailableError: the list cannot be read now.
        """
        try:
            return await lost.look_up(look_ups)
        except ViduUnavailableError as error:
            if any(self.items[index].phase is Phase.INTENT for index in look_ups):
                raise
            # The others were found.
            for index in (index for index in look_ups if index in self.errors):
                self.remotes[index] = Remote.UNREACHABLE
                self.errors[index] = self.errors[index].but(
                    fate=Fate.RETRYABLE,
                    message=f"{self.errors[index].message} {error.message}",
                    advice="It was submitted and may be billed. A retry searches the account's list for it again.",
                )
            return None

    def _reset_if_attempted(self, index: int, reason: str) -> bool:
        """Reset an item for another attempt; return False for one that has had none."""
        item = self.items[index]
        if item.phase is Phase.NEW:
            return False
        is_lost = item.phase is Phase.INTENT
        self.submit_again(index, reason)
        if is_lost and self.in_doubt[item.identity] >= MAX_ATTEMPTS:
            reply = f" {self.lost_replies[index]}" if index in self.lost_replies else ""
            self.errors[index] = ViduUnavailableError(
                f"Vidu has created nothing in {MAX_ATTEMPTS} attempts.{reply}", advice="Nothing is billed."
            )
        return True

    def _set_errors(self, reasons: Mapping[int, str], lost: LostSubmissions) -> None:
        """Set the errors of items that stop here, unless their tasks have set one."""
        for index, reason in reasons.items():
            item = self.items[index]
            if item.phase is Phase.REFUSED:
                self.errors[index] = refusal_error(item.error or "")
            elif item.phase is Phase.INTENT:
                # It may be billed: its price stays reserved in the budget.
                self.budget.note_unknown_price(*self.requests[index].price)
                self.errors[index] = lost.in_doubt_error(index, reason)

    async def _check_prices(self, new: Sequence[int]) -> None:
        if self._prices_are_checked:
            return
        self._prices_are_checked = True
        try:
            await check_prices(self, new)
        except ViduCreditError as error:
            if all(item.phase is Phase.NEW for item in self.items):
                raise
            # Not raised yet: first wait for and land what an earlier try has paid for.
            self.stopped = error.but(
                advice=f"The rest was not submitted. Fix the cause, then {self.memory.by_clearing('what is missing')}"
            )

    async def _check_uploads(self, new: Sequence[int]) -> None:
        """Check once whether the host takes uploads, if any are needed, before a new request is paid for."""
        needed = {index: label for index in new if (label := self.requests[index].upload)}
        if self._uploads_are_checked or not needed:
            return
        self._uploads_are_checked = True
        index, label = next(iter(needed.items()))
        try:
            await asyncio.to_thread(check_tool, self.client.account, label)
        except ViduInputError as error:
            if all(item.phase is Phase.NEW for item in self.items):
                name = self.requests[index].origin.subject
                raise error.but(message=f"{name}: {error.message}") from error.__cause__
            # What an earlier try has paid for is waited for and landed.
            self.errors.update(dict.fromkeys(needed, error))
        except ViduError as error:
            raise self._stopped_error(error) from error.__cause__

    def _raise_unless_credits_ran_out(self) -> None:
        # If only credits are missing, first wait for and land what is paid for.
        if self.stopped is not None and not isinstance(self.stopped, ViduCreditError):
            raise self._stopped_error(self.stopped)

    def _stopped_error(self, error: ViduError) -> ViduError:
        """Return the batch's error for a refused submission, whose own error says nothing of the other items."""
        submitted = sum(item.phase is Phase.SUBMITTED for item in self.items)
        if not submitted:
            return error
        is_one = submitted == 1
        cause = "" if error.fate is Fate.RETRYABLE else error.advice
        rest = (
            "Nothing is lost: a retry waits for them and submits only what is missing."
            if self.memory is not Memory.NONE
            else f"A retry would submit everything again (durable=False): {self.memory.by_clearing('what is missing')}"
        )
        return error.but(
            message=(
                f"{submitted} of {counted(len(self.items), 'request')} {'is' if is_one else 'are'} submitted "
                f"({counted(self.budget.spent, 'credit')}) and {'continues' if is_one else 'continue'}; "
                "the rest is not submitted: "
                f"{error.message}"
            ),
            advice=f"{cause} {rest}".strip(),
        )
