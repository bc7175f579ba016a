# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What is known of a batch, and what its parts do to it: one item is created, queried, cancelled, waited for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import Fate, ViduCreditLimitError, ViduError, ViduNotFoundError, task_error
from airflow_provider_vidu.api.messages import counted, some_of
from airflow_provider_vidu.submission.batch.pacing import Budget, Pace
from airflow_provider_vidu.submission.batch.records import Header, Item, reset_item
from airflow_provider_vidu.submission.batch.requests import BatchRequest
from airflow_provider_vidu.submission.batch.results import Memory
from airflow_provider_vidu.submission.batch.store import BatchStore, TravellingStore
from airflow_provider_vidu.submission.protocol import (
    Action,
    ClearMeans,
    Known,
    LookUp,
    Phase,
    Remote,
    SubmissionRecord,
    decide,
    remote_of,
)
from airflow_provider_vidu.submission.search import ListMemory
from airflow_provider_vidu.submission.store import StateWriter
from airflow_provider_vidu.submission.tries import Policies, Resumed, SubmitLater, TimeInWorker, Try
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.wait import CANCEL_GAP, CANCEL_LOOKS, SLICE

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient
    from airflow_provider_vidu.compat import StateStore

#: Seconds between two lines of progress while submitting.
PROGRESS_SECONDS = 15.0


