# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Fixtures of the fault matrix: a Vidu over real HTTP in virtual time, and the tries of one task instance.

A cell orders a fault, lets the task instance try, and asks Vidu's own books what was paid.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from _support.fault_table import ENDPOINTS, FIRST, hangs
from _support.virtual_time import jumping, replaced_by

from airflow_provider_vidu.api.account import Account, account_from_fields
from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.api.registry import Endpoint, known_endpoint
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.client import ViduClient
from airflow_provider_vidu.emulator import Fault, ViduEmulator
from airflow_provider_vidu.landing import land as landing
from airflow_provider_vidu.submission.airflow_try import Policies, Resumed, SubmitLater, Try
from airflow_provider_vidu.submission.driver import Submission
from airflow_provider_vidu.waiting.wait import fetch_finished, hints_of, wait_for_end

#: Seconds from now for ``retry_after="HTTP date"`` in a table.
DATE_SECONDS = 25.0

#: Timeout of hanging requests, in real seconds.
SHORT_TIMEOUT = 0.8
#: Long enough that a busy machine never causes an unscheduled fault.
TIMEOUT = 10.0
SETTLE = 60.0

#: The payload of foreign submissions.
OTHERS = "another DAG's"

LOG = logging.getLogger("fault matrix")
VIDEO = b"\0\0\0\x0cftypisom\0\0\0\x08moov" + (100_000).to_bytes(4, "big") + b"mdat" + b"v" * 99_992
TEXT = {"model": "viduq3-turbo", "prompt": "p", "duration": 1}
REQUESTS: dict[str, dict[str, Any]] = {
    "img2video": {"images": ["https://x.example/a.png"], **TEXT},
    "text2video": TEXT,
}


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Replace the migrated database, which nothing here needs."""


class WorkerDied(BaseException):
    """A simulated SIGKILL, which nothing may catch."""


class Clock:
    """Time that passes only in ``sleep``. It is far ahead of real time, so that no real deadline has passed."""

    def __init__(self) -> None:
        self.now = 2_500_000_000.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def call_after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a number of seconds."""
        self._due.append((self.now + seconds, act))

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        for due in sorted(self._due, key=lambda due: due[0]):
            if due[0] <= end:
                self._due.remove(due)
                self.now = max(self.now, due[0])
                due[1]()
        self.now = end


