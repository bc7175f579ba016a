# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator that turns thousands of images into videos in one task instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_vidu.operators.base import ViduSubmittingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.errors import ViduError
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient
    from airflow_provider_vidu.landing.destinations import Wanted
    from airflow_provider_vidu.submission.batch.driver import BatchSubmission
    from airflow_provider_vidu.submission.batch.requests import BatchRequest
    from airflow_provider_vidu.submission.tries import Resumed
    from airflow_provider_vidu.waiting.schedule import Hints

#: Submissions that are out at once, where the author does not say.
DEFAULT_MAX_IN_FLIGHT = 10
#: A wait in the worker wakes this often to see whether it is to stop, in seconds.
SLICE = 0.5
#: Seconds that a worker which was told to stop has for cancelling: Airflow ends it about five after the signal.
CANCEL_SECONDS = 2.5
#: Seconds for cancelling at the deadline.
CANCEL_AT_DEADLINE_SECONDS = 60.0
#: What the event of a wait says where every task has ended.
ENDED = frozenset({"success", "failed"})


class Img2VideoBatchOperator(ViduSubmittingOperator):
    """
    Generates a video from each of many images, in one task instance: one submission run, one trigger, one resume.

    All requests are checked before the first one is paid for. Each is then submitted once per intended run, whatever
    dies: a retry goes on where the last try ended, and a clear submits only what has failed or was never
    submitted. Only a clear after a batch that was delivered whole means a new generation of all. (Unlike with
    :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator`, a clear cancels nothing that runs.) Below
    Airflow 3.3, which has no task state store, retries do the same on hosts that have a task list, but a clear pays
    for every request again.

    .. seealso:: Vidu's image-to-video page, ``POST /ent/v2/img2video``.

    :param requests: a list of dicts, each with Vidu's fields by their API names as
        :class:`~airflow_provider_vidu.operators.img2video.Img2VideoOperator` takes them (``images``, ``prompt``,
        ``model``, …), and ``extra_params`` and ``output_path`` of its own where it needs them. Or the path or
        ``ObjectStoragePath`` URL of a JSON Lines file with one such dict a line, or of a file with a JSON array of
        them, in UTF-8; relative ``images`` in a file are relative to the file. Also another task's output. At least
        one; 10 000 have been run.
    :param defaults: fields for all requests; a request's own win, and None in a request takes the default away.
    :param vidu_conn_id: the connection's id.
    :param max_in_flight: submissions that are out at once, 1 to 100, default 10. It has nothing to do with how many
        tasks Vidu renders at once: the others queue there. A 429 slows all of them down.
    :param item_retries: how often a request is submitted again within one try after its task has failed, unbilled, for
        a passing reason; 0 and more, default 1. Airflow's ``retries`` come on top.
    :param on_failure: what to do when requests have no video at the end: ``fail`` (default; every other one is waited
        for and landed first), ``partial`` (succeed, with the errors in the records), ``skip`` (as ``partial``; skip
        this task if none has a video).
    :param credit_budget: credits that all of it may cost, over all tries, a whole number from 0; None = any.
        Submitting stops before it is exceeded, by the prices of Vidu's answers and before them by the catalogue's
        estimates. The first request of a kind whose price nobody knows is sent alone, and may exceed it by its own
        price.
    :param max_credits: credits that each of its generations may cost, a whole number from 0; None = any. What the
        catalogue estimates at more fails the batch before anything is sent. Where Vidu's answer asks for more, that
        task is cancelled and nothing more is submitted; if Vidu refuses the cancel, it is kept and landed.
    :param min_remaining_credits: credits that the account must still have after all that is to be submitted now, by the
        catalogue's estimates, else nothing is sent; None = any number. The host must tell the balance.
    :param manifest_path: where all records are written as JSON Lines, also when the batch fails; a local path or any
        ``ObjectStoragePath`` URL of a file; None = nowhere.
    :param output_path: where the videos are landed: a folder, a local path or any ``ObjectStoragePath`` URL; None =
        nowhere, and links die within 24 hours.
    :param file_name: template of the videos' names in that folder, with ``{task_id}``, ``{creation_id}`` or ``{index}``
        (the request's place, from 0; ``{index:05d}``) in it, else they would overwrite each other; ``{model}`` too.
        None = ``{task_id}``.
    :param land_cover: land each still picture too, as ``<name>-cover.jpg``.
    :param land_watermarked: land each watermarked copy too, as ``<name>-watermarked.mp4``.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poll_interval: seconds (or a timedelta) between looks, above 0; None = the schedule decides.
    :param timeout: seconds (or a timedelta) to wait, from the begin of each try, above 0 and at most ten years; None =
        24 hours, with an off-peak request 49. ``execution_timeout`` bounds it too. At the deadline the tasks are left
        running, and the next try re-attaches to them.
    :param durable: as in ``Img2VideoOperator``; with False every try pays for every request again, so a failed item is
        no reason for one.
    :param on_unknown: as in ``Img2VideoOperator``, for each request.
    :param on_input_change: when a retry does not ask any more for something that was submitted: ``fail`` or
        ``resubmit``. Requests are known by their content: new ones, or another order, are no change. A link that may
        be a new signature of a paid picture, or another picture, fails after a clear too, unless this is ``resubmit``.
    :param cancel_on_kill: cancel what Vidu still lets go when a user ends this task for good, for as long as Airflow
        leaves time: some 18 seconds while it is deferred, 2.5 in a worker.
    :param cancel_on_timeout: the same at the deadline, instead of leaving it running.
    :return: a list of task records in the order of the requests, each with ``error`` (None, or why it has no video)
        beside the fields of the single operator's. With more than 300 requests the records in XCom have no links and
        payloads; the manifest has them.
    """

    template_fields: Sequence[str] = (
        "requests",
        "defaults",
        "vidu_conn_id",
        "output_path",
        "file_name",
        "land_cover",
        "land_watermarked",
        "manifest_path",
        "credit_budget",
        "max_credits",
        "min_remaining_credits",
    )
    template_fields_renderers = {"requests": "json", "defaults": "json"}
    ui_color = "#e4dcff"

    def __init__(
        self,
        *,
        requests: Any,
        defaults: Mapping[str, Any] | str | None = None,
        vidu_conn_id: str = "vidu_default",
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        item_retries: int = 1,
        on_failure: str = "fail",
        credit_budget: int | str | None = None,
        manifest_path: str | None = None,
        output_path: str | None = None,
        file_name: str | None = None,
        land_cover: bool | str = False,
        land_watermarked: bool | str = False,
        max_credits: int | str | None = None,
        min_remaining_credits: int | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        durable: bool = True,
        on_unknown: str = "fail",
        on_input_change: str = "fail",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.defaults = defaults
        self.vidu_conn_id = vidu_conn_id
        self.max_in_flight = max_in_flight
        self.item_retries = item_retries
        self.on_failure = on_failure
        self.credit_budget = credit_budget
        self.manifest_path = manifest_path
        self.output_path = output_path
        self.file_name = file_name
        self.land_cover = land_cover
        self.land_watermarked = land_watermarked
        self.max_credits = max_credits
        self.min_remaining_credits = min_remaining_credits
        self.deferrable = deferrable
        self.poll_interval: Any = poll_interval
        self.timeout: Any = timeout
        self.durable = durable
        self.on_unknown = on_unknown
        self.on_input_change = on_input_change
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self._check_policies()
        if on_failure not in {"fail", "partial", "skip"}:
            raise ValueError(f"on_failure must be 'fail', 'partial' or 'skip', got {on_failure!r}.")
        if not 1 <= max_in_flight <= 100:
            raise ValueError(f"max_in_flight must be 1 to 100, got {max_in_flight!r}.")
        if item_retries < 0:
            raise ValueError(f"item_retries must be at least 0, got {item_retries!r}.")

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """
        Check all, submit or re-attach, then wait as asked.

        :param context: Airflow's.
        :return: the task records, in the order of the requests.
        :raises AirflowFailException: a retry would fail in the same way, or pay again.
        :raises AirflowSkipException: see ``on_failure``.
        :raises ViduError: a retry may go on with the rest.
        """
        return self._run(context, None, None)

    def execute_again(
        self,
        context: Context,
        event: Any = None,
        resumed: Mapping[str, Any] | None = None,
        try_number: int | None = None,
        travelled: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """
        Go on where :meth:`execute` has left the worker, because Vidu's queue was full or its list not yet settled.

        :param context: Airflow's.
        :param event: of the timer; of no interest.
        :param resumed: what the try took with it.
        :param try_number: of the try that has left.
        :param travelled: what is remembered of the items, below Airflow 3.3.
        :return: the task records, in the order of the requests.
        """
        from airflow_provider_vidu.submission.tries import Resumed

        if not self._is_still(try_number, context):
            return self.execute(context)
        return self._run(context, Resumed.from_json(resumed, context), travelled)

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        began: float | None = None,
        try_number: int | None = None,
        travelled: dict[str, Any] | None = None,
        ids: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Take the results on a worker, once the trigger has seen the end. Safe to run twice with the same event.

        :param context: Airflow's.
        :param event: of the trigger; a hint only, the tasks are queried again.
        :param began: when the try began, epoch seconds.
        :param try_number: of the try that has deferred.
        :param travelled: what is remembered of the items, below Airflow 3.3.
        :param ids: digest of the Vidu tasks that the try has deferred for; None = not known (dag.test() drops it).
        :return: the task records, in the order of the requests.
        """
        from airflow_provider_vidu.submission.tries import Resumed

        if not self._is_still(try_number, context):
            # Airflow 3.0 resumes a retry where the failed try had resumed, with its event, instead of running it.
            return self.execute(context)
        resumed = Resumed.from_json(None if began is None else {"began": began}, context)
        # Another trigger's event (SQLite reuses trigger ids) only means that it is time to query.
        event = event if isinstance(event, Mapping) and _is_about(event, ids) else {}
        return self._run(context, resumed, travelled, event, ids)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell OpenLineage what was made; see ``lineage.openlineage_facets``. A file of requests names no pictures here.

        :param task_instance: Airflow's.
        """
        from airflow_provider_vidu.reporting.lineage import openlineage_facets

        rows = self.requests if isinstance(self.requests, (list, tuple)) else ()
        pictures = [row.get("images") for row in rows if isinstance(row, Mapping)]
        return openlineage_facets(pictures, self.delivered)

    # -- steps ------------------------------------------------------------------------------------------------

    def _run(
        self,
        context: Context,
        resumed: Resumed | None,
        travelled: dict[str, Any] | None,
        event: Mapping[str, Any] | None = None,
        ids: str | None = None,
    ) -> list[dict[str, Any]]:
        """Do what is to be done now; ``event`` is that of the trigger, where one has waited for tasks with ``ids``."""
        from airflow_provider_vidu.api.errors import ViduError, ViduInputError
        from airflow_provider_vidu.api.fields import require
        from airflow_provider_vidu.client import AsyncViduClient
        from airflow_provider_vidu.compat import note_discarded, state_store
        from airflow_provider_vidu.exceptions import raise_for_airflow
        from airflow_provider_vidu.submission.batch.driver import BatchSubmission
        from airflow_provider_vidu.submission.batch.requests import read_requests
        from airflow_provider_vidu.submission.batch.results import Memory
        from airflow_provider_vidu.submission.driver import SubmitLater
        from airflow_provider_vidu.submission.tries import Try

        store = state_store(context)
        self._read_rendered()
        try:
            require("requests", self.requests)
            self._check_settings()
            if context["ti"].try_number == 1:
                self._check_time_to_wait()
            requests = read_requests(self.requests, self.defaults, self.output_path)
            with self._client() as client:
                batch = BatchSubmission(
                    AsyncViduClient(client.account),
                    Try.of(context),
                    store,
                    replace(self._policies(), timeout=self._seconds(off_peak=any(one.off_peak for one in requests))),
                    max_in_flight=self.max_in_flight,
                    item_retries=self.item_retries,
                    credit_budget=self._credits("credit_budget"),
                    resumed=resumed,
                    travelled=travelled,
                    given_up=event is not None and event.get("status") == "error",
                    read_manifest=self._read_manifest,
                    is_landed=lambda index, task: self._is_landed(requests[index], index, task),
                    note_discarded=partial(note_discarded, context),
                    stop=self._stop,
                    log=self.log,
                )
                try:
                    running = asyncio.run(self._live(context, batch, requests, event, ids))
                except SubmitLater as later:
                    self._defer_submission(context, later, list(batch.running.values()), **self._travelling(batch))
                if running:
                    self._defer(context, batch)
                return self._finish(context, client, batch)
        except ViduError as error:
            if isinstance(error, ViduInputError) and (resumed is not None or context["ti"].try_number > 1):
                # What the requests say is read and checked in every part of a task, also after much was paid.
                mended = Memory.of(store, durable=self.durable).by_clearing("what is missing")
                error.advice = (
                    "Nothing was sent to Vidu just now. What was submitted before, if anything, goes on, is billed and "
                    f"remembered: fix this, then {mended}"
                )
            raise_for_airflow(error)

    def _read_manifest(self) -> list[dict[str, Any]]:
        from airflow_provider_vidu.submission.batch.results import read_manifest

        return read_manifest(self.manifest_path, self.log) if self.manifest_path else []

    def _is_landed(self, request: BatchRequest, index: int, task: ViduTask) -> bool | None:
        return self._wanted(request.output_path, index).is_landed(task) if request.output_path else None

    async def _live(
        self,
        context: Context,
        batch: BatchSubmission,
        requests: Sequence[BatchRequest],
        event: Mapping[str, Any] | None,
        ids: str | None,
    ) -> bool:
        """Submit, and wait in the worker if it is to be there. Returns whether the triggerer has to wait on."""
        from airflow_provider_vidu.api.errors import ViduError
        from airflow_provider_vidu.triggers.task import digest_of_ids

        def all_seem_to_run() -> bool:
            return digest_of_ids(batch.running.values()) == ids

        async with batch.client:
            try:
                if event is None or not await batch.resume(requests):
                    await batch.submit(await self._checked(batch, requests))
                if event is not None and event.get("status") in ENDED:
                    await batch.query_until_answered(all_seem_to_run)
                batch.say(now=event is None)
                while batch.running:
                    self._stop()
                    if event is not None and batch.given_up:
                        raise self._left(batch, str(event.get("message") or "The wait was given up."))
                    if not batch.may_submit:
                        raise await self._at_the_deadline(batch)
                    if self.deferrable:
                        return True
                    ids = digest_of_ids(batch.running.values())
                    event = await self._wait_here(batch)
                    batch.given_up = event.get("status") == "error"
                    await batch.go_on()
                    if event.get("status") in ENDED:
                        await batch.query_until_answered(all_seem_to_run)
                await batch.fetch_missing_links()
            except ViduError:
                if self._killed:
                    await self._cancel_if_a_user_has_ended_it(context, batch)
                raise
        return False

    async def _checked(self, batch: BatchSubmission, requests: Sequence[BatchRequest]) -> list[BatchRequest]:
        from airflow_provider_vidu.submission.batch.requests import check_destinations, check_requests
        from airflow_provider_vidu.submission.batch.results import check_manifest

        check_destinations(requests, self.file_name)
        if self.manifest_path:
            check_manifest(self.manifest_path)
        return await asyncio.to_thread(check_requests, requests, batch.client.account, self.log, self._stop)

    async def _wait_here(self, batch: BatchSubmission) -> Mapping[str, Any]:
        """Wait in the worker as a triggerer would: the same watcher, on this loop."""
        from airflow_provider_vidu.triggers.task import event_of_group
        from airflow_provider_vidu.waiting import watcher

        async def account() -> Account:  # ruff: ignore[unused-async]
            return batch.client.account

        task_ids = list(batch.running.values())
        async with watcher.of(self.vidu_conn_id, account) as watching:
            waiting = asyncio.ensure_future(
                watching.wait_for_all(
                    task_ids,
                    hints=self._hints(batch),
                    end_time=batch.end_time,
                    poll_interval=self.poll_interval,
                    log=self.log,
                )
            )
            try:
                while not waiting.done():
                    self._stop()
                    await asyncio.wait({waiting}, timeout=SLICE)
                return event_of_group(waiting.result(), task_ids)
            finally:
                waiting.cancel()

    def _hints(self, batch: BatchSubmission) -> Hints:
        from airflow_provider_vidu.waiting.schedule import Hints

        running = batch.running
        models = {batch.requests[index].model for index in running}
        return Hints(
            submitted_at=min(batch.items[index].attempted_at or batch.began for index in running),
            model=models.pop() if len(models) == 1 else None,
            off_peak=any(batch.requests[index].off_peak for index in running),
            batch_size=len(batch.items),
            batch_done=sum(task.succeeded for task in batch.tasks.values()),
        )

    def _defer(self, context: Context, batch: BatchSubmission) -> NoReturn:
        from airflow_provider_vidu.triggers.task import BACKSTOP, EVENT_HOLD, ViduTaskTrigger, digest_of_ids

        now = time.time()
        task_ids = list(batch.running.values())
        self.defer(
            trigger=ViduTaskTrigger(
                vidu_conn_id=self.vidu_conn_id,
                vidu_task_ids=task_ids,
                end_time=batch.end_time,
                poll_interval=self.poll_interval,
                cancel_on_kill=self.cancel_on_kill,
                hints=self._hints(batch).to_json(),
                not_before=now + EVENT_HOLD,
            ),
            method_name="execute_complete",
            kwargs={
                "began": batch.began,
                "try_number": context["ti"].try_number,
                "ids": digest_of_ids(task_ids),
                **self._travelling(batch),
            },
            timeout=timedelta(seconds=max(0.0, batch.end_time - now) + BACKSTOP),
        )
        raise AssertionError("defer always raises")

    def _travelling(self, batch: BatchSubmission) -> dict[str, Any]:
        return {} if batch.travelling is None else {"travelled": batch.travelling.values}

    def _finish(self, context: Context, client: ViduClient, batch: BatchSubmission) -> list[dict[str, Any]]:
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from airflow_provider_vidu.api.messages import counted
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import hand_over_batch
        from airflow_provider_vidu.submission.batch.results import (
            failure_of,
            for_xcom,
            lines_of_failures,
            reasons_of,
            record_of,
            write_manifest,
        )

        files = self._land(client, batch)
        errors = dict(batch.errors)
        if batch.stopped is not None:
            unsubmitted = (index for index, item in enumerate(batch.items) if not item.task_id)
            errors = {**dict.fromkeys(unsubmitted, batch.stopped), **errors}
        records = [
            record_of(request, item, batch.generation, batch.tasks.get(index), files.get(index, []), errors.get(index))
            for index, (request, item) in enumerate(zip(batch.requests, batch.items, strict=True))
        ]
        for line in lines_of_failures(errors, batch.stopped):
            self.log.warning("%s", line)
        if self.manifest_path:
            write_manifest(self.manifest_path, records)
            self.log.info("The manifest of all %d records stands at %s.", len(records), self.manifest_path)
        # What could not be landed is paid all the same.
        paid = [batch.items[index].credits for index, task in batch.tasks.items() if task.succeeded]
        untold = paid.count(None)
        self.log.info(
            "%d of %s %s, for %s%s%s.",
            len(records) - len(errors),
            counted(len(records), "request"),
            "has its video" if len(records) - len(errors) == 1 else "have their video",
            counted(round(sum(credits or 0 for credits in paid), 2), "credit"),
            f" and {untold} whose price nobody told" if untold else "",
            f"; without: {reasons_of(records, sorted(errors))}" if errors else "",
        )
        for record in records:
            if record["error"] is None:
                metrics.completed(record["model"], record["credits"])
        for index, error in errors.items():
            metrics.failed(error, batch.requests[index].model)
        hand_over_batch(self, context, [request.fields.get("images") for request in batch.requests], records)
        if batch.stopped is not None and self.on_failure != "fail":
            self.log.warning("Not all was submitted: %s", batch.stopped)
        if errors and self.on_failure == "fail":
            raise failure_of(records, errors, batch.stopped, batch.memory)
        if len(errors) == len(records) and self.on_failure == "skip":
            reasons = reasons_of(records, range(len(records)))
            raise AirflowSkipException(f"None of the {len(records)} requests has a video: {reasons}.")
        batch.note_returned(whole=not errors)
        return for_xcom(records)

    def _land(self, client: ViduClient, batch: BatchSubmission) -> dict[int, list[dict[str, Any]]]:
        from airflow_provider_vidu.api.errors import ViduLandingError
        from airflow_provider_vidu.landing.many import land_batch
        from airflow_provider_vidu.submission.batch.results import Memory

        wanted = {
            index: self._wanted(path, index)
            for index, task in batch.tasks.items()
            if task.succeeded and index not in batch.errors and (path := batch.requests[index].output_path)
        }
        files = land_batch(client, batch.tasks, wanted, batch.errors, log=self.log, stop=self._stop)
        if batch.memory is Memory.NONE:
            for error in batch.errors.values():
                if isinstance(error, ViduLandingError):
                    error.advice = f"The video is paid for and safe at Vidu. {batch.memory.re_attaching}"
        return files

    def _wanted(self, output_path: str, index: int | None = 0) -> Wanted:
        # Also where no request is meant yet: the template may name the index.
        return super()._wanted(output_path, index)

    def _check_settings(self) -> None:
        super()._check_settings()
        self._credits("credit_budget")

    def _stop(self) -> None:
        if self._killed:
            from airflow_provider_vidu.api.errors import ViduStillRunningError

            raise ViduStillRunningError(
                "The task was told to stop.",
                advice="What was submitted goes on; a retry does the rest.",
            )

    def _left(self, batch: BatchSubmission, why: str) -> ViduError:
        from airflow_provider_vidu.api.errors import ViduStillRunningError

        running = list(batch.running.values())
        return ViduStillRunningError(
            f"{why} {len(running)} of {len(batch.items)} tasks have not ended, among them {', '.join(running[:5])}.",
            advice=f"What runs is left running. {batch.memory.re_attaching}",
        )

    async def _at_the_deadline(self, batch: BatchSubmission) -> ViduError:
        from airflow_provider_vidu.submission.batch.results import Memory
        from airflow_provider_vidu.waiting.bulk_cancel import cancel_unfinished

        error = self._left(batch, "The wait has reached its deadline.")
        if self.cancel_on_timeout:
            ids = list(batch.running.values())
            report = await cancel_unfinished(batch.client, ids, seconds=CANCEL_AT_DEADLINE_SECONDS, log=self.log)
            cancelled = len(await batch.note_cancelled(report.cancelled))
            left = len(ids) - cancelled
            anew = "a retry submits them anew" if batch.memory is Memory.STORE else "a retry does not submit them anew"
            error.advice = (
                f"{cancelled} were cancelled (cancel_on_timeout) and are not billed: {anew}. "
                + (f"{left} go on and are billed when they succeed: a retry re-attaches to them." if left else "")
            ).strip()
        return error

    async def _cancel_if_a_user_has_ended_it(self, context: Context, batch: BatchSubmission) -> None:
        from airflow_provider_vidu.submission.kill_guard import ended_by_user
        from airflow_provider_vidu.waiting.bulk_cancel import cancel_unfinished

        try:
            if not self.cancel_on_kill or not ended_by_user(context["ti"]):
                return
            ids = list(batch.running.values())
            report = await cancel_unfinished(batch.client, ids, seconds=CANCEL_SECONDS, log=self.log)
            report.tell(self.log, f"A user has ended this Airflow task. {len(ids)} Vidu tasks")
        except Exception as error:
            self.log.warning(
                "Nobody knows what was cancelled (%s). ViduHook().find_orphans() lists what runs on.",
                str(error) or type(error).__name__,
            )


def _is_about(event: Mapping[str, Any], ids: str | None) -> bool:
    """Tell whether an event is that of the trigger which has waited for the tasks with this digest."""
    from airflow_provider_vidu.triggers.task import digest_of_ids

    if ids is None:
        return True
    # The event of a wait for one task names it.
    named = event.get("task_ids")
    return (digest_of_ids(named) if isinstance(named, list) else event.get("ids")) == ids
