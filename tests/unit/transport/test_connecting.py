# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Connecting never exceeds the time left for the exchange, whatever name service and addresses do."""

from __future__ import annotations

import socket
import threading

import pytest

from airflow_provider_vidu.transport.connecting import connect
from airflow_provider_vidu.transport.exchange import Exchange

ADDRESSES = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"]


@pytest.fixture
def names(monkeypatch):
    """Resolve every name to the addresses."""
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, **named: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ADDRESSES],
    )


@pytest.fixture
def tries(monkeypatch):
    """Note each address that is tried, with its seconds; only 198.51.100.4 answers."""
    tries = []
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.socket()
    ours.connect(listener.getsockname())

    def create(address, timeout, source_address):
        tries.append((address[0], timeout))
        if address[0] != ADDRESSES[-1]:
            raise TimeoutError("timed out")
        return ours

    monkeypatch.setattr(socket, "create_connection", create)
    yield tries
    ours.close()
    listener.close()


def test_addresses_share_what_is_left_of_the_exchange(names, tries):
    with Exchange(8.0):
        connected = connect(("vidu.example", 443), 3.0)
    assert [address for address, _ in tries] == ADDRESSES
    seconds = [seconds for _, seconds in tries]
    assert seconds[0] == pytest.approx(2.0, abs=0.5)
    assert seconds[1] == pytest.approx(8 / 3, abs=0.5)
    # The timeout of one address is the maximum.
    assert seconds[2:] == pytest.approx([3.0, 3.0])
    assert connected.gettimeout() == pytest.approx(3.0)


def test_no_address_is_tried_after_the_deadline(tries, monkeypatch):
    monkeypatch.setattr(Exchange, "seconds_left", -0.1)
    monkeypatch.setattr("airflow_provider_vidu.transport.connecting._resolve", lambda *_: ADDRESSES)
    with Exchange(8.0), pytest.raises(TimeoutError, match="timed out after 8 s"):
        connect(("vidu.example", 443), 3.0)
    assert not tries


def test_error_of_the_last_address_is_raised(names, monkeypatch):
    def refuse(address, *arguments):
        raise ConnectionRefusedError(f"no {address[0]}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with Exchange(8.0), pytest.raises(ConnectionRefusedError, match=ADDRESSES[-1]):
        connect(("vidu.example", 443), 3.0)


def test_hanging_name_resolution_times_out(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: answered.wait(30))
    try:
        with Exchange(0.05), pytest.raises(TimeoutError, match=r"resolution of vidu\.example timed out"):
            connect(("vidu.example", 443), 3.0)
    finally:
        answered.set()


def test_error_of_the_name_service_is_raised(monkeypatch):
    def unknown(*arguments, **named):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Exchange(8.0), pytest.raises(socket.gaierror, match="not known"):
        connect(("vidu.example", 443), 3.0)


def test_link_local_address_keeps_its_interface(tries, monkeypatch):
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 2))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
    with Exchange(8.0), pytest.raises(TimeoutError):
        connect(("[fe80::1%eth0]", 443), 3.0)
    assert tries[0][0] == "fe80::1%2"
