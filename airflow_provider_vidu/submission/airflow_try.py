# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What submission needs to know of Airflow: which try submits, and what the DAG author has chosen."""

from __future__ import annotations

import hashlib
import json
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from urllib.parse import quote

from airflow_provider_vidu import compat
from airflow_provider_vidu.submission.credit_limits import CreditLimits
from airflow_provider_vidu.submission.record import MARKER_PREFIX
from airflow_provider_vidu.transport import timing

#: How many of a marker's 32 digits identify the task instance; the others identify the attempt.
MARK_DIGITS = 16
#: Assumed age of a Dag run whose start is unknown, in seconds: Vidu's default window of the list.
UNKNOWN_RUN_AGE = 7 * 24 * 3600.0
#: Seconds that a try waits in the worker before it leaves it, where it can come back.
IN_PLACE_SECONDS = 30.0
#: A try that leaves the worker stays away for at least this long, in seconds.
MIN_ABSENCE = 10.0
#: Maximum age of a Dag run whose submissions are searched for, in seconds.
MAX_RUN_AGE = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Policies:
    """
    What the DAG author has chosen.

    :param on_unknown: what to do if it is unknown whether an earlier attempt was accepted: ``fail`` (default)
        or ``resubmit``, which may pay twice.
    :param on_input_change: what to do if a retry's request differs from the submitted one: ``fail`` (default)
        or ``resubmit``.
    :param durable: keep the record; without it every try submits.
    :param timeout: seconds from the try's start during which it waits for a full queue.
    :param may_leave: the try can leave the worker and come back, so it waits for nothing long in it.
    :param limits: what a generation may cost, and what has to be left.
    """

    on_unknown: str = "fail"
    on_input_change: str = "fail"
    durable: bool = True
    timeout: float = 24 * 3600.0
    may_leave: bool = False
    limits: CreditLimits = field(default_factory=CreditLimits)


@dataclass(frozen=True)
class Resumed:
    """
    What a try took with it when it left the worker to submit later; travels as plain JSON.

    :param began: when the try began, epoch seconds.
    :param refusals: how often a full queue has refused it.
    :param attempts: how often a reply of it was lost.
    :param attempts_of: the same for each item of a batch, by the item's identity.
    """

    began: float
    refusals: int = 0
    attempts: int = 0
    attempts_of: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None, context: Any) -> Resumed:
        """
        Read it back from the arguments of a deferral.

        :param value: None if they are lost (``dag.test()`` drops them): Airflow knows the start, too.
        :param context: of the running task.
        """
        if value is not None:
            names = {field.name for field in fields(cls)}
            return cls(**{name: item for name, item in value.items() if name in names})
        started = getattr(context["ti"], "start_date", None)
        return cls(started.timestamp() if isinstance(started, datetime) else timing.now())


class SubmitLater(Exception):
    """
    Nothing can be submitted or found out now: leave the worker, and submit again later.

    :param seconds: how much later.
    :param resumed: what to come back with.
    """

    def __init__(self, seconds: float, resumed: Resumed) -> None:
        super().__init__(f"to be submitted in {seconds:.0f} s")
        self.seconds = seconds
        self.resumed = resumed


class TimeInWorker:
    """
    How long a try has waited in its worker, and whether it leaves it to wait on.

    :param may_leave: it can leave the worker and come back.
    :param has_left: it has; then it waits for nothing long in it any more.
    """

    def __init__(self, *, may_leave: bool, has_left: bool) -> None:
        self._may_leave = may_leave
        self._waited = IN_PLACE_SECONDS if has_left else 0.0

    def absence(self, seconds: float, of: float) -> float | None:
        """
        Return for how long to leave the worker; None = wait here.

        :param seconds: to wait now.
        :param of: seconds that it may take in all; 0 = a short wait, always here.
        """
        if of and self._may_leave and self._waited + of > IN_PLACE_SECONDS:
            return max(of, MIN_ABSENCE)
        self._waited += seconds
        return None


