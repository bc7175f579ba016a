# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sensor that waits for a Vidu task that another Airflow task has submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_provider_vidu.api.defaults import DEFAULT_OFF_PEAK_TIMEOUT
from airflow_provider_vidu.links.task import ViduTaskLink, ViduVideoLink
from airflow_provider_vidu.operators.resume_across_releases import ResumesAcrossReleases
from airflow_provider_vidu.operators.templated_fields import TextRendering, check_booleans

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_vidu.execution.sensing import SensorExecution

#: Default seconds between pokes in a worker, and between reschedules.
DEFAULT_POKE_INTERVAL = 15.0


class ViduTaskSensor(TextRendering, ResumesAcrossReleases, BaseSensorOperator):
    """
    Wait until a Vidu task has its video.

    Retrying the sensor never submits, and killing or clearing it never cancels: the Vidu task belongs to the Airflow
    task that submitted it. If the Vidu task failed, the error names it; clear the submitting Airflow task to try again.

    :param vidu_task: the task's id (a string or a number), or a task record: ``submit.output``, also with
        ``.expand(vidu_task=submit.output)``.
    :param vidu_conn_id: the connection's id; it must name the account that submitted.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poke_interval: seconds between polls; None = 15 in a worker; if deferrable, the schedule decides.
    :param timeout: seconds until ``AirflowSensorTimeout``; None = 49 hours, within which Vidu renders or cancels an
        off-peak task. Counted from the first poke over all reschedules; if deferrable, from the start of each try.
        ``execution_timeout`` limits a deferrable wait too.
    :param soft_fail: skip instead of fail, in every mode, if the Vidu task failed, was refused by moderation, has no
        video or is unknown to the host (404), or if the deadline has passed. Configuration errors (no connection, a
        wrong key, an empty id) still fail.
    :param end_from_trigger: finish in the triggerer when the Vidu task has its video, with the task record as XCom,
        instead of resuming on a worker (which takes seconds, or more if many tasks finish at once). Everything else
        resumes on a worker. So does a success if an ``on_success_callback`` or a listener such as OpenLineage's waits
        for it. Needs ``deferrable``. Rejected with outlets and with ``multiple_outputs``: no worker runs at the end to
        emit asset events or to push several XComs.
    :return: the task record with freshly signed links.
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
        # The base class rejects None, and its default of 60 s would apply to every deferrable wait.
        super().__init__(
            poke_interval=DEFAULT_POKE_INTERVAL if poke_interval is None else poke_interval,
            timeout=timedelta(seconds=DEFAULT_OFF_PEAK_TIMEOUT) if timeout is None else timeout,
            **kwargs,
        )
        self.vidu_task = vidu_task
        self.vidu_conn_id = vidu_conn_id
        self.deferrable = deferrable
        # Not under the parameter's own name: if a listener is installed, Airflow refuses to import a DAG with a task
        # that has an attribute of that name. With a listener a worker finishes this sensor instead.
        self._ends_in_triggerer = end_from_trigger
        check_booleans(deferrable=deferrable, end_from_trigger=end_from_trigger, soft_fail=self.soft_fail)
        check_booleans(**{name: getattr(self, name, False) for name in ("never_fail", "silent_fail")})
        if end_from_trigger and not deferrable:
            raise ValueError(
                f"{self.task_id}: end_from_trigger=True needs deferrable=True: only a trigger can finish the task."
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
        Wait in the chosen mode.

        :return: the task record.
        """
        from airflow_provider_vidu.exceptions import SensorOutcome

        try:
            return self._wait(context)
        except SensorOutcome as ended:
            raise ended.outcome from None

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume as Airflow does, but keep what :meth:`execute_complete` has decided about ``soft_fail``."""
        from airflow_provider_vidu.exceptions import SensorOutcome

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except SensorOutcome as ended:
            raise ended.outcome from None

    def _wait(self, context: Context) -> Any:
        if not self.deferrable:
            if self.fixed_interval is None:
                self.poke_interval = self._execution().read_poll_interval() or self.poke_interval
            return super().execute(context)
        return self._execution().wait(context)

    def _wait_in_worker(self) -> None:
        super()._wait_in_worker()
        # A rescheduled sensor would defer again at its next poke.
        self.mode = "poke"

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """
        Query the task once.

        :return: True with the task record once there is a video.
        """
        record = self._execution().poll(context)
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
        Return the result on a worker after the trigger's event. Safe to run twice with the same event.

        :param event: the trigger's event, only a hint: the task is queried again.
        :param task_id: Vidu's id at the start of the wait.
        :param known: the task record at the start of the wait.
        :param hints: for the schedule, if the wait has to continue.
        :param end_time: the deadline, epoch seconds.
        :return: the task record.
        """
        return self._execution().complete(context, event, task_id, known, hints, end_time)

    def _execution(self) -> SensorExecution:
        from airflow_provider_vidu.execution.sensing import SensorExecution

        return SensorExecution(self)
