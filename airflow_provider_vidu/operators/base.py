# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the operators that submit share: their settings, what is checked when the DAG is parsed, the kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_vidu.operators.resume_across_releases import ResumesAcrossReleases
from airflow_provider_vidu.operators.templated_fields import TextRendering, check_booleans, check_paths

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


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
    #: Airflow has told the worker to stop.
    killed = False

    def __init__(self, **kwargs: Any) -> None:
        # Without one of its own, Airflow takes the base class's for that of a subclass, whose default of None would
        # replace the inlets and outlets of mapped tasks.
        super().__init__(**kwargs)

    def on_kill(self) -> None:
        """Note that the worker is to stop. Airflow calls this for timeouts and shutdowns too; the wait decides."""
        self.killed = True

    def is_remembered(self, context: Context) -> bool:
        from airflow_provider_vidu.compat import state_store

        return self.durable and state_store(context) is not None

    def _check_policies(self) -> None:
        """What is known at parse time, and never rendered."""
        for name in ("on_unknown", "on_input_change"):
            policy = getattr(self, name)
            if policy not in {"fail", "resubmit"}:
                raise ValueError(f"{name} must be 'fail' or 'resubmit', got {policy!r}.")
        switches = ("wait_for_completion", "deferrable", "durable", "cancel_on_kill", "cancel_on_timeout")
        check_booleans(**{name: getattr(self, name) for name in switches})
        check_paths(self, *self.template_fields)
