# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sensor on a worker: query the task, defer to the triggerer, and fail or skip as its settings demand."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import (
    Fate,
    ViduAuthError,
    ViduError,
    ViduInputError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduStillRunningError,
    ViduUnavailableError,
)
from airflow_provider_vidu.exceptions import SensorOutcome, log_lines, sensor_outcome
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.reporting import metrics
from airflow_provider_vidu.reporting.lineage import deliver, show_task
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import wait_in_triggerer
from airflow_provider_vidu.waiting.next_poll import REFUSALS
from airflow_provider_vidu.waiting.wait import (
    Next,
    adapt_for_other_task,
    decide_after_resume,
    elapsed_seconds,
    fetch_finished,
    fetch_result,
    hints_of,
    parse_vidu_task,
    summary_line,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient


class SensorExecution:
    """One poke or one deferred wait of a sensor."""

    def __init__(self, sensor: Any) -> None:
        self.sensor = sensor
        self.log = sensor.log

    def wait(self, context: Context) -> dict[str, Any]:
        """Query the task once, and defer if it has not ended."""
        began = timing.now()
        record = self.poll(context)
        if record is not None:
            # The task has already ended, so there is nothing to defer for.
            return record
        known = self.parse_task()
        seconds = float(self.sensor.timeout)
        if self.sensor.execution_timeout is not None:
            seconds = min(seconds, self.sensor.execution_timeout.total_seconds())
        return self._defer(known, hints_of(known).to_json(), began + seconds)

    def complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None,
        task_id: str | None,
        known: Mapping[str, Any] | None,
        hints: Mapping[str, Any] | None,
        end_time: float | None,
    ) -> dict[str, Any]:
        """Return the result after the trigger's event; see ``ViduTaskSensor.execute_complete``."""
        event = event if isinstance(event, Mapping) else {}
        task = self.parse_task(known or task_id)
        try:
            with self._client() as client:
                return self._deliver(context, fetch_result(client, task, event))
        except (ViduStillRunningError, ViduUnavailableError, ViduRateLimitError) as error:
            then = decide_after_resume(event, task.task_id, end_time, timing.now())
            if then is Next.GIVE_UP:
                # A retry may continue: neither the task nor the time has run out.
                error = ViduUnavailableError(error.message, task_id=task.task_id, state=error.state)
            elif then is Next.WAIT_ON and end_time is not None:
                self.log.warning("Continuing to wait for Vidu task %s: %s", task.task_id, error.message)
                self._defer(task, hints or {}, end_time)
            self.fail_or_skip(error)
        except ViduError as error:
            metrics.failed(error, task.model)
            self.fail_or_skip(adapt_for_other_task(error))

    def poll(self, context: Context) -> dict[str, Any] | None:
        """Query once. Returns the record, or None while the task runs or Vidu is unreachable; raises otherwise."""
        known = self.parse_task()
        try:
            show_task(self.sensor, known)
            with self._client() as client:
                record = self._deliver(context, fetch_finished(client, known))
        except ViduStillRunningError as error:
            self.sensor._refusals = 0
            self.log.info("Vidu task %s: %s.", known.task_id, error.state or "no state")
        except (ViduUnavailableError, ViduRateLimitError) as error:
            # An outage says nothing about the task, so keep waiting until the deadline.
            self.log.warning("%s", error)
        except (ViduAuthError, ViduNotFoundError) as error:
            # A single refusal can be a hiccup. A deferrable sensor's trigger counts them. A rescheduled sensor cannot
            # count across pokes, so it needs a retry.
            self.sensor._refusals = getattr(self.sensor, "_refusals", 0) + 1
            if self.sensor.reschedule and not self.sensor.deferrable:
                metrics.failed(error, known.model)
                self.fail_or_skip(error.but(fate=Fate.RETRYABLE))
            if self.sensor._refusals >= REFUSALS:
                metrics.failed(error, known.model)
                self.fail_or_skip(error)
            self.log.warning("%s", error)
        except ViduError as error:
            metrics.failed(error, known.model)
            self.fail_or_skip(adapt_for_other_task(error))
        else:
            return record
        return None

    def parse_task(self, record: Mapping[str, Any] | str | None = None) -> ViduTask:
        try:
            return parse_vidu_task(record or self.sensor.vidu_task)
        except ViduInputError as error:
            self.fail_or_skip(error)

    def read_poll_interval(self) -> float | None:
        try:
            with self._client() as client:
                return client.account.poll_interval
        except ViduError:
            # The first query reports the error, where soft_fail applies.
            return None

    def fail_or_skip(self, error: ViduError) -> NoReturn:
        outcome = sensor_outcome(error, soft_fail=self.sensor.soft_fail)
        if getattr(self.sensor, "never_fail", False):
            outcome = AirflowSkipException(str(error))
        is_skipped = isinstance(outcome, AirflowSkipException)
        # Airflow's UI folds its own line about a skip.
        log_lines(error, logging.WARNING if is_skipped else logging.ERROR)
        if self.sensor.soft_fail and not is_skipped:
            # In some modes the base class would skip.
            raise SensorOutcome(outcome) from None
        raise outcome from None

    def _client(self) -> ViduClient:
        return ViduHook(self.sensor.vidu_conn_id).get_conn()

    def _deliver(self, context: Context, task: ViduTask) -> dict[str, Any]:
        """Report a task that has its video, and return its record."""
        seconds = elapsed_seconds(task, None, timing.now())
        self.log.info("%s", summary_line(task, seconds))
        metrics.completed(task.model, task.credits, seconds)
        return deliver(self.sensor, context, task)

    def _defer(self, task: ViduTask, hints: Mapping[str, Any], end_time: float) -> NoReturn:
        wait_in_triggerer(
            self.sensor,
            task.task_id,
            vidu_conn_id=self.sensor.vidu_conn_id,
            end_time=end_time,
            poll_interval=self.sensor.fixed_interval,
            cancel_on_kill=False,
            hints=hints,
            known=task.record(),
            end_task=self.sensor._ends_in_triggerer and self._may_end_in_triggerer(),
        )

    def _may_end_in_triggerer(self) -> bool:
        if compat.task_success_event() is None:
            self.log.info("end_from_trigger: in this Airflow a trigger cannot finish a task; a worker will.")
            return False
        if self.sensor.on_success_callback or compat.is_success_listened_to():
            self.log.info(
                "end_from_trigger: a callback or listener waits for this success; a worker will finish the task."
            )
            return False
        # Only a worker can mark an XCom as its DAG's result.
        return not getattr(self.sensor, "returns_dag_result", False)
