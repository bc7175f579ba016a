# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Detect what this Airflow supports. Every difference between 3.0 and the newest version is handled here only."""

from __future__ import annotations

import hmac
import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, get_args

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

#: The XCom by which a try reports that it has no record of earlier submissions.
DISCARDED_KEY = "vidu_record_discarded"


class StateStore(Protocol):
    """A store that outlives a try, as submission needs it."""

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""

    def set(self, key: str, value: Any) -> None:
        """Write the value of a key."""


class TaskStateStore:
    """
    Airflow's task state store (3.3+), with records that do not expire while their Dag run exists.

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
    :return: None below Airflow 3.3, which has no store.
    """
    accessor = context.get("task_state_store")
    return None if accessor is None else TaskStateStore(accessor)


async def get_async_connection(conn_id: str, hook: Any) -> Connection:
    """Read a connection on an event loop, through a hook (class or instance)."""
    # Not the core's asynchronous look-up: before 3.3.2 it masks secrets synchronously.
    from airflow.providers.common.compat.connection import get_async_connection as look_up

    return await look_up(conn_id, hook=hook)


async def get_async_extra(connection: Connection) -> dict[str, Any]:
    """Decode the extra of a connection from :func:`get_async_connection` on an event loop."""
    from airflow.providers.common.compat.connection import get_async_extra_dejson

    return dict(await get_async_extra_dejson(connection))


def task_success_event() -> Any:
    """
    Return the event class with which a trigger finishes its task successfully, without a worker.

    :return: None if this Airflow has no such class (3.0 to 3.3 have it).
    """
    try:
        from airflow.triggers.base import TaskSuccessEvent
    except ImportError:
        return None
    return TaskSuccessEvent


def takes_xcoms_of_triggers() -> bool:
    """Check whether this Airflow's triggerer accepts an XCom from a trigger, as from a task."""
    try:
        from airflow.jobs.triggerer_job_runner import ToTriggerSupervisor
    except ImportError:
        return False
    # An unknown message would crash the triggerer, so check the accepted types first.
    messages = get_args(get_args(ToTriggerSupervisor)[0])
    return "SetXCom" in {message.__name__ for message in messages}


async def push_from_trigger(instance: Any, key: str, value: Any) -> None:
    """
    Push an XCom from inside a trigger as a worker does.

    Not with ``TaskSuccessEvent(xcoms=…)``: its values are encoded twice, so that the next task gets a JSON string, and
    it bypasses a custom XCom backend.

    :param instance: the trigger's task instance.
    :param key: the XCom's key.
    :param value: JSON.
    """
    from airflow.sdk.execution_time.xcom import XCom
    from asgiref.sync import sync_to_async

    # A backend may write to an object store, which would block the event loop.
    await sync_to_async(XCom.set)(
        key,
        value,
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        run_id=instance.run_id,
        map_index=instance.map_index,
    )


def is_success_listened_to() -> bool:
    """Check, inside a task, whether there is a listener (such as OpenLineage's) for its success."""
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    return bool(get_listener_manager().hook.on_task_instance_success.get_hookimpls())


def has_external_views() -> bool:
    """Check whether a plugin can add a tab to this Airflow's task instances (3.1+)."""
    from airflow.providers.common.compat.sdk import AirflowPlugin

    return hasattr(AirflowPlugin, "external_views")


def report_places() -> list[str]:
    """Return the folders from which the API server may show reports (``[vidu] report_places``)."""
    from airflow.providers.common.compat.sdk import conf

    places = str(conf.get("vidu", "report_places", fallback="") or "").split(",")
    return [place.strip() for place in places if place.strip()]


def base_url() -> str:
    """Return the URL of this Airflow's API for commands in messages; a shell variable if it is not set."""
    from airflow.providers.common.compat.sdk import conf

    return str(conf.get("api", "base_url", fallback="") or "$AIRFLOW_URL").rstrip("/")


def encrypt_parts(parts: Sequence[str | int]) -> str:
    """
    Encrypt a few values with this Airflow's Fernet key. Decrypting them later proves that they are its own.

    :param parts: JSON primitives.
    :return: URL-safe text; empty if there is no working key, since a missing key must not fail a task.
    """
    try:
        cipher = _cipher()
        return "" if cipher is None else str(cipher.encrypt(json.dumps(list(parts)).encode()).decode())
    except Exception as error:
        logging.getLogger(__name__).debug("Cannot encrypt with the Fernet key: %r", error)
        return ""


def decrypt_parts(text: str) -> list[Any] | None:
    """
    Decrypt a text from :func:`encrypt_parts`, also one from another process of the same Airflow.

    :return: the values; None = not this Airflow's.
    """
    try:
        cipher = _cipher()
        found = None if cipher is None else json.loads(cipher.decrypt(text.encode()))
    except Exception:
        # A text of another installation, or any other text: both mean that it is not ours.
        return None
    return found if isinstance(found, list) else None


def digests(parts: Sequence[str | int]) -> list[str]:
    """
    Return hashes of a few values that only this Airflow can compute: one for each Fernet key, the newest first.

    Without a key there is one hash, which anyone who knows the values can compute.

    :param parts: JSON primitives.
    :return: hexadecimal digits.
    """
    from airflow.providers.common.compat.sdk import conf

    text = json.dumps(list(parts)).encode()
    keys = [key.strip() for key in str(conf.get("core", "fernet_key", fallback="") or "").split(",")]
    return [hmac.new(key.encode(), text, "sha256").hexdigest() for key in keys]


def clear_discards_state() -> bool:
    """Check whether clearing a task instance discards its task state by default (3.4+)."""
    version = str(getattr(sys.modules.get("airflow"), "__version__", "0.0")).split(".")
    return tuple(int(part) for part in version[:2] if part.isdigit()) >= (3, 4)


def clear_this_task() -> str:
    """Return the advice to clear a task without losing its record of what it submitted."""
    return f"clear this task{keeping_its_state()}"


def keeping_its_state() -> str:
    """Return what a message adds to "clear": the box to tick, if this Airflow has one."""
    return " with *Keep task state*" if clear_discards_state() else ""


def note_discarded(context: Any) -> None:
    """
    Report to the trigger of an earlier try that this try has no record of its submission.

    This uses an XCom, the only thing that a worker can write and a trigger can read.

    :param context: the running task's context.
    """
    try:
        context["ti"].xcom_push(DISCARDED_KEY, context["ti"].try_number)
    except Exception as error:
        logging.getLogger(__name__).warning(
            "Could not report to the trigger of the earlier try that its record is gone (%r). Its Vidu task may keep "
            "running and be billed.",
            error,
        )


def read_discarded_note(instance: Any) -> bool:
    """
    Ask Airflow, from inside a trigger, whether the next try has called :func:`note_discarded`.

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
    # Airflow clears an earlier try's XCom when the next try starts, but not at once.
    return isinstance(value, int) and value > instance.try_number


def _cipher() -> Any:
    from airflow.providers.common.compat.sdk import conf

    if not conf.get("core", "fernet_key", fallback=""):
        # Check first: otherwise Airflow logs a warning in the task's log.
        return None
    try:
        from airflow.sdk.crypto import get_fernet
    except ImportError:
        from airflow.models.crypto import get_fernet
    return get_fernet()


def query_run_activity(dag_id: str, run_id: str) -> bool | None:
    """
    Ask Airflow, from inside a task, whether a Dag run is still active.

    :return: True = queued or running, False = over, None = there is no such run (any more).
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    if RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=["queued", "running"]):
        return True
    return False if RuntimeTaskInstance.get_dr_count(dag_id=dag_id, run_ids=[run_id]) else None
