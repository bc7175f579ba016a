# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One task instance in a simulated Airflow with random failures, over the real operator, trigger and clients.

Airflow (tries, retries, clears, kills, the state store, triggerers), the connection and the time are simulated. A run
ends in a calm without accidents, in which a user follows the advice of the error messages; then the emulator's ledger
is the judge.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _support.family import operator_of
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_vidu import compat
from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.submission.record import MARKER_PREFIX, STORE_KEY
from airflow_provider_vidu.triggers.task import ViduTaskTrigger

from . import accidents
from .chance import Chance
from .triggerers import Triggerers
from .virtual import Clock, VirtualLoop
from .wire import Wire
from .worker import Broken, Worker, WorkerDied

#: Seconds without a heartbeat after which Airflow gives a worker up.
HEARTBEAT_TIMEOUT = 300.0
#: Seconds between a worker's SIGTERM and its SIGKILL.
GRACE = 5.0
#: The most phases of a run before its calm.
LONGEST_LIFE = 40

OVER = ("success", "failed")

_FIRST, _LAST = "https://example.com/cat.png", "https://example.com/dog.png"

#: The fields of a request to each endpoint, without its prompt. Only the path distinguishes start-end2video from
#: reference2video, and template is sent unchecked.
REQUESTS: dict[str, dict[str, Any]] = {
    "img2video": {"images": _FIRST, "model": "viduq2-turbo", "duration": 1},
    "text2video": {"model": "viduq2", "duration": 1},
    "start-end2video": {"images": [_FIRST, _LAST], "model": "viduq2-pro", "duration": 1},
    "reference2video": {"images": [_FIRST, _LAST], "model": "viduq2-pro", "duration": 1},
    "extend": {"video": "https://example.com/cat.mp4", "model": "viduq2-turbo", "duration": 1},
    "template": {"template": "hugging", "images": [_FIRST]},
}


