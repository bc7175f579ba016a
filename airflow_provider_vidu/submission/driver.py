# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Submits a single request durably, as ``submission.retry_or_clear`` decides; ``submission.batch`` does it for many.

::

    record read (before any image is)  ->  decide
    large pictures uploaded                right before they are sent, see submission.uploads
    intent written                         before the POST; if that fails there is no POST
    POST                                   its payload carries the intent's marker
    id written                             at once; if that fails the task goes on and the log has the id
    wait, land
    "returned" written                     last; nothing is deleted, since a try can still die after it
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.messages import counted, describe_request, some_of
from airflow_provider_vidu.compat import StateStore, state_store
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.submission.airflow_try import Policies, Resumed, SubmitLater, TimeInWorker, Try
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.submission.messages import failure_of
from airflow_provider_vidu.submission.record import (
    MARKER_PREFIX,
    STORE_KEY,
    Phase,
    SubmissionRecord,
    derived_marker,
    fingerprint,
    with_marker,
)
from airflow_provider_vidu.submission.retry_or_clear import (
    MAX_ATTEMPTS,
    Action,
    Known,
    LookUp,
    Remote,
    decide,
    lost_post_ended,
    remote_of,
)
from airflow_provider_vidu.submission.search import look_once, look_up, recall
from airflow_provider_vidu.submission.state_writer import MAX_INTENT_AGE, StateWriter, read_state
from airflow_provider_vidu.submission.task_list import ListMemory
from airflow_provider_vidu.submission.uploads import with_uploads
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.waiting.cancel import cancel_and_verify
from airflow_provider_vidu.waiting.next_poll import next_submission
from airflow_provider_vidu.waiting.wait import query_paid_task

if TYPE_CHECKING:
    from airflow_provider_vidu.api.registry import Endpoint
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

# What a step is called in the log.
_WORDS = {
    Action.SUBMIT: "Submitting",
    Action.LOOK_UP: "Searching the account's list for an earlier submission",
    Action.RECALL: "Searching the account's list for tasks of this task instance",
    Action.READ: "Querying the earlier submission",
    Action.CANCEL: "Cancelling the earlier submission",
    Action.ATTACH: "Nothing is submitted",
    Action.FAIL: "Stopping",
}


