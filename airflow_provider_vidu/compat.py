# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What this Airflow has, detected once; every difference between 3.0 and the newest stands here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection


class StateStore(Protocol):
    """What the submission protocol needs of a store that outlives a try."""

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""

    def set(self, key: str, value: Any) -> None:
        """Write the value of a key."""


class TaskStateStore:
    """
    Airflow's task state store (3.3+), with records that do not expire while their Dag run lives.

    :param accessor: ``context["task_state_store"]``.
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""
        return self._accessor.get(key)

    def set(self, key: str, value: Any) -> None:
        """Write the value of a key."""
        from airflow.sdk.execution_time import context

        self._accessor.set(key, value, retention=getattr(context, "NEVER_EXPIRE", None))


def state_store(context: Any) -> StateStore | None:
    """
    Return the store of a task instance.

    :param context: the context of a running task.
    :return: None below Airflow 3.3, which has none.
    """
    accessor = context.get("task_state_store")
    return None if accessor is None else TaskStateStore(accessor)


async def get_async_connection(conn_id: str, hook: Any) -> Connection:
    """
    Look a connection up on an event loop.

    :param conn_id: the connection's id.
    :param hook: the hook (class or instance) to look it up through.
    """
    # The provider's own ladder: before 3.3.2 the core's asynchronous look-up masks secrets synchronously.
    from airflow.providers.common.compat.connection import get_async_connection as look_up

    return await look_up(conn_id, hook=hook)


async def get_async_extra(connection: Connection) -> dict[str, Any]:
    """
    Decode a connection's extra on an event loop.

    :param connection: from :func:`get_async_connection`.
    """
    from airflow.providers.common.compat.connection import get_async_extra_dejson

    return dict(await get_async_extra_dejson(connection))
