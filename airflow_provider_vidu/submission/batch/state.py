# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a try knows of its batch, and the steps that change it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduCreditLimitError,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    task_error,
)
from airflow_provider_vidu.api.messages import counted, some_of
from airflow_provider_vidu.submission.airflow_try import Policies, Resumed, SubmitLater, TimeInWorker, Try
from airflow_provider_vidu.submission.batch.budget import Budget
from airflow_provider_vidu.submission.batch.pacing import Pace
from airflow_provider_vidu.submission.batch.progress import PROGRESS_KEY, progress_of
from airflow_provider_vidu.submission.batch.records import Header, Item, find_marker, reset_item
from airflow_provider_vidu.submission.batch.requests import BatchRequest, digest_requests
from airflow_provider_vidu.submission.batch.store import BatchStore, TravellingStore
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.submission.record import Phase, SubmissionRecord
from airflow_provider_vidu.submission.retry_or_clear import (
    Action,
    ClearMeans,
    Known,
    LookUp,
    Remote,
    decide,
    remote_of,
)
from airflow_provider_vidu.submission.state_writer import StateWriter
from airflow_provider_vidu.submission.task_list import ListMemory
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.bulk_query import BulkQuery
from airflow_provider_vidu.waiting.wait import SLICE

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient
    from airflow_provider_vidu.compat import StateStore

#: Returns the requests, those with the given numbers checked again.
Check = Callable[[Sequence["BatchRequest"], Container[int]], Sequence["BatchRequest"]]

#: Seconds between two lines of progress while submitting.
PROGRESS_SECONDS = 15.0


