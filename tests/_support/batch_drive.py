# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Drive a batch operator through a try; everything that Airflow stores passes through JSON."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.triggers.task import ViduTaskTrigger


class WorkerDied(BaseException):
    """A simulated SIGKILL, which nothing may catch."""


async def first_event(trigger: ViduTaskTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def drive(made: Img2VideoBatchOperator, context: Any, *, keeps_arguments: bool = True) -> tuple[Any, Counter[str]]:
    """Run a try as Airflow does (execute, defer, resume). Returns the result and how often each method was called."""
    called: Counter[str] = Counter()
    step, arguments = made.execute, {}
    while True:
        called[step.__name__] += 1
        try:
            return step(context, **arguments), called
        except TaskDeferred as deferred:
            path, kwargs = deferred.trigger.serialize()
            event = None
            if path.endswith("ViduTaskTrigger"):
                event = asyncio.run(first_event(ViduTaskTrigger(**json.loads(json.dumps(kwargs)))))
            elif path.endswith("DateTimeTrigger"):
                timing.sleep(kwargs["moment"].timestamp() - timing.now())
            travelling = json.loads(json.dumps(deferred.kwargs)) if keeps_arguments else {}
            step, arguments = getattr(made, deferred.method_name), {"event": event, **travelling}
