# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Finds running Vidu tasks of this Airflow whose Dag run will never ask for them again.

Several Airflows (development and production) may share one account. A task counts as this Airflow's only if this
Airflow can decrypt the seal in its marker. Everything else in the account belongs to others and is not even named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.submission.record import MARKER_PREFIX
from airflow_provider_vidu.submission.task_list import with_facts

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient

#: States in which a task still costs a slot of the account, and may come to cost its credits.
RUNNING = (TaskState.CREATED.value, TaskState.QUEUEING.value, TaskState.PROCESSING.value)

# A batch's items have their own names behind the batch's.
_MARKER = re.compile(re.escape(MARKER_PREFIX) + r"[0-9a-f]{32}(?::[0-9a-f-]+:\d+)?\.([A-Za-z0-9_=-]+)")


@dataclass(frozen=True)
class Orphan:
    """
    A running Vidu task that no Airflow task waits for.

    :param vidu_task: as listed.
    :param dag_id: of the task instance that submitted it.
    :param run_id: of its Dag run.
    :param task_id: of the Airflow task.
    :param map_index: of the task instance; -1 = not mapped.
    :param run_is_gone: the Dag run has been deleted; False = it is over.
    """

    vidu_task: ViduTask
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    run_is_gone: bool


def find_orphans(
    client: ViduClient,
    *,
    opened: Callable[[str], list[Any] | None],
    installation: str,
    run_is_active: Callable[[str, str], bool | None],
    created_after: datetime | None = None,
) -> Iterator[Orphan]:
    """
    Go through the account's running tasks.

    :param client: whose list.
    :param opened: decrypts a marker's seal; None = not sealed with this Airflow's key.
    :param installation: identifies this Airflow among copies of it with the same key.
    :param run_is_active: True, False, or None for a run that does not exist.
    :param created_after: None = Vidu's window of seven days.
    :raises ViduConfigurationError: this host has no list.
    """
    active: dict[tuple[str, str], bool | None] = {}
    for row in client.list_tasks(states=RUNNING, created_after=created_after):
        # The filter is Vidu's to apply, and some hosts do not.
        if row.is_final:
            continue
        # The last one is its own: a payload may quote the marker of what it was made from.
        seals = _MARKER.findall(with_facts(client, row).payload or "")
        identity = opened(seals[-1]) if seals else None
        if identity is None or len(identity) < 5 or identity[-1] != installation:
            continue
        dag_id, run_id, task_id, map_index = identity[:4]
        if (dag_id, run_id) not in active:
            active[dag_id, run_id] = run_is_active(dag_id, run_id)
        is_active = active[dag_id, run_id]
        if not is_active:
            yield Orphan(row, dag_id, run_id, task_id, int(map_index), run_is_gone=is_active is None)
