# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Decides whether a Vidu task may be cancelled when Airflow kills the task that waits for it.

Airflow calls ``on_kill`` for more than a user's wish: when a triggerer loses its heartbeat and another takes over
(3.3.0 to 3.3.2), when a cleared task's next try has already re-attached, at execution timeouts, at a worker's
SIGTERM. Only the state of the Airflow task shows which it was.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.submission.airflow_try import is_iteration
from airflow_provider_vidu.submission.task_list import lacks_list
from airflow_provider_vidu.transport import timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_vidu.client import AsyncViduClient, ViduClient

#: States in which no try waits for the remote task any more.
_OVER = frozenset({"failed", "success", "skipped", "removed", "upstream_failed"})
#: States of a task instance that was cleared and whose next try has not begun.
_CLEARED = frozenset({"None", "scheduled", "queued", "restarting"})
#: Seconds between two questions to Airflow whether a next try has noted that it has no record.
ASK_GAP = 0.5
#: Seconds within which a next try that runs has found out whether it has a record.
ASK_SECONDS = 15.0


class Standing(str, Enum):
    """What the state of an Airflow task says about who still wants its remote task."""

    #: No try: a user has ended it for good.
    OVER = "over"
    #: A next try, which has not begun.
    CLEARED = "cleared"
    #: A next try, which may be about to attach to it.
    RUNNING = "running"
    #: A next try or another triggerer, which waits for it.
    DEFERRED = "deferred"
    #: Airflow does not say.
    UNKNOWN = "unknown"


def standing_of(states: dict[str, Any] | None, run_id: str, task_id: str, map_index: int) -> Standing:
    """
    Read the state of a task instance out of Airflow's reply.

    A run that is gone cannot ask for its video any more.

    :param states: ``{run_id: {task_id or task_id_<map index>: state}}`` as Airflow replies; None = no reply.
    :param map_index: of the task instance; -1 = not mapped.
    """
    if states is None:
        return Standing.UNKNOWN
    run = states.get(run_id)
    if run is None:
        return Standing.OVER
    key = f"{task_id}_{map_index}" if map_index >= 0 else task_id
    if key not in run:
        return Standing.UNKNOWN if run else Standing.OVER
    state = str(getattr(run[key], "value", run[key]))
    if state in _OVER:
        return Standing.OVER
    if state in _CLEARED:
        return Standing.CLEARED
    return {"running": Standing.RUNNING, "deferred": Standing.DEFERRED}.get(state, Standing.UNKNOWN)


def get_standing(instance: Any) -> Standing:
    """
    Ask Airflow about a task instance (of a context, or of a trigger).

    Of a task in a dynamic loop Airflow reports the latest iteration's state only, which may not be this one's: it
    counts as over once the Dag run is.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    if is_iteration(instance):
        is_active = compat.query_run_activity(instance.dag_id, instance.run_id)
        return Standing.UNKNOWN if is_active else Standing.OVER
    map_index = -1 if instance.map_index is None else instance.map_index
    asked = {"dag_id": instance.dag_id, "task_ids": [instance.task_id], "run_ids": [instance.run_id]}
    states = RuntimeTaskInstance.get_task_states(**asked, map_index=map_index if map_index >= 0 else None)
    return standing_of(states, instance.run_id, instance.task_id, map_index)


def ended_by_user(instance: Any) -> bool:
    """
    Ask Airflow whether a user has ended a task instance for good; False where Airflow does not say.

    :param instance: a task instance (of a context, or of a trigger).
    """
    return get_standing(instance) is Standing.OVER


async def aended_by_user(instance: Any) -> bool:
    """
    See :func:`ended_by_user`; runs in a thread, since the query has no asynchronous form.

    :param instance: a trigger's task instance.
    """
    return await asyncio.to_thread(ended_by_user, instance)


def why_cancel(instance: Any, client: ViduClient) -> str | None:
    """
    Return why a worker that has to stop cancels what it waits for, in a clause; None = it leaves that running.

    No try wants it once a user has ended the task for good. And after a clear that may discard the task's state, on a
    host without a task list, the next try cannot know what this one waits for.

    :param instance: of the context.
    :param client: whose list.
    """
    standing = get_standing(instance)
    if standing is Standing.OVER:
        return "A user has ended this task"
    if standing is not Standing.CLEARED or not compat.clear_discards_state():
        return None
    try:
        client.list_page(page_size=1, retry=False)
    except ViduError as error:
        if lacks_list(client.account, error):
            return "A user cleared this task. A clear may discard its state, and this host has no task list"
    return None


async def ais_forgotten(instance: Any, client: AsyncViduClient, vidu_task_ids: Sequence[str]) -> bool:
    """
    Check, in a trigger that is killed, whether the next try has no way to find this trigger's Vidu tasks.

    A next try that runs reports that it has no record (:func:`compat.note_discarded`). One that has not started would
    cancel a single task itself, so the trigger may do it now. Of a batch it would keep running tasks, so the trigger
    waits for its report.

    :param instance: the trigger's task instance.
    :param client: whose list.
    :param vidu_task_ids: those that it waits for.
    """
    try:
        await client.list_page(task_ids=vidu_task_ids[:1], retry=False)
    except ViduError as error:
        if not lacks_list(client.account, error):
            return False
    else:
        return False
    for _ in range(round(ASK_SECONDS / ASK_GAP)):
        standing = await asyncio.to_thread(get_standing, instance)
        if standing is Standing.CLEARED and len(vidu_task_ids) == 1:
            return True
        if standing not in {Standing.CLEARED, Standing.RUNNING, Standing.DEFERRED}:
            return False
        if standing is not Standing.CLEARED and await asyncio.to_thread(compat.read_discarded_note, instance):
            return True
        if standing is Standing.DEFERRED:
            return False
        await timing.asleep(ASK_GAP)
    return False
