# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Looks at remote tasks for every trigger of an account in a triggerer: one connection look-up, one session, one account.

This is the simple watcher: it queries each task singly, a bounded number at a time. Its place and interface stay when
the bulk list takes over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_vidu.api.errors import (
    ViduAuthError,
    ViduConfigurationError,
    ViduError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.schedule import Hints, Verdict, Wait
from airflow_provider_vidu.waiting import Progress, given_up

if TYPE_CHECKING:
    from airflow_provider_vidu.api.account import Account
    from airflow_provider_vidu.api.tasks import ViduTask
    from airflow_provider_vidu.client import AsyncViduClient

#: Queries under way at once for one account.
MAX_PARALLEL = 10


@dataclass(frozen=True)
class Outcome:
    """
    How the wait for one task ended.

    :param task_id: Vidu's id.
    :param task: as last seen; None where no look was answered.
    :param timed_out: the deadline passed first.
    :param error: why it was given up; None where it was not.
    """

    task_id: str
    task: ViduTask | None
    timed_out: bool = False
    error: ViduError | None = None


class Watcher:
    """
    One account's waits on one event loop.

    :param look_up: how to read the connection; called once, and again after a 401.
    """

    def __init__(self, look_up: Callable[[], Awaitable[Account]]) -> None:
        self._look_up = look_up
        self._client: AsyncViduClient | None = None
        self._opening = asyncio.Lock()
        self._looks = asyncio.Semaphore(MAX_PARALLEL)
        self.waiters = 0

    async def wait(
        self,
        task_id: str,
        *,
        hints: Hints,
        end_time: float,
        poll_interval: float | None = None,
        log: Any,
    ) -> Outcome:
        """
        Wait until a remote task has ended, or the deadline has passed.

        :param task_id: Vidu's id.
        :param hints: for the schedule.
        :param end_time: epoch seconds.
        :param poll_interval: seconds; None = the account's, or else the schedule decides.
        :param log: where progress is told.
        """
        if poll_interval is None:
            with suppress(ViduError):
                poll_interval = (await self._opened()).account.poll_interval
        wait = Wait(hints, end_time, poll_interval, time.time())
        progress = Progress(log, hints, time.time())
        task: ViduTask | None = None
        while True:
            await asyncio.sleep(max(0.0, wait.look_at - time.time()))
            client: AsyncViduClient | None = None
            try:
                async with self._looks:
                    client = await self._opened()
                    # The wait paces itself: retries inside a look would hide an outage from its schedule.
                    task = await client.get_task(task_id, retry=False)
            except ViduError as error:
                progress.failed(error, time.time())
                if isinstance(error, ViduAuthError) and client is self._client:
                    # The key may have been rotated in the connection since this triggerer read it. Only whoever met
                    # the present session closes it: others have read the connection anew already.
                    await self.close()
                verdict = wait.failed(error, time.time())
                if verdict is Verdict.GIVEN_UP:
                    return Outcome(task_id, task, error=given_up(error, task_id))
            else:
                progress.saw(task, time.time())
                verdict = wait.saw(task, time.time())
            if verdict is Verdict.ENDED:
                return Outcome(task_id, task)
            if verdict is Verdict.TIMED_OUT:
                return Outcome(task_id, task, timed_out=True)

    async def close(self) -> None:
        """Close the session; the next look reads the connection anew."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _opened(self) -> AsyncViduClient:
        from airflow_provider_vidu.client import AsyncViduClient

        async with self._opening:
            if self._client is None:
                # Half a second of importing is no business of the triggerer's loop.
                await asyncio.to_thread(import_module, "aiohttp")
                self._client = AsyncViduClient(await self._account())
            return self._client

    async def _account(self) -> Account:
        try:
            return await self._look_up()
        except ViduError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise ViduConfigurationError(f"The connection cannot be read ({error!r}).") from error
        except Exception as error:
            # Airflow's own outage is none of the remote task's: the wait goes on.
            raise ViduUnavailableError(f"The connection cannot be read now ({error}).") from error


_watchers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Watcher]] = WeakKeyDictionary()


@asynccontextmanager
async def of(conn_id: str, look_up: Callable[[], Awaitable[Account]]) -> AsyncGenerator[Watcher, None]:
    """
    Join the watcher of a connection on the running event loop; the last one to leave closes its session.

    :param conn_id: the connection's id. A triggerer serves one team, so that the id names one account in it.
    :param look_up: how to read the connection; the first one to join brings it.
    """
    here = _watchers.setdefault(asyncio.get_running_loop(), {})
    watcher = here.setdefault(conn_id, Watcher(look_up))
    watcher.waiters += 1
    try:
        yield watcher
    finally:
        watcher.waiters -= 1
        if watcher.waiters == 0:
            here.pop(conn_id, None)
            await watcher.close()