@dataclass(frozen=True)
class Try:
    """
    Identifies a try of a task instance.

    :param name: ``dag.task[map index] run``, for messages.
    :param max_tries: of the task instance; a clear sets it again.
    :param try_number: 1 for the first.
    :param marker_parts: what a marker is derived from where nothing outlives a try.
    :param run_began: when the Dag run began, epoch seconds; None = unknown. A clear of a finished run sets it again.
    :param first_try: number of the first try since the task was last cleared.
    :param identity: dag id, run id, task id, map index and, within a dynamic loop, what distinguishes its instances;
        None = unknown.
    :param run_created: when the Dag run can have begun for the first time, epoch seconds; None = unknown.
    :param clear_number: how often any task of the Dag run was cleared.
    """

    name: str = "a task"
    max_tries: int = 0
    try_number: int = 1
    marker_parts: tuple[object, ...] = ()
    run_began: float | None = None
    first_try: int = 1
    identity: tuple[str | int, ...] | None = None
    run_created: float | None = None
    clear_number: int = 0

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
        moments = [getattr(run, name, None) for name in ("start_date", "run_after")]
        began = [moment.timestamp() for moment in moments if isinstance(moment, datetime)]
        mapped = f"[{map_index}]" if map_index is not None and map_index >= 0 else ""
        if is_iteration(instance):
            mapped = f" (iteration {instance.region_index} of its loop)"
        return cls(
            name=f"{instance.dag_id}.{instance.task_id}{mapped} of {instance.run_id}",
            max_tries=max_tries,
            try_number=getattr(instance, "try_number", 1) or 1,
            marker_parts=(instance.dag_id, instance.run_id, instance.task_id, map_index, max_tries, started),
            run_began=started.timestamp() if isinstance(started, datetime) else None,
            # Airflow's own reckoning: a clear sets max_tries to the try's number plus the retries.
            first_try=max_tries - (getattr(getattr(instance, "task", None), "retries", None) or 0) + 1,
            identity=identity_of(instance),
            run_created=max(min(began), timing.now() - MAX_RUN_AGE) if began else None,
            clear_number=getattr(run, "clear_number", 0) or 0,
        )

    @property
    def record_may_be_discarded(self) -> bool:
        """
        Whether a missing record may have been discarded by a clear, which is what Airflow 3.4 does by default.

        Without a clear a try without a record has submitted nothing: the intent is written before the POST. A clear
        makes ``max_tries`` more than the task's ``retries``, but not always (of a task that waits for its retry, or
        after ``retries`` was raised); then it shows in the Dag run's number of clears.
        """
        return self.try_number > 1 and (self.first_try != 1 or self.clear_number != 0)

    def first_submission(self, began: float) -> float:
        """
        Return when any try of this Dag run can have submitted for the first time, epoch seconds.

        :param began: when this try began.
        """
        return self.run_created or began - UNKNOWN_RUN_AGE

    def first_submission_since_the_clear(self, began: float) -> float:
        """Return the same of the tries since the last clear, as far as the Dag run's own start shows it."""
        return self.run_began or began - UNKNOWN_RUN_AGE

    def marks(self, key: str) -> tuple[str, ...]:
        """
        Return what the markers of this task instance's submissions begin with, over all its tries and clears.

        Several if Airflow's Fernet key has been rotated; new markers begin with the first. None of them shows an id.

        :param key: of the record in the store.
        """
        identity = self.identity or (self.name,)
        identities = [identity]
        if len(identity) > 4 and identity[3] != -1:
            # Mapped instances had no region before Airflow 3.4; a run may have begun there.
            identities.append(identity[:4])
        digests = [digest for one in identities for digest in compat.digests([*one, compat.base_url(), key])]
        return tuple(MARKER_PREFIX + digest[:MARK_DIGITS] for digest in digests)

    def new_marker(self, key: str) -> str:
        """
        Return a marker that no other attempt has.

        :param key: of the record in the store.
        """
        return self.marks(key)[0] + uuid.uuid4().hex[: 32 - MARK_DIGITS]

    @property
    def spread(self) -> float:
        """A number from 0 to 1 of this task instance's own, so that siblings do not come back together."""
        return int(hashlib.sha256(self.name.encode()).hexdigest()[:8], 16) / 2**32

    def seal(self) -> str:
        """
        Return who submits, for this Airflow's eyes only, to travel in the marker; empty where it has no key.

        Without it a lost task could not be distinguished from that of another Airflow on the same account. The base
        URL is in it too: copies of an Airflow (for staging, say) have the same key.
        """
        return compat.encrypt_parts([*self.identity, compat.base_url()]) if self.identity else ""

    def write_command(self, key: str, value: Mapping[str, str | None]) -> str:
        """
        Return the shell command that writes a record, through Airflow's public API.

        :param key: of the record.
        :param value: its new value.
        """
        body = json.dumps({"value": value, "expires_at": None})
        return f"curl -X PUT {self._record_url(key)} {_json_body(body)}"

    def adopt_by_hand(self, key: str, task_id: str) -> str:
        """
        Return both ways to put a Vidu task's id into the record: in Airflow's UI, and with a command.

        :param key: of the record.
        :param task_id: Vidu's id.
        """
        return self.write_by_hand(key, {"task_id": task_id})

    def nothing_created_by_hand(self, key: str) -> str:
        """
        Return both ways to write that no earlier attempt has created anything: the next try submits.

        A deleted record would not say so: from Airflow 3.4 on a clear discards records, too.

        :param key: of the record.
        """
        return self.write_by_hand(key, {"task_id": None})

    def write_by_hand(self, key: str, value: Mapping[str, str | None]) -> str:
        """
        Return both ways to write a record.

        :param key: of the record.
        :param value: its new value.
        """
        return (
            f"in Airflow's UI (this task instance, Storage, Task State Store: key {key}, value {json.dumps(value)}, "
            f"Expiration Never) or in a shell: {self.write_command(key, value)}"
        )

    def clear_command(self) -> str:
        """Return the shell command that clears this task instance and keeps what it has noted."""
        if self.identity is None:
            return compat.clear_this_task()
        dag_id, run_id, task_id, map_index, *_ = self.identity
        # Within a dynamic loop the API names a task over all iterations.
        named = [task_id, map_index] if int(map_index) >= 0 else task_id
        body: dict[str, Any] = {"dry_run": False, "dag_run_id": run_id, "task_ids": [named]}
        if compat.clear_discards_state():
            body["keep_task_state"] = True
        url = f"{compat.base_url()}/api/v2/dags/{quote(str(dag_id), safe='')}/clearTaskInstances"
        return f'curl -X POST "{url}" -H "Authorization: Bearer $AIRFLOW_TOKEN" {_json_body(json.dumps(body))}'

    def _record_url(self, key: str) -> str:
        if self.identity is None:
            return f"<the task state store, key {key!r}>"
        dag_id, run_id, task_id, map_index, *loop = (quote(str(part), safe="") for part in self.identity)
        where = "region_id={}&region_index={}".format(*loop) if loop else f"map_index={map_index}"
        url = (
            f"{compat.base_url()}/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
            f"/state-store/{quote(key, safe='')}?{where}"
        )
        return f'"{url}" -H "Authorization: Bearer $AIRFLOW_TOKEN"'


def _json_body(text: str) -> str:
    return f'-H "Content-Type: application/json" -d {shlex.quote(text)}'


def identity_of(instance: Any) -> tuple[str | int, ...]:
    """
    Return what identifies a task instance in this Airflow, over all its tries.

    Within a dynamic loop of Airflow 3.4 several instances have one map index; a region and a place in it tell them
    apart. Mapped instances have a region there, too, which stays the same over retries and clears.
    """
    map_index = -1 if instance.map_index is None else instance.map_index
    region = getattr(instance, "region_id", None)
    # Instances outside of any region have none, or a UUID of zeros.
    has_region = bool(region) and bool(getattr(region, "int", 1))
    place = (str(region), int(getattr(instance, "region_index", None) or 0)) if has_region else ()
    return (instance.dag_id, instance.run_id, instance.task_id, map_index, *place)


def is_iteration(instance: Any) -> bool:
    """Say whether a task instance is one iteration's in a dynamic loop: it has a region and is not mapped."""
    identity = identity_of(instance)
    return len(identity) > 4 and identity[3] == -1
