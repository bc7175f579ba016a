# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sensor that waits for a task somebody else has submitted."""

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
                self.poke_interval = self._execution().account_interval() or self.poke_interval
            return super().execute(context)
        return self._execution().wait(context)

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
        record = self._execution().look(context)
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
        return self._execution().complete(context, event, task_id, known, hints, end_time)

    def _execution(self) -> SensorExecution:
        from airflow_provider_vidu.execution.sensing import SensorExecution

        return SensorExecution(self)
