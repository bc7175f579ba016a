# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the operators that submit share: settings, deadline, leaving the worker and coming back, the kill."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_vidu.operators.rendering import TextRendering, check_booleans, check_paths
from airflow_provider_vidu.operators.resumption import ResumesAcrossReleases

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_vidu.client import ViduClient
    from airflow_provider_vidu.landing.destinations import Wanted
    from airflow_provider_vidu.submission.driver import SubmitLater
    from airflow_provider_vidu.submission.limits import CreditLimits
    from airflow_provider_vidu.submission.tries import Policies

#: Seconds of a timeout at the most, ten years: what is far more does not fit Airflow's own dates.
MAX_SECONDS = 10 * 366 * 24 * 3600.0
#: Seconds by which our deadline in a worker lies before Airflow's execution timeout.
EXECUTION_TIMEOUT_MARGIN = 5.0


class ViduSubmittingOperator(TextRendering, ResumesAcrossReleases, BaseOperator):
    """
    The base of what submits to Vidu. Has no parameters of its own: each operator names all of its.

    An operator sets the attributes below in its ``__init__``.
    """

    vidu_conn_id: str
    deferrable: bool
    poll_interval: Any
    timeout: Any
    durable: bool
    on_unknown: str
    on_input_change: str
    cancel_on_kill: bool
    cancel_on_timeout: bool
    output_path: str | None
    file_name: str | None
    land_cover: bool | str
    land_watermarked: bool | str
    max_credits: Any
    min_remaining_credits: Any
    #: The records that were handed over; for OpenLineage, which asks when the task is done.
    delivered: Sequence[Mapping[str, Any]] = ()
    wait_for_completion = True
    _killed = False

    def __init__(self, **kwargs: Any) -> None:
        # Without one of its own, Airflow takes the base class's for that of a subclass, whose default of None would
        # replace the inlets and outlets of mapped tasks.
        super().__init__(**kwargs)

    def on_kill(self) -> None:
        """Note that the worker is to stop. Airflow calls this for timeouts and shutdowns too; the wait decides."""
        self._killed = True

    def _is_remembered(self, context: Context) -> bool:
        from airflow_provider_vidu.compat import state_store

        return self.durable and state_store(context) is not None

    # -- steps ------------------------------------------------------------------------------------------------

    def _check_policies(self) -> None:
        """What is known at parse time, and never rendered."""
        for name in ("on_unknown", "on_input_change"):
            policy = getattr(self, name)
            if policy not in {"fail", "resubmit"}:
                raise ValueError(f"{name} must be 'fail' or 'resubmit', got {policy!r}.")
        switches = ("wait_for_completion", "deferrable", "durable", "cancel_on_kill", "cancel_on_timeout")
        check_booleans(**{name: getattr(self, name) for name in switches})
        check_paths(self, *self.template_fields)

    def _read_rendered(self) -> None:
        """Take the rendered parameters as they were meant; an unset Param or XCom counts as not given."""
        from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
        from airflow_provider_vidu.api.fields import request_fields

        defaults = {"model": DEFAULT_MODEL}
        rendered = request_fields({name: getattr(self, name) for name in self.template_fields})
        for name, value in rendered.items():
            setattr(self, name, defaults.get(name) if value is None else value)

    def _client(self) -> ViduClient:
        from airflow_provider_vidu.hooks.vidu import ViduHook

        return ViduHook(self.vidu_conn_id).get_conn()

    def _is_still(self, try_number: int | None, context: Context) -> bool:
        return try_number is None or try_number == context["ti"].try_number

    def _check_time_to_wait(self) -> None:
        """Refuse an execution_timeout that leaves no time to wait: the generation would be paid and the try fail."""
        from airflow_provider_vidu.api.errors import ViduInputError

        if self.deferrable or not self.wait_for_completion or self.execution_timeout is None:
            return
        seconds = self.execution_timeout.total_seconds()
        if seconds <= EXECUTION_TIMEOUT_MARGIN:
            raise ViduInputError(
                f"execution_timeout of {seconds:g} s leaves no time to wait for a video: the last "
                f"{EXECUTION_TIMEOUT_MARGIN:.0f} s are kept for ending in order.",
                advice="Nothing was sent to Vidu. Raise execution_timeout, or set deferrable=True with a longer one.",
            )

    def _check_settings(self) -> None:
        """What is no field of the request has to be right before anything is paid for, too."""
        from airflow_provider_vidu.api.errors import ViduInputError

        for name in ("timeout", "poll_interval"):
            value = getattr(self, name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            try:
                seconds = None if value is None or value == "" else float(value)
            except (TypeError, ValueError):
                seconds = -1.0
            if seconds is not None and not 0 < seconds <= MAX_SECONDS:
                raise ViduInputError(
                    f"{name} must be a number of seconds above 0 and at most {MAX_SECONDS:.0f}, got "
                    f"{getattr(self, name)!r}."
                )
            setattr(self, name, seconds)
        self._limits()
        if self.output_path == "":
            self.log.warning("output_path is empty after rendering: nothing is landed, and links die within 24 hours.")
            self.output_path = None
        self.file_name = self.file_name or None
        self.land_cover = switched("land_cover", self.land_cover)
        self.land_watermarked = switched("land_watermarked", self.land_watermarked)
        if self.output_path is not None and not self.wait_for_completion:
            self.log.warning("Nothing is landed at %s: this task does not wait for the video.", self.output_path)

    def _limits(self) -> CreditLimits:
        from airflow_provider_vidu.submission.limits import CreditLimits

        return CreditLimits(self._credits("max_credits"), self._credits("min_remaining_credits"))

    def _credits(self, name: str) -> int | None:
        from airflow_provider_vidu.api.errors import ViduInputError

        value = getattr(self, name)
        if value is None or value == "":
            return None
        try:
            credits = int(value)
        except (TypeError, ValueError, OverflowError):
            credits = -1
        if credits < 0 or isinstance(value, bool) or (isinstance(value, float) and value != credits):
            raise ViduInputError(f"{name} must be a whole number of credits, got {value!r}.")
        return credits

    def _wanted(self, output_path: str, index: int | None = None) -> Wanted:
        from airflow_provider_vidu.landing.destinations import Wanted

        return Wanted(output_path, self.file_name, bool(self.land_cover), bool(self.land_watermarked), index)

    def _seconds(self, *, off_peak: bool) -> float:
        from airflow_provider_vidu.waiting.schedule import default_timeout

        seconds = default_timeout(off_peak=off_peak) if self.timeout is None else float(self.timeout)
        if self.execution_timeout is None:
            return seconds
        # Airflow 3 does not apply execution_timeout while a task is deferred. In a worker it does, with an exception
        # that ends everything: our deadline has to come first.
        margin = 0.0 if self.deferrable else EXECUTION_TIMEOUT_MARGIN
        return min(seconds, max(0.0, self.execution_timeout.total_seconds() - margin))

    def _policies(self) -> Policies:
        from airflow_provider_vidu.submission.tries import Policies

        return Policies(
            on_unknown=self.on_unknown,
            on_input_change=self.on_input_change,
            durable=self.durable,
            timeout=self._seconds(off_peak=False),
            may_leave=self.deferrable,
            limits=self._limits(),
        )

    def _defer_submission(
        self, context: Context, later: SubmitLater, running: Sequence[str] = (), **more: Any
    ) -> NoReturn:
        """
        Leave the worker until it is time to submit again.

        :param context: Airflow's.
        :param later: when that is.
        :param running: Vidu's ids of what is submitted already: a kill cancels it.
        :param more: what has to travel beside the try.
        """
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        from airflow_provider_vidu.triggers.task import BACKSTOP
        from airflow_provider_vidu.triggers.timer import ViduTimerTrigger

        moment = datetime.now(timezone.utc) + timedelta(seconds=later.seconds)
        timer: BaseTrigger = (
            ViduTimerTrigger(self.vidu_conn_id, list(running), moment.timestamp(), self.cancel_on_kill)
            if running
            else DateTimeTrigger(moment=moment)
        )

        self.log.info("Leaving the worker; submitting again in %.0f s. No Airflow retry is spent.", later.seconds)
        self.defer(
            trigger=timer,
            method_name="execute_again",
            kwargs={"resumed": asdict(later.resumed), "try_number": context["ti"].try_number, **more},
            timeout=timedelta(seconds=later.seconds + BACKSTOP),
        )
        raise AssertionError("defer always raises")

    def _sleep_unless_killed(self, seconds: float) -> None:
        from airflow_provider_vidu.api.errors import ViduUnavailableError
        from airflow_provider_vidu.waiting.wait import SLICE

        end = time.time() + seconds
        while not self._killed and (left := end - time.time()) > 0:
            time.sleep(min(SLICE, left))
        if self._killed:
            raise ViduUnavailableError(
                "The task was told to stop before it had submitted.",
                advice="A retry looks whether anything was accepted before it submits.",
            )


def switched(name: str, value: Any) -> bool:
    """
    Return a switch as it was given or rendered.

    :param name: of the parameter, for the message.
    :param value: a boolean, or a word for one; None and an empty text are no.
    :raises ViduInputError: something else.
    """
    from airflow_provider_vidu.api.defaults import is_no, is_yes
    from airflow_provider_vidu.api.errors import ViduInputError

    if is_yes(value):
        return True
    if value is None or not str(value).strip() or is_no(value):
        return False
    raise ViduInputError(f"{name} must be true or false, got {value!r}.")
