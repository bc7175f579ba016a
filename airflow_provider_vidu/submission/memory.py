# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What outlives a try, and what that means for a retry and a clear, for messages."""

from __future__ import annotations

from enum import Enum

from airflow_provider_vidu.compat import clear_this_task, keeping_its_state


class Memory(str, Enum):
    """Where the record of what was submitted outlives a try, and thus what a retry and a clear pay for."""

    #: In Airflow's task state store: both submit only what is missing.
    STORE = "store"
    #: Nowhere, below Airflow 3.3: a retry finds in the account's list what was submitted, a clear pays again.
    LIST = "list"
    #: Nowhere, with ``durable=False``: both pay again.
    NONE = "none"

    @classmethod
    def of(cls, store: object | None, *, durable: bool) -> Memory:
        """Return the memory of a task instance; ``store`` is None if this Airflow has none."""
        if not durable:
            return cls.NONE
        return cls.LIST if store is None else cls.STORE

    @property
    def queried_again(self) -> str:
        """What a retry and a clear do about a paid task, for a message."""
        if self is Memory.STORE:
            return (
                f"A retry of this task, or a clear{keeping_its_state()}, queries it again and submits nothing for it."
            )
        if self is Memory.LIST:
            return "A retry of this task queries it again; a clear would pay again."
        return "A retry or clear of this task would pay again (durable=False)."

    @property
    def re_attaching(self) -> str:
        """What a retry and a clear of a batch do about running tasks and videos that are not landed, for a message."""
        if self is Memory.NONE:
            return (
                "A retry or clear of this task would pay for every request again (durable=False): fetch a video with "
                "ViduHook().download('THE-VIDU-TASK-ID', path)."
            )
        retry = "A retry of this task re-attaches to what is running and submits only what is missing"
        if self is Memory.STORE:
            return f"{retry}. If no retry is left, {clear_this_task()}, which does the same."
        return f"{retry}; a clear would pay for every request again."

    def by_clearing(self, then: str | None) -> str:
        """Return the advice how a batch submits ``then`` once a failure is fixed; None = nothing is left to submit."""
        if self is Memory.STORE and then is None:
            return (
                f"{clear_this_task()}: it waits for what was submitted, and submits nothing unless some of that has "
                "failed."
            )
        if self is Memory.STORE:
            return f"{clear_this_task()}: it submits only {then}."
        why = "durable=False" if self is Memory.NONE else "this Airflow has no task state store, which came with 3.3"
        submit = "" if then is None else f"submit {then} as a batch of its own and "
        return (
            f"{submit}fetch any video that was not landed with ViduHook().download('THE-VIDU-TASK-ID', path). Do not "
            f"clear this task: a clear would pay for every request again ({why})."
        )
