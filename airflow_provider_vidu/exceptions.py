# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
From a fate to the Airflow exception to raise: the one place that knows both.
"""

from __future__ import annotations

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


def airflow_exception(error: ViduError, *, sensor: bool = False) -> Exception:
    """
    Return the exception that makes Airflow do the right thing about an error.

    =====================  ==============================  ====================================================
    fate                   operator                        sensor
    =====================  ==============================  ====================================================
    permanent, in doubt    ``AirflowFailException``        ``AirflowFailException`` (which ``soft_fail`` sees)
    retryable              the error itself: ``retries``   ``AirflowException`` (``soft_fail`` sees no other)
                           and ``retry_policy`` apply
    our deadline           the error itself: a retry       ``AirflowSensorTimeout``
                           re-attaches
    =====================  ==============================  ====================================================

    In doubt fails without a retry where it gets here: the protocol has looked the submission up and could not
    tell; another try would ask the same question and cost a delay.

    :param error: what went wrong.
    :param sensor: whether a sensor raises it.
    :return: the exception; raise it ``from error``.
    """
    from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

    if sensor and isinstance(error, ViduStillRunningError):
        return AirflowSensorTimeout(str(error))
    if error.fate is not Fate.RETRYABLE:
        return AirflowFailException(str(error))
    return AirflowException(str(error)) if sensor else error


class SensorOutcome(Exception):
    """Carries a sensor's decided outcome past the base class, whose ``soft_fail`` differs from mode to mode."""

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


def raise_for_airflow(error: ViduError, *, sensor: bool = False) -> NoReturn:
    """
    Raise what Airflow has to see of an error.

    :param error: what went wrong.
    :param sensor: whether a sensor raises it.
    """
    exception = airflow_exception(error, sensor=sensor)
    if exception is error:
        raise error
    raise exception from error
