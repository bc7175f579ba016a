# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Which tasks of a user's may be cancelled at Vidu when Airflow ends one of ours.

Airflow calls ``on_kill`` for more than a user's wish: when a triggerer loses its heartbeat and another takes over
(3.3.0 to 3.3.2), when a cleared task's next try has already re-attached, at execution timeouts, at a worker's
SIGTERM. Only the state of the Airflow task tells which it was.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: States in which nobody waits for the remote task any more.
_OVER = frozenset({"failed", "success", "skipped", "removed", "upstream_failed"})


def may_cancel(states: dict[str, Any] | None, run_id: str, task_id: str, map_index: int) -> bool:
    """
    Tell whether a user has ended an Airflow task for good.

    ``deferred`` is a hand-over or a re-attached try; scheduled, queued, running or no state is a new try, which
    decides for itself. A run that is gone cannot ask for its video any more.

    :param states: ``{run_id: {task_id or task_id_<map index>: state}}`` as Airflow tells it; None = not told.
    :param run_id: of the task instance.
    :param task_id: of the task instance.
    :param map_index: of the task instance; -1 = not mapped.
    """
    if states is None:
        return False
    run = states.get(run_id)
    if run is None:
        return True
    key = f"{task_id}_{map_index}" if map_index >= 0 else task_id
    if key not in run:
        return not run
    return str(getattr(run[key], "value", run[key])) in _OVER


def ended_by_user(instance: Any) -> bool:
    """
    Ask Airflow whether a user has ended a task instance for good; False where Airflow does not tell.

    :param instance: a task instance (of a context, or of a trigger).
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    map_index = -1 if instance.map_index is None else instance.map_index
    states = RuntimeTaskInstance.get_task_states(
        dag_id=instance.dag_id,
        task_ids=[instance.task_id],
        run_ids=[instance.run_id],
        map_index=map_index if map_index >= 0 else None,
    )
    return may_cancel(states, instance.run_id, instance.task_id, map_index)


async def aended_by_user(instance: Any) -> bool:
    """
    See :func:`ended_by_user`; runs in a thread, since the look-up has no asynchronous form.

    :param instance: a trigger's task instance.
    """
    return await asyncio.to_thread(ended_by_user, instance)
