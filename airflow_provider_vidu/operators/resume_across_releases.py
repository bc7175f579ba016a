# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Resume what another release has deferred, so that an upgrade or a rollback costs no Airflow retry.

Airflow stores a deferral as text: the trigger's class and arguments, and the method to resume in with its arguments.
The release that reads this text may be another one than the release that wrote it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: The method in which Airflow resumes a task whose trigger has failed.
FAILED = "__fail__"
#: The error that Airflow passes then, unless the trigger ran out of time.
TRIGGER_FAILURE = "Trigger failure"


class ResumesAcrossReleases:
    """A mixin for operators and sensors that defer; it comes before Airflow's base class."""

    deferrable: bool

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume in the method that the deferral names. If there is none, start again, unless that could pay twice.

        :param next_method: name of the method.
        :param next_kwargs: its arguments.
        """
        this: Any = self
        arguments = next_kwargs or {}
        can_resume = hasattr(self, next_method)
        if not can_resume and not self.is_remembered(context):
            # Starting again could pay again, so Airflow fails this try. The next one searches for what was submitted.
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        if next_method == FAILED and arguments.get("error") == TRIGGER_FAILURE:
            this.log.warning(
                "The trigger could not be built, or it crashed. This task continues in the worker and uses no retry. "
                "Do the workers and the triggerer have the same release of airflow-provider-vidu?\n%s",
                "".join(arguments.get("traceback") or ()),
            )
            self._wait_in_worker()
            return this.execute(context)
        if next_method == FAILED:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        if not can_resume:
            this.log.warning("Another release deferred this task; this one has no %s: starting again.", next_method)
            return this.execute(context)
        known = _known(getattr(self, next_method), arguments)
        if unknown := sorted(arguments.keys() - known.keys()):
            this.log.info("Another release deferred this task; ignored arguments: %s.", ", ".join(unknown))
        return super().resume_execution(next_method, known, context)  # type: ignore[misc]

    def is_remembered(self, context: Context) -> bool:
        """Check whether this task may start again without paying again."""
        return True

    def _wait_in_worker(self) -> None:
        # The next trigger would fail for the same reason, and no retry would end that.
        self.deferrable = False


def _known(method: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(method).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}
