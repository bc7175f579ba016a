# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Connect within the time limit of an exchange, including name resolution and all addresses.

``socket.create_connection`` gives each address of a name the whole timeout, and does not limit name resolution at all.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_vidu.transport.exchange import current_exchange


def connect(
    address: tuple[str, int],
    timeout: float,
    source_address: tuple[str, int] | None = None,
    *,
    options: Iterable[tuple[Any, ...]] = (),
    select: Callable[[Sequence[str]], Sequence[str]] = lambda found: found,
) -> socket.socket:
    """
    Connect to the first address of a host that answers, and let this thread's exchange cut off the connection.

    :param address: host and port.
    :param timeout: seconds for one address, and later for a read. The addresses share the time left in the exchange, so
        that a silent one does not use up the time of the next.
    :param source_address: see ``socket.create_connection``.
    :param options: socket options.
    :param select: picks the allowed addresses; may raise an OSError.
    :raises OSError: the name resolution or the last address failed.
    """
    host, port = address
    exchange = current_exchange()
    found = list(select(_resolve(host.strip("[]"), port, exchange.seconds_left)))
    while found:
        share = min(timeout, exchange.seconds_left / len(found))
        if share <= 0:
            break
        try:
            connected = socket.create_connection((found.pop(0), port), share, source_address)
        except OSError:
            if not found:
                raise
            continue
        for option in options:
            connected.setsockopt(*option)
        connected.settimeout(timeout)
        exchange.watch(connected)
        return connected
    raise exchange.timeout()


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name. The system's resolver cannot be interrupted, so a thread waits for it."""
    replies: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            replies.put([text_of(one[4]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except Exception as error:
            replies.put(error)

    threading.Thread(target=look_up, name="vidu-dns", daemon=True).start()
    try:
        reply = replies.get(timeout=max(0.0, seconds))
    except queue.Empty:
        raise TimeoutError(f"the resolution of {host} timed out") from None
    if isinstance(reply, Exception):
        raise reply
    return reply


def text_of(address: tuple[Any, ...]) -> str:
    """Return the IP address of a socket's address."""
    # A link-local address leads nowhere without its interface.
    is_link_local = len(address) == 4 and address[3]
    return f"{address[0]}%{address[3]}" if is_link_local else str(address[0])
