# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Fixtures for unit tests of the protocol: a virtual clock, a store, and a small Vidu."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from _support.virtual_time import jumping, replaced_by
from PIL import Image

from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduNotFoundError, ViduRequestError
from airflow_provider_vidu.api.http_messages import TaskPage
from airflow_provider_vidu.api.img2video import ENDPOINT
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.emulator import pytest_plugin
from airflow_provider_vidu.submission.airflow_try import Policies, Resumed, Try
from airflow_provider_vidu.submission.driver import Submission


class Clock:
    """A clock whose time passes only in ``sleep``."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


class Store:
    """A task state store; ``fail_on`` makes its n-th write fail."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes: list[dict[str, Any]] = []
        self.fail_on: set[int] = set()
        self.fail_reads = False

    def get(self, key: str) -> Any:
        if self.fail_reads:
            raise RuntimeError("store is down")
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.writes.append(value)
        if len(self.writes) in self.fail_on:
            raise RuntimeError("store is down")
        self.values[key] = value


@dataclass
class Vidu:
    """An account at Vidu as the blocking client sees it, with a script of replies to submissions."""

    clock: Clock
    account: Account = field(
        default_factory=lambda: Account(base_url="https://relay.example", api_key="key", timeout=60, settle_seconds=60)
    )
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Raised by the next submissions, in order; ("accepted", error) creates the task first.
    replies: list[Any] = field(default_factory=list)
    submissions: list[dict[str, Any]] = field(default_factory=list)
    queried: list[str] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    cancellable: bool = True
    list_error: Exception | None = None
    #: Errors for the next list queries, in order; None = no error.
    list_errors: list[Exception | None] = field(default_factory=list)
    list_payload: bool = True
    #: How the list shows a payload.
    as_listed: Callable[[str | None], str | None] = lambda payload: payload
    #: Rows of the list that cannot be read.
    unreadable_rows: int = 0
    #: No reply contains the payload, not even that of a query.
    hides_payload: bool = False
    list_err_code: bool = True
    next_page_token: str | None = None
    list_lag: float = 0.0
    outage: Exception | None = None
    #: What single queries raise, by task id.
    broken: dict[str, Exception] = field(default_factory=dict)

    def submit(self, wire: dict[str, Any], *, endpoint: str = "img2video", not_after: float = float("inf")) -> ViduTask:
        self.submissions.append(dict(wire))
        reply = self.replies.pop(0) if self.replies else None
        accepted = reply is None or isinstance(reply, tuple)
        if accepted:
            task_id = str(900_000 + len(self.submissions))
            self.tasks[task_id] = {
                "task_id": task_id,
                "state": "created",
                "model": wire.get("model", "viduq3-turbo"),
                "credits": 60,
                "payload": wire.get("payload"),
                "visible_at": self.clock() + self.list_lag,
                "created": self.clock(),
            }
        if isinstance(reply, tuple):
            raise reply[1]
        if reply is not None:
            raise reply
        return ViduTask.model_validate(self.tasks[task_id])

    def get_task(self, task_id: str, *, retry: bool = True) -> ViduTask:
        self.queried.append(task_id)
        if self.outage is not None:
            raise self.outage
        if task_id in self.broken:
            raise self.broken[task_id]
        if task_id not in self.tasks:
            raise ViduNotFoundError("Vidu answered: no such task", task_id=task_id, http_status=404)
        hidden = {"model", "payload"} if self.hides_payload else {"model"}
        return ViduTask.model_validate(
            {name: value for name, value in self.tasks[task_id].items() if name not in hidden}
        )

    def list_page(self, **query: Any) -> TaskPage:
        if (error := self.list_errors.pop(0) if self.list_errors else self.list_error) is not None:
            raise error
        since = query["created_after"].timestamp()
        rows = [row for row in self.tasks.values() if row["visible_at"] <= self.clock() and row["created"] >= since]
        hidden = {name for name in ("payload", "err_code") if not getattr(self, f"list_{name}")}
        return TaskPage(
            tuple(
                ViduTask.model_validate(
                    {
                        name: self.as_listed(value) if name == "payload" else value
                        for name, value in row.items()
                        if name not in hidden
                    }
                )
                for row in rows
            ),
            self.next_page_token,
            len(rows) + self.unreadable_rows,
        )

    def cancel_task(self, task_id: str) -> None:
        self.cancels.append(task_id)
        if not self.cancellable:
            raise ViduRequestError("Vidu answered: task state is scheduled, can not cancel", http_status=400)
        self.tasks[task_id].update(state="failed", err_code="UserCancelled")

    def add(self, task_id: str, payload: str | None) -> None:
        """Add a task that was submitted elsewhere."""
        row = {"task_id": task_id, "state": "success", "payload": payload}
        self.tasks[task_id] = {**row, "visible_at": self.clock(), "created": self.clock()}

    def finish(self, task_id: str, state: str = "success", **more: Any) -> None:
        creations = [{"id": "c1", "url": "https://storage.example/video.mp4"}] if state == "success" else []
        self.tasks[task_id].update(state=state, creations=creations, **more)


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Generator[Clock, None, None]:
    """The time in which the package lives during a test, and the local Vidu of the fixture ``vidu_emulator``."""
    clock = Clock()
    marker = request.node.get_closest_marker("vidu_emulator")
    settings = marker.kwargs if marker else {}
    request.node.add_marker(pytest.mark.vidu_emulator(**settings, clock=clock), append=False)
    with replaced_by(jumping(clock)):
        yield clock


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def vidu(clock: Clock) -> Vidu:
    return Vidu(clock)


