# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What ours is compared with in a triggerer: one poller a trigger, as other providers have it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import aiohttp
from airflow.providers.common.compat.connection import get_async_connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

_shared: list[aiohttp.ClientSession] = []


class PollerTrigger(BaseTrigger):
    """Polls one task in its own loop, on its own session or on one that all pollers share."""

    def __init__(
        self, conn_id: str, vidu_task_id: str, poll_interval: float = 5.0, shared_session: bool = False
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.vidu_task_id = vidu_task_id
        self.poll_interval = poll_interval
        self.shared_session = shared_session

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        arguments = {
            "conn_id": self.conn_id,
            "vidu_task_id": self.vidu_task_id,
            "poll_interval": self.poll_interval,
            "shared_session": self.shared_session,
        }
        return "benchmarks.pollers.PollerTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the task has finished."""
        connection = await get_async_connection(self.conn_id)
        url = f"{connection.host}/ent/v2/tasks/{self.vidu_task_id}/creations"
        headers = {"Authorization": f"Token {connection.password}"}
        while True:
            async with self._session() as session, session.get(url, headers=headers) as answer:
                answer.raise_for_status()
                state = (await answer.json())["state"]
            if state in {"success", "failed"}:
                yield TriggerEvent({"status": state, "task_id": self.vidu_task_id})
                return
            await asyncio.sleep(self.poll_interval)

    def _session(self) -> Any:
        if not self.shared_session:
            return aiohttp.ClientSession()
        if not _shared:
            _shared.append(aiohttp.ClientSession())
        return nullcontext(_shared[0])


class IdleTrigger(BaseTrigger):
    """Waits for nothing, with the same fields as ours: what a trigger costs before it does anything."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = dict(arguments)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return "benchmarks.pollers.IdleTrigger", self.arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until it is cancelled."""
        await asyncio.get_running_loop().create_future()
        yield TriggerEvent({})


class EndingTrigger(BaseTrigger):
    """Ends its task when a file appears, without a request: what Airflow itself needs for that."""

    def __init__(self, file: str, record: dict[str, Any]) -> None:
        super().__init__()
        self.file = file
        self.record = record

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments."""
        return "benchmarks.pollers.EndingTrigger", {"file": self.file, "record": self.record}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check for the file in a loop."""
        from airflow.triggers.base import TaskSuccessEvent

        # The file comes from another process: there is no event to wait for.
        while not await asyncio.to_thread(os.path.exists, self.file):  # ruff: ignore[async-busy-wait]
            # Not in step with the triggerer, which collects events once a second.
            await asyncio.sleep(0.37)
        yield TaskSuccessEvent(xcoms={"return_value": self.record})


async def close() -> None:
    """Close the session that the pollers share."""
    while _shared:
        await _shared.pop().close()
