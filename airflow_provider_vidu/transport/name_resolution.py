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

from aiohttp.abc import AbstractResolver, ResolveResult

from airflow_provider_vidu.transport.connecting import text_of


class OwnThreadResolver(AbstractResolver):
    """
    Resolves one name at a time. A session talks to one host, or to one proxy: there is hardly a second name to wait.
    """

    def __init__(self) -> None:
        # The system's resolver cannot be interrupted; the session's timeouts bound the wait for it.
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
        """Let the thread go; a look-up that hangs ends by itself, and what waits behind it is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
