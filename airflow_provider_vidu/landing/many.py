# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Lands the videos of a batch, several at once, and logs totals.

A video that would overwrite another one of the batch is left at Vidu; ``submission.batch.file_names`` refuses such rows
before they are paid for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import Fate, ViduError, ViduInputError, ViduLandingError
from airflow_provider_vidu.landing.land import land_all
from airflow_provider_vidu.landing.publish import ClaimedPaths
from airflow_provider_vidu.transport import timing

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import ViduClient
    from airflow_provider_vidu.landing.destinations import Wanted

#: Used where totals are logged instead of single lines.
SILENT = logging.Logger("silent", logging.CRITICAL + 1)

#: Videos landed at once.
LANDERS = 8
#: Seconds between two lines in the log.
SAY_EVERY = 15.0


def land_batch(
    client: ViduClient,
    tasks: Mapping[int, ViduTask],
    wanted: Mapping[int, Wanted],
    errors: dict[int, ViduError],
    *,
    log: Any,
    stop: Callable[[], None],
) -> dict[int, list[dict[str, Any]]]:
    """
    Land the videos of all finished tasks. A video that cannot be landed does not stop the others.

    :param tasks: in ``success``, by the numbers of their requests.
    :param wanted: what to land of each, by the same numbers.
    :param errors: why an item has no video; filled in for videos that cannot be landed.
    :param stop: called between files; raises to stop.
    :return: the files of each, see ``landing.land``.
    """
    files: dict[int, list[dict[str, Any]]] = {}
    wanted = _with_names_of_their_own(tasks, wanted, errors)
    said_at, size = timing.now(), 0
    with ThreadPoolExecutor(LANDERS, thread_name_prefix="vidu-landing") as pool:
        landing = {
            index: pool.submit(land_all, client, tasks[index], each, log=SILENT) for index, each in wanted.items()
        }
        try:
            for index, future in landing.items():
                stop()
                try:
                    files[index] = future.result()
                    size += sum(file["bytes"] for file in files[index])
                except ViduError as error:
                    errors[index] = error
                if timing.now() - said_at > SAY_EVERY:
                    said_at = timing.now()
                    log.info("%d of %d videos are in place.", len(files), len(wanted))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if wanted:
        log.info("%d of %d videos are in place (%.1f MB).", len(files), len(wanted), size / 1e6)
    return files


def _with_names_of_their_own(
    tasks: Mapping[int, ViduTask], wanted: Mapping[int, Wanted], errors: dict[int, ViduError]
) -> dict[int, Wanted]:
    """Leave out a video that has no valid name, or would overwrite another one: both are paid for."""
    kept: dict[int, Wanted] = {}
    claimed = ClaimedPaths()
    for index, each in wanted.items():
        task = tasks[index]
        try:
            places = [each.place(task, role, number) for number in range(task.video_count) for role in each.roles]
        except ViduInputError as error:
            errors[index] = _not_landed(f"The video was not landed: {error.message}", task)
            continue
        taken = claimed.claim(index, [path for place in places for path in place.paths])
        if taken is None:
            kept[index] = each
        else:
            path, other = taken
            errors[index] = _not_landed(f"The video was not landed at {path}: item {other} lands there too.", task)
    return kept


def _not_landed(message: str, task: ViduTask) -> ViduLandingError:
    return ViduLandingError(
        message,
        advice=(
            "It is paid for and safe at Vidu. Correct its name and clear this task (from Airflow 3.3 on), or fetch it "
            "with ViduHook().download('THE-VIDU-TASK-ID', path)."
        ),
        fate=Fate.PERMANENT,
        task_id=task.task_id,
    )
