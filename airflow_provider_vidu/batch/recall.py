# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Finds what a batch has submitted where a clear has discarded its record: in the account's list, and in its manifest.

Pure but for :func:`recall`, which reads the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.batch.records import Item, ItemPhase
from airflow_provider_vidu.batch.search import read_list
from airflow_provider_vidu.submission_rules import MARKER_PREFIX, LookUp
from airflow_provider_vidu.submission_search import best

if TYPE_CHECKING:
    from airflow_provider_vidu.client import AsyncViduClient

_MARKER = re.compile(f"({re.escape(MARKER_PREFIX)}[0-9a-f]{{32}}):([0-9a-f]{{16}}(?:-\\d+)?):(\\d+)")


@dataclass(frozen=True)
class Submitted:
    """
    One submission of a batch, as its marker tells it.

    :param generation: the batch's own marker.
    :param identity: of the item.
    :param attempt: its number.
    :param task: as listed, or as the manifest has it.
    """

    generation: str
    identity: str
    attempt: int
    task: ViduTask


@dataclass(frozen=True)
class Generation:
    """
    What is known of a batch's newest generation of videos.

    :param marker: the batch's own.
    :param tasks: the task that counts for each item, by the item's identity.
    :param attempts: its attempt's number.
    :param others: markers of earlier generations.
    """

    marker: str
    tasks: Mapping[str, ViduTask]
    attempts: Mapping[str, int]
    others: tuple[str, ...] = ()

    @property
    def items(self) -> list[Item]:
        """The items as if they were remembered."""
        return [
            Item(
                identity,
                ItemPhase.SUBMITTED,
                self.attempts[identity],
                task.task_id,
                task.credits,
                task.created,
            )
            for identity, task in self.tasks.items()
        ]


@dataclass(frozen=True)
class Recalled:
    """
    What a search has shown.

    :param generation: None = no submission of this task instance was found.
    :param verdict: what it means that something was not found.
    :param has_list: False = this host has no list at all.
    :param candidates: tasks whose payload cannot be read.
    """

    generation: Generation | None
    verdict: LookUp
    has_list: bool = True
    candidates: tuple[str, ...] = ()


def read_marker(text: str, task: ViduTask, marks: Sequence[str]) -> Submitted | None:
    """
    Read whose submission a task is.

    :param text: its payload, or the marker that a manifest names.
    :param marks: what the markers of this task instance begin with.
    :return: None = not this task instance's.
    """
    for generation, identity, attempt in _MARKER.findall(text):
        if generation.startswith(tuple(marks)):
            return Submitted(generation, identity, int(attempt), task)
    return None


def newest(submitted: Iterable[Submitted]) -> Generation | None:
    """Return the generation that was submitted last."""
    generations: dict[str, list[Submitted]] = {}
    for one in submitted:
        generations.setdefault(one.generation, []).append(one)
    if not generations:
        return None
    ordered = sorted(
        generations, key=lambda marker: max(one.task.created or 0.0 for one in generations[marker]), reverse=True
    )
    tasks: dict[str, ViduTask] = {}
    attempts: dict[str, int] = {}
    for one in sorted(generations[ordered[0]], key=lambda one: one.attempt):
        earlier = tasks.get(one.identity)
        # A later attempt counts, unless an earlier one is paid or running and the later one is not.
        if earlier is None or best([earlier, one.task]) is one.task or earlier.failed:
            tasks[one.identity], attempts[one.identity] = one.task, one.attempt
    return Generation(ordered[0], tasks, attempts, tuple(ordered[1:]))


def of_manifest(rows: Iterable[Mapping[str, Any]], marks: Sequence[str]) -> list[Submitted]:
    """
    Read the submissions that a manifest names; a row without a task, or of another batch, is passed over.

    :param rows: as the manifest has them.
    """
    found = []
    for row in rows:
        try:
            task = ViduTask.model_validate(dict(row))
        except (TypeError, ValueError):
            continue
        if one := read_marker(str(row.get("marker") or ""), task, marks):
            found.append(one)
    return found


def is_delivered_by(generation: Generation, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether a manifest is this generation's, and has a video for every row."""
    named = {str(row.get("task_id")) for row in rows}
    made = {task.task_id for task in generation.tasks.values() if not task.failed}
    return bool(rows) and made <= named and all(row.get("error") is None for row in rows)


async def recall(
    client: AsyncViduClient,
    marks: Sequence[str],
    begin: float,
    manifest: Sequence[Mapping[str, Any]],
    log: Any,
) -> Recalled:
    """
    Search the account's list once, and the manifest where there is no list.

    :param begin: when the first try can have submitted, epoch seconds.
    :param manifest: its rows; empty = there is none.
    :raises ViduUnavailableError: the list cannot be read now; a retry searches again.
    """
    rows = await read_list(client, begin, log)
    found = [one for task, payload in rows.tasks if payload and (one := read_marker(payload, task, marks))]
    if not rows.has_list:
        found = of_manifest(manifest, marks)
    return Recalled(newest(found), rows.verdict, rows.has_list, rows.unreadable)
