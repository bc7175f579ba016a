# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Decides which addresses are public: no link may lead a download into a private network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from airflow_provider_vidu.api.account import is_loopback

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_COMPATIBLE = IPv6Network("::/96")
# Python only knows the older one, 2001:db8::/32.
_DOCUMENTATION = IPv6Network("3fff::/20")
_PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")


def is_public(address: str) -> bool:
    """Check whether an address (without brackets) is public: not loopback, private, link-local or reserved."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        # Some releases of Python count some of these as global. Only 2000::/3 has been assigned so far.
        carried = _carried_ipv4(found)
        if carried is not None:
            return is_public(str(carried))
        if found not in _GLOBAL_UNICAST or found in _DOCUMENTATION:
            return False
    elif found in _PROTOCOL_ASSIGNMENTS:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _carried_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a mapped, compatible, NAT64, ISATAP, 6to4 or Teredo address leads to."""
    is_isatap = int(address) >> 32 & 0xFDFFFFFF == 0x5EFE
    if is_isatap or address in _NAT64 or address in _COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def is_private_by_itself(host: str) -> bool:
    """Check whether the connection itself names an address of a private network, and so allows one."""
    return is_loopback(host) or not is_public_literal(host)


def is_public_literal(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:
        return True
