# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
From a fate to the Airflow exception to raise: the one place that knows both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_vidu.api.errors import Fate, ViduError, ViduStillRunningError

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