class Store:
    """A task state store."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


class MortalClient(ViduClient):
    """A client whose worker is killed during its submission."""

    def submit(self, *arguments: Any, **named: Any) -> Any:
        try:
            super().submit(*arguments, **named)
        finally:
            raise WorkerDied


class TaskInstance:
    """
    One task instance: its tries.

    :param endpoint: where its request is posted to.
    :param store: None = Airflow below 3.3, which has none.
    :param leaves: it does not wait in the worker before it has submitted; it leaves and comes back.
    """

    def __init__(
        self, account: Account, clock: Clock, endpoint: Endpoint, store: Store | None, folder: str, *, leaves: bool
    ) -> None:
        self.account = account
        self.endpoint = endpoint
        self.store = store
        self.folder = folder
        self.leaves = leaves
        self.tries = 0
        self.max_tries = 9
        self._clock = clock
        self._run_began = clock()
        self._first_try = 1

    def die_submitting(self) -> None:
        """Run a try whose worker is killed just after its submission was answered or its reply lost."""
        with MortalClient(self.account) as client, pytest.raises(WorkerDied):
            self.submission(client).submit(self._build)

    def run(self, *, cleared: bool = False) -> str:
        """
        Do one try, as the operator does in a worker, and return the id of the task whose video has landed.

        :param cleared: a user has cleared the task before this try.
        """
        with ViduClient(self.account) as client:
            submission, task = self.begin(client, cleared=cleared)
            return self.finish(submission, task)

    def begin(self, client: ViduClient, *, cleared: bool = False) -> tuple[Submission, ViduTask]:
        """Start a try: submit, or find what an earlier one has submitted."""
        submission = self.submission(client, cleared=cleared)
        while True:
            try:
                return submission, submission.submit(self._build)
            except SubmitLater as later:
                self._clock.sleep(later.seconds)
                submission = self._submission(client, later.resumed)

    def submission(self, client: ViduClient, *, cleared: bool = False) -> Submission:
        """Return the submission of the next try."""
        self.tries += 1
        if cleared:
            self.max_tries += 10
            self._first_try = self.tries
        return self._submission(client)

    def _build(self) -> dict[str, Any]:
        return REQUESTS[self.endpoint.name]

    def _submission(self, client: ViduClient, resumed: Resumed | None = None) -> Submission:
        clock, identity = self._clock, ("d", "r", "t", -1)
        return Submission(
            client,
            Try(
                "d.t of r",
                self.max_tries,
                self.tries,
                (*identity, self.max_tries, "start"),
                run_began=self._run_began,
                first_try=self._first_try,
                identity=identity,
            ),
            self.store,
            Policies(timeout=3600.0, may_leave=self.leaves),
            endpoint=self.endpoint,
            resumed=resumed,
            clock=clock,
            sleep=clock.sleep,
            log=LOG,
        )

    def finish(self, submission: Submission, task: ViduTask, *, timeout: float = 3600.0) -> str:
        """Finish a try: wait, land, and record the delivery. Returns the task's id."""
        return self.land(submission, self.wait(submission, task, timeout=timeout))

    def wait(self, submission: Submission, task: ViduTask, *, timeout: float = 3600.0) -> ViduTask:
        """Wait for the task to succeed."""
        clock = self._clock
        try:
            ended = wait_for_end(
                submission.client,
                task,
                hints=hints_of(task, submitted_at=clock(), endpoint=self.endpoint.name),
                end_time=clock() + timeout,
                log=LOG,
            )
        except ViduError:
            submission.note_left_running()
            raise
        return fetch_finished(submission.client, ended)

    def land(self, submission: Submission, ended: ViduTask) -> str:
        """Land the video, and record the delivery."""
        facts = landing.land(submission.client, ended, self.folder, log=LOG)
        assert facts["sha256"] == hashlib.sha256(VIDEO).hexdigest()
        submission.note_returned()
        return ended.task_id


class Books:
    """Vidu's own account books, for the requests to one endpoint."""

    def __init__(self, vidu: ViduEmulator, clock: Clock, endpoint: Endpoint) -> None:
        self._vidu = vidu
        self._clock = clock
        self._endpoint = endpoint

    @property
    def paid(self) -> list[str]:
        """Ids of the charged tasks once every accepted task has ended."""
        self._clock.sleep(7 * 86_400)
        return [task_id for task_id in self.created if self._vidu.ledger.of_task(task_id)["charged"]]

    @property
    def created(self) -> list[str]:
        own = [task for task in self._vidu.tasks if task.request.payload != OTHERS]
        assert all(task.request.endpoint.name == self._endpoint.name for task in own), "on another endpoint's path"
        return [task.task_id for task in own]

    def requests(self, operation: str) -> int:
        """Count the requests; submissions without foreign ones."""
        others = operation == "submit" and sum(task.request.payload == OTHERS for task in self._vidu.tasks)
        return self._vidu.counters.requests[operation] - others

    @property
    def key_stayed_home(self) -> bool:
        """Check that no redirect was followed: all lead to the storage, which counts keys and visitors."""
        return not self._vidu.counters.leaked_keys