@pytest.fixture
def make(vidu: Vidu, store: Store, clock: Clock) -> Any:
    """Make the submission of one try of one task instance."""
    run_began = clock()

    def make(
        try_number: int = 1,
        max_tries: int = 2,
        *,
        with_store: bool = True,
        key: str = "vidu_submission",
        first_try: int = 1,
        resumed: Resumed | None = None,
        sleep: Any = None,
        is_delivered: Any = lambda task: None,
        note_discarded: Any = lambda: None,
        **policies: Any,
    ) -> Submission:
        this_try = Try(
            "d.t of r",
            max_tries,
            try_number,
            ("d", "r", "t", -1, max_tries, "start"),
            run_began=run_began,
            first_try=first_try,
            identity=("d", "r", "t", -1),
            run_created=run_began,
        )
        held = store if with_store else None
        sleep = sleep or clock.sleep
        return Submission(
            vidu,
            this_try,
            held,
            Policies(**policies),
            endpoint=ENDPOINT,
            key=key,
            resumed=resumed,
            is_delivered=is_delivered,
            note_discarded=note_discarded,
            clock=clock,
            sleep=sleep,
        )

    return make


@cache
def small_video() -> bytes:
    """Return a real video of a quarter of a second."""
    from airflow_provider_vidu.emulator.video.render import encode_video

    return encode_video(Image.new("RGB", (64, 36), (0, 90, number * 40)) for number in range(6))


@pytest.fixture(autouse=True)
def renders_nothing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Serve one small video for all tasks: what the local Vidu renders is tested in ``emulator`` and in the integration
    tests. A test that needs its own has the marker ``vidu_emulator(video=None)``.
    """
    if "vidu_emulator" in request.fixturenames:
        monkeypatch.setitem(pytest_plugin.DEFAULTS, "video", small_video())


@pytest.fixture
def runtime_context() -> Any:
    """Make the context of a running task, with the parts that this provider reads."""

    def make(store: Store | None = None, **instance: Any) -> dict[str, Any]:
        facts = {
            "dag_id": "d",
            "task_id": "t",
            "run_id": "r",
            "map_index": -1,
            "try_number": 1,
            "max_tries": 2,
            **instance,
        }
        context: dict[str, Any] = {"ti": SimpleNamespace(**facts), "dag_run": SimpleNamespace(start_date="2026-01-01")}
        if store is not None:
            context["task_state_store"] = SimpleNamespace(
                get=store.get, set=lambda key, value, retention=None: store.set(key, value)
            )
        return context

    return make