class World:
    """One run."""

    #: The option of ``make chaos`` for such a run.
    option = ""

    def __init__(self, chance: Chance, folder: Path) -> None:
        self.chance = chance
        self.history: list[str] = []
        self.struck: Counter[str] = Counter()
        self.clock = Clock()
        self.began = self.clock()
        self.clock.on_sleep = self._asleep
        self.account = Account(
            base_url="http://127.0.0.1:1", api_key="vda_0123456789", timeout=60.0, settle_seconds=60.0
        )
        settings = Settings(
            created_seconds=chance.one_of([0.5, 20.0, 60.0]), processing_seconds=chance.one_of([5.0, 40.0, 200.0])
        )
        self.wire = Wire(self.clock, settings, self.account.timeout, self.account.settle_seconds)
        self.wire.quirks = accidents.quirks_of(chance)
        self.has_store = not chance.happens(0.15)
        #: Airflow 3.4: a clear discards the store unless it is asked to keep it.
        self.discards = self.has_store and chance.happens(0.5)
        self.retries = chance.one_of([0, 2, 3])
        #: The endpoint and the prompt of everything that was ever asked for.
        self.wanted: set[tuple[str, str]] = set()
        self.fields = self._request()
        self.settings = {
            "deferrable": chance.happens(0.6),
            "wait_for_completion": not chance.happens(0.1),
            "output_path": f"{folder}/" if chance.happens(0.3) else None,
            "timeout": chance.one_of([None, None, 45.0, 600.0]),
            "cancel_on_timeout": chance.happens(0.1),
            "retries": self.retries,
        }
        self.may_cancel = self.settings["cancel_on_timeout"]
        self.triggerers = Triggerers(self)
        self.store: dict[str, Any] = {}
        #: The try that has reported to triggers that it has no record.
        self.reported_discarded = 0
        self.run_started = self.began - 5
        self.clear_number = 0
        self.state = "scheduled"
        self.try_number, self.max_tries = 1, self.retries
        self.run_exists = True
        self.calm = False
        self.nested = False
        self.worker: Worker | None = None
        self.deferral: dict[str, Any] | None = None
        self.event: Any = None
        self.late_kill: ViduTaskTrigger | None = None
        self.failure: Exception | None = None
        self.broken: Broken | None = None
        self.on_unknown = "fail"
        #: The host has no list, and a clear has discarded the record: nothing is promised then.
        self.unfindable = False
        #: Generations that the user has asked for.
        self.asked_for = 1
        self.user_has_acted = False
        self.user_has_ended_it = False
        self.delivered_ids: set[str] = set()
        #: Delivered before a clear that kept the record: the same video must not be returned again.
        self.outdated: set[str] = set()
        self.returned: str | None = None
        airflow = "3.4" if self.discards else "3.3" if self.has_store else "3.0"
        self.note("", f"{airflow} {sorted(self.wanted)} {self.settings} {self.wire.quirks} {settings}")

    # -- history ----------------------------------------------------------------------------------------------

    def note(self, kind: str, text: str) -> None:
        """Write a line of the run's history."""
        if kind:
            self.struck[kind] += 1
        self.history.append(f"{self.clock.now - self.began:9.1f} s  try {self.try_number}  {text}")

    def describe_write(self, key: str, value: Any) -> str:
        """Describe a write to the store, for the history."""
        return f"{value.get('phase')} {value.get('task_id') or ''}"

    # -- a life -----------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Run through accidents, then through a calm, and be judged."""
        for _ in range(LONGEST_LIFE):
            if self.state in OVER:
                if not self.chance.happens(accidents.CLEAR) or self.asked_for > 3:
                    break
                self.clear("a user clears the task")
            else:
                self.go_on()
        self._calm()
        self.judge()

    def go_on(self) -> None:
        """Let the next thing happen to the task instance."""
        if self.state == "deferred":
            loop = VirtualLoop(self.clock)
            try:
                loop.run_until_complete(self.triggerers.wait())
            finally:
                loop.close()
        else:
            self._work()

    def clear(self, why: str, *, keep: bool = False, waits_for_retry: bool = False) -> None:
        """Clear the task instance as a user does."""
        discarding = self.discards and not keep and self.chance.happens(0.7)
        self.note("discarding clear" if discarding else "clear", f"{why}{', discarding its state' * discarding}")
        noted = self._recorded_as_returned()
        if discarding:
            # The log announces a new generation, see `on_warning`.
            self.store.clear()
            self._forget_delivery()
        elif noted is not None or not self.has_store:
            # Delivered, or below Airflow 3.3, where a clear always means a new generation.
            self.asked_for += 1
            self._forget_delivery()
            self.outdated |= set() if waits_for_retry else noted or set()
            if noted is not None and noted - self.delivered_ids:
                # Not promised: it died between its last write and its report, without a retry, and was cleared then.
                self.note("returned, died, cleared", f"the Vidu tasks {sorted(noted)} were noted as returned")
                self.delivered_ids |= noted
        self.user_has_acted = True
        self.user_has_ended_it = False
        if self.has_store and self.retries and not self.calm and self.chance.happens(0.2):
            self.note("fewer retries", "the DAG's author has lowered retries before the clear")
            self.retries -= 1
        # If the task waits for its retry, Airflow counts from the try before, and max_tries stays as it was.
        self.max_tries = self.try_number - waits_for_retry + self.retries
        self.clear_number += 1
        if self.state in OVER:
            # Airflow starts a finished Dag run again.
            self.run_started = self.clock()
        if not waits_for_retry:
            self._next_try()

    def on_warning(self, warning: str) -> None:
        """Read what a warning in the operator's log announces."""
        if "starts a new generation" in warning:
            (task_id,) = re.findall(r"made Vidu task (\d+)", warning)
            if self._must_be_landed() and not Path(f"{self.settings['output_path']}{task_id}.mp4").is_file():
                self.broken = self.broken or Broken(f"Vidu task {task_id} was not landed, and is made again")
            self.note("announced generation", f"the log announces a new generation after Vidu task {task_id}")
            self.asked_for += 1
            # The warning says how to fetch it.
            self.delivered_ids.add(task_id)
        elif "this host has no task list: a Vidu task" in warning:
            self.note("not promised: no record, no list", "nothing shows what was submitted")
            self.asked_for += 1
            self.unfindable = True

    def _must_be_landed(self) -> bool:
        return bool(self.settings["output_path"]) and bool(self.settings.get("wait_for_completion", True))

    # -- what the batch overrides -----------------------------------------------------------------

    def _request(self) -> dict[str, Any]:
        """Choose an endpoint, and return the fields of a request to it."""
        self.endpoint = self.chance.one_of(list(REQUESTS))
        prompt = accidents.prompt_of(self.chance)
        self.wanted.add((self.endpoint, prompt))
        return {**REQUESTS[self.endpoint], "prompt": prompt}

    def _operator(self) -> Any:
        return operator_of(self.endpoint, self.fields, task_id="t", on_unknown=self.on_unknown, **self.settings)

    def _recorded_as_returned(self) -> set[str] | None:
        """Return the tasks that the store records as returned, after which a clear means a new generation."""
        record = self.store.get(STORE_KEY) or {}
        return {record["task_id"]} if record.get("phase") == "returned" else None

    def _forget_delivery(self) -> None:
        self.returned = None

    def _follow_the_advice(self) -> bool:
        """Do what the message advises before the clear; return whether no clear is needed."""
        record = self.store.get(STORE_KEY) or {}
        if not record and self.discards:
            self._write_what_was_discarded()
        if record.get("phase") == "intent":
            lost = [task for task in self.wire.vidu.tasks() if (record["marker"] or "?") in task.request.payload]
            if lost:
                self.note("adoption", f"the user adopts Vidu task {lost[-1].task_id}")
                self.store[STORE_KEY] = {"task_id": lost[-1].task_id}
            else:
                self.on_unknown = "resubmit"
        if not self.has_store and self._undelivered():
            # Below 3.3 the message advises to fetch it and mark the task as a success.
            self._fetch_by_hand()
            return True
        return False

    def _write_what_was_discarded(self) -> None:
        """Check the account, and write its task into the record that a clear has discarded."""
        wanted = [task for task in self.wire.vidu.tasks() if str(task.state) != "failed"]
        undelivered = [task.task_id for task in wanted if task.task_id not in self.delivered_ids]
        if not undelivered and wanted:
            self.asked_for += 1
        self.note("adoption", f"the user writes {undelivered[-1:]} into the record")
        self.store[STORE_KEY] = {"task_id": undelivered[-1] if undelivered else None}

    def _fetch_by_hand(self) -> None:
        self.note("adoption", "the user fetches the video")
        self.delivered_ids.update(self._undelivered())
        self.state, self.user_has_ended_it = "success", False

    # -- tries ------------------------------------------------------------------------------------------------

    def _next_try(self) -> None:
        self.try_number += 1
        self.state = "scheduled"
        self.deferral = None
        if self.worker is not None:
            self.worker.superseded = True

    def _fail(self, error: Exception | None, *, for_good: bool = False) -> None:
        self.failure = error
        if for_good or self.try_number > self.max_tries:
            self.note("", f"the task has failed: {error}")
            self.state = "failed"
            return
        self.note("retry", f"to be retried: {error}")
        kept = self.deferral if not self.has_store else None
        self._next_try()
        # Airflow 3.0 resumes a retry where the failed try had resumed.
        self.deferral = kept
        self.clock.now += 30
        if self.has_store and not self.calm and not self.nested and self.chance.happens(0.1):
            # The next try is scheduled already; its number does not change.
            self.clear("a user clears the task while it waits for its retry", waits_for_retry=True)

    # -- workers ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self.clock.now += 2
        worker = Worker(self)
        outer, self.worker = self.worker, worker
        self.state = "running"
        # A fresh object, as in a fresh process.
        operator = self._operator()
        worker.operator = operator
        context = self._context(worker)
        resumed = self.deferral
        try:
            if resumed is None:
                self.note("", "execute")
                result = operator.execute(context)
            else:
                self.note("", f"{resumed['method']} with {self.event}")
                result = getattr(operator, resumed["method"])(context, event=self.event, **resumed["kwargs"])
            try:
                self._has_returned(worker, result)
            except Broken as error:
                # To Airflow it is a failed try like any other.
                self.broken = self.broken or error
                raise
            worker.step("execute has returned")
        except TaskDeferred as error:
            deferred = error
            self._airflow_takes(worker, lambda: self._defer(deferred))
        except WorkerDied:
            self.clock.now += HEARTBEAT_TIMEOUT
            self._airflow_takes(worker, lambda: self._fail(None))
        except Exception as error:
            # The exception outlives this block.
            raised = error
            for_good = isinstance(error, AirflowFailException)
            self._airflow_takes(worker, lambda: self._fail(raised, for_good=for_good))
        else:
            self._airflow_takes(worker, self._succeed)
        finally:
            worker.dead = True
            if self.nested:
                self.worker = outer
        if self.late_kill is not None and self.state in {"deferred", *OVER}:
            killed, self.late_kill = self.late_kill, None
            loop = VirtualLoop(self.clock)
            try:
                loop.run_until_complete(self.triggerers.kill(killed))
            finally:
                loop.close()

    def _airflow_takes(self, worker: Worker, report: Callable[[], None]) -> None:
        if worker.superseded or self.state != "running":
            self.note("", "Airflow takes no report of this worker any more")
            return
        report()

    def _has_returned(self, worker: Worker, result: Any) -> None:
        task_id = result["task_id"]
        self.note("", f"execute returns Vidu task {task_id}")
        self.delivered_ids.add(task_id)
        if task_id in self.outdated:
            raise Broken(f"a cleared task hands out Vidu task {task_id} again")
        if not worker.superseded:
            # A try that does not wait may return a task that fails, unbilled, before the retry that its XCom costs.
            if self.returned not in {None, task_id} and self.returned not in self._failed():
                raise Broken(f"one run has delivered Vidu task {self.returned} and then {task_id}")
            self.returned = task_id
        for landed in result["files"]:
            if not Path(landed["path"]).is_file():
                raise Broken(f"{landed['path']} is not there")

    def _failed(self) -> set[str]:
        return {task.task_id for task in self.wire.vidu.tasks() if str(task.state) == "failed"}

    def _succeed(self) -> None:
        if not self.calm and self.chance.happens(0.02):
            self.note("XCom failure", "the XCom cannot be pushed")
            self._fail(None)
            return
        self.note("", "success")
        self.state = "success"

    def _defer(self, deferred: TaskDeferred) -> None:
        path, kwargs = deferred.trigger.serialize()
        timer = path.endswith("DateTimeTrigger")
        self.deferral = {
            "path": path,
            "trigger": None if timer else json.loads(json.dumps(kwargs)),
            "until": kwargs["moment"].timestamp() if timer else None,
            "method": deferred.method_name,
            "kwargs": json.loads(json.dumps(deferred.kwargs)),
        }
        self.state = "deferred"
        self.note("", f"deferred, to {deferred.method_name}")

    def freeze(self, worker: Worker, what: str) -> None:
        """Stop a worker, let Airflow continue without it, and wake it up again."""
        self.note("freeze", f"the worker freezes at: {what}")
        self.nested = True
        self.clock.now += HEARTBEAT_TIMEOUT
        before = worker.stopping_since
        self._fail(None)
        for _ in range(self.chance.one_of([1, 2, 3])):
            if self.state in OVER:
                break
            _elsewhere(self.go_on)
        worker.stopping_since = before
        self.nested = False
        self.worker = worker
        self.note("", f"the worker that froze at {what!r} wakes up")

    def _asleep(self, seconds: float) -> None:
        worker = self.worker
        if worker is None or self.calm or worker.dead:
            return
        if worker.stopping_since is not None:
            if self.clock() > worker.stopping_since + GRACE:
                worker.die("the end of its grace")
            return
        if worker.superseded or not self.chance.happens(accidents.END_OF_WORKER * max(1.0, seconds / 0.5)):
            return
        worker.stopping_since = self.clock()
        if self.chance.happens(0.5):
            self.note("eviction", "SIGTERM, as when a pod is evicted")
        else:
            self.user_ends_it()
        worker.operator.on_kill()

    def user_ends_it(self) -> None:
        self.user_has_acted = self.user_has_ended_it = True
        self.state = self.chance.one_of(OVER)
        self.note("user kill", f"a user marks it {self.state}")

    def _context(self, worker: Worker) -> dict[str, Any]:
        instance = self.instance()
        instance.try_number, instance.max_tries = self.try_number, self.max_tries
        instance.task = SimpleNamespace(retries=self.retries)
        instance.xcom_push = self._push
        started, run_after = (
            datetime.fromtimestamp(moment, timezone.utc) for moment in (self.run_started, self.began - 5)
        )
        run = SimpleNamespace(start_date=started, run_after=run_after, clear_number=self.clear_number)
        context: dict[str, Any] = {"ti": instance, "dag_run": run}
        if self.has_store:
            context["task_state_store"] = SimpleNamespace(get=worker.get, set=worker.set)
        return context

    def _push(self, key: str, value: Any) -> None:
        assert key == compat.DISCARDED_KEY
        self.reported_discarded = value

    def instance(self) -> SimpleNamespace:
        return SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=self.try_number)

    def task_states(self, **asked: Any) -> dict[str, Any]:
        """Answer as Airflow does to a query for the task's state."""
        if not self.calm and self.chance.happens(accidents.SILENCE):
            raise RuntimeError("Airflow does not answer")
        state = None if self.state == "scheduled" else self.state
        return {"r": {"t": state}} if self.run_exists else {}

    # -- the end ----------------------------------------------------------------------------------------------

    def _calm(self) -> None:
        self.calm = True
        self.note("", "calm")
        # With too short a timeout there would never be a video.
        self.settings.update(timeout=None, cancel_on_timeout=False)
        for _ in range(12):
            while self.state not in OVER:
                self.go_on()
            if self.state == "success" and not self.user_has_ended_it:
                break
            # As the messages advise: check the account, adopt what is there, or else submit again.
            self.clock.now += 600
            self.wire.settle()
            if self._follow_the_advice():
                break
            self.clear("the user follows the advice", keep=True)
        else:
            raise Broken(f"the task never succeeds, even in the calm: {self.failure}")
        self.clock.now += 100_000
        self.wire.settle()

    def _undelivered(self) -> set[str]:
        return {task.task_id for task in self.wire.vidu.tasks() if str(task.state) == "success"} - self.delivered_ids

    def judge(self) -> None:
        """
        Check the promises against the ledger.

        :raises Broken: a promise was broken.
        """
        if self.broken is not None:
            raise self.broken
        tasks = self.wire.vidu.tasks()
        paid = [task.task_id for task in tasks if self.wire.vidu.ledger.of_task(task.task_id)["charged"]]
        self._judge_payments(paid)
        astray = self.wire.posted.keys() - self.wanted
        if astray:
            raise Broken(f"posted to another endpoint's path: {sorted(astray)}")
        lost = self._undelivered()
        if lost and self.has_store and not self.unfindable:
            raise Broken(f"paid for and never delivered: {sorted(lost)}")
        cancels = self.wire.requests["cancel"]
        if cancels and not self.user_has_acted and not self.may_cancel:
            raise Broken(f"{cancels} cancels, and no user has ended or cleared anything")
        if not all(task.request.payload.startswith(MARKER_PREFIX) for task in tasks):
            raise Broken("a submission without a marker")

    def _judge_payments(self, paid: list[str]) -> None:
        if len(paid) > self.asked_for:
            raise Broken(f"paid {len(paid)} times for {self.asked_for}: {paid}")


def request_of(task: EmulatedTask) -> tuple[str, str]:
    """Return the endpoint and the prompt of a Vidu task."""
    return task.request.endpoint.name, task.request.prompt or ""


def _elsewhere(act: Callable[[], None]) -> None:
    """Run another process's part while this one is frozen, even in the middle of its event loop."""
    with ThreadPoolExecutor(1) as other:
        other.submit(act).result()