class BatchState:
    """
    What a try knows of its batch.

    :param client: where to submit.
    :param this_try: which try asks.
    :param store: what outlives a try; None = nothing does (Airflow below 3.3).
    :param policies: what the DAG author has chosen.
    :param max_in_flight: submissions that may be out at once.
    :param item_retries: how often an item is submitted again within a try after it has failed for a passing reason.
    :param credit_budget: credits that all of it may cost; None = any.
    :param resumed: what the try took with it when it left the worker; None = it has not.
    :param travelled: the values of a :class:`TravellingStore` that came with it.
    :param wait_failed: the wait was given up: nothing would wait for what is submitted now.
    :param read_manifest: the rows of the manifest, where there is one.
    :param is_landed: whether an item's file is where it was to be landed, by the item's number; None = nobody can say.
    :param note_discarded: see :class:`~airflow_provider_vidu.submission.driver.Submission`.
    :param clock: epoch seconds; injected by tests.
    :param sleep: seconds, between two writes of a store that fails; injected by tests.
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
        wait_failed: bool = False,
        read_manifest: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        is_landed: Callable[[int, ViduTask], bool | None] = lambda index, task: None,
        note_discarded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = timing.now,
        sleep: Callable[[float], None] = timing.sleep,
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
        #: How each task was last seen, by the items' numbers; nothing = it has to be queried.
        self.remotes: dict[int, Remote] = {}
        #: What a search of the list means for an item that it has not found, by the items' numbers.
        self.look_ups: dict[int, LookUp] = {}
        #: What was submitted before now is of this try.
        self.within_try = resumed is not None
        #: How submissions in doubt were answered, by the items' numbers.
        self.lost_replies: dict[int, str] = {}
        #: Replies that this try has lost, by the items' identities.
        self.in_doubt: Counter[str] = Counter({} if resumed is None else resumed.attempts_of)
        #: The wait was given up.
        self.wait_failed = wait_failed
        #: The numbers of the items that Vidu has accepted since this part of the try began.
        self.sent_now: set[int] = set()
        #: Credits that are held back for what is out or in doubt, by the items' numbers.
        self.reserved: dict[int, float] = {}
        #: Why the last query for a running task was not answered, by its item's number.
        self._unanswered: dict[int, ViduError] = {}
        self.pace = Pace(max_in_flight, this_try.spread)
        self.budget = Budget(credit_budget)
        self.max_in_flight = max_in_flight
        self.read_manifest = read_manifest
        self.is_landed = is_landed
        self.note_discarded = note_discarded
        self.clock = clock
        self.stop = stop
        self.log = log
        self.began = clock() if resumed is None else resumed.began
        #: What outlives this try.
        self.memory = Memory.of(store, durable=policies.durable)
        lasting = store if self.memory is Memory.STORE else None
        #: What has to travel in the arguments of a deferral; None = the store has it.
        self.travelling = TravellingStore(travelled) if lasting is None else None
        held = lasting or self.travelling or TravellingStore()
        self.list_memory = ListMemory(lasting, client.account)
        self.writer = StateWriter(clock, self._sleep_unless_stopped(sleep), lambda: self.stop(), log)
        self.store = BatchStore(held, this_try, log, self.writer)
        self._item_retries = item_retries
        #: This try has left its worker and come back.
        self.has_left = resumed is not None
        self._time_in_worker = TimeInWorker(may_leave=policies.may_leave, has_left=self.has_left)
        self._query = BulkQuery(client)
        self._prices_are_checked = False
        #: Items that cost more than they may, and that Vidu has not cancelled.
        self.uncancelled: set[int] = set()
        self._logged_at = clock()

    def _sleep_unless_stopped(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        def sliced(seconds: float) -> None:
            end = self.clock() + seconds
            while (left := end - self.clock()) > 0:
                sleep(min(SLICE, left))
                self.stop()

        return sliced

    @property
    def items(self) -> Sequence[Item]:
        """What is known of each item, in the order of the requests."""
        return self.store.items

    @property
    def end_time(self) -> float:
        """The deadline of this try, epoch seconds."""
        return self.began + self.policies.timeout

    @property
    def may_submit(self) -> bool:
        """Whether anybody would wait for what is submitted now: nobody pays for what is given up at once."""
        return not self.wait_failed and self.clock() < self.end_time

    @property
    def running(self) -> dict[int, str]:
        """The ids of the tasks that have not ended, by their items' numbers, in the order of their submission."""
        running = [
            (item.attempted_at or 0.0, index, item.task_id)
            for index, item in enumerate(self.items)
            if item.task_id and index not in self.errors and not (index in self.tasks and self.tasks[index].is_final)
        ]
        return {index: task_id for _, index, task_id in sorted(running)}

    async def confirm_cancelled(self, task_ids: Iterable[str]) -> set[str]:
        """
        Note tasks that were cancelled on our side, unbilled: the next try submits them anew.

        The tasks themselves are asked: a host may say yes to a cancel and go on.

        :param task_ids: Vidu's ids, of this batch, that it has said yes to.
        :return: those that show it.
        """
        left, cancelled = list(task_ids), set[str]()
        for look in range(CANCEL_LOOKS):
            if look:
                await timing.asleep(CANCEL_GAP)
            seen = await self._query.get_tasks(left)
            cancelled |= failed_ids(seen)
            left = [task_id for task_id in left if task_id not in cancelled]
            if not left:
                break
        for index, item in enumerate(self.items):
            if item.task_id in cancelled:
                self.store.put(index, reset_item(item))
        self.store.write(needed=False)
        return cancelled

    @property
    def generation(self) -> str:
        """The batch's own marker, which every item's begins with."""
        return self.header.generation

    @property
    def header(self) -> Header:
        """What is remembered of the batch as a whole."""
        if self.store.header is None:
            raise RuntimeError("a batch that has not begun")
        return self.store.header

    def changed_error(self, count: int, names: Iterable[str]) -> ViduError:
        """
        Return the error of a try that does not ask any more for what an earlier one has submitted.

        :param count: how many requests that are.
        :param names: of their Vidu tasks.
        """
        return ViduError(
            f"This try asks for something else than the try before: {removed_requests(count, names)}.",
            advice=(
                f"Nothing was submitted by this try. To go on with the new requests, "
                f"{self.memory.by_clearing('what is new')} Or set on_input_change='resubmit'. A field that renders "
                "differently at every try (a time, a random value) causes this."
            ),
        )

    @property
    def lost(self) -> list[int]:
        """The numbers of the items of which nobody knows yet whether they were accepted."""
        return [
            index for index, item in enumerate(self.items) if item.phase is Phase.INTENT and index not in self.errors
        ]

    def known(self, index: int) -> Known:
        """
        Return what the rules of submission decide by.

        :param index: the item's number.
        """
        item = self.items[index]
        in_this_try = self.in_doubt[item.identity] > 0
        is_of_this_try = self.within_try or in_this_try or index in self.sent_now
        return replace(
            self.known_of(item.as_submission(self.header, self.client.account.timeout)),
            attempts_left=self.may_submit and (not is_of_this_try or item.attempt <= self._item_retries),
            remote=self.remotes.get(index),
            look_up=self.look_ups.get(index),
            in_this_try=in_this_try,
        )

    def known_of(self, record: SubmissionRecord) -> Known:
        """Return what is known beside a record: of this try, and what its author has chosen."""
        return Known(
            record=record,
            max_tries=self.this_try.max_tries,
            try_number=self.this_try.try_number,
            first_try=self.this_try.first_try,
            account=self.client.account.identity,
            clear_means=ClearMeans.REST,
            has_list=self.client.account.list_path is not None,
            on_unknown=self.policies.on_unknown,
        )

    def next_actions(self) -> Mapping[Action, Sequence[int]]:
        """Return which items need what next, by the rules of submission."""
        needs: dict[Action, list[int]] = defaultdict(list)
        for index, item in enumerate(self.items):
            # An error ends the visit to what has no task; a task is waited for all the same.
            if index not in self.errors or item.phase is Phase.SUBMITTED:
                needs[decide(self.known(index)).action].append(index)
        return needs

    def forget_queries(self, *, within_try: bool) -> None:
        """
        Begin to find out what became of the items: every task is queried again.

        :param within_try: it is still the try that has submitted them: they are submitted again only as often as
            ``item_retries`` says.
        """
        self.within_try = within_try
        self.remotes.clear()
        self.look_ups.clear()
        self.budget.spent = self.header.dropped_credits
        for index, item in enumerate(self.items):
            if item.phase is Phase.INTENT and index not in self.reserved:
                # An earlier part of this task has sent it, and it may be billed.
                self.reserved[index] = self.budget.reserve(*self.requests[index].price)

    def record_answer(self, index: int, answer: ViduTask | ViduError) -> None:
        """Note what a query has shown of an item's task."""
        item = self.items[index]
        self._unanswered.pop(index, None)
        if isinstance(answer, ViduError) and is_refused(answer):
            is_missing = isinstance(answer, ViduNotFoundError)
            self.errors[index] = type(answer)(
                "Vidu does not know this task (any more)."
                if is_missing
                else f"Vidu refuses a query for this task. {answer.message}",
                task_id=item.task_id,
                reason=answer.reason,
                http_status=answer.http_status,
                advice=(
                    "It was submitted and may be billed, and is not submitted again. Check that the connection's key "
                    "and host are those that submitted it."
                ),
            )
            self.remotes[index] = Remote.MISSING if is_missing else Remote.UNREACHABLE
        elif isinstance(answer, ViduError):
            self._unanswered[index] = answer
            self.remotes[index] = Remote.UNREACHABLE
        else:
            self._record_task(index, answer)
        if isinstance(answer, ViduError) or not answer.failed:
            # Not every host tells what a task has cost: then the estimate counts, as when it was submitted.
            kind, estimate = self.requests[index].price
            self.budget.add_paid(kind, item.credits, estimate)

    def _record_task(self, index: int, task: ViduTask) -> None:
        self.tasks[index] = task
        self.remotes[index] = remote_of(task)
        # It may have been refused before.
        self.errors.pop(index, None)
        if task.failed:
            self.errors[index] = task_error(
                task.task_id, task.err_code, message=task.err_msg, credits=task.credits, trace_id=task.trace_id
            )

    def submit_again(self, index: int, reason: str) -> None:
        """Note that an item is to be submitted again, as the rules say: nothing came of its last attempt."""
        error = self.errors.pop(index, None)
        self.log.info("Item %d is submitted again, since %s.%s", index, reason, f" {error}" if error else "")
        self.tasks.pop(index, None)
        self.remotes.pop(index, None)
        self.look_ups.pop(index, None)
        # Until now it might have been billed.
        self.budget.release(self.reserved.pop(index, 0))
        self.store.put(index, reset_item(self.items[index]))

    async def pause(self, seconds: float, of: float) -> None:
        """
        Wait here, or leave the worker if all of it would take long.

        :param seconds: to wait now.
        :param of: seconds that it may take in all; 0 = a short one, always here.
        :raises SubmitLater: only where the policies have ``may_leave``.
        """
        absence = self._time_in_worker.absence(seconds, of)
        if absence is not None:
            self.store.write(needed=False)
            raise SubmitLater(absence, Resumed(self.began, attempts_of=dict(self.in_doubt)))
        await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        """Wait here, whatever the policies."""
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self.stop()
            await timing.asleep(min(SLICE, left))

    def record_created(self, index: int, task: ViduTask, attempt: int) -> None:
        """
        Note the task of an item; it reaches the store with the next write.

        :param index: the item's number.
        :param task: the create answer, or the row that a look-up found.
        :param attempt: number of the attempt that has created it.
        """
        self.store.update(index, phase=Phase.SUBMITTED, attempt=attempt, task_id=task.task_id, credits=task.credits)
        self._record_task(index, task)
        self.budget.release(self.reserved.pop(index, 0))
        if not task.failed:
            kind, estimate = self.requests[index].price
            self.budget.add_paid(kind, task.credits, estimate)
        if self.policies.limits.is_exceeded_by(task):
            self.stop_if_over_limit()

    def log_progress(self, *, now: bool = False) -> None:
        """
        Tell the progress of the submissions, once in a while.

        :param now: in any case.
        """
        if not now and self.clock() - self._logged_at < PROGRESS_SECONDS:
            return
        self._logged_at = self.clock()
        submitted = sum(item.phase is Phase.SUBMITTED for item in self.items)
        if len(self.sent_now) == submitted:
            what = f"Submitted {submitted} of {len(self.items)}"
        else:
            sent = (
                "Nothing was submitted" if not self.sent_now else f"Submitted {counted(len(self.sent_now), 'request')}"
            )
            at_vidu = f"{counted(len(self.items), 'request')} {'is' if submitted == 1 else 'are'} at Vidu"
            what = f"{sent} now: {submitted} of {at_vidu}"
        self.log.info(
            "%s, %s %s%s.",
            what,
            counted(round(self.budget.spent, 2), "credit"),
            "committed" if len(self.sent_now) == submitted else "in all",
            f"; {len(self.errors)} failed" if self.errors else "",
        )

    def stop_if_over_limit(self) -> None:
        """
        Stop submitting where Vidu has asked too much: the next one would cost as much.

        It is remembered, since a batch that defers comes back without anything else.
        """
        limits = self.policies.limits
        for task in self.tasks.values():
            # Also one that an earlier try had no time to note or cancel.
            if limits.is_exceeded_by(task) and not task.is_final and (task.credits or 0) > self.header.over_limit:
                self.store.write_header(replace(self.header, over_limit=task.credits or 0), needed=False)
        if self.stopped is None and limits.max_credits is not None and self.header.over_limit > limits.max_credits:
            self.stopped = ViduCreditLimitError(
                f"Vidu asked {self.header.over_limit} credits for one of these generations, and max_credits is "
                f"{limits.max_credits}: nothing more was submitted.",
                advice=(
                    "What cost too much was cancelled where Vidu let it; what it did not cancel is billed, kept and "
                    f"landed. Ask for less or raise max_credits, then {self.memory.by_clearing('what is missing')}"
                ),
            )


def is_refused(result: object) -> bool:
    """Say whether a query was refused, and not just unanswered."""
    return isinstance(result, ViduError) and (
        isinstance(result, ViduNotFoundError) or result.fate is not Fate.RETRYABLE
    )


def removed_requests(count: int, names: Iterable[str]) -> str:
    """Return how a message names requests that are gone."""
    if count == 1:
        return f"1 request that was submitted is not in the batch any more ({some_of(names)})"
    return f"{count} requests that were submitted are not in the batch any more ({some_of(names)})"


def failed_ids(seen: Mapping[str, ViduTask | ViduError]) -> set[str]:
    """Return the ids of the tasks that have failed, or were cancelled: they are not billed."""
    return {task_id for task_id, task in seen.items() if not isinstance(task, ViduError) and task.failed}
