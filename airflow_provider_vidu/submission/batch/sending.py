# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Sends a batch's requests: builds them ahead, writes the intents of those that can leave together, and keeps as many
POSTs in flight as the account allows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import (
    REASONS,
    Fate,
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduError,
    ViduInputError,
    ViduRateLimitError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.landing.many import SILENT
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.submission.batch.budget import Spending
from airflow_provider_vidu.submission.batch.identity import reading_of
from airflow_provider_vidu.submission.batch.state import BatchState
from airflow_provider_vidu.submission.record import Phase, with_marker
from airflow_provider_vidu.submission.retry_or_clear import lost_post_ended
from airflow_provider_vidu.submission.uploads import with_known_uploads, with_uploads
from airflow_provider_vidu.waiting.wait import SLICE

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask

#: Attempts in a row that may fail to reach Vidu before the try ends; those in flight together count once.
MAX_OUTAGES = 5
#: Seconds that the POSTs in flight may still take once the worker has to stop.
DRAIN_SECONDS = 1.5
#: How often a request is sent again after a temporary refusal other than a full queue.
MAX_REFUSALS = 3


@dataclass(frozen=True)
class _BuiltRequest:
    index: int
    wire: dict[str, Any] = field(repr=False)
    #: As it leaves, with the URIs of uploads; None = it does not leave yet.
    sent: dict[str, Any] | None = field(default=None, repr=False)


class Sender:
    """Submits new items of a batch, given by their numbers."""

    def __init__(self, batch: BatchState, new: Iterable[int]) -> None:
        self._batch = batch
        self._waiting = deque(new)
        self._building: dict[asyncio.Future[Any], int] = {}
        #: By their items' numbers.
        self._ready: dict[int, _BuiltRequest] = {}
        self._out: dict[asyncio.Future[Any], _BuiltRequest] = {}
        self._seal = batch.this_try.seal()
        self._outages = 0
        self._patience = batch.client.account.timeout
        self._refusals: dict[int, int] = {}
        self._waits_for_lost = False
        self._is_over = False

    async def run(self) -> bool:
        """
        Submit until all items are sent, something stops it (:attr:`BatchState.stopped`), or the deadline passes.

        :return: True if the rest waits for lost submissions, since the budget depends on whether they were accepted.
        :raises ViduUnavailableError: an intent cannot be written.
        :raises SubmitLater: see :meth:`BatchState.pause`.
        """
        batch = self._batch
        try:
            while self._out or (self._may_send and (self._waiting or self._building or self._ready)):
                self._raise_if_stopped()
                self._start_builds()
                leaving = self._take_sendable() if self._may_send else []
                self._write_intents(leaving)
                for built in leaving:
                    self._out[asyncio.ensure_future(self._post(built))] = built
                await self._wait_for_any()
                batch.log_progress()
        finally:
            self._is_over = True
            for one in self._building:
                one.cancel()
            await self._drain()
            batch.store.write(needed=False)
        return self._waits_for_lost

    @property
    def _may_send(self) -> bool:
        return self._batch.stopped is None and not self._waits_for_lost and self._batch.may_submit

    def _raise_if_stopped(self) -> None:
        try:
            self._batch.stop()
        except ViduError:
            self._patience = DRAIN_SECONDS
            raise

    def _start_builds(self) -> None:
        while self._waiting and len(self._building) + len(self._ready) < self._batch.max_in_flight:
            index = self._waiting.popleft()
            # In a thread, since a large image is read and encoded.
            self._building[asyncio.ensure_future(asyncio.to_thread(self._build_request, index))] = index

    def _build_request(self, index: int) -> _BuiltRequest:
        # Its warnings were logged when it was checked.
        wire = self._batch.requests[index].build_wire(SILENT)
        if self._batch.items[index].reading != reading_of(wire, self._batch.requests[index].endpoint):
            raise ViduInputError("The request, or its picture, has changed since the batch was checked.")
        return _BuiltRequest(index, wire)

    def _start_upload(self, built: _BuiltRequest) -> None:
        self._building[asyncio.ensure_future(asyncio.to_thread(self._upload, built))] = built.index

    def _upload(self, built: _BuiltRequest) -> _BuiltRequest:
        with_uploads(self._batch.client.account, built.wire, self._batch.log, self._stop_upload)
        return built

    def _stop_upload(self) -> None:
        # A thread cannot be cancelled, and the process would wait for it.
        if self._is_over:
            raise ViduError("The upload was given up: this try submits nothing more.", fate=Fate.RETRYABLE)

    @property
    def _next_ready(self) -> _BuiltRequest | None:
        """
        The request to send next, if it is built.

        With a budget, no row is sent before an earlier one, since the budget pays for the first rows. Without one, no
        row waits for another's picture, and refused requests go last.
        """
        if not self._ready:
            return None
        if self._batch.budget.limit is None:
            return self._ready[min(self._ready, key=lambda index: (self._refusals.get(index, 0), index))]
        first = min(self._ready)
        return None if any(index < first for index in self._building.values()) else self._ready[first]

    def _take_sendable(self) -> list[_BuiltRequest]:
        """
        Take the requests that can be sent now: as many as the account allows, within the budget.

        Pictures are uploaded only now: earlier they might be uploaded for nothing, or expire in a full queue.
        """
        batch = self._batch
        leaving: list[_BuiltRequest] = []
        while (
            (built := self._next_ready) is not None
            and len(self._out) + len(leaving) < batch.pace.allowed
            and batch.clock() >= batch.pace.not_before
        ):
            price = batch.requests[built.index].price
            others = bool(self._out or leaving)
            spending = batch.budget.check(*price, others_are_out=others or bool(batch.lost))
            if spending is not Spending.GO:
                # A POST in flight may come back unbilled, and a lost one may be absent: stop only without either.
                if not others and batch.lost:
                    self._waits_for_lost = True
                elif not others:
                    batch.stopped = self._budget_error(built)
                break
            del self._ready[built.index]
            sent = with_known_uploads(batch.client.account, built.wire)
            if sent is None:
                self._start_upload(built)
                continue
            leaving.append(replace(built, sent=sent))
            batch.reserved[built.index] = batch.budget.reserve(*price)
        return leaving

    def _write_intents(self, leaving: list[_BuiltRequest]) -> None:
        """Write the intents of the requests to send, and with them the ids of those that have returned."""
        batch = self._batch
        if not leaving:
            self._raise_if_stopped()
            batch.store.write(needed=False)
            return
        before = {built.index: batch.items[built.index] for built in leaving}

        def write(now: float) -> None:
            for index, item in before.items():
                sent = {"attempt": item.attempt + 1, "attempted_at": now, "clears": batch.header.clears}
                batch.store.update(index, phase=Phase.INTENT, **sent)
            self._raise_if_stopped()
            batch.store.write(needed=True)

        try:
            batch.writer.write_intent(write)
        except ViduError:
            for index, item in before.items():
                batch.store.put(index, item)
                batch.budget.release(batch.reserved.pop(index, 0))
            raise

    async def _post(self, built: _BuiltRequest) -> ViduTask:
        batch = self._batch
        item = batch.items[built.index]
        marker = item.marker(batch.generation)
        if built.sent is None:
            raise RuntimeError("a request that was not taken")
        sent, _ = with_marker(built.sent, f"{marker}.{self._seal}" if self._seal else marker)
        # The next try takes a submission for absent once this has passed: nothing may be sent later.
        not_after = item.not_after(batch.client.account.timeout)
        return await batch.client.submit(sent, endpoint=batch.requests[built.index].endpoint.name, not_after=not_after)

    async def _wait_for_any(self) -> None:
        batch = self._batch
        under_way = [*self._building, *self._out]
        if under_way:
            done, _ = await asyncio.wait(under_way, timeout=SLICE, return_when=asyncio.FIRST_COMPLETED)
            # In the order of their start, which a set does not keep.
            for one in (one for one in under_way if one in done):
                if one in self._building:
                    self._record_built(one)
                else:
                    self._record_reply(one)
        elif self._ready and batch.stopped is None and (left := batch.pace.not_before - batch.clock()) > 0:
            if batch.clock() + left > batch.end_time:
                batch.stopped = ViduRateLimitError("Vidu accepts no further submissions now.")
                return
            batch.log.info("Vidu refuses submissions or does not answer them; next attempt in %.0f s.", left)
            await batch.pause(left, left)

    def _record_built(self, one: asyncio.Future[Any]) -> None:
        index = self._building.pop(one)
        try:
            built = one.result()
            self._ready[built.index] = built
        except ViduError as error:
            self._batch.errors[index] = error
            # Of an upload; the next one would most likely fail, too.
            if isinstance(error, ViduUnavailableError) and self._count_outage(error):
                self._batch.stopped = self._batch.stopped or error
        except OSError as error:
            self._batch.errors[index] = ViduUnavailableError(
                f"The image cannot be read now ({error}).", advice="Nothing was submitted; a retry reads it again."
            )

    def _record_reply(self, one: asyncio.Future[Any]) -> None:
        """Record the reply to a POST."""
        batch = self._batch
        built = self._out.pop(one)
        index = built.index
        item = batch.items[index]
        try:
            created: ViduTask = one.result()
        except ViduSubmissionInDoubtError as error:
            batch.log.warning("%s: %s", batch.requests[index].origin.subject, error)
            not_after = item.not_after(batch.client.account.timeout)
            ended = lost_post_ended(batch.clock(), not_after, is_vidus_own=error.is_vidus_own)
            batch.in_doubt[item.identity] += 1
            batch.lost_replies[index] = error.message
            batch.store.update(index, ended_at=ended)
            # A host that answers nothing must not be sent the whole batch.
            if self._count_outage(error):
                batch.stopped = batch.stopped or ViduUnavailableError(
                    f"{self._outages} times in a row, submissions were sent and not answered ({error.message}).",
                    advice="The next try searches for those that were accepted before it sends any of them again.",
                )
        except ViduError as error:
            batch.budget.release(batch.reserved.pop(index, 0))
            self._record_refusal(built, error)
        else:
            self._outages = 0
            batch.sent_now.add(index)
            batch.pace.on_accepted()
            batch.record_created(index, created, item.attempt)
            metrics.submitted(batch.requests[index].model)

    def _count_outage(self, error: ViduError) -> bool:
        """Count an attempt that Vidu did not answer; return True after too many in a row."""
        self._outages += self._batch.pace.on_refused(self._batch.clock(), error.retry_after)
        return self._outages > MAX_OUTAGES

    def _record_refusal(self, built: _BuiltRequest, error: ViduError) -> None:
        """Record that Vidu created nothing, and decide whether to send the request again."""
        batch = self._batch
        index = built.index
        error = batch.requests[index].endpoint.name_unknown_model(error, batch.requests[index].model)
        # Nothing at Vidu has its marker: the next attempt may use it again.
        batch.store.update(index, phase=Phase.NEW, attempt=batch.items[index].attempt - 1)
        if isinstance(error, ViduRateLimitError):
            batch.pace.on_refused(batch.clock(), error.retry_after)
            self._ready[index] = built
        elif isinstance(error, (ViduCreditError, ViduAuthError, ViduConfigurationError)):
            # The next request would be refused, too.
            if isinstance(error, ViduCreditError):
                next_step = batch.memory.by_clearing("what is missing")
                error = error.but(advice=f"The rest was not submitted. Top up the account, then {next_step}")
            batch.stopped = batch.stopped or error
        elif isinstance(error, ViduUnavailableError):
            self._ready[index] = built
            if self._count_outage(error):
                batch.stopped = batch.stopped or error
        elif error.fate is Fate.RETRYABLE:
            self._refusals[index] = self._refusals.get(index, 0) + 1
            if self._refusals[index] > MAX_REFUSALS:
                batch.errors[index] = error
            else:
                batch.pace.on_refused(batch.clock(), error.retry_after)
                self._ready[index] = built
        else:
            batch.log.warning("%s was refused: %s", batch.requests[index].origin.subject, error)
            batch.errors[index] = error
            batch.store.update(index, phase=Phase.REFUSED, error=refusal_text(error))

    def _budget_error(self, built: _BuiltRequest) -> ViduError:
        budget, request = self._batch.budget, self._batch.requests[built.index]
        next_step = self._batch.memory.by_clearing("what is missing")
        if budget.has_unknown_price(*request.price):
            return ViduCreditError(
                f"Cannot enforce credit_budget ({budget.limit} credits): neither Vidu nor the catalogue gives a price "
                f"for such a request to model {request.model}.",
                reason="CreditBudgetUnknownPrice",
                advice=f"The rest was not submitted. Leave credit_budget out, then {next_step}",
            )
        return ViduCreditError(
            f"The next submission would exceed credit_budget ({round(budget.spent, 2)} of {budget.limit} credits are "
            "spent or committed).",
            reason="CreditBudgetSpent",
            advice=f"The rest was not submitted. Raise credit_budget, then {next_step}",
        )

    async def _drain(self) -> None:
        """Wait for the POSTs in flight while there is time: one without a recorded reply has to be searched for."""
        if self._out:
            done, _ = await asyncio.wait(self._out, timeout=self._patience)
            for one in [one for one in self._out if one in done]:
                # One that Airflow's own timeout has cancelled in flight is in doubt: the store has its intent.
                if not one.cancelled():
                    self._record_reply(one)
            for one in self._out:
                one.cancel()


def refusal_text(error: ViduError) -> str:
    """Return the text by which the record keeps a refusal."""
    return f"{error.reason}: {error.message}" if error.reason else error.message


def refusal_error(text: str) -> ViduError:
    """Return the error of an item whose refusal the record has."""
    reason, colon, message = text.partition(": ")
    known = bool(colon) and reason in REASONS
    return ViduError(
        (message if known else text) or "Vidu refused it.",
        reason=reason if known else None,
        advice="It is not billed.",
    )
