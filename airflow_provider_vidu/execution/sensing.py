# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the sensor does on a worker: query the task, leave for the triggerer, end as ``soft_fail`` and its mode say."""

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
from airflow_provider_vidu.waiting.schedule import REFUSALS
from airflow_provider_vidu.waiting.wait import (
    Next,
    after_resuming,
    ended_line,
    for_other_task,
    given_task,
    hints_of,
    seconds_of,
    video_of,
    waited,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient


class SensorExecution:
    """One look, or one wait, of a sensor; the sensor has the settings."""

    def __init__(self, sensor: Any) -> None:
        self.sensor = sensor
        self.log = sensor.log

    def wait(self, context: Context) -> dict[str, Any]:
        """Query once, and wait in the triggerer for what has not ended."""
        began = timing.now()
        record = self.poll(context)
        if record is not None:
            # A task that has ended already is not worth a triggerer.
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
        """Take the result, once a trigger has seen the end; see ``ViduTaskSensor.execute_complete``."""
        event = event if isinstance(event, Mapping) else {}
        task = self.parse_task(known or task_id)
        try:
            with self._client() as client:
                return self._deliver(context, waited(client, task, event))
        except (ViduStillRunningError, ViduUnavailableError, ViduRateLimitError) as error:
            then = after_resuming(event, task.task_id, end_time, timing.now())
            if then is Next.GIVE_UP:
                # A retry looks on: neither the task nor the time is at its end.
                error = ViduUnavailableError(error.message, task_id=task.task_id, state=error.state)
            elif then is Next.WAIT_ON and end_time is not None:
                self.log.warning("Waiting on for Vidu task %s: %s", task.task_id, error.message)
                self._defer(task, hints or {}, end_time)
            self.fail_or_skip(error)
        except ViduError as error:
            metrics.failed(error, task.model)
            self.fail_or_skip(for_other_task(error))

    def poll(self, context: Context) -> dict[str, Any] | None:
        """Look once: the record, None while it runs or Vidu cannot be reached, an exception for everything else."""
        known = self.parse_task()
        try:
            show_task(self.sensor, known)
            with self._client() as client:
                record = self._deliver(context, video_of(client, known))
        except ViduStillRunningError as error:
            self.sensor._refusals = 0
            self.log.info("Vidu task %s: %s.", known.task_id, error.state or "no state")
        except (ViduUnavailableError, ViduRateLimitError) as error:
            # An outage says nothing of the task: its wait ends at its own deadline.
            self.log.warning("%s", error)
        except (ViduAuthError, ViduNotFoundError) as error:
            # One alone can be a hiccup. A deferrable sensor leaves the counting to its trigger; a rescheduled one
            # forgets it, so that there a retry has to bear it.
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
            self.fail_or_skip(for_other_task(error))
        else:
            return record
        return None

    def parse_task(self, record: Mapping[str, Any] | str | None = None) -> ViduTask:
        try:
            return given_task(record or self.sensor.vidu_task)
        except ViduInputError as error:
            self.fail_or_skip(error)

    def read_poll_interval(self) -> float | None:
        try:
            with self._client() as client:
                return client.account.poll_interval
        except ViduError:
            # The first look says what is wrong, where soft_fail sees it.
            return None

    def fail_or_skip(self, error: ViduError) -> NoReturn:

        outcome = sensor_outcome(error, soft_fail=self.sensor.soft_fail)
        if getattr(self.sensor, "never_fail", False):
            outcome = AirflowSkipException(str(error))
        is_skipped = isinstance(outcome, AirflowSkipException)
        # Airflow's own line about a skip is folded away in its UI.
        log_lines(error, logging.WARNING if is_skipped else logging.ERROR)
        if self.sensor.soft_fail and not is_skipped:
            # The base class would skip for it, in some modes.
            raise SensorOutcome(outcome) from None
        raise outcome from None

    def _client(self) -> ViduClient:
        return ViduHook(self.sensor.vidu_conn_id).get_conn()

    def _deliver(self, context: Context, task: ViduTask) -> dict[str, Any]:
        """Return the record of a task that has its video."""
        seconds = seconds_of(task, None, timing.now())
        self.log.info("%s", ended_line(task, seconds))
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
            self.log.info("end_from_trigger: a trigger of this Airflow cannot end a task; a worker will.")
            return False
        if self.sensor.on_success_callback or compat.is_success_listened_to():
            self.log.info(
                "end_from_trigger: a callback or listener waits for this success; a worker will end the task."
            )
            return False
        # Only a worker marks an XCom as the result of its DAG.
        return not getattr(self.sensor, "returns_dag_result", False)
