# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A task as Vidu knows it, its fetched inputs, and the changes of its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_vidu.api.tasks import FINAL_STATES, TaskState
from airflow_provider_vidu.emulator.machine.endpoints import Request
from airflow_provider_vidu.emulator.machine.moments import rfc3339


@dataclass
class EmulatedTask:
    """
    A task as Vidu knows it.

    :param task_id: the id.
    :param creation_id: the id of the video that it will have.
    :param number: 1 for the first task that was created, and so on.
    :param account: its account.
    :param api_key: the key that created it, which signs its callbacks.
    :param request: what was requested, field by field.
    :param created_ns: nanoseconds since the Unix epoch.
    :param seed: the requested seed, or the one that was picked.
    :param price: credits reserved for it.
    :param outcome: the ``err_code`` with which it will fail; empty = it will succeed.
    :param processing_seconds: real seconds of processing.
    :param fetched: what the URLs of this machine returned.
    :param source: the video that it continues or scales: of another task, or fetched; None = not known here.
    :param state: now.
    :param err_code: why it failed; empty if it did not.
    :param changes: (state, epoch seconds) of each state it has been in.
    """

    task_id: str
    creation_id: str
    number: int
    account: str
    api_key: str = field(repr=False)
    request: Request
    created_ns: int
    seed: int
    price: int
    outcome: str
    processing_seconds: float
    fetched: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    source: EmulatedTask | bytes | None = field(default=None, repr=False)
    state: TaskState = TaskState.CREATED
    err_code: str = ""
    changes: tuple[tuple[TaskState, float], ...] = field(default=(), repr=False)
    answers_without_creation: int = field(default=0, repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields as they were sent."""
        return self.request.fields

    @property
    def created(self) -> float:
        """The time of creation, in epoch seconds."""
        return self.created_ns / 1e9

    @property
    def created_at(self) -> str:
        """The time of creation as RFC 3339."""
        return rfc3339(self.created_ns)

    @property
    def is_final(self) -> bool:
        """Whether it has finished."""
        return self.state in FINAL_STATES

    @property
    def credits(self) -> int:
        """What it costs: the price, or nothing once it has failed."""
        return 0 if self.state is TaskState.FAILED else self.price

    @property
    def shown_state(self) -> str:
        """The word for its state in answers."""
        if self.state is TaskState.PROCESSING and self.request.scenario.shown_state:
            return self.request.scenario.shown_state
        return str(self.state)


@dataclass(frozen=True)
class Change:
    """
    A task has entered a state.

    :param at: epoch seconds, by the timetable.
    :param task_id: which task.
    :param previous: the state before; None = it was created.
    :param task: the task as it was then.
    """

    at: float
    task_id: str
    previous: TaskState | None
    task: EmulatedTask


@dataclass(frozen=True)
class Inputs:
    """
    What was fetched from this machine for a submission.

    :param fetched: the content of URLs of this machine; a watermark that is no picture is left out.
    :param source: the video that the task continues or scales, if it is at hand.
    :param problem: the ``err_code`` with which the task will fail because of it.
    """

    fetched: Mapping[str, bytes] = field(default_factory=dict)
    source: EmulatedTask | bytes | None = None
    problem: str | None = None
