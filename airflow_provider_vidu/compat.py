# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What this Airflow has, detected once; every difference between 3.0 and the newest stands here and nowhere else.
"""

from __future__ import annotations

import hmac
import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, get_args

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

#: The XCom by which a try says that it has no record of what the earlier ones submitted.
DISCARDED_KEY = "vidu_record_discarded"


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


def task_success_event() -> Any:
    """
    Return the class of events with which a trigger ends its task successfully, without a worker.

    :return: None where this Airflow has none (3.0 to 3.3 have it).
    """
    try:
        from airflow.triggers.base import TaskSuccessEvent
    except ImportError:
        return None
    return TaskSuccessEvent


def takes_xcoms_of_triggers() -> bool:
    """Say whether this Airflow's triggerer accepts an XCom from a trigger, as it does from a task."""
    try:
        from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor
    except ImportError:
        return False
    # An unknown message would end the triggerer, so the accepted ones are read rather than tried.
    messages = get_args(get_args(ToTriggerSupervisor)[0])
    return "SetXCom" in {message.__name__ for message in messages}


async def push_from_trigger(instance: Any, key: str, value: Any) -> None:
    """
    Push an XCom from inside a trigger the way a worker does.

    ``TaskSuccessEvent(xcoms=…)`` encodes a value that is encoded again on its way to the database: the next task gets
    a JSON string, and a custom XCom backend is passed over.

    :param instance: the trigger's task instance.
    :param key: the XCom's key.
    :param value: JSON.
    """
    from airflow.sdk.execution_time.xcom import XCom
    from asgiref.sync import sync_to_async

    # A backend may write to an object store: not on the event loop.
    await sync_to_async(XCom.set)(
        key,
        value,
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        run_id=instance.run_id,
        map_index=instance.map_index,
    )


def is_success_listened_to() -> bool:
    """Say, inside a task, whether a listener (OpenLineage's, for example) wants to know of its success."""
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    return bool(get_listener_manager().hook.on_task_instance_success.get_hookimpls())


def base_url() -> str:
    """Return where this Airflow's API is reached, for commands in messages; a shell variable where it is not set."""
    from airflow.providers.common.compat.sdk import conf

    return str(conf.get("api", "base_url", fallback="") or "$AIRFLOW_URL").rstrip("/")


def sealed(parts: Sequence[str | int]) -> str:
    """
    Encrypt a few words with this Airflow's Fernet key, which is the proof that they are its own.

    :param parts: JSON primitives.
    :return: URL-safe text; empty where there is no key, or none that works: nothing may fail for want of it.
    """
    try:
        cipher = _cipher()
        return "" if cipher is None else str(cipher.encrypt(json.dumps(list(parts)).encode()).decode())
    except Exception as error:
        logging.getLogger(__name__).debug("Nothing can be sealed here: %r", error)
        return ""


def opened(text: str) -> list[Any] | None:
    """
    Decrypt what :func:`sealed` returned, here or in another process of the same Airflow.

    :param text: what may be such a text.
    :return: the words; None = not this Airflow's.
    """
    try:
        cipher = _cipher()
        found = None if cipher is None else json.loads(cipher.decrypt(text.encode()))
    except Exception:
        # Another installation's, or somebody's text: there is no difference that matters.
        return None
    return found if isinstance(found, list) else None


def digests(parts: Sequence[str | int]) -> list[str]:
    """
    Return hashes of a few words that only this Airflow can compute, one for each of its Fernet keys, the newest first.

    Without a key there is one, which anyone can compute who knows the words.

    :param parts: JSON primitives.
    :return: hexadecimal digits.
    """
    from airflow.providers.common.compat.sdk import conf

    text = json.dumps(list(parts)).encode()
    keys = [key.strip() for key in str(conf.get("core", "fernet_key", fallback="") or "").split(",")]
    return [hmac.new(key.encode(), text, "sha256").hexdigest() for key in keys]


def clear_discards_state() -> bool:
    """Say whether this Airflow's clear of a task instance discards its task state by default (3.4+)."""
    version = str(getattr(sys.modules.get("airflow"), "__version__", "0.0")).split(".")
    return tuple(int(part) for part in version[:2] if part.isdigit()) >= (3, 4)


def clear_this_task() -> str:
    """Return how messages advise a clear for which the task has to remember what it submitted."""
    return f"clear this task{keeping_its_state()}"


def keeping_its_state() -> str:
    """Return what to add where a message says "clear": the box to tick, where this Airflow has one."""
    return " with *Keep task state*" if clear_discards_state() else ""


def note_discarded(context: Any) -> None:
    """
    Let the trigger of an earlier try know that this try has no record of what that one submitted.

    An XCom is all that a worker can write and a trigger can read.

    :param context: of the running task.
    """
    try:
        context["ti"].xcom_push(DISCARDED_KEY, context["ti"].try_number)
    except Exception as error:
        logging.getLogger(__name__).warning("The trigger of the earlier try cannot be told (%r).", error)


def is_noted_as_discarded(instance: Any) -> bool:
    """
    Ask Airflow, from inside a trigger, whether :func:`note_discarded` was called by the next try.

    :param instance: the trigger's task instance.
    """
    from airflow.sdk.execution_time.xcom import XCom

    value = XCom.get_one(
        key=DISCARDED_KEY,
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        run_id=instance.run_id,
        map_index=instance.map_index,
    )
    # An earlier try's note is cleared when the next one begins, but not at once.
    return isinstance(value, int) and value > instance.try_number


def _cipher() -> Any:
    from airflow.providers.common.compat.sdk import conf

    if not conf.get("core", "fernet_key", fallback=""):
        # Asked first: Airflow warns of it in the task's log otherwise.
        return None
    try:
        from airflow.sdk.crypto import get_fernet
    except ImportError:
        from airflow.models.crypto import get_fernet
    return get_fernet()


def run_is_active(dag_id: str, run_id: str) -> bool | None:
    """
    Ask Airflow, from inside a task, whether a Dag run may still want its results.

    :param dag_id: the DAG.
    :param run_id: the run.
    :return: True = queued or running, False = over, None = there is no such run (any more).
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    if RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["queued", "running"]):
        return True
    return False if RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id]) else None
