# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Who may control the emulator: its routes need no key, and a browser on the same machine reaches them.

A page of another site sends its ``Origin``; one whose own name resolves to this machine (DNS rebinding) sends that name
as ``Host``. Programs send neither.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

# These cannot be registered as public names: machines and containers use them for each other.
_PRIVATE = (".localhost", ".local", ".internal")


def stranger(host: str | None, origin: str | None, own_name: str = "") -> str | None:
    """Return why a request with these ``Host`` and ``Origin`` headers may not control the emulator; None = it may."""
    name = _name_of(host or "")
    if host and not (_is_private(name) or name == own_name.lower()):
        return (
            f"the emulator cannot be controlled under the name {name[:80]!r}, which may be a web page's: "
            "use localhost, an IP address, or a name without a dot"
        )
    if origin is not None and _netloc_of(origin) != (host or "").lower():
        return f"the emulator cannot be controlled by web pages of other sites, such as {origin[:80]!r}"
    return None


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _netloc_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_private(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return name != "" and ("." not in name or name.endswith(_PRIVATE))
    return True
