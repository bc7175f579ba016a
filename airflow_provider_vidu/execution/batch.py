# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The batch operator on a worker: check all requests, submit or re-attach, wait, land, return."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduLandingError, ViduStillRunningError
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.rendered_fields import require
from airflow_provider_vidu.api.unchecked import find_endpoint
from airflow_provider_vidu.client import AsyncViduClient
from airflow_provider_vidu.compat import note_discarded, state_store
from airflow_provider_vidu.exceptions import raise_for_airflow
from airflow_provider_vidu.execution.base import Execution
from airflow_provider_vidu.execution.manifest_and_report import ResultFiles, records_of
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.landing.many import SILENT, land_batch
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.reporting.lineage import deliver_batch, openlineage_facets
from airflow_provider_vidu.submission.airflow_try import Resumed, SubmitLater, Try
from airflow_provider_vidu.submission.batch.driver import BatchSubmission
from airflow_provider_vidu.submission.batch.file_names import check_destinations, check_names
from airflow_provider_vidu.submission.batch.requests import (
    BatchRequest,
    check_requests,
    endpoint_of_row,
    raise_problems,
    read_requests,
)
from airflow_provider_vidu.submission.batch.results import (
    batch_error,
    failure_lines,
    failure_reasons,
    shrink_for_xcom,
)
from airflow_provider_vidu.submission.cancel_on_kill import why_cancel
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import BACKSTOP, EVENT_HOLD, ViduTaskTrigger, digest_of_ids, event_of_group
from airflow_provider_vidu.waiting import watcher
from airflow_provider_vidu.waiting.cancel import VERIFY_SECONDS, cancel_unfinished
from airflow_provider_vidu.waiting.next_poll import Hints

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.registry import Endpoint
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: Seconds after which a wait in the worker checks whether it must stop.
SLICE = 0.5
#: Seconds between two reports while a batch waits in the worker.
SHOW_EVERY = 300.0
#: Seconds for cancelling after the worker was told to stop: Airflow kills it about five seconds after the signal.
CANCEL_SECONDS = 2.5
#: Seconds for cancelling at the deadline.
CANCEL_AT_DEADLINE_SECONDS = 60.0
#: Statuses of a wait's event that mean that every task has ended.
ENDED = frozenset({"success", "failed"})


