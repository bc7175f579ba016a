# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Count generations through Airflow's own Stats: to StatsD or OpenTelemetry, as configured in ``[metrics]``.

================================  =======  =======================================================================
name                              kind     what
================================  =======  =======================================================================
``vidu.submitted``                counter  generations that Vidu has accepted
``vidu.completed``                counter  generations that finished with a video, if an Airflow task waited
``vidu.credits``                  counter  credits billed for those
``vidu.failed``                   counter  generations, or attempts at one, that failed
``vidu.failed.<reason>``          counter  the same by Vidu's reason, for backends without tags
``vidu.wait_seconds``             timer    from the submission until the result was seen
================================  =======  =======================================================================

All have the tag ``model``, and ``vidu.failed`` also ``reason``, if the backend supports tags.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

from airflow_provider_vidu.api.errors import ViduError, ViduLandingError

# Characters that Airflow's validators reject in a metric's name.
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def submitted(model: str | None, count: int = 1) -> None:
    """Count generations that Vidu has accepted."""
    _count("vidu.submitted", count, model)


def completed(model: str | None, credits: float | None, seconds: float | None = None) -> None:
    """
    Count a generation that finished with a video.

    :param credits: the bill; None = unknown.
    :param seconds: from the submission until the result was seen; None = unknown.
    """
    _count("vidu.completed", 1, model)
    if credits:
        _count("vidu.credits", credits, model)
    if seconds is not None:
        _emit("timing", "vidu.wait_seconds", timedelta(seconds=max(0.0, seconds)), tags=_tags(model))


def failed(error: ViduError, model: str | None) -> None:
    """Count a generation, or an attempt at one, that failed, by Vidu's reason or the error's class."""
    if isinstance(error, ViduLandingError):
        # The generation has its video, and a retry counts it.
        return
    reason = _UNSAFE.sub("_", error.reason or type(error).__name__)
    _emit("incr", "vidu.failed", 1, tags={**_tags(model), "reason": reason})
    _emit("incr", f"vidu.failed.{reason}", 1, tags=_tags(model))


def _count(name: str, count: float, model: str | None) -> None:
    _emit("incr", name, count, tags=_tags(model))


def _tags(model: str | None) -> dict[str, str]:
    return {"model": model or "unknown"}


def _emit(kind: str, name: str, value: Any, **options: Any) -> None:
    from airflow.providers.common.compat.sdk import Stats

    try:
        getattr(Stats, kind)(name, value, **options)
    except Exception as error:
        # A metrics backend that is down must not cost a video.
        logging.getLogger(__name__).debug("%s was not counted: %r", name, error)
