# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Resolve host names in a thread of the session's own, so that a hanging DNS delays no other account.

aiohttp's own resolver uses the event loop's default executor, which also reads the connections of all accounts.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

from airflow_provider_vidu.transport.connecting import text_of


class OwnThreadResolver(AbstractResolver):
    """Resolve one name at a time. A session uses one host or one proxy, so a second name hardly ever waits."""

    def __init__(self) -> None:
        # The system's resolver cannot be interrupted; the session's timeouts limit the wait for it.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="vidu-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name, for aiohttp."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=text_of(address),
                port=port,
                family=found_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Release the thread. A hanging look-up ends by itself, and the look-ups behind it are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