class BatchExecution(Execution[list[dict[str, Any]]]):
    """One try of an operator that submits many requests."""

    #: As far as they have been read and checked.
    requests: Sequence[BatchRequest] = ()

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint of the requests that name none; None = each request names its own."""
        return find_endpoint(self.operator.endpoint) if self.operator.endpoint else None

    def run(
        self,
        context: Context,
        resumed: Resumed | None = None,
        travelled: dict[str, Any] | None = None,
        event: Mapping[str, Any] | None = None,
        ids: str | None = None,
    ) -> list[dict[str, Any]]:
        """Run the try; ``event`` is the trigger's, if one has waited for the tasks with the digest ``ids``."""
        store = state_store(context)
        self._read_rendered()
        batch: BatchSubmission | None = None
        has_left = resumed is not None or event is not None
        is_first = context["ti"].try_number == 1 and not has_left
        self.files = ResultFiles(self.operator, context, is_first=is_first, is_checked=has_left)
        try:
            require("requests", self.operator.requests)
            self.files.check()
            self._check_settings()
            if context["ti"].try_number == 1:
                self._check_time_to_wait()
            self.requests = requests = read_requests(
                self.operator.requests,
                self.operator.defaults,
                self.operator.output_path,
                endpoint=self.endpoint,
                may_differ=self.operator.endpoints_may_differ,
                labels_from_rest=self.operator.labels_from == "rest",
            )
            if self.operator.on_invalid != "record":
                raise_problems(requests)
            with self._client() as client:
                batch = BatchSubmission(
                    AsyncViduClient(client.account),
                    Try.of(context),
                    store,
                    replace(
                        self._policies(), timeout=self._seconds_to_wait(off_peak=any(one.off_peak for one in requests))
                    ),
                    max_in_flight=self.operator.max_in_flight,
                    item_retries=self.operator.item_retries,
                    credit_budget=self._parse_credits("credit_budget"),
                    records_invalid=self.operator.on_invalid == "record",
                    check=self._check_unsent,
                    resumed=resumed,
                    travelled=travelled,
                    wait_failed=event is not None and event.get("status") == "error",
                    read_manifest=self.files.read_manifest,
                    is_landed=lambda index, task: self._is_landed(requests[index], task),
                    note_discarded=partial(note_discarded, context),
                    stop=self._raise_if_killed,
                    log=self.log,
                )
                try:
                    running = asyncio.run(self._submit_and_wait(context, client, batch, requests, event, ids))
                except SubmitLater as later:
                    self._defer_submission(context, later, list(batch.running.values()), **self._travelling(batch))
                if running:
                    self._defer(context, batch)
                return self._finish(context, client, batch)
        except ViduError as error:
            self.files.write_failure(self.requests, batch, error)
            if isinstance(error, ViduInputError) and (resumed is not None or context["ti"].try_number > 1):
                # Requests are read and checked in every part of a task, even after many have been paid for.
                next_step = Memory.of(store, durable=self.operator.durable).by_clearing("what is missing")
                error = error.but(
                    advice=(
                        "Nothing was sent to Vidu just now. Anything submitted before keeps running, is billed and is "
                        f"remembered: fix this, then {next_step}"
                    )
                )
            raise_for_airflow(error)

    def openlineage_facets(self) -> Any:
        # Requests from a file name no pictures here.
        requests = self.operator.requests
        rows = requests if isinstance(requests, (list, tuple)) else ()
        sources = [
            endpoint.sources(row)
            for row in rows
            if isinstance(row, Mapping) and (endpoint := self._endpoint_of(row)) is not None
        ]
        return openlineage_facets(sources, self.operator.delivered)

    def complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None,
        began: float | None,
        try_number: int | None,
        travelled: dict[str, Any] | None,
        ids: str | None,
        attempts_of: Mapping[str, int] | None,
    ) -> list[dict[str, Any]]:
        """Continue a try after the trigger's event; see ``Img2VideoBatchOperator.execute_complete``."""
        if not self._is_same_try(try_number, context):
            # Airflow 3.0 resumes a retry where the failed try had resumed, with its event, instead of running it.
            return self.run(context)
        noted = None if began is None else {"began": began, "attempts_of": attempts_of or {}}
        resumed = Resumed.from_json(noted, context)
        # Another trigger's event (SQLite reuses trigger ids) only means that it is time to query the tasks.
        event = event if isinstance(event, Mapping) and _is_about(event, ids) else {}
        return self.run(context, resumed, travelled, event, ids)

    def _is_landed(self, request: BatchRequest, task: ViduTask) -> bool | None:
        if not request.output_path:
            return None
        try:
            return self._wanted_of(request).is_landed(self._with_model(task, request.model, request.endpoint))
        except ViduInputError:
            # Without a valid name it cannot have been landed, and a clear means the rest.
            return False

    async def _submit_and_wait(
        self,
        context: Context,
        client: ViduClient,
        batch: BatchSubmission,
        requests: Sequence[BatchRequest],
        event: Mapping[str, Any] | None,
        ids: str | None,
    ) -> bool:
        """Submit, and wait in the worker unless deferrable. Returns whether the triggerer must wait for the rest."""

        def all_seem_to_run() -> bool:
            return digest_of_ids(batch.running.values()) == ids

        async with batch.client:
            try:
                if event is None or not await batch.resume(requests):
                    await batch.submit(await asyncio.to_thread(self._check, requests))
                if event is not None and event.get("status") in ENDED:
                    await batch.query_until_answered(all_seem_to_run)
                batch.log_progress(now=event is None)
                while batch.running:
                    self._raise_if_killed()
                    if event is not None and batch.wait_failed:
                        raise self._still_running(batch, str(event.get("message") or "The wait was given up."))
                    if not batch.may_submit:
                        raise await self._end_at_deadline(batch)
                    await self._show_progress(batch)
                    if self.operator.deferrable:
                        return True
                    ids = digest_of_ids(batch.running.values())
                    event = await self._wait_in_worker(batch)
                    batch.wait_failed = event.get("status") == "error"
                    await batch.continue_after_wait()
                    if event.get("status") in ENDED:
                        await batch.query_until_answered(all_seem_to_run)
                await batch.fetch_missing_links()
            except ViduError:
                if self.operator.killed:
                    await self._cancel_if_unwanted(context, client, batch)
                raise
        return False

    def _check(self, requests: Sequence[BatchRequest]) -> Sequence[BatchRequest]:
        """Check everything before the first request is paid for."""
        placed = check_names(check_destinations(requests, self.operator.output_path), self._wanted_of)
        if self.operator.on_invalid != "record":
            raise_problems(placed)
        # A request without a valid name is read, too: it may have been paid for.
        read = check_requests(requests, self.log, self._raise_if_killed)
        self.requests = [
            replace(one, problem=one.problem or other.problem) for one, other in zip(read, placed, strict=True)
        ]
        return self.requests

    def _check_unsent(self, requests: Sequence[BatchRequest], unsent: Container[int]) -> Sequence[BatchRequest]:
        """Check again, after a deferral, what may still be submitted."""
        checked = check_destinations(check_requests([one for one in requests if one.number in unsent], SILENT))
        by_number = {one.number: one for one in checked}
        return check_names([by_number.get(one.number, one) for one in requests], self._wanted_of)

    async def _show_progress(self, batch: BatchSubmission) -> None:
        batch.show_progress()
        await asyncio.to_thread(self.files.write_report, records_of(batch, {}, batch.errors))

    async def _wait_in_worker(self, batch: BatchSubmission) -> Mapping[str, Any]:
        """Wait in the worker as a triggerer would, with the same watcher on this event loop."""

        async def account() -> Account:  # ruff: ignore[unused-async]
            return batch.client.account

        task_ids = list(batch.running.values())
        async with watcher.join(self.operator.vidu_conn_id, account) as watching:
            waiting = asyncio.ensure_future(
                watching.wait_for_all(
                    task_ids,
                    hints=self._hints(batch),
                    end_time=batch.end_time,
                    poll_interval=self.operator.poll_interval,
                    log=self.log,
                )
            )
            try:
                shown_at = timing.now()
                while not waiting.done():
                    self._raise_if_killed()
                    await asyncio.wait({waiting}, timeout=SLICE)
                    if timing.now() - shown_at > SHOW_EVERY and not waiting.done():
                        await self._show_progress(batch)
                        shown_at = timing.now()
                return event_of_group(waiting.result(), task_ids)
            finally:
                waiting.cancel()

    def _hints(self, batch: BatchSubmission) -> Hints:
        running = batch.running
        kinds = {(batch.requests[index].endpoint.name, batch.requests[index].model) for index in running}
        endpoint, model = next(iter(kinds))
        return Hints(
            submitted_at=min(batch.items[index].attempted_at or batch.began for index in running),
            # Of several kinds no usual time is known.
            model=model if len(kinds) == 1 else None,
            off_peak=any(batch.requests[index].off_peak for index in running),
            batch_size=len(batch.items),
            batch_done=sum(task.succeeded for task in batch.tasks.values()),
            endpoint=endpoint,
        )

    def _defer(self, context: Context, batch: BatchSubmission) -> NoReturn:
        now = timing.now()
        task_ids = list(batch.running.values())
        self.operator.defer(
            trigger=ViduTaskTrigger(
                vidu_conn_id=self.operator.vidu_conn_id,
                vidu_task_ids=task_ids,
                end_time=batch.end_time,
                poll_interval=self.operator.poll_interval,
                cancel_on_kill=self.operator.cancel_on_kill,
                hints=self._hints(batch).to_json(),
                not_before=now + EVENT_HOLD,
            ),
            method_name="execute_complete",
            kwargs={
                "began": batch.began,
                "try_number": context["ti"].try_number,
                "ids": digest_of_ids(task_ids),
                "attempts_of": dict(batch.resumed.attempts_of),
                **self._travelling(batch),
            },
            timeout=timedelta(seconds=max(0.0, batch.end_time - now) + BACKSTOP),
        )
        raise AssertionError("defer always raises")

    def _travelling(self, batch: BatchSubmission) -> dict[str, Any]:
        return {} if batch.travelling is None else {"travelled": batch.travelling.values}

    def _finish(self, context: Context, client: ViduClient, batch: BatchSubmission) -> list[dict[str, Any]]:
        files = self._land(client, batch)
        errors = dict(batch.errors)
        if batch.stopped is not None:
            unsubmitted = (index for index, item in enumerate(batch.items) if not item.task_id)
            errors = {**dict.fromkeys(unsubmitted, batch.stopped), **errors}
        batch.show_progress()
        records = records_of(batch, files, errors)
        for line in failure_lines(records, errors, batch.stopped):
            self.log.warning("%s", line)
        self.files.write(records)
        # A video that could not be landed is paid for all the same.
        paid = [batch.items[index].credits for index, task in batch.tasks.items() if task.succeeded]
        unpriced = paid.count(None)
        self.log.info(
            "%d of %s %s, for %s%s%s.",
            len(records) - len(errors),
            counted(len(records), "request"),
            "has its video" if len(records) - len(errors) == 1 else "have their video",
            counted(round(sum(credits or 0 for credits in paid), 2), "credit"),
            f" plus {counted(unpriced, 'video')} of unknown price" if unpriced else "",
            f"; no video: {failure_reasons(records, sorted(errors))}" if errors else "",
        )
        for record in records:
            if record["error"] is None:
                metrics.completed(record["model"], record["credits"])
        for index, error in errors.items():
            metrics.failed(error, batch.requests[index].model)
        sources = [request.sources for request in batch.requests]
        deliver_batch(self.operator, context, sources, records)
        if batch.stopped is not None and self.operator.on_failure != "fail":
            self.log.warning("Not every request was submitted: %s", batch.stopped)
        if errors and self.operator.on_failure == "fail":
            raise batch_error(records, errors, batch.stopped, batch.memory)
        if len(errors) == len(records) and self.operator.on_failure == "skip":
            reasons = failure_reasons(records, range(len(records)))
            raise AirflowSkipException(f"None of the {len(records)} requests has a video: {reasons}.")
        batch.note_returned(whole=not errors)
        return shrink_for_xcom(records)

    def _land(self, client: ViduClient, batch: BatchSubmission) -> dict[int, list[dict[str, Any]]]:
        wanted = {
            index: self._wanted_of(batch.requests[index])
            for index, task in batch.tasks.items()
            if task.succeeded and index not in batch.errors and batch.requests[index].output_path
        }
        tasks = {
            index: self._with_model(task, batch.requests[index].model, batch.requests[index].endpoint)
            for index, task in batch.tasks.items()
        }
        files = land_batch(client, tasks, wanted, batch.errors, log=self.log, stop=self._raise_if_killed)
        if batch.memory is Memory.NONE:
            advice = f"The video is paid for and safe at Vidu. {batch.memory.re_attaching}"
            for index, error in batch.errors.items():
                if isinstance(error, ViduLandingError):
                    batch.errors[index] = error.but(advice=advice)
        return files

    def _wanted_of(self, request: BatchRequest) -> Wanted:
        return self._wanted(request.output_path or "", request.endpoint.produces, request.origin)

    def _endpoint_of(self, row: Mapping[str, Any]) -> Endpoint | None:
        """Return the endpoint of a request that has not been read yet; None = it names none that is known."""
        with suppress(ViduError):
            return endpoint_of_row(row, self.endpoint, may_differ=self.operator.endpoints_may_differ)
        return None

    def _check_settings(self) -> None:
        super()._check_settings()
        self._parse_credits("credit_budget")

    def _raise_if_killed(self) -> None:
        if self.operator.killed:
            raise ViduStillRunningError(
                "The task was told to stop.",
                advice="What was submitted keeps running; a retry does the rest.",
            )

    def _still_running(self, batch: BatchSubmission, why: str) -> ViduError:
        running = list(batch.running.values())
        return ViduStillRunningError(
            f"{why} {len(running)} of {len(batch.items)} tasks have not ended, among them {', '.join(running[:5])}.",
            advice=f"They were left running. {batch.memory.re_attaching}",
        )

    async def _end_at_deadline(self, batch: BatchSubmission) -> ViduError:
        error = self._still_running(batch, "The wait has reached its deadline.")
        if self.operator.cancel_on_timeout:
            ids = list(batch.running.values())
            report = await cancel_unfinished(
                batch.client,
                ids,
                seconds=CANCEL_AT_DEADLINE_SECONDS,
                verify_seconds=VERIFY_SECONDS,
                log=self.log,
            )
            batch.note_cancelled(report.cancelled)
            cancelled = len(report.cancelled)
            left = len(ids) - cancelled
            does = "submits" if batch.memory is Memory.STORE else "does not submit"
            # Some have finished meanwhile, and a cancel that could not be verified may have worked.
            rest = f" {left} may go on, and are billed if they succeed: a retry re-attaches to them." if left else ""
            fate = "were cancelled (cancel_on_timeout) and are not billed"
            return error.but(advice=f"{cancelled} {fate}: a retry {does} them again.{rest}")
        return error

    async def _cancel_if_unwanted(self, context: Context, client: ViduClient, batch: BatchSubmission) -> None:
        try:
            why = why_cancel(context["ti"], client) if self.operator.cancel_on_kill else None
            if why is None:
                return
            ids = list(batch.running.values())
            report = await cancel_unfinished(batch.client, ids, seconds=CANCEL_SECONDS, log=self.log)
            report.log_to(self.log, f"{why}. {counted(len(ids), 'Vidu task')}")
        except Exception as error:
            self.log.warning(
                "It is unknown what was cancelled (%s). Once the Dag run is over, ViduHook().find_orphans() lists what "
                "is still running.",
                str(error) or type(error).__name__,
            )


def _is_about(event: Mapping[str, Any], ids: str | None) -> bool:
    """Check whether an event is from the trigger that has waited for the tasks with this digest."""
    if ids is None:
        return True
    # The event of a wait for one task names it.
    named = event.get("task_ids")
    return (digest_of_ids(named) if isinstance(named, list) else event.get("ids")) == ids