class Submission:
    """
    One submission of one task instance, over all its tries.

    :param client: where to submit.
    :param this_try: which try asks.
    :param store: what outlives a try; None = nothing does (Airflow below 3.3): the marker is derived then, and a
        later try searches the account's list before it submits.
    :param policies: what the DAG author has chosen.
    :param endpoint: where its request is posted to, and by whose rules it is the same request.
    :param key: of the record in the store.
    :param resumed: what the try took with it when it left the worker; None = it has not.
    :param is_delivered: whether a finished task's file is where it was to be landed; None = unknown.
    :param note_discarded: called where a clear has discarded the record and this host has no list: only the trigger
        of the earlier try still knows what was submitted.
    :param clock: epoch seconds; injected by tests.
    :param sleep: seconds; it may raise, to end the try.
    :param log: gets a line for each step and its reason.
    """

    def __init__(
        self,
        client: ViduClient,
        this_try: Try,
        store: StateStore | None,
        policies: Policies,
        *,
        endpoint: Endpoint,
        key: str = STORE_KEY,
        resumed: Resumed | None = None,
        is_delivered: Callable[[ViduTask], bool | None] = lambda task: None,
        note_discarded: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = timing.now,
        sleep: Callable[[float], None] = timing.sleep,
        log: logging.Logger | Any = None,
    ) -> None:
        self.client = client
        self.this_try = this_try
        self.policies = policies
        self.endpoint = endpoint
        self.key = key
        self.memory = Memory.of(store, durable=policies.durable)
        self._store = store if self.memory is Memory.STORE else None
        self._list_memory = ListMemory(self._store, client.account)
        self._is_delivered = is_delivered
        self._note_discarded = note_discarded
        self._clock = clock
        self._sleep = sleep
        self._log = log or logging.getLogger(__name__)
        self._began = clock() if resumed is None else resumed.began
        self._refusals = 0 if resumed is None else resumed.refusals
        self._attempts = 0 if resumed is None else resumed.attempts
        self._time_in_worker = TimeInWorker(may_leave=policies.may_leave, has_left=resumed is not None)
        self._writer = StateWriter(clock, sleep, lambda: None, self._log)
        self._record: SubmissionRecord | None = None
        self._has_list = True
        self._picture: object = None
        self._lost_reply = ""

    @classmethod
    def of(cls, context: Any, client: ViduClient, policies: Policies, **options: Any) -> Submission:
        """
        Return the submission of a running task.

        :param context: Airflow's.
        :param client: where to submit.
        :param policies: what the DAG author has chosen.
        :param options: endpoint, key, resumed, is_delivered, clock, sleep, log of the constructor.
        """
        note_discarded = partial(compat.note_discarded, context)
        return cls(client, Try.of(context), state_store(context), policies, note_discarded=note_discarded, **options)

    @property
    def record(self) -> SubmissionRecord | None:
        """What is remembered now."""
        return self._record

    def load(self) -> SubmissionRecord | None:
        """
        Read the record; what a resumed worker does first.

        :raises ViduError: the store cannot be read, or the record in it. Nothing is submitted then.
        """
        if self._store is None:
            return None
        value = read_state(self._store, self.key)
        try:
            self._record = SubmissionRecord.from_json(value)
        except ValueError as error:
            # A person's slip, or a newer release's: reading it again would not help.
            raise ViduError(
                f"{error}.",
                advice=(
                    "This try submitted nothing. If the record belongs to a Vidu task, adopt it: "
                    f"{self.this_try.adopt_by_hand(self.key, 'THE-VIDU-TASK-ID')} ; if it belongs to none: "
                    f"{self.this_try.nothing_created_by_hand(self.key)} . Then {compat.clear_this_task()}."
                ),
            ) from error
        return self._record

    def submit(self, build: Callable[[], Mapping[str, Any]], *, picture: object = None) -> ViduTask:
        """
        Submit, or find what an earlier try has submitted.

        :param build: makes the request's JSON object; called after the record was read, since it reads images.
        :param picture: as the DAG author named it, for the log: the request may have its bytes alone.
        :return: the task, running or final; fields that only the create answer has are filled in.
        :raises ViduInputError: the request cannot be built, and no earlier try has submitted.
        :raises ViduCreditLimitError: it costs more than it may: not sent, or cancelled at once.
        :raises ViduCreditError: too few credits are left, or would be.
        :raises ViduError: see ``retry_or_clear.decide``; the text says what is known and what to do.
        :raises SubmitLater: only where the policies have ``may_leave``.
        """
        self._picture = picture
        record = self.load()
        relies_on_the_list = self.memory is Memory.LIST and self.this_try.try_number > 1
        may_be_discarded = self.memory is Memory.STORE and record is None and self.this_try.record_may_be_discarded
        wire, input_error = self._built(
            build, needed=record is None and not relies_on_the_list and not may_be_discarded
        )
        if relies_on_the_list:
            record = self._assumed_record(wire or {})
        self._record = record
        known = Known(
            record=record,
            max_tries=self.this_try.max_tries,
            account=self.client.account.identity,
            try_number=self.this_try.try_number,
            first_try=self.this_try.first_try,
            may_be_discarded=may_be_discarded,
            fingerprint=fingerprint(wire, self.endpoint) if wire is not None else None,
            has_list=self.client.account.list_path is not None,
            on_unknown=self.policies.on_unknown,
            on_input_change=self.policies.on_input_change,
        )
        task: ViduTask | None = None
        candidates: tuple[str, ...] = ()
        while True:
            decision = decide(known)
            if record is not None or self._attempts or may_be_discarded:
                about = f"Vidu task {known.record.task_id}: " if known.record and known.record.task_id else ""
                self._log.info("%s%s because %s.", about, _WORDS[decision.action], decision.reason)
            if decision.action is Action.SUBMIT:
                if wire is None:
                    raise input_error or ViduInputError("images: the image cannot be read.")
                if self._attempts >= MAX_ATTEMPTS:
                    raise ViduUnavailableError(
                        f"Vidu has created nothing in {self._attempts} attempts. {self._lost_reply}".rstrip(),
                        advice="Nothing is billed. A retry searches again before it submits.",
                    )
                if not self._attempts:
                    self._check_price(wire)
                self._say_what_is_left_behind(known)
                outcome = self._attempt(wire, known.fingerprint or {})
                if outcome is not None:
                    return self._within_price(outcome)
                self._attempts += 1
                known = replace(known, record=self._record, remote=None, look_up=None, cancelled=None, in_this_try=True)
            elif decision.action is Action.RECALL:
                known, task, candidates = self._recall(known, wire, settle=False)
            elif decision.action is Action.LOOK_UP:
                known, task, candidates = self._looked_up(known)
            elif decision.action is Action.READ:
                remote, task = self._read(known)
                known = replace(known, remote=remote)
            elif decision.action is Action.CANCEL:
                if wire is None:
                    # Its replacement cannot be built: a cancel now would leave no video at all.
                    raise input_error or ViduInputError("images: the image cannot be read.")
                # If its replacement would be refused, the earlier task is better kept.
                self._check_price(wire)
                with_uploads(self.client.account, wire, self._log)
                known = replace(known, cancelled=self._cancel(known))
                if known.may_be_discarded and known.cancelled:
                    # A newer one may not show yet: before another is sent, the list has to settle.
                    unknown = replace(known, record=None, remote=None, look_up=None, cancelled=None)
                    known, task, candidates = self._recall(unknown, wire, settle=True)
            elif decision.action is Action.ATTACH:
                return self._within_price(self._attached(known, task))
            else:
                failure = failure_of(
                    known,
                    task,
                    decision.reason,
                    this_try=self.this_try,
                    key=self.key if self._store is not None else None,
                    candidates=candidates,
                    has_list=self._has_list,
                    cause=self._lost_reply,
                )
                if failure.fate is Fate.IN_DOUBT and self.policies.on_unknown == "resubmit":
                    raise failure.but(fate=Fate.RETRYABLE)
                raise failure

    def note_returned(self) -> None:
        """Note that ``execute`` is about to return the result: a clear after this means a new generation."""
        if self._record is not None and self._record.phase is Phase.SUBMITTED:
            self._write(replace(self._record, phase=Phase.RETURNED), needed=False)

    def note_submitted(self, task: ViduTask) -> None:
        """
        Write the id into a record that could not be written when the id became known.

        :param task: whose id has travelled another way.
        """
        if self._record is not None and self._record.phase is Phase.INTENT:
            self._write(self._record.with_task(task), needed=False)

    def note_cancelled(self) -> str:
        """
        Note that the task was cancelled by us, unbilled: the next try submits again.

        :return: what it takes to submit again, for a message.
        """
        if self._record is not None and self._record.phase is Phase.SUBMITTED:
            self._write(replace(self._record, phase=Phase.NEW), needed=False)
        if self.memory is Memory.LIST:
            # The next try finds only a cancelled task, and cannot know that it was not a user who cancelled it.
            return f"{compat.clear_this_task()} to submit again"
        return "a retry submits again"

    def note_left_running(self) -> None:
        """Note that this try's deadline has passed: the next one re-attaches, even after a clear."""
        if self._record is not None and self._record.phase is Phase.SUBMITTED:
            self._write(replace(self._record, keep_running=True), needed=False)

    # -- steps ------------------------------------------------------------------------------------------------

    def _built(
        self, build: Callable[[], Mapping[str, Any]], *, needed: bool
    ) -> tuple[dict[str, Any] | None, Exception | None]:
        try:
            return dict(build()), None
        except Exception as error:
            if needed:
                raise
            # The video of an image that has gone, or cannot be read now, is paid for all the same.
            self._log.warning("The request cannot be built now (%s); querying the earlier submission first.", error)
            return None, error

    def _check_price(self, wire: Mapping[str, Any]) -> None:
        limits = self.policies.limits
        estimate = limits.check_estimate(wire, self.endpoint)
        if limits.max_credits is not None and estimate is None:
            self._log.warning(
                "The catalogue does not know the price of this request: max_credits is checked against Vidu's answer."
            )
        if limits.min_remaining is not None:
            try:
                credits = self.client.get_credits()
            except ViduError as error:
                raise limits.without_balance(error) from error
            limits.check_balance(credits.total, estimate)

    def _within_price(self, task: ViduTask) -> ViduTask:
        """Cancel what costs more than it may. Also of a task that was found: an earlier try may have died before."""
        limits = self.policies.limits
        if not limits.is_exceeded_by(task) or task.failed:
            return task
        # The pauses take seconds; a kill in one of them must not read as a kill before the submission.
        if not task.is_final and cancel_and_verify(self.client, task.task_id, self._log):
            self.note_cancelled()
            raise limits.exceeded(task)
        self._log.warning("%s", limits.kept_in_spite(task))
        return task

    def _derived_marker(self) -> str:
        return derived_marker(*self.this_try.marker_parts, self.key)

    def _assumed_record(self, wire: Mapping[str, Any]) -> SubmissionRecord | None:
        # Without a store a later try cannot know whether an earlier one submitted: it has to search.
        record = SubmissionRecord(
            phase=Phase.INTENT,
            max_tries=self.this_try.max_tries,
            account=self.client.account.identity,
            fingerprint={},
            attempted_at=self._began,
            marker=with_marker(wire, self._derived_marker())[1],
            search_from=self.this_try.first_submission_since_the_clear(self._began),
        )
        if self.this_try.try_number > self.this_try.first_try:
            return record
        # The first try after a clear has a marker of its own, unless this worker's idea of the task's
        # retries is not the one by which Airflow counts.
        found = look_once(self.client, record, log=self._log) if record.marker else None
        return None if found is None else record.with_task(found)

    def _attempt(self, wire: Mapping[str, Any], identity: Mapping[str, str]) -> ViduTask | None:
        """Send once. Returns the task, or None if the reply was lost and the caller has to decide again."""
        derived = self.memory is Memory.LIST
        seal = self.this_try.seal()
        while True:
            marker = self._derived_marker() if derived else self.this_try.new_marker(self.key)
            sent, travelling = with_marker(wire, f"{marker}.{seal}" if seal else marker)
            sent = with_uploads(self.client.account, sent, self._log)
            intent = self._intent(identity, travelling)
            # The next try waits this out before it takes a submission for absent: nothing may be sent later.
            not_after = intent.not_after or intent.attempted_at
            try:
                task = self.client.submit(sent, endpoint=self.endpoint.name, not_after=not_after)
            except ViduSubmissionInDoubtError as error:
                if not self.policies.durable:
                    raise
                self._log.warning("%s", error)
                self._lost_reply = error.message
                ended = lost_post_ended(self._clock(), not_after, is_vidus_own=error.is_vidus_own)
                self._record = replace(intent, ended_at=ended)
                return None
            except ViduRateLimitError as error:
                self._write(replace(intent, phase=Phase.NEW), needed=False)
                self._refusals += 1
                pause = next_submission(self._refusals, error.retry_after, self.this_try.spread)
                if self._clock() + pause > self._began + self.policies.timeout:
                    raise
                self._log.info(
                    "Vidu is not accepting submissions right now (%s); next attempt in %.0f s.", error.message, pause
                )
                due = self._clock() + pause
                self._pause(pause, pause)
                if derived and self._clock() > due + MAX_INTENT_AGE:
                    # Frozen meanwhile: a next try may have begun, and without a store nothing else would show that.
                    self._record = replace(intent, attempted_at=self._clock(), ended_at=self._clock())
                    return None
            except ViduError as error:
                self._write(replace(intent, phase=Phase.NEW), needed=False)
                raise self.endpoint.name_unknown_model(error, wire.get("model")) from error.__cause__
            else:
                self._note_task(task)
                metrics.submitted(task.model)
                credits = "unknown credits" if task.credits is None else counted(task.credits, "credit")
                asked = describe_request(task.model or wire.get("model"), self._picture, wire.get("prompt"))
                self._log.info("Submitted: Vidu task %s, %s. %s", task.task_id, credits, asked)
                return task

    def _intent(self, identity: Mapping[str, str], marker: str | None) -> SubmissionRecord:
        """Write the intent."""

        def write(now: float) -> None:
            intent = SubmissionRecord(
                phase=Phase.INTENT,
                max_tries=self.this_try.max_tries,
                account=self.client.account.identity,
                fingerprint=identity,
                attempted_at=now,
                marker=marker,
                not_after=now + self.client.account.timeout,
                try_number=self.this_try.try_number,
            )
            self._write(intent, needed=True)

        self._writer.write_intent(write)
        if self._record is None:
            raise RuntimeError("an intent that was not written")
        return self._record

    def _looked_up(self, known: Known) -> tuple[Known, ViduTask | None, tuple[str, ...]]:
        if known.record is None:
            raise RuntimeError("a look-up without an intent")
        # Without a store, a worker that comes back would not know that there is something to search for.
        pause = self._pause if self._store is not None else lambda seconds, of: self._sleep(seconds)
        found = look_up(
            self.client,
            known.record,
            list_memory=self._list_memory,
            clock=self._clock,
            pause=pause,
            log=self._log,
            shared_marker=self._store is None,
        )
        if found.task is None:
            # A missing list that the connection does not admit to is no consent: the clear may be a guess.
            self._has_list = found.has_list
            return replace(known, look_up=found.look_up), None, found.candidates
        self._note_task(found.task)
        if self._store is not None and known.record.phase is Phase.INTENT:
            # Its reply was lost. Without a store it may as well have been counted by the try that sent it.
            metrics.submitted(found.task.model)
        return replace(known, record=self._record, remote=remote_of(found.task)), found.task, ()

    def _recall(
        self, known: Known, wire: Mapping[str, Any] | None, *, settle: bool
    ) -> tuple[Known, ViduTask | None, tuple[str, ...]]:
        """
        Search for what earlier tries have submitted, where a clear may have discarded the record of it.

        :param settle: False = a task that runs is enough, since nothing is sent before it was cancelled.
        """
        found = recall(
            self.client,
            self.this_try.marks(self.key),
            search_from=self.this_try.first_submission(self._began),
            attempted_at=self._began,
            can_be_found=wire is None or with_marker(wire, MARKER_PREFIX)[1] is not None,
            is_enough=lambda task: not settle and not task.is_final,
            list_memory=self._list_memory,
            clock=self._clock,
            pause=self._pause,
            log=self._log,
        )
        task = found.task
        if not found.has_list:
            self._log.warning(
                "The clear may have discarded what earlier tries noted, and this host has no task list: a Vidu task "
                "that they submitted cannot be found. If one is still running, the triggerer tries to cancel it."
            )
            self._note_discarded()
        # A task that runs, or whose video is missing, is waited for without a bill, whatever other rows may be.
        may_adopt = (
            task is not None
            and found.shows_all_rows
            and not settle
            and (not task.is_final or (task.succeeded and self._is_delivered(task) is False))
        )
        if found.outage is not None and not may_adopt:
            raise found.outage
        if task is None or (found.look_up is LookUp.UNKNOWN and not may_adopt):
            look_up = found.look_up or LookUp.ABSENT
            return replace(known, look_up=look_up, has_list=known.has_list and found.has_list), None, found.candidates
        if found.others:
            self._log.warning(
                "This task instance has submitted several Vidu tasks. This try uses the newest, %s; the others: %s.",
                task.task_id,
                some_of(found.others),
            )
        record = SubmissionRecord.of_found(task, known.account, is_delivered=self._is_delivered(task))
        if found.look_up is LookUp.UNKNOWN:
            # Nothing could be submitted in its place: it is not cancelled.
            record = replace(record, keep_running=True)
        if record.phase is Phase.RETURNED:
            self._log.warning(
                "An earlier try made the video of Vidu task %s (%s credits). The clear starts a new generation, which "
                "is billed too. Fetch the earlier video with ViduHook().download('%s', path).",
                task.task_id,
                "unknown" if task.credits is None else task.credits,
                task.task_id,
            )
        self._record = record
        return replace(known, record=record, remote=remote_of(task)), task, ()

    def _read(self, known: Known) -> tuple[Remote, ViduTask | None]:
        record = known.record
        if record is None or record.task_id is None:
            return Remote.MISSING, None
        stopped: list[ViduError] = []

        def sleep(seconds: float) -> None:
            try:
                self._sleep(seconds)
            except ViduError as error:
                stopped.append(error)
                raise

        try:
            task = query_paid_task(self.client, record.task_id, sleep=sleep).filled_from(record.as_task())
        except ViduNotFoundError:
            return Remote.MISSING, None
        except ViduError as error:
            if error in stopped or error.fate is not Fate.RETRYABLE:
                raise
            self._log.warning("The earlier task %s cannot be queried now: %s", record.task_id, error)
            return Remote.UNREACHABLE, None
        return remote_of(task), task

    def _cancel(self, known: Known) -> bool:
        record = known.record
        if record is None or record.task_id is None:
            return False
        return cancel_and_verify(self.client, record.task_id, self._log, sleep=self._sleep)

    def _attached(self, known: Known, task: ViduTask | None) -> ViduTask:
        record = known.record
        if record is None or record.task_id is None:
            raise RuntimeError("attached to a task without an id")
        if known.is_cleared or record.keep_running or not record.account:
            # From here on a retry of this try is a plain retry again, also where a person wrote the record.
            record = replace(
                record,
                max_tries=known.max_tries,
                try_number=known.try_number,
                keep_running=False,
                account=known.account,
                # A task that was found or adopted has no fingerprint of its own.
                fingerprint=record.fingerprint or known.fingerprint or {},
            )
            self._write(record, needed=False)
        self._record = record
        return task if task is not None else record.as_task()

    def _pause(self, seconds: float, of: float) -> None:
        """Wait here, or leave the worker if all of it (``of``) would take long."""
        absence = self._time_in_worker.absence(seconds, of)
        if absence is not None:
            raise SubmitLater(absence, Resumed(self._began, self._refusals, self._attempts))
        self._sleep(seconds)

    def _note_task(self, task: ViduTask) -> None:
        if self._record is None:
            raise RuntimeError("a task without an intent")
        self._write(self._record.with_task(task), needed=False)

    def _write(self, record: SubmissionRecord, *, needed: bool) -> None:
        self._record = record
        if self._store is None:
            return
        store = self._store

        def write() -> None:
            store.set(self.key, record.to_json())

        if needed:
            self._writer.write(write)
        else:
            kept = f"{self.this_try.name} is at phase {record.phase.value!r} with Vidu task {record.task_id}."
            self._writer.try_to_write(write, lambda: kept)

    def _say_what_is_left_behind(self, known: Known) -> None:
        record = known.record
        if record is None or record.phase is Phase.RETURNED:
            return
        if record.task_id is not None and known.remote is Remote.SUCCESS:
            self._log.warning(
                "Vidu task %s has succeeded for the earlier request and is paid for. Its video is not landed, but can "
                "be fetched as long as Vidu keeps it.",
                record.task_id,
            )
