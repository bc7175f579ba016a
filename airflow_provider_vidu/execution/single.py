# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operators for one request on a worker: submit or re-attach, wait, land, return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_vidu.api.defaults import is_no
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduConfigurationError,
    ViduError,
    ViduInputError,
    ViduLandingError,
    ViduNoCreationError,
    ViduNoSourceError,
    ViduRateLimitError,
    ViduRequestError,
    ViduStillRunningError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.origin import Origin, first_source, parse_labels
from airflow_provider_vidu.api.rendered_fields import require, without_unset
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.api.unchecked import find_endpoint
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.exceptions import raise_for_airflow
from airflow_provider_vidu.execution.base import Execution
from airflow_provider_vidu.images import wire_of
from airflow_provider_vidu.landing.destinations import is_shared
from airflow_provider_vidu.landing.land import land_all
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.reporting.lineage import deliver, openlineage_facets, show_task
from airflow_provider_vidu.submission.airflow_try import Resumed, SubmitLater
from airflow_provider_vidu.submission.cancel_on_kill import why_cancel
from airflow_provider_vidu.submission.driver import Submission
from airflow_provider_vidu.submission.memory import Memory
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import wait_in_triggerer
from airflow_provider_vidu.waiting.cancel import cancel_and_verify
from airflow_provider_vidu.waiting.wait import (
    Next,
    decide_after_resume,
    elapsed_seconds,
    fetch_finished,
    fetch_result,
    hints_of,
    sleep_in_slices,
    summary_line,
    wait_for_end,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.registry import Endpoint
    from airflow_provider_vidu.client import ViduClient


class SingleExecution(Execution[dict[str, Any]]):
    """One try of an operator that submits one request."""

    @property
    def endpoint(self) -> Endpoint:
        """
        The endpoint that the request is posted to.

        :raises ViduInputError: the operator names none that creates tasks.
        """
        return find_endpoint(self.operator.endpoint)

    @property
    def _sources(self) -> list[Any]:
        with suppress(ViduInputError):
            return self.endpoint.sources(self.operator.fields)
        return []

    @property
    def _origin(self) -> Origin:
        prompt = self.operator.fields.get("prompt")
        return Origin(
            labels=self.operator.labels or {},
            image=first_source(self._sources),
            prompt=None if prompt is None else str(prompt),
        )

    @property
    def _model(self) -> str | None:
        """The requested model; None = the endpoint has none, or the request names none."""
        with suppress(ViduInputError):
            model: str | None = self.operator.fields.get("model")
            return model
        return None

    def run(
        self, context: Context, resumed: Resumed | None = None, travelled: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        began = timing.now() if resumed is None else resumed.began
        try:
            self._read_rendered(model=self.endpoint.default_model)
            self._check_settings()
            with self._client() as client:
                submission = self._submission(context, client, resumed)
                task = submission.submit(
                    lambda: self._build_wire(context["ti"].map_index), picture=next(iter(self._sources), None)
                )
                show_task(self.operator, task)
                self._raise_if_killed(context, client, task.task_id)
                if not self.operator.wait_for_completion:
                    submission.note_returned()
                    return deliver(self.operator, context, task.with_origin(self._origin), sources=self._sources)
                submitted_at = submission.record.attempted_at if submission.record else began
                # A record written by hand has no time, so use the task's.
                hints = hints_of(task, submitted_at=submitted_at or None, endpoint=self.endpoint.name)
                end_time = began + self._seconds_to_wait(off_peak=hints.off_peak)
                if not self.operator.deferrable or task.is_final:
                    try:
                        task = wait_for_end(
                            client,
                            task,
                            hints=hints,
                            end_time=end_time,
                            poll_interval=self.operator.poll_interval,
                            log=self.log,
                            stop=lambda: self._raise_if_killed(context, client, task.task_id),
                        )
                    except ViduStillRunningError as error:
                        raise (
                            error if self.operator.killed else self._end_at_deadline(client, submission, error)
                        ) from None
                    except ViduError:
                        # The queries failed for good, not the task: once the cause is fixed, the wait can continue.
                        submission.note_left_running()
                        raise
                    return self._finish(context, client, submission, task)
        except SubmitLater as later:
            self._defer_submission(context, later)
        except ViduError as error:
            metrics.failed(error, self._model)
            if isinstance(error, ViduInputError) and (resumed is not None or context["ti"].try_number > 1):
                error = error.but(advice=_input_advice_after_submission())
            raise_for_airflow(error)
        return self._defer(context, task.task_id, task.record(), hints.to_json(), end_time)

    def openlineage_facets(self) -> Any:
        return openlineage_facets(self._sources, self.operator.delivered)

    def complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None,
        task_id: str | None,
        known: Mapping[str, Any] | None,
        hints: Mapping[str, Any] | None,
        end_time: float | None,
        try_number: int | None,
    ) -> dict[str, Any]:
        """Return the result after the trigger's event; see ``ViduSingleOperator.execute_complete``."""
        if not self._is_same_try(try_number, context):
            # Airflow 3.0 resumes a retry where the failed try had resumed, with its event, instead of running it.
            return self.run(context)
        event = event if isinstance(event, Mapping) else {}
        try:
            self._read_rendered(model=self.endpoint.default_model)
            with self._client() as client:
                submission = self._submission(context, client)
                record = submission.load()
                # dag.test() drops the arguments of defer(). The record has the id too, and as a last resort the event.
                task_id = task_id or (record.task_id if record else None) or event.get("task_id")
                if task_id is None:
                    raise ViduError("The task was resumed without a Vidu task id.", advice="Clear this task.")
                self._check_settings()
                known_task = ViduTask.from_record({"model": self._model, **(known or {}), "task_id": task_id})
                if record is not None and record.task_id == task_id:
                    known_task = known_task.filled_from(record.as_task())
                submission.note_submitted(known_task)
                show_task(self.operator, known_task)
                try:
                    task = fetch_result(client, known_task, event)
                except (ViduStillRunningError, ViduUnavailableError, ViduRateLimitError) as error:
                    then = decide_after_resume(event, task_id, end_time, timing.now())
                    if then is Next.GIVE_UP:
                        submission.note_left_running()
                        raise
                    if then is Next.WAIT_ON and end_time is not None:
                        self.log.warning("Continuing to wait for Vidu task %s: %s", task_id, error.message)
                        self._defer(context, task_id, known_task.record(), hints or {}, end_time)
                    if isinstance(error, ViduStillRunningError):
                        raise self._end_at_deadline(client, submission, error) from None
                    submission.note_left_running()
                    raise
                except (ViduRequestError, ViduConfigurationError) as error:
                    if error.http_status is not None:
                        # The query was refused for good, but the task has not failed.
                        submission.note_left_running()
                    raise
                except ViduNoCreationError as error:
                    raise error.but(advice=f"{error.advice} {submission.memory.queried_again}") from None
                return self._finish(context, client, submission, task)
        except ViduError as error:
            metrics.failed(error, self._model)
            if isinstance(error, ViduInputError):
                error = error.but(task_id=error.task_id or task_id, advice=_input_advice_after_submission())
            raise_for_airflow(error)

    def _submission(self, context: Context, client: ViduClient, resumed: Resumed | None = None) -> Submission:
        return Submission.of(
            context,
            client,
            self._policies(),
            endpoint=self.endpoint,
            resumed=resumed,
            is_delivered=self._is_delivered,
            sleep=self._sleep_unless_killed,
            log=self.log,
        )

    def _is_delivered(self, task: ViduTask) -> bool | None:
        if not (self.operator.wait_for_completion and self.operator.output_path):
            return None
        named = self._with_model(task, self._model, self.endpoint)
        return self._wanted(self.operator.output_path, self.endpoint.produces, self._origin).is_landed(named)

    def _build_wire(self, map_index: int | None) -> dict[str, Any]:
        """Check everything before anything is paid for, and return the request."""
        fields = self.operator.fields
        for name in self.endpoint.required:
            require(name, fields.get(name))
        self._check_time_to_wait()
        if self.operator.output_path is not None and self.operator.wait_for_completion:
            self._wanted(self.operator.output_path, self.endpoint.produces, self._origin).check(
                model=self._model or self.endpoint.name
            )
            if (map_index or 0) > 0:
                self._check_own_name()
        try:
            return wire_of(fields, self.operator.extra_params, self.log, endpoint=self.endpoint)
        except ViduNoSourceError as error:
            # A task that is mapped over a batch's records must go on with the others, as a download does.
            raise AirflowSkipException(error.message) from None

    def _check_settings(self) -> None:
        super()._check_settings()
        self.operator.labels = parse_labels(self.operator.labels)
        if (
            self.operator.land_watermarked
            and self.operator.output_path
            and not (self._has_watermark() or self.operator.extra_params)
        ):
            raise ViduInputError("land_watermarked needs watermark=True: without it Vidu makes no watermarked copy.")
        if isinstance(self.operator.extra_params, str):
            try:
                self.operator.extra_params = json.loads(self.operator.extra_params or "null")
            except ValueError:
                raise ViduInputError("extra_params must be a dict, or a string with a JSON object.") from None
        if self.operator.extra_params is not None and not isinstance(self.operator.extra_params, Mapping):
            raise ViduInputError(f"extra_params must be a dict, got {type(self.operator.extra_params).__name__}.")
        self.operator.extra_params = without_unset(self.operator.extra_params)

    def _has_watermark(self) -> bool:
        watermark = self.operator.fields.get("watermark")
        if watermark is None or watermark == "":
            model = self.endpoint.models.get(str(self._model).strip())
            return model is not None and model.watermark_default
        return not is_no(watermark)

    def _check_own_name(self) -> None:
        """Reject a path that all mapped instances share: each video would replace the one before."""
        if (dag := self.operator.get_dag()) is None:
            return
        written = dag.task_dict[self.operator.task_id]
        given = getattr(written, "partial_kwargs", None) or vars(written)
        if is_shared(given.get("output_path"), given.get("file_name"), self.endpoint.produces):
            place = (
                f"file_name {self.operator.file_name!r} in {self.operator.output_path}"
                if self.operator.file_name
                else "output_path"
            )
            raise ViduInputError(
                f"{place} is the same for every mapped instance: each video would replace the one before. Put "
                "{task_id} into file_name, or name the file by the picture."
            )

    def _check_time_to_wait(self) -> None:
        """Warn, too, if the timeout is short for the model: a retry then continues to wait for the same video."""
        super()._check_time_to_wait()
        if self.operator.deferrable or not self.operator.wait_for_completion or self.operator.execution_timeout is None:
            return
        seconds = self.operator.execution_timeout.total_seconds()
        model = self.endpoint.models.get(str(self._model).strip())
        if model and seconds < model.typical:
            self.log.warning(
                "execution_timeout is %.0f s and %s usually takes about %.0f s: this try may end before the video is "
                "ready. A retry continues to wait for the same video.",
                seconds,
                model.name,
                model.typical,
            )

    def _defer(
        self, context: Context, task_id: str, known: dict[str, Any], hints: Mapping[str, Any], end_time: float
    ) -> NoReturn:
        wait_in_triggerer(
            self.operator,
            task_id,
            vidu_conn_id=self.operator.vidu_conn_id,
            end_time=end_time,
            poll_interval=self.operator.poll_interval,
            cancel_on_kill=self.operator.cancel_on_kill,
            hints=hints,
            known=known,
            try_number=context["ti"].try_number,
        )

    def _finish(self, context: Context, client: ViduClient, submission: Submission, task: ViduTask) -> dict[str, Any]:
        def sleep(seconds: float) -> None:
            sleep_in_slices(seconds, lambda: self._raise_if_killed(context, client, task.task_id))

        try:
            task = fetch_finished(client, task, sleep=sleep)
        except ViduNoCreationError as error:
            # Keep the record: the video may exist, and a clear must not pay for another one.
            raise error.but(advice=f"{error.advice} {submission.memory.queried_again}") from None
        try:
            files = []
            if self.operator.output_path:
                wanted = self._wanted(self.operator.output_path, self.endpoint.produces, self._origin)
                named = self._with_model(task, self._model, self.endpoint)
                files = land_all(client, named, wanted, log=self.log)
        except ViduLandingError as error:
            if submission.memory is Memory.NONE:
                raise error.but(
                    fate=Fate.PERMANENT,
                    advice=(
                        "The video is paid for and safe at Vidu. A retry would pay for another one (durable=False): "
                        f"fetch it with ViduHook().download({task.task_id!r}, path)."
                    ),
                ) from error.__cause__
            raise
        submission.note_returned()
        seconds = elapsed_seconds(task, submission.record.attempted_at if submission.record else None, timing.now())
        self.log.info("%s", summary_line(task, seconds, files))
        metrics.completed(task.model, task.credits, seconds)
        return deliver(self.operator, context, task.with_origin(self._origin), files, sources=self._sources)

    def _end_at_deadline(self, client: ViduClient, submission: Submission, error: ViduError) -> ViduError:
        if self.operator.cancel_on_timeout and error.task_id and cancel_and_verify(client, error.task_id, self.log):
            next_step = submission.note_cancelled()
            return error.but(advice=f"It was cancelled at Vidu (cancel_on_timeout) and is not billed; {next_step}.")
        submission.note_left_running()
        return error

    def _raise_if_killed(self, context: Context, client: ViduClient, task_id: str) -> None:
        if not self.operator.killed:
            return
        outcome = "The Vidu task was left running; a retry re-attaches to it."
        try:
            if self.operator.cancel_on_kill and (why := why_cancel(context["ti"], client)):
                done = cancel_and_verify(client, task_id, self.log)
                outcome = (
                    f"{why}: the Vidu task was "
                    f"{'cancelled' if done else 'not cancelled and is billed when it succeeds'}."
                )
        except Exception as error:
            outcome = f"The Vidu task was left running, since Airflow does not say why this task is stopping ({error})."
        raise ViduStillRunningError("The task was told to stop while it was waiting.", task_id=task_id, advice=outcome)


def _input_advice_after_submission() -> str:
    return (
        "Nothing was sent to Vidu just now. Anything submitted before keeps running and is billed when it succeeds; "
        f"its video stays at Vidu. Fix this, then {clear_this_task()}: the next try finds that Vidu task again."
    )
