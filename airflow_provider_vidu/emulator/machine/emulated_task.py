# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A task as Vidu knows it, its fetched inputs, and the changes of its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_vidu.api.img2video import Img2VideoRequest
from airflow_provider_vidu.api.tasks import FINAL_STATES, TaskState
from airflow_provider_vidu.emulator.machine.moments import rfc3339
from airflow_provider_vidu.emulator.machine.scenarios import Scenario


@dataclass
class EmulatedTask:
    """
    A task as Vidu knows it.

    :param task_id: the id.
    :param creation_id: the id of the video that it will have.
    :param number: 1 for the first task that was created, and so on.
    :param account: its account.
    :param api_key: the key that created it, which signs its callbacks.
    :param request: the checked request.
    :param fields: the fields as they were sent.
    :param created_ns: nanoseconds since the Unix epoch.
    :param seed: the requested seed, or the one that was picked.
    :param price: credits reserved for it.
    :param scenario: what its prompt's switches request.
    :param outcome: the ``err_code`` with which it will fail; empty = it will succeed.
    :param processing_seconds: real seconds of processing.
    :param image: what a loopback URL in ``images`` returned.
    :param watermark_image: what a loopback URL in ``wm_url`` returned.
    :param state: now.
    :param err_code: why it failed; empty if it did not.
    :param changes: (state, epoch seconds) of each state it has been in.
    """

    task_id: str
    creation_id: str
    number: int
    account: str
    api_key: str = field(repr=False)
    request: Img2VideoRequest = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    created_ns: int
    seed: int
    price: int
    scenario: Scenario = field(repr=False)
    outcome: str
    processing_seconds: float
    image: bytes | None = field(default=None, repr=False)
    watermark_image: bytes | None = field(default=None, repr=False)
    state: TaskState = TaskState.CREATED
    err_code: str = ""
    changes: tuple[tuple[TaskState, float], ...] = field(default=(), repr=False)
    answers_without_creation: int = field(default=0, repr=False)

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
        if self.state is TaskState.PROCESSING and self.scenario.shown_state:
            return self.scenario.shown_state
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

    :param image: the content of ``images``; None = it is inside the request, or is not fetched.
    :param problem: the ``err_code`` with which the task will fail because of it.
    :param watermark_image: the content of ``wm_url``.
    """

    image: bytes | None = None
    problem: str | None = None
    watermark_image: bytes | None = None
