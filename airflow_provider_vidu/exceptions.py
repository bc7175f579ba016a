# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Turn an error into the Airflow exception for its fate, and into log lines for people.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import (
    Fate,
    ViduError,
    ViduModerationError,
    ViduNoCreationError,
    ViduNotFoundError,
    ViduStillRunningError,
    ViduTaskFailedError,
)

if TYPE_CHECKING:
    from typing import NoReturn

#: A shell command within prose; its body is quoted as :func:`shlex.quote` does.
_COMMAND = re.compile(r"""(curl -X .*? -d (?:'[^']*'|"'")+)""")
_FIRST_SENTENCE = re.compile(r"(?<=[.!?])(?<!\bvs\.)(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[^\W\d_a-z]|['\"])")


def airflow_exception(error: ViduError, *, sensor: bool = False) -> Exception:
    """
    Return the exception that makes Airflow handle an error correctly.

    =====================  ===============================================  =========================
    fate                   operator                                         sensor
    =====================  ===============================================  =========================
    permanent, in doubt    ``AirflowFailException``                         ``AirflowFailException``
    retryable              the error itself: ``retries`` and                ``AirflowException``
                           ``retry_policy`` apply
    our deadline           the error itself: a retry re-attaches            ``AirflowSensorTimeout``
    =====================  ===============================================  =========================

    An error in doubt fails without a retry: the protocol has already looked for the submission without a clear answer,
    and another try would only repeat that.

    :param error: the error.
    :param sensor: whether a sensor raises it.
    :return: the exception. Raise it ``from None``, since its text is complete.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

    # The whole text, since callbacks and alerts get nothing else. The UI cuts it after about the first sentence.
    text = str(error)
    if sensor and isinstance(error, ViduStillRunningError):
        return AirflowSensorTimeout(text)
    if error.fate is not Fate.RETRYABLE:
        return AirflowFailException(text)
    return AirflowException(text) if sensor else error


def lines_of(error: ViduError) -> list[str]:
    """
    Return an error's text for a log: a short first line, then the details, with each item and command on its own line.
    """
    message, *items = error.message.splitlines() or [""]
    first, *rest = _FIRST_SENTENCE.split(message, maxsplit=1)
    details = [*rest, *items, *error.advice.splitlines()]
    # People copy a command as a whole line, so the line has nothing else.
    parts = [part.lstrip(" ;.,").rstrip(" ;") for detail in details for part in _COMMAND.split(detail)]
    return [f"{first.removesuffix('.')} ({error.facts})." if error.facts else first, *filter(None, parts)]


class SensorOutcome(BaseException):
    """
    Carry a sensor's outcome past the base class, whose ``soft_fail`` differs from mode to mode.

    Not an ``Exception``: ``silent_fail`` swallows those and would keep waiting with a wrong key.
    """

    def __init__(self, outcome: Exception) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def sensor_outcome(error: ViduError, *, soft_fail: bool) -> Exception:
    """
    Return a sensor's outcome for an error, in every mode. ``soft_fail`` skips if the task or the deadline caused it.

    ====================================================  =====================  ==================
    error                                                 otherwise              with ``soft_fail``
    ====================================================  =====================  ==================
    the Vidu task failed, was refused, has no video       fails                  skips
    the host does not know the task (404)                 fails                  skips
    the deadline has passed                               fails                  skips
    wrong key (401, 403), connection, id, or a refusal    fails                  fails
    Vidu is unreachable and the wait gave up              fails, may be retried  the same
    ====================================================  =====================  ==================
    """
    from airflow.providers.common.compat.sdk import AirflowSkipException

    by_task_or_time = (
        ViduTaskFailedError,
        ViduModerationError,
        ViduNoCreationError,
        ViduNotFoundError,
        ViduStillRunningError,
    )
    if soft_fail and isinstance(error, by_task_or_time):
        return AirflowSkipException(str(error))
    return airflow_exception(error, sensor=True)


def raise_for_airflow(error: ViduError) -> NoReturn:
    """
    Log an error line by line, and raise the exception for Airflow.

    Airflow's UI shows an exception on one line, cuts it, and repeats it for each cause. So this logs the details first,
    and leaves out the cause, whose text is part of the error's own.
    """
    log_lines(error)
    raise airflow_exception(error) from None


def log_lines(error: ViduError, level: int = logging.ERROR) -> None:
    """Log an error for the person who reads the task's log, before it is raised."""
    log = logging.getLogger(__name__)
    for line in lines_of(error):
        log.log(level, "%s", line)
    log.debug("Where it came from:", exc_info=error)
