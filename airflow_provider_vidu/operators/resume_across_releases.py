# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Resumes what another release has deferred: an upgrade or a rollback costs no Airflow retry.

Airflow keeps a deferral as text: the trigger's class and arguments, and the method to resume in with its arguments. The
release that reads it need not be the one that wrote it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Where Airflow resumes a task whose trigger has failed …
FAILED = "__fail__"
#: … and what it says where that was not for the time it took.
TRIGGER_FAILURE = "Trigger failure"


class ResumesAcrossReleases:
    """For operators and sensors that defer, before their base class."""

    deferrable: bool

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Resume in the method that the deferral names, or start again where there is none and nothing is paid twice.

        Airflow calls this, as of every operator.

        :param next_method: the name of the method.
        :param next_kwargs: its arguments.
        :param context: Airflow's.
        """
        this: Any = self
        arguments = next_kwargs or {}
        can_resume = hasattr(self, next_method)
        if not can_resume and not self.is_remembered(context):
            # To start again would be to pay again. Airflow fails the try; the next one looks for what was submitted.
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        if next_method == FAILED and arguments.get("error") == TRIGGER_FAILURE:
            this.log.warning(
                "The trigger could not be built or broke; this task goes on in the worker, and no retry is spent. Do "
                "the workers and the triggerer have the same release of airflow-provider-vidu?\n%s",
                "".join(arguments.get("traceback") or ()),
            )
            self._wait_in_worker()
            return this.execute(context)
        if next_method == FAILED:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        if not can_resume:
            this.log.warning("Another release deferred this task and would resume in %s: starting again.", next_method)
            return this.execute(context)
        known = _known(getattr(self, next_method), arguments)
        if unknown := sorted(arguments.keys() - known.keys()):
            this.log.info("Another release deferred this task; unused: %s.", ", ".join(unknown))
        return super().resume_execution(next_method, known, context)  # type: ignore[misc]

    def is_remembered(self, context: Context) -> bool:
        """Say whether this task may start again without paying again."""
        return True

    def _wait_in_worker(self) -> None:
        # Whatever broke the trigger would break the next one, too, and no retry would ever end that.
        self.deferrable = False


def _known(method: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(method).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}
