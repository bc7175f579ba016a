# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Host names are looked up in a thread of the session's own, so that a hanging DNS delays no other account.

aiohttp's own resolver uses the event loop's default executor, which the connections of all accounts are read in.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from aiohttp.resolver import ThreadedResolver


class OwnThreadResolver(ThreadedResolver):
    """
    Resolves one name at a time. A session talks to one host, or to one proxy: there is hardly a second name to wait.
    """

    def __init__(self) -> None:
        # The system's resolver cannot be interrupted; the session's timeouts bound the wait for it.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vidu-dns")
        super().__init__(loop=cast("asyncio.AbstractEventLoop", _LookUps(self._pool)))

    async def close(self) -> None:
        """Let the thread go; a look-up that hangs ends by itself, and what waits behind it is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _LookUps:
    """The two methods of an event loop that the resolver uses."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        return await self._run(partial(socket.getaddrinfo, *arguments, **options))

    async def getnameinfo(self, *arguments: Any) -> Any:
        return await self._run(partial(socket.getnameinfo, *arguments))

    async def _run(self, look_up: partial[Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, look_up)