class Strike:
    """Schedules faults, and removes them."""

    def __init__(self, vidu: ViduEmulator, clock: Clock) -> None:
        self._vidu = vidu
        self._clock = clock

    def __call__(
        self, operation: str, fault: Fault | str, *, times: int | None = 1, lasts: float | None = None
    ) -> None:
        """
        Schedule a fault.

        :param operation: the emulator's name for it.
        :param fault: a fault of a table; a word instead = connections are refused for all operations.
        :param times: number of requests with the fault; None = all until it is removed. A refused connection lasts.
        :param lasts: seconds after which the fault is removed.
        """
        if isinstance(fault, str):
            self._vidu.go_offline()
        else:
            if fault.retry_after == "HTTP date":
                # The client compares it with real time: only sleeping uses the injected clock.
                fault = replace(fault, retry_after=formatdate(time.time() + DATE_SECONDS, usegmt=True))
            self._vidu.faults.add(operation, replace(fault, times=times))
        if lasts is not None:
            self._clock.call_after(lasts, self.stop)

    def stop(self) -> None:
        """Remove every fault."""
        self._vidu.faults.clear()
        self._vidu.go_online()

    def expect_late_request(self, seconds: float, count: Callable[[], int]) -> None:
        """
        Wait for the arrival of a request that hangs at Vidu.

        :param seconds: time of its arrival from now, on the injected clock.
        :param count: returns a count that its arrival increases.
        """
        before = count()
        self._clock.call_after(seconds, lambda: wait_until(lambda: count() > before))


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait in real time for something that happens after a real delay."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    with replaced_by(jumping(clock)):
        yield clock


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Return the endpoint of a cell; the tables of faults choose it."""
    return known_endpoint(getattr(request, "param", FIRST))


@pytest.fixture
def wire(endpoint: Endpoint) -> dict[str, Any]:
    """Return a request's JSON object, without the marker."""
    return REQUESTS[endpoint.name]


@pytest.fixture
def vidu(clock: Clock) -> Iterator[ViduEmulator]:
    with ViduEmulator(speed=1, created_seconds=20, processing_seconds=10, video=VIDEO, clock=clock) as vidu:
        yield vidu


@pytest.fixture
def whole_video() -> bytes:
    return VIDEO


@pytest.fixture
def strike(vidu: ViduEmulator, clock: Clock) -> Strike:
    return Strike(vidu, clock)


@pytest.fixture
def books(vidu: ViduEmulator, clock: Clock, endpoint: Endpoint) -> Books:
    return Books(vidu, clock, endpoint)


@pytest.fixture
def account(vidu: ViduEmulator) -> Callable[..., Account]:
    """Make an account; ``hangs`` = a fault hangs, so use a short timeout."""

    def make(fault: Any = None, **extra: Any) -> Account:
        extra = {"timeout": timeout_for(fault), "settle_seconds": SETTLE, **extra}
        return account_from_fields(host=vidu.url, password=vidu.api_key, extra=extra)

    return make


def timeout_for(fault: Any) -> float:
    return SHORT_TIMEOUT if hangs(fault) else TIMEOUT


@pytest.fixture
def open_client() -> Iterator[Callable[[Account], ViduClient]]:
    """Make clients that are closed at the end."""
    with ExitStack() as stack:
        yield lambda account: stack.enter_context(ViduClient(account))


@pytest.fixture
def submit_others(account: Callable[..., Account]) -> Callable[..., None]:
    """Fill the list with tasks of every endpoint, optionally with more than one page."""

    def submit(count: int = 3) -> None:
        with ViduClient(account()) as client:
            for _, name in zip(range(count), itertools.cycle(ENDPOINTS)):
                client.submit({**REQUESTS[name], "payload": OTHERS}, endpoint=name)

    return submit


@pytest.fixture
def task_instance(
    account: Callable[..., Account], clock: Clock, endpoint: Endpoint, tmp_path: Path
) -> Callable[..., TaskInstance]:
    """Make a task instance, in a mode: ``store``, ``no store`` (Airflow below 3.3) or ``leaves`` (the worker)."""
    folders = itertools.count()

    def make(fault: Any = None, *, mode: str = "store", **extra: Any) -> TaskInstance:
        store = None if mode == "no store" else Store()
        folder = f"{tmp_path}/videos-{next(folders)}/"
        return TaskInstance(account(fault, **extra), clock, endpoint, store, folder, leaves=mode == "leaves")

    return make
