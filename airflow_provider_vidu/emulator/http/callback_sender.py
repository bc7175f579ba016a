# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Sends callbacks as Vidu does: signed, at ``processing``, ``success`` and ``failed``, in order for each task.

The final ones are tried three times; Vidu documents neither the gap between the tries nor a time limit.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from airflow_provider_vidu.api.callbacks import callback_headers
from airflow_provider_vidu.api.tasks import FINAL_STATES, TaskState
from airflow_provider_vidu.emulator.machine.counters import Counters
from airflow_provider_vidu.emulator.machine.emulated_task import Change, EmulatedTask
from airflow_provider_vidu.emulator.video.first_frames import is_loopback_url

#: How often a callback about a final state is tried until it gets a 2xx.
FINAL_ATTEMPTS = 3
#: The gap before the second and third attempt, at Vidu's own pace.
RETRY_SECONDS = 5.0

_REPORTED = frozenset({TaskState.PROCESSING, *FINAL_STATES})
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class CallbackSender:
    """Delivers callbacks in the background; to other machines only if allowed, else they are counted as withheld."""

    def __init__(self, counters: Counters, *, retry_seconds: float, allow_remote: bool) -> None:
        self._counters = counters
        self._retry_seconds = retry_seconds
        self._allow_remote = allow_remote
        self._latest: dict[str, asyncio.Task[None]] = {}

    def send(self, session: aiohttp.ClientSession, change: Change, body: Callable[[], dict[str, Any]]) -> None:
        """Deliver a change to the task's ``callback_url``, if it has one and Vidu reports the state."""
        url = change.task.request.callback_url
        if not url or change.task.state not in _REPORTED:
            return
        if not self._allow_remote and not is_loopback_url(url):
            self._counters.callbacks_withheld += 1
            return
        previous = self._latest.get(change.task_id)
        delivery = asyncio.create_task(self._deliver(session, change.task, url, body, previous))
        self._latest[change.task_id] = delivery
        delivery.add_done_callback(lambda done: self._forget(change.task_id, done))

    async def close(self) -> None:
        """Cancel the deliveries in progress."""
        deliveries = list(self._latest.values())
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def _deliver(
        self,
        session: aiohttp.ClientSession,
        task: EmulatedTask,
        url: str,
        body: Callable[[], dict[str, Any]],
        previous: asyncio.Task[None] | None,
    ) -> None:
        if previous is not None:
            await asyncio.wait({previous})
        for attempt in range(1, (FINAL_ATTEMPTS if task.is_final else 1) + 1):
            if attempt > 1:
                await asyncio.sleep(self._retry_seconds)
            if await _post(session, task, url, body()):
                self._counters.callbacks_delivered += 1
                return
        self._counters.callbacks_failed += 1

    def _forget(self, task_id: str, done: asyncio.Task[None]) -> None:
        if self._latest.get(task_id) is done:
            del self._latest[task_id]


async def _post(session: aiohttp.ClientSession, task: EmulatedTask, url: str, body: dict[str, Any]) -> bool:
    parts = urlsplit(url)
    headers = callback_headers(
        task.api_key,
        path=parts.path,
        query=parts.query,
        date=format_datetime(datetime.now(timezone.utc), usegmt=True),
        nonce=secrets.token_hex(16),
    )
    try:
        async with session.post(
            URL(url, encoded=True), json=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT
        ) as answer:
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError):
        return False
