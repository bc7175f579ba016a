# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The progress of a batch as one small value, for Airflow's UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.submission.record import Phase
from airflow_provider_vidu.waiting.next_poll import Hints

if TYPE_CHECKING:
    from airflow_provider_vidu.api.errors import ViduError
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.submission.batch.records import Item
    from airflow_provider_vidu.submission.batch.requests import BatchRequest

#: The key in the task state store.
PROGRESS_KEY = "vidu_progress"


def progress_of(
    requests: Sequence[BatchRequest],
    items: Sequence[Item],
    tasks: Mapping[int, ViduTask],
    errors: Mapping[int, ViduError],
    credits: float,
) -> dict[str, Any]:
    """
    Return the progress of a batch.

    :param credits: what is spent or committed.
    :return: ``{requests, made, failed, running, queued, not_sent, credits, expected_end}``. The middle five add up to
        ``requests``. ``expected_end`` is in ISO format and UTC, by the models' usual times; None = unknown, or all have
        finished.
    """
    counts = dict.fromkeys(("made", "failed", "running", "queued", "not_sent"), 0)
    ends: list[float | None] = []
    for index, (request, item) in enumerate(zip(requests, items, strict=True)):
        task = tasks.get(index)
        if task is not None and task.succeeded and index not in errors:
            counts["made"] += 1
        elif item.phase is Phase.NEW:
            counts["not_sent"] += 1
        elif index in errors:
            counts["failed"] += 1
        else:
            counts["running" if task is not None and task.state == TaskState.PROCESSING else "queued"] += 1
            usual = Hints(model=request.model, off_peak=request.off_peak, endpoint=request.endpoint.name).typical
            ends.append(None if usual is None or item.attempted_at is None else item.attempted_at + usual)
    known = [end for end in ends if end is not None]
    is_known = bool(known) and len(known) == len(ends)
    moment = datetime.fromtimestamp(max(known), timezone.utc).isoformat(timespec="seconds") if is_known else None
    return {"requests": len(items), **counts, "credits": round(credits, 2), "expected_end": moment}
