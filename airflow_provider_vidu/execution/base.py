# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The base class of the executions that submit: rendered settings, the deadline, leaving the worker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_vidu.api.errors import ViduInputError, ViduUnavailableError
from airflow_provider_vidu.api.rendered_fields import parse_switch, request_fields
from airflow_provider_vidu.compat import state_store
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.submission.airflow_try import Policies, Resumed, SubmitLater
from airflow_provider_vidu.submission.credit_limits import CreditLimits
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import BACKSTOP
from airflow_provider_vidu.triggers.timer import ViduTimerTrigger
from airflow_provider_vidu.waiting.next_poll import default_timeout
from airflow_provider_vidu.waiting.wait import SLICE

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_vidu.api.origin import Origin
    from airflow_provider_vidu.api.registry import Endpoint, Produces
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: Maximum timeout in seconds, ten years: Airflow's dates cannot represent much more.
MAX_SECONDS = 10 * 366 * 24 * 3600.0
#: Seconds by which our deadline in a worker precedes Airflow's execution timeout.
EXECUTION_TIMEOUT_MARGIN = 5.0

#: What a try returns.
Result = TypeVar("Result")


class Execution(ABC, Generic[Result]):
    """One try of an operator on a worker."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.log = operator.log

    def _read_rendered(self, **defaults: Any) -> None:
        """Convert the rendered parameters to their types; for an unset Param or XCom the default counts, or None."""
        given = {name: getattr(self.operator, name) for name in self.operator.template_fields}
        rendered = request_fields(given, self.operator.text_fields)
        for name, value in rendered.items():
            setattr(self.operator, name, defaults.get(name) if value is None else value)

    def _client(self) -> ViduClient:
        return ViduHook(self.operator.vidu_conn_id).get_conn()

    @abstractmethod
    def run(self, context: Context, resumed: Resumed | None = None, travelled: dict[str, Any] | None = None) -> Result:
        """Run the try; ``resumed`` is what it took along when it left the worker, if it did."""

    @abstractmethod
    def openlineage_facets(self) -> Any:
        """Return the facets for OpenLineage; see ``lineage.openlineage_facets``."""

    def run_again(
        self,
        context: Context,
        resumed: Mapping[str, Any] | None,
        try_number: int | None,
        travelled: dict[str, Any] | None,
    ) -> Result:
        """Continue a try that left the worker, or start the later try that Airflow has resumed in its place."""
        if not self._is_same_try(try_number, context):
            return self.run(context)
        return self.run(context, Resumed.from_json(resumed, context), travelled)

    def is_remembered(self, context: Context) -> bool:
        """Check whether this task may start again without paying again."""
        return bool(self.operator.durable) and state_store(context) is not None

    def _is_same_try(self, try_number: int | None, context: Context) -> bool:
        return try_number is None or try_number == context["ti"].try_number

    def _check_time_to_wait(self) -> None:
        """Reject an execution_timeout that leaves no time to wait: the try would pay for a video and then fail."""
        if self.operator.deferrable or not self.operator.wait_for_completion or self.operator.execution_timeout is None:
            return
        seconds = self.operator.execution_timeout.total_seconds()
        if seconds <= EXECUTION_TIMEOUT_MARGIN:
            raise ViduInputError(
                f"execution_timeout of {seconds:g} s leaves no time to wait for a video: the last "
                f"{EXECUTION_TIMEOUT_MARGIN:.0f} s are reserved for stopping cleanly.",
                advice="Nothing was sent to Vidu. Raise execution_timeout, or set deferrable=True with a longer one.",
            )

    def _check_settings(self) -> None:
        """Check and convert the settings that are not part of the request, before anything is paid for."""
        for name in ("timeout", "poll_interval"):
            value = getattr(self.operator, name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            try:
                seconds = None if value is None or value == "" else float(value)
            except (TypeError, ValueError):
                seconds = -1.0
            if seconds is not None and not 0 < seconds <= MAX_SECONDS:
                raise ViduInputError(
                    f"{name} must be a number of seconds above 0 and at most {MAX_SECONDS:.0f}, got "
                    f"{getattr(self.operator, name)!r}."
                )
            setattr(self.operator, name, seconds)
        self._credit_limits()
        if self.operator.output_path == "":
            self.log.warning(
                "output_path is empty after rendering: nothing is landed, and links expire within 24 hours."
            )
            self.operator.output_path = None
        self.operator.file_name = self.operator.file_name or None
        self.operator.land_cover = parse_switch("land_cover", self.operator.land_cover)
        self.operator.land_watermarked = parse_switch("land_watermarked", self.operator.land_watermarked)
        if self.operator.output_path is not None and not self.operator.wait_for_completion:
            self.log.warning(
                "Nothing is landed at %s: this task does not wait for the video.", self.operator.output_path
            )

    def _credit_limits(self) -> CreditLimits:
        return CreditLimits(self._parse_credits("max_credits"), self._parse_credits("min_remaining_credits"))

    def _parse_credits(self, name: str) -> int | None:
        value = getattr(self.operator, name)
        if value is None or value == "":
            return None
        try:
            credits = int(value)
        except (TypeError, ValueError, OverflowError):
            credits = -1
        if credits < 0 or isinstance(value, bool) or (isinstance(value, float) and value != credits):
            raise ViduInputError(f"{name} must be a whole number of credits, got {value!r}.")
        return credits

    def _wanted(self, output_path: str, produces: Produces, origin: Origin) -> Wanted:
        return Wanted(
            output_path,
            self.operator.file_name,
            bool(self.operator.land_cover),
            bool(self.operator.land_watermarked),
            origin,
            produces,
        )

    @staticmethod
    def _with_model(task: ViduTask, model: str | None, endpoint: Endpoint) -> ViduTask:
        """Return a task with what ``{model}`` means in a file name: its model, or the endpoint if there is none."""
        return task if task.model else task.model_copy(update={"model": model or endpoint.name})

    def _seconds_to_wait(self, *, off_peak: bool) -> float:
        seconds = default_timeout(off_peak=off_peak) if self.operator.timeout is None else float(self.operator.timeout)
        if self.operator.execution_timeout is None:
            return seconds
        # Airflow 3 does not apply execution_timeout while a task is deferred. In a worker it does, with an exception
        # that stops everything, so our deadline must come first.
        margin = 0.0 if self.operator.deferrable else EXECUTION_TIMEOUT_MARGIN
        return float(min(seconds, max(0.0, self.operator.execution_timeout.total_seconds() - margin)))

    def _policies(self) -> Policies:
        return Policies(
            on_unknown=self.operator.on_unknown,
            on_input_change=self.operator.on_input_change,
            durable=self.operator.durable,
            timeout=self._seconds_to_wait(off_peak=False),
            may_leave=self.operator.deferrable,
            limits=self._credit_limits(),
        )

    def _defer_submission(
        self, context: Context, later: SubmitLater, running: Sequence[str] = (), **more: Any
    ) -> NoReturn:
        """
        Leave the worker until it is time to submit again.

        :param running: ids of the Vidu tasks that are already submitted: a kill cancels them.
        :param more: further arguments for ``execute_again``.
        """
        moment = datetime.fromtimestamp(timing.now() + later.seconds, timezone.utc)
        timer: BaseTrigger = (
            ViduTimerTrigger(
                self.operator.vidu_conn_id, list(running), moment.timestamp(), self.operator.cancel_on_kill
            )
            if running
            else DateTimeTrigger(moment=moment)
        )

        self.log.info("Leaving the worker; next attempt in %.0f s. This uses no Airflow retry.", later.seconds)
        self.operator.defer(
            trigger=timer,
            method_name="execute_again",
            kwargs={"resumed": asdict(later.resumed), "try_number": context["ti"].try_number, **more},
            timeout=timedelta(seconds=later.seconds + BACKSTOP),
        )
        raise AssertionError("defer always raises")

    def _sleep_unless_killed(self, seconds: float) -> None:
        end = timing.now() + seconds
        while not self.operator.killed and (left := end - timing.now()) > 0:
            timing.sleep(min(SLICE, left))
        if self.operator.killed:
            raise ViduUnavailableError(
                "The task was told to stop before it had submitted.",
                advice="Before a retry submits, it checks whether Vidu has accepted anything.",
            )
