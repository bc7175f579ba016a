# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Who submits and what its author has chosen: what the submission protocol has to know of Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Policies:
    """
    What the DAG author has chosen.

    :param on_unknown: what to do when nobody can tell whether an earlier attempt was accepted: ``fail`` (default)
        or ``resubmit``, which may pay twice.
    :param on_input_change: what to do when a retry asks for something else than the first try: ``fail`` (default)
        or ``resubmit``.
    :param durable: keep the record; without it every try submits.
    :param timeout: seconds from the try's begin, within which a full queue is waited out.
    """

    on_unknown: str = "fail"
    on_input_change: str = "fail"
    durable: bool = True
    timeout: float = 24 * 3600.0


@dataclass(frozen=True)
class Try:
    """
    Which try of which task instance this is.

    :param name: ``dag.task[map index] run``, for messages.
    :param max_tries: of the task instance: a clear sets it anew.
    :param try_number: 1 for the first.
    :param marker_parts: what a marker is derived from where nothing outlives a try.
    :param run_began: when the Dag run began, epoch seconds; None = unknown.
    :param first_try: number of the first try since the task was last cleared.
    """

    name: str = "a task"
    max_tries: int = 0
    try_number: int = 1
    marker_parts: tuple[object, ...] = ()
    run_began: float | None = None
    first_try: int = 1

    @classmethod
    def of(cls, context: Any) -> Try:
        """
        Read the try from the context of a running task.

        :param context: Airflow's.
        """
        instance = context["ti"]
        max_tries = getattr(instance, "max_tries", 0) or 0
        map_index = getattr(instance, "map_index", -1)
        run = context.get("dag_run")
        started = getattr(run, "start_date", None) or getattr(run, "run_after", None)
        mapped = f"[{map_index}]" if map_index is not None and map_index >= 0 else ""
        return cls(
            name=f"{instance.dag_id}.{instance.task_id}{mapped} of {instance.run_id}",
            max_tries=max_tries,
            try_number=getattr(instance, "try_number", 1) or 1,
            marker_parts=(instance.dag_id, instance.run_id, instance.task_id, map_index, max_tries, started),
            run_began=started.timestamp() if isinstance(started, datetime) else None,
            # Airflow's own reckoning: a clear sets max_tries to the try's number plus the retries.
            first_try=max_tries - (getattr(getattr(instance, "task", None), "retries", None) or 0) + 1,
        )