class BatchState:
    """
    What a try knows of its batch.

    The callbacks do what the state itself cannot: ``read_manifest`` returns the manifest's rows, ``is_landed`` says
    whether an item's file is at its destination (None = unknown), ``note_discarded`` reports a lost record to the
    trigger of the earlier try, ``check`` checks the requests with the given numbers again, and ``stop``, called at
    least every half second, raises to end the try.
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
        records_invalid: bool = False,
        check: Check = lambda requests, unsent: requests,
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
        #: Why nothing more is submitted; None = it may be.
        self.stopped: ViduError | None = None
        #: The last known state of each task, by the items' numbers; a missing one has to be queried.
        self.remotes: dict[int, Remote] = {}
        #: What a search of the list shows about an item that it has not found, by the items' numbers.
        self.look_ups: dict[int, LookUp] = {}
        #: The last attempts that a search has found to have failed, by the numbers of items without a record of them.
        self.failed_attempts: dict[int, int] = {}
        #: Everything that was submitted so far is of this try.
        self.within_try = resumed is not None
        #: The errors of submissions in doubt, by the items' numbers.
        self.lost_replies: dict[int, str] = {}
        #: How many replies this try has lost, by the items' identities.
        self.in_doubt: Counter[str] = Counter({} if resumed is None else resumed.attempts_of)
        #: The wait has failed: nothing would wait for what is submitted now.
        self.wait_failed = wait_failed
        #: The numbers of the items that Vidu has accepted since this part of the try began.
        self.sent_now: set[int] = set()
        #: Credits that are reserved for what is in flight or in doubt, by the items' numbers.
        self.reserved: dict[int, float] = {}
        #: Why the last query for a running task was not answered, by its item's number.
        self._unanswered: dict[int, ViduError] = {}
        self.pace = Pace(max_in_flight, this_try.spread)
        self.budget = Budget(credit_budget)
        self.max_in_flight = max_in_flight
        #: An invalid request is an error of its item, and the others are submitted.
        self.records_invalid = records_invalid
        self._check = check
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
        self._shown = lasting
        #: What travels in the arguments of a deferral; None = the store has it.
        self.travelling = TravellingStore(travelled) if lasting is None else None
        values = lasting or self.travelling or TravellingStore()
        self.list_memory = ListMemory(lasting, client.account)
        self.writer = StateWriter(clock, self._sleep_unless_stopped(sleep), lambda: self.stop(), log)
        self.store = BatchStore(values, this_try, log, self.writer)
        self._item_retries = item_retries
        #: This try has left its worker and was resumed.
        self.has_left = resumed is not None
        self._time_in_worker = TimeInWorker(may_leave=policies.may_leave, has_left=self.has_left)
        self._query = BulkQuery(client)
        self._prices_are_checked = False
        self._uploads_are_checked = False
        #: The numbers of the items that cost more than ``max_credits`` and that Vidu did not cancel.
        self.uncancelled: set[int] = set()
        self._logged_at = clock()

    def _sleep_unless_stopped(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        def sliced(seconds: float) -> None:
            end = self.clock() + seconds
            while (left := end - self.clock()) > 0:
                sleep(min(SLICE, left))
                self.stop()

        return sliced

    def is_of(self, requests: Sequence[BatchRequest]) -> bool:
        """Return whether the items are known to be those of these requests, in their order."""
        header = self.store.header
        if header is None or not len(self.items) == len(requests) == len(self.requests):
            return False
        return header.requests_digest == digest_requests(requests)

    @property
    def items(self) -> Sequence[Item]:
        """What is known of each item, in the order of the requests."""
        return self.store.items

    @property
    def resumed(self) -> Resumed:
        """What this try takes with it when it leaves the worker."""
        return Resumed(self.began, attempts_of=dict(self.in_doubt))

    @property
    def end_time(self) -> float:
        """The deadline of this try, epoch seconds."""
        return self.began + self.policies.timeout

    @property
    def may_submit(self) -> bool:
        """Whether this try would still wait for what is submitted now; otherwise it would pay for nothing."""
        return not self.wait_failed and self.clock() < self.end_time

    @property
    def running(self) -> dict[int, str]:
        """The ids of the unfinished tasks, by their items' numbers, in the order of their submission."""
        running = [
            (item.attempted_at or 0.0, index, item.task_id)
            for index, item in enumerate(self.items)
            if item.task_id and index not in self.errors and not (index in self.tasks and self.tasks[index].is_final)
        ]
        return {index: task_id for _, index, task_id in sorted(running)}

    def note_cancelled(self, task_ids: Iterable[str]) -> None:
        """Reset the items of tasks that are verified to be cancelled, unbilled: the next try submits them again."""
        cancelled = set(task_ids)
        for index, item in enumerate(self.items):
            if item.task_id in cancelled:
                self.store.put(index, reset_item(item))
        self.store.write(needed=False)

    @property
    def generation(self) -> str:
        """The batch's own marker; every item's marker begins with it."""
        return self.header.generation

    @property
    def header(self) -> Header:
        """The record of the batch as a whole."""
        if self.store.header is None:
            raise RuntimeError("a batch without a header")
        return self.store.header

    def changed_error(self, count: int, names: Iterable[str]) -> ViduError:
        """Return the error for requests that an earlier try has submitted and this one does not have."""
        return ViduError(
            f"The requests differ from those of the previous try: {removed_requests(count, names)}.",
            advice=(
                f"This try submitted nothing. To continue with the new requests, "
                f"{self.memory.by_clearing('what is new')} Or set on_input_change='resubmit'. A field that renders "
                "differently in every try (a time, a random value) causes this."
            ),
        )

    @property
    def lost(self) -> list[int]:
        """The numbers of the items of which it is unknown whether Vidu accepted them."""
        return [
            index for index, item in enumerate(self.items) if item.phase is Phase.INTENT and index not in self.errors
        ]

    def known(self, index: int) -> Known:
        """Return what the rules of submission decide an item by."""
        item = self.items[index]
        in_this_try = self.in_doubt[item.identity] > 0
        clear_is_noted = self.header.notes_clear_since(item)
        is_of_this_try = not clear_is_noted and (self.within_try or in_this_try or index in self.sent_now)
        return replace(
            self.known_of(item.as_submission(self.header, self.client.account.timeout)),
            attempts_left=self.may_submit and (not is_of_this_try or item.attempt <= self._item_retries),
            remote=self.remotes.get(index),
            look_up=self.look_ups.get(index),
            in_this_try=in_this_try,
            clear_is_noted=clear_is_noted,
        )

    def known_of(self, record: SubmissionRecord) -> Known:
        """Return what the rules of submission decide a record by, as far as the batch as a whole shows it."""
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

    def next_actions(self) -> Mapping[Action, Mapping[int, str]]:
        """Return the items by their next action, by the rules of submission: their numbers, each with the reason."""
        needs: dict[Action, dict[int, str]] = defaultdict(dict)
        for index, item in enumerate(self.items):
            # An error stops an item without a task; a task is waited for all the same.
            if index not in self.errors or item.phase is Phase.SUBMITTED:
                decision = decide(self.known(index))
                needs[decision.action][index] = decision.reason
        return needs

    def forget_queries(self, *, within_try: bool) -> None:
        """
        Forget what earlier queries have shown, so that every task is queried again.

        With ``within_try`` it is still the try that has submitted them: then ``item_retries`` limits how often they are
        submitted again.
        """
        self.within_try = within_try
        self.remotes.clear()
        self.look_ups.clear()
        self.budget.restart(self.header.dropped_credits)
        for index, item in enumerate(self.items):
            if item.phase is Phase.INTENT and index not in self.reserved:
                # An earlier try, or this one before it left the worker, has sent it, and it may be billed.
                self.reserved[index] = self.budget.reserve(*self.requests[index].price)

    def record_answer(self, index: int, answer: ViduTask | ViduError) -> None:
        """Record what a query has shown of an item's task."""
        item = self.items[index]
        self._unanswered.pop(index, None)
        if isinstance(answer, ViduError) and is_refused(answer):
            is_missing = isinstance(answer, ViduNotFoundError)
            self.errors[index] = type(answer)(
                "Vidu does not know this task (any longer)."
                if is_missing
                else f"Vidu refuses a query for this task. {answer.message}",
                task_id=item.task_id,
                reason=answer.reason,
                http_status=answer.http_status,
                advice=(
                    "It was submitted, may be billed, and is not submitted again. Check that the connection's key and "
                    "host are those that submitted it."
                ),
            )
            self.remotes[index] = Remote.MISSING if is_missing else Remote.UNREACHABLE
        elif isinstance(answer, ViduError):
            self._unanswered[index] = answer
            self.remotes[index] = Remote.UNREACHABLE
        else:
            self._record_task(index, answer)
        if isinstance(answer, ViduError) or not answer.failed:
            # Not every host reports what a task has cost: then the estimate counts, as when it was submitted.
            self._add_paid(index, item.credits)

    def submission_of(self, index: int) -> tuple[int, int]:
        """Return what identifies an item's last attempt in the budget."""
        return index, self.items[index].attempt

    def _add_paid(self, index: int, credits: float | None) -> None:
        self.budget.add_paid(self.submission_of(index), *self.requests[index].price, credits)

    def _record_task(self, index: int, task: ViduTask) -> None:
        self.tasks[index] = task
        self.remotes[index] = remote_of(task)
        if not self.items[index].attempt and (marker := find_marker(task.payload or "", self.generation)) is not None:
            # It was adopted, and how often its item was sent was unknown.
            self.store.update(index, attempt=marker.attempt)
        # An earlier query of it may have been refused.
        self.errors.pop(index, None)
        if task.failed:
            # It may have counted as long as a query did not show it.
            self.budget.remove_paid(self.submission_of(index))
            self.errors[index] = task_error(
                task.task_id, task.err_code, message=task.err_msg, credits=task.credits, trace_id=task.trace_id
            )

    def submit_again(self, index: int, reason: str) -> None:
        """Reset an item whose last attempt came to nothing, so that it is submitted again."""
        error = self.errors.pop(index, None)
        name = self.requests[index].origin.subject
        self.log.info("%s is submitted again because %s.%s", name, reason, f" {error}" if error else "")
        self.tasks.pop(index, None)
        self.remotes.pop(index, None)
        self.look_ups.pop(index, None)
        # Until now it might have been billed.
        self.budget.release(self.reserved.pop(index, 0))
        item = self.items[index]
        # The next attempt must not bear the marker of an earlier one.
        attempt = max(item.attempt, self.failed_attempts.pop(index, 0))
        self.store.put(index, reset_item(replace(item, attempt=attempt)))

    async def pause(self, seconds: float, of: float) -> None:
        """
        Wait ``seconds`` here, or leave the worker if the whole wait, ``of`` seconds, would take long.

        :raises SubmitLater: only if the policies have ``may_leave``.
        """
        absence = self._time_in_worker.absence(seconds, of)
        if absence is not None:
            self.store.write(needed=False)
            raise SubmitLater(absence, self.resumed)
        await self._sleep(seconds)

    async def _sleep(self, seconds: float) -> None:
        """Wait in the worker, whatever the policies."""
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self.stop()
            await timing.asleep(min(SLICE, left))

    def record_created(self, index: int, task: ViduTask, attempt: int) -> None:
        """Record the task of an item; the next write saves it."""
        self.store.update(index, phase=Phase.SUBMITTED, attempt=attempt, task_id=task.task_id, credits=task.credits)
        self._record_task(index, task)
        self.budget.release(self.reserved.pop(index, 0))
        if not task.failed:
            self._add_paid(index, task.credits)
        if self.policies.limits.is_exceeded_by(task):
            self.stop_if_over_limit()

    def warn_about_another_generation(self, credits: Mapping[str, float | None]) -> None:
        """Warn that everything is made and billed again; ``credits`` is the price of each earlier task, by its id."""
        self.log.warning(
            "Earlier tries made all videos of this batch (%d, %s). The clear starts a new generation of all videos, "
            "which is billed too. Fetch an earlier one with ViduHook().download('THE-VIDU-TASK-ID', path): %s.",
            len(credits),
            counted(round(sum(one or 0 for one in credits.values()), 2), "credit"),
            some_of(credits),
        )

    def log_progress(self, *, now: bool = False) -> None:
        """Log the progress of the submissions: every :data:`PROGRESS_SECONDS`, or ``now``."""
        if not now and self.clock() - self._logged_at < PROGRESS_SECONDS:
            return
        self._logged_at = self.clock()
        self.show_progress()
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
            "".join(f"; {number} {what}" for what, number in self._count_errors().items() if number),
        )

    def _count_errors(self) -> dict[str, int]:
        errors = (error for index, error in self.errors.items() if self.items[index].phase is Phase.NEW)
        invalid = sum(isinstance(error, ViduInputError) for error in errors)
        return {"failed": len(self.errors) - invalid, "invalid, not sent": invalid}

    def show_progress(self) -> None:
        """Write the progress to the task state store, which Airflow's UI shows while the task runs."""
        if self._shown is None or self.store.header is None:
            return
        progress = progress_of(self.requests, self.items, self.tasks, self.errors, self.budget.spent)
        try:
            self._shown.set(PROGRESS_KEY, progress)
        except Exception as error:
            # It is for people only, and nothing may fail because of it.
            self.log.debug("The progress was not written: %r", error)

    def stop_if_over_limit(self) -> None:
        """
        Stop submitting if a task costs more than ``max_credits``: the next one would, too.

        The header keeps the price, so that a batch that was deferred stops as well.
        """
        limits = self.policies.limits
        for task in self.tasks.values():
            # Also a task that an earlier try had no time to record or cancel.
            if limits.is_exceeded_by(task) and not task.is_final and (task.credits or 0) > self.header.over_limit:
                self.store.write_header(replace(self.header, over_limit=task.credits or 0), needed=False)
        if self.stopped is None and limits.max_credits is not None and self.header.over_limit > limits.max_credits:
            self.stopped = ViduCreditLimitError(
                f"Vidu's price for one of these generations is {self.header.over_limit} credits, but max_credits is "
                f"{limits.max_credits}: nothing more was submitted.",
                advice=(
                    "Vidu tasks above the limit were cancelled; those that Vidu did not cancel are billed, kept and "
                    "landed. Choose cheaper requests or raise max_credits, then "
                    f"{self.memory.by_clearing('what is missing')}"
                ),
            )


def is_refused(result: object) -> bool:
    """Return whether a query was refused, rather than just not answered."""
    return isinstance(result, ViduError) and (
        isinstance(result, ViduNotFoundError) or result.fate is not Fate.RETRYABLE
    )


def removed_requests(count: int, names: Iterable[str]) -> str:
    """Return the words for requests that were removed from the batch."""
    if count == 1:
        return f"1 request that was submitted is no longer in the batch ({some_of(names)})"
    return f"{count} requests that were submitted are no longer in the batch ({some_of(names)})"


def failed_ids(seen: Mapping[str, ViduTask | ViduError]) -> set[str]:
    """Return the ids of the tasks that have failed, or were cancelled: they are not billed."""
    return {task_id for task_id, task in seen.items() if not isinstance(task, ViduError) and task.failed}
