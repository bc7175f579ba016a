# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
From an error to what Airflow gets: the exception that its fate asks for, and the log lines that a person reads.
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
    Return the exception that makes Airflow do the right thing about an error.

    =====================  ===============================================  =========================
    fate                   operator                                         sensor
    =====================  ===============================================  =========================
    permanent, in doubt    ``AirflowFailException``                         ``AirflowFailException``
    retryable              the error itself: ``retries`` and                ``AirflowException``
                           ``retry_policy`` apply
    our deadline           the error itself: a retry re-attaches            ``AirflowSensorTimeout``
    =====================  ===============================================  =========================

    In doubt fails without a retry where it gets here: the protocol has looked the submission up and could not
    tell; another try would ask the same question and cost a delay.

    :param error: what went wrong.
    :param sensor: whether a sensor raises it.
    :return: the exception; raise it ``from None``, its text is whole.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

    # Whole, since callbacks and alerts have nothing else. Its first sentence is what the UI shows before it cuts.
    text = str(error)
    if sensor and isinstance(error, ViduStillRunningError):
        return AirflowSensorTimeout(text)
    if error.fate is not Fate.RETRYABLE:
        return AirflowFailException(text)
    return AirflowException(text) if sensor else error


def lines_of(error: ViduError) -> list[str]:
    """
    Return an error's text for a log: a short first line, then the details, with each item and command on its own line.

    :param error: what went wrong.
    """
    message, *items = error.message.splitlines() or [""]
    first, *rest = _FIRST_SENTENCE.split(message, maxsplit=1)
    details = [*rest, *items, *error.advice.splitlines()]
    # A command is copied whole, so its line has nothing else.
    parts = [part.lstrip(" ;.,").rstrip(" ;") for detail in details for part in _COMMAND.split(detail)]
    return [f"{first.removesuffix('.')} ({error.facts})." if error.facts else first, *filter(None, parts)]


class SensorOutcome(BaseException):
    """
    Carries a sensor's decided outcome past the base class, whose ``soft_fail`` differs from mode to mode.

    No ``Exception``: ``silent_fail`` swallows those, and would wait out a wrong key.
    """

    def __init__(self, outcome: Exception) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def sensor_outcome(error: ViduError, *, soft_fail: bool) -> Exception:
    """
    Return how a sensor ends for an error, in every mode; ``soft_fail`` skips what the remote task or the time did.

    ====================================================  =====================  ==================
    error                                                 otherwise              with ``soft_fail``
    ====================================================  =====================  ==================
    the remote task failed, was refused, has no video     fails                  skips
    the host does not know the task (404)                 fails                  skips
    the deadline has passed                               fails                  skips
    wrong key (401, 403), connection, id, or a refusal    fails                  fails
    Vidu is out of reach and the wait was given up        fails, may be retried  the same
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
    Log an error line by line, and raise what Airflow has to see of it.

    Airflow's UI shows an exception on one line, cuts it, and repeats it for each cause: the details are logged before,
    and the cause is left out (its text is in the error's own).

    :param error: what went wrong.
    """
    log_lines(error)
    raise airflow_exception(error) from None


def log_lines(error: ViduError, level: int = logging.ERROR) -> None:
    """Log an error for the person who reads the task's log, before it is raised."""
    log = logging.getLogger(__name__)
    for line in lines_of(error):
        log.log(level, "%s", line)
    log.debug("Where it came from:", exc_info=error)
