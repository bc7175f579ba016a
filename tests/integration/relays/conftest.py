# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A relay for one test, ``vidu_default`` with the settings of its family, and one task instance's tries."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from _support.relay_stand_ins import FAMILIES, KEY, Relay, serving
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_vidu.triggers.task import ViduTaskTrigger


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Replace the migrated database, which nothing here needs."""


@pytest.fixture(scope="session")
def video() -> bytes:
    """A real MP4: half a second, 32 by 32 pixels."""
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(4):
            for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return target.getvalue()


@pytest.fixture(params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def relay(family: str, video: bytes, connect: Callable[..., None]) -> Iterator[Relay]:
    with serving(FAMILIES[family], video) as relay:
        connect(relay)
        yield relay
        assert relay.keys_at_storage == [], "The key went to the storage host."


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Point ``vidu_default`` and ``vidu_relay`` to a relay, with its family's settings and a test's changes."""

    def connect(relay: Relay, key: str = KEY, **changes: Any) -> None:
        extra = {**relay.extra, "timeout": 5, "settle_seconds": 0, **changes}
        connection = {"conn_type": "vidu", "host": relay.url, "password": key, "extra": extra}
        for conn_id in ("DEFAULT", "RELAY"):
            monkeypatch.setenv(f"AIRFLOW_CONN_VIDU_{conn_id}", json.dumps(connection))

    return connect


class TaskInstance:
    """One Airflow task instance, whose tries share the task state store."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.tries = 0
        self.max_tries = 2

    def clear(self) -> None:
        """Clear the task instance, as a user does, and keep its state."""
        self.max_tries = self.tries + 2

    def run(self, operator: Any) -> Any:
        """Run one try as Airflow does: execute, the trigger in a loop, resume."""
        self.tries += 1
        facts = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "max_tries": self.max_tries}
        context = {
            "ti": SimpleNamespace(**facts, try_number=self.tries),
            "dag_run": SimpleNamespace(start_date="2026-01-01"),
            "task_state_store": SimpleNamespace(get=self.values.get, set=self._set),
        }
        step, arguments = operator.execute, {}
        while True:
            try:
                return step(context, **arguments)
            except TaskDeferred as deferred:
                path, kwargs = deferred.trigger.serialize()
                trigger = deferred.trigger
                if path.endswith("ViduTaskTrigger"):
                    trigger = ViduTaskTrigger(**json.loads(json.dumps(kwargs)))
                event = asyncio.run(_first_event(trigger))
                travelling = json.loads(json.dumps(deferred.kwargs or {}))
                step, arguments = getattr(operator, deferred.method_name), {"event": event, **travelling}

    def _set(self, key: str, value: Any, retention: Any = None) -> None:
        self.values[key] = json.loads(json.dumps(value))


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("The trigger ended without an event.")


@pytest.fixture
def task_instance() -> TaskInstance:
    return TaskInstance()


@pytest.fixture(params=[False, True], ids=["worker", "deferred"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
