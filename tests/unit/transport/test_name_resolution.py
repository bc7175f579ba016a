# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The event loop's name resolution runs in a thread of its own session."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from airflow_provider_vidu.transport.name_resolution import OwnThreadResolver


def resolve(host, port):
    async def once():
        resolver = OwnThreadResolver()
        try:
            return await resolver.resolve(host, port, socket.AF_UNSPEC)
        finally:
            await resolver.close()

    return asyncio.run(once())


def test_every_address_of_a_name_is_returned(monkeypatch):
    threads = []

    def look_up(*arguments, **named):
        threads.append(threading.current_thread().name)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 2)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.7", 443)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    found = resolve("vidu.example", 443)
    assert [(one["hostname"], one["host"], one["port"], one["family"]) for one in found] == [
        ("vidu.example", "fe80::1%2", 443, socket.AF_INET6),
        ("vidu.example", "198.51.100.7", 443, socket.AF_INET),
    ]
    assert threads[0].startswith("vidu-dns")


def test_unknown_name_is_an_error(monkeypatch):
    def unknown(*arguments, **named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        resolve("vidu.invalid", 443)
