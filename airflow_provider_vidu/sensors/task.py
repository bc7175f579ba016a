# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sensor that waits for a task somebody else has submitted."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_provider_vidu.api.defaults import DEFAULT_OFF_PEAK_TIMEOUT
from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.rendering import TextRendering, check_booleans
from airflow_provider_vidu.operators.resumption import ResumesAcrossReleases

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.errors import ViduError
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: Seconds between pokes of a worker, and between reschedules, where the author does not say.
DEFAULT_POKE_INTERVAL = 15.0


class ViduTaskSensor(TextRendering, ResumesAcrossReleases, BaseSensorOperator):
    """
    Waits until a Vidu task has its video.

    Retrying it never submits, killing or clearing it never cancels: the remote task belongs to whoever submitted it.
    When that task failed, the error says which Vidu task, and the submitting task is the one to clear.

    :param vidu_task: the task's id (a string or a number), or a task record: ``submit.output``, also with
        ``.expand(vidu_task=submit.output)``.
    :param vidu_conn_id: the connection's id; it must name the account that submitted.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poke_interval: seconds between looks; None = 15 in a worker, and the schedule's choice when deferrable.
    :param timeout: seconds until ``AirflowSensorTimeout``; None = 49 hours, within which Vidu renders or cancels an
        off-peak task. Counted from the first poke over all reschedules, and from each try's begin when deferrable.
        ``execution_timeout`` bounds a deferrable wait too.
    :param soft_fail: skip instead of failing for what the remote task or the time did, in every mode: the task failed,
        was moderated, has no video, is unknown to the host (404), or the deadline has passed. A wrong set-up (no
        connection, a wrong key, an empty id) fails all the same.
    :param end_from_trigger: end in the triggerer when the remote task has its video, with the task record as XCom,
        instead of resuming on a worker (seconds, or more where many end at once). Everything else resumes on a
        worker, and so does every success where an ``on_success_callback`` or a listener such as OpenLineage's waits
        for it. It needs ``deferrable``. No worker runs at the end: outlets would get no asset event, and
        ``multiple_outputs`` not its XComs, so both are refused.
    :return: the task record, its links freshly signed.
    """

    template_fields: Sequence[str] = ("vidu_task", "vidu_conn_id")
    operator_extra_links = (ViduTaskLink(), ViduVideoLink())
    ui_color = "#d9f0e6"

    def __init__(
        self,
        *,
        vidu_task: Any,
        vidu_conn_id: str = "vidu_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float | None = None,
        timeout: timedelta | float | None = None,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        # The base class refuses None, and its default of 60 s would rule every deferrable wait.
        super().__init__(
            poke_interval=DEFAULT_POKE_INTERVAL if poke_interval is None else poke_interval,
            timeout=timedelta(seconds=DEFAULT_OFF_PEAK_TIMEOUT) if timeout is None else timeout,
            **kwargs,
        )
        self.vidu_task = vidu_task
        self.vidu_conn_id = vidu_conn_id
        self.deferrable = deferrable
        # Not under the parameter's own name: Airflow refuses to import a DAG with a task that has an attribute of that
        # name wherever a listener is installed. Here a worker takes over where one listens.
        self._ends_in_triggerer = end_from_trigger
        check_booleans(deferrable=deferrable, end_from_trigger=end_from_trigger, soft_fail=self.soft_fail)
        check_booleans(**{name: getattr(self, name, False) for name in ("never_fail", "silent_fail")})
        if end_from_trigger and not deferrable:
            raise ValueError(
                f"{self.task_id}: end_from_trigger=True needs deferrable=True: it is a trigger that ends it."
            )
        if end_from_trigger and self.outlets:
            raise ValueError(
                f"{self.task_id}: end_from_trigger=True cannot be used with outlets: only a worker emits their asset "
                f"events. Leave out one of the two."
            )
        if end_from_trigger and self.multiple_outputs:
            raise ValueError(
                f"{self.task_id}: end_from_trigger=True cannot be used with multiple_outputs: the triggerer pushes the "
                "task record as one XCom. Leave out one of the two."
            )
        self.fixed_interval = None if poke_interval is None else self.poke_interval

    def execute(self, context: Context) -> Any:
        """
        Wait in the chosen way.

        :param context: Airflow's.
        :return: the task record.
        """
        from airflow_provider_vidu.exceptions import SensorOutcome

        try:
            return self._wait(context)
        except SensorOutcome as ended:
            raise ended.outcome from None

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume as Airflow does; what :meth:`execute_complete` has decided about ``soft_fail`` stands."""
        from airflow_provider_vidu.exceptions import SensorOutcome

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except SensorOutcome as ended:
            raise ended.outcome from None

    def _wait(self, context: Context) -> Any:
        if not self.deferrable:
            if self.fixed_interval is None:
                self.poke_interval = self._account_interval() or self.poke_interval
            return super().execute(context)
        from airflow_provider_vidu.waiting.wait import hints_of

        began = time.time()
        record = self._look(context)
        if record is not None:
            # A task that has ended already is not worth a triggerer.
            return record
        known = self._known()
        seconds = float(self.timeout)
        if self.execution_timeout is not None:
            seconds = min(seconds, self.execution_timeout.total_seconds())
        return self._defer(known, hints_of(known).to_json(), began + seconds)

    def _wait_in_worker(self) -> None:
        super()._wait_in_worker()
        # A rescheduled sensor would defer again at its next poke.
        self.mode = "poke"

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Look once.

        :param context: Airflow's.
        :return: True with the task record once there is a video.
        """
        record = self._look(context)
        return False if record is None else PokeReturnValue(is_done=True, xcom_value=record)

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        known: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
        end_time: float | None = None,
    ) -> dict[str, Any]:
        """
        Take the result on a worker, once the trigger has seen the end. Safe to run twice with the same event.

        :param context: Airflow's.
        :param event: of the trigger; a hint only, the task is queried again.
        :param task_id: Vidu's id, as it was when the wait began.
        :param known: the task record as it was when the wait began.
        :param hints: for a wait that has to go on.
        :param end_time: the deadline, epoch seconds.
        :return: the task record.
        """
        from airflow_provider_vidu.api.errors import (
            ViduError,
            ViduRateLimitError,
            ViduStillRunningError,
            ViduUnavailableError,
        )
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.waiting.wait import Next, after_resuming, for_other_task, waited

        event = event if isinstance(event, Mapping) else {}
        task = self._known(known or task_id)
        try:
            with self._client() as client:
                return self._seen(context, waited(client, task, event))
        except (ViduStillRunningError, ViduUnavailableError, ViduRateLimitError) as error:
            then = after_resuming(event, task.task_id, end_time, time.time())
            if then is Next.GIVE_UP:
                # A retry looks on: neither the task nor the time is at its end.
                error = ViduUnavailableError(error.message, task_id=task.task_id, state=error.state)
            elif then is Next.WAIT_ON and end_time is not None:
                self.log.warning("Waiting on for Vidu task %s: %s", task.task_id, error.message)
                self._defer(task, hints or {}, end_time)
            self._end(error)
        except ViduError as error:
            metrics.failed(error, task.model)
            self._end(for_other_task(error))

    # -- steps ------------------------------------------------------------------------------------------------

    def _client(self) -> ViduClient:
        from airflow_provider_vidu.hooks.vidu import ViduHook

        return ViduHook(self.vidu_conn_id).get_conn()

    def _end(self, error: ViduError) -> NoReturn:
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from airflow_provider_vidu.exceptions import SensorOutcome, log_lines, sensor_outcome

        outcome = sensor_outcome(error, soft_fail=self.soft_fail)
        if getattr(self, "never_fail", False):
            outcome = AirflowSkipException(str(error))
        is_skipped = isinstance(outcome, AirflowSkipException)
        # Airflow's own line about a skip is folded away in its UI.
        log_lines(error, logging.WARNING if is_skipped else logging.ERROR)
        if self.soft_fail and not is_skipped:
            # The base class would skip for it, in some modes.
            raise SensorOutcome(outcome) from None
        raise outcome from None

    def _account_interval(self) -> float | None:
        from airflow_provider_vidu.api.errors import ViduError

        try:
            with self._client() as client:
                return client.account.poll_interval
        except ViduError:
            # The first look says what is wrong, where soft_fail sees it.
            return None

    def _known(self, record: Mapping[str, Any] | str | None = None) -> ViduTask:
        from airflow_provider_vidu.api.errors import ViduInputError
        from airflow_provider_vidu.waiting.wait import given_task

        try:
            return given_task(record or self.vidu_task)
        except ViduInputError as error:
            self._end(error)

    def _look(self, context: Context) -> dict[str, Any] | None:
        """Look once: the record, None while it runs or Vidu cannot be reached, an exception for everything else."""
        from airflow_provider_vidu.api.errors import (
            Fate,
            ViduAuthError,
            ViduError,
            ViduNotFoundError,
            ViduRateLimitError,
            ViduStillRunningError,
            ViduUnavailableError,
        )
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import show
        from airflow_provider_vidu.waiting.schedule import REFUSALS
        from airflow_provider_vidu.waiting.wait import for_other_task, video_of

        known = self._known()
        try:
            show(self, known)
            with self._client() as client:
                record = self._seen(context, video_of(client, known))
        except ViduStillRunningError as error:
            self._refusals = 0
            self.log.info("Vidu task %s: %s.", known.task_id, error.state or "no state")
        except (ViduUnavailableError, ViduRateLimitError) as error:
            # An outage says nothing of the task: its wait ends at its own deadline.
            self.log.warning("%s", error)
        except (ViduAuthError, ViduNotFoundError) as error:
            # One alone can be a hiccup. A deferrable sensor leaves the counting to its trigger; a rescheduled one
            # forgets it, so that there a retry has to bear it.
            self._refusals = getattr(self, "_refusals", 0) + 1
            if self.reschedule and not self.deferrable:
                error.fate = Fate.RETRYABLE
                metrics.failed(error, known.model)
                self._end(error)
            if self._refusals >= REFUSALS:
                metrics.failed(error, known.model)
                self._end(error)
            self.log.warning("%s", error)
        except ViduError as error:
            metrics.failed(error, known.model)
            self._end(for_other_task(error))
        else:
            return record
        return None

    def _seen(self, context: Context, task: ViduTask) -> dict[str, Any]:
        """Hand over a task that has its video."""
        from airflow_provider_vidu.reporting import metrics
        from airflow_provider_vidu.reporting.lineage import hand_over
        from airflow_provider_vidu.waiting.wait import ended_line, seconds_of

        seconds = seconds_of(task, None, time.time())
        self.log.info("%s", ended_line(task, seconds))
        metrics.completed(task.model, task.credits, seconds)
        return hand_over(self, context, task)

    def _defer(self, task: ViduTask, hints: Mapping[str, Any], end_time: float) -> NoReturn:
        from airflow_provider_vidu.triggers.task import wait_in_triggerer

        wait_in_triggerer(
            self,
            task.task_id,
            vidu_conn_id=self.vidu_conn_id,
            end_time=end_time,
            poll_interval=self.fixed_interval,
            cancel_on_kill=False,
            hints=hints,
            known=task.record(),
            end_task=self._ends_in_triggerer and self._may_end_in_triggerer(),
        )

    def _may_end_in_triggerer(self) -> bool:
        from airflow_provider_vidu import compat

        if compat.task_success_event() is None:
            self.log.info("end_from_trigger: a trigger of this Airflow cannot end a task; a worker will.")
            return False
        if self.on_success_callback or compat.is_success_listened_to():
            self.log.info(
                "end_from_trigger: a callback or listener waits for this success; a worker will end the task."
            )
            return False
        # Only a worker marks an XCom as the result of its DAG.
        return not getattr(self, "returns_dag_result", False)
