# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Chooses the proxy for a host, in one place, so that the worker that pays and the triggerer that waits use the same one.

The libraries of the two transports disagree about a proxy without a scheme, about SOCKS and about ``NO_PROXY``.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_vidu.api.errors import ViduConfigurationError

#: The default port of each scheme.
DEFAULT_PORTS = {"http": 80, "https": 443}


def choose_proxy(base_url: str, proxies: Mapping[str, str]) -> tuple[str, str] | None:
    """
    Choose the proxy for a host.

    :param base_url: the host's URL.
    :param proxies: proxies by scheme, ``all`` for any scheme, and ``no`` with the text of ``NO_PROXY``: what
        ``urllib.request.getproxies`` returns.
    :return: the key of the proxy and its text; None = no proxy.
    """
    parts = urlsplit(base_url)
    if not parts.hostname or is_bypassed(base_url, proxies.get("no", "")):
        return None
    return next(((name, proxies[name]) for name in (parts.scheme, "all") if proxies.get(name)), None)


def is_bypassed(url: str, no_proxy: str) -> bool:
    """
    Return whether ``NO_PROXY`` names a URL's host.

    Its entries are separated by commas or spaces: ``*``; a name, which includes its subdomains, with or without
    ``.`` or ``*.`` before it; an address or a network such as ``10.0.0.0/8``; each with or without a port.

    :param url: without a port, the default of its scheme counts.
    :param no_proxy: the text of ``NO_PROXY``.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = port_of(parts)
    return any(_names(entry, host, port) for entry in no_proxy.replace(",", " ").lower().split())


def port_of(parts: SplitResult) -> int | None:
    """Return the port of a URL, or its scheme's default; may raise a ValueError."""
    return parts.port or DEFAULT_PORTS.get(parts.scheme)


def _names(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        return _is_in(host, network)
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        if int(number) != port:
            return False
        return _names(name, host, port)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_in(host: str, network: object) -> bool:
    try:
        return ip_address(host.partition("%")[0]) in network  # type: ignore[operator]
    except ValueError:
        return False


def proxy_url(text: str, source: str, *, to_https: bool, python: tuple[int, ...] = sys.version_info[:2]) -> str:
    """
    Return a proxy as the URL that both transports take.

    :param text: with or without a scheme; the default is ``http://``.
    :param source: where it was found, for messages, which do not repeat the text: it may contain a password.
    :param to_https: whether the target host uses https.
    :param python: the interpreter's version.
    :raises ViduConfigurationError: no URL, SOCKS, or a proxy that only one of the transports can use.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        _ = parts.port
        # A number alone is a port, not a host.
        usable = parts.hostname is not None and not parts.hostname.isdecimal()
    except ValueError:
        usable = False
    # An @ after a slash or a hash has a part of the password before it.
    if usable and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise _login_error(source)
    if not usable:
        raise ViduConfigurationError(
            f"{source} must be a URL such as http://proxy.example:3128.",
            advice="Correct it. Nothing was sent to Vidu.",
        )
    if parts.scheme not in DEFAULT_PORTS:
        raise ViduConfigurationError(
            f"{source} is a {parts.scheme} proxy; only http and https proxies are supported.",
            advice="Nothing was sent to Vidu. Set proxy in the connection's extra to an HTTP proxy, or add the host "
            "to NO_PROXY on the workers and the triggerer. Many SOCKS proxies offer HTTP on another port.",
        )
    if parts.scheme == "https" and to_https and python < (3, 11):
        raise ViduConfigurationError(
            f"{source} is an https proxy, which the triggerer can use only from Python 3.11 on.",
            advice="Nothing was sent to Vidu. Use http:// for the proxy, or a newer Python.",
        )
    return f"{parts.scheme}://{_checked_login(parts, source)}{parts.netloc.rpartition('@')[2]}"


def split_login(url: str) -> tuple[str, str | None]:
    """
    Split a proxy's URL into one without user and password, and the ``Proxy-Authorization`` header made from them.

    :param url: of :func:`proxy_url`.
    """
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode("latin-1")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", f"Basic {base64.b64encode(login).decode()}"


def _checked_login(parts: SplitResult, source: str) -> str:
    """Return user and password for a URL, in the one form that both transports send alike."""
    if parts.username is None:
        return ""
    user, password = unquote(parts.username), unquote(parts.password or "")
    if not user or ":" in user or any(ord(one) > 0xFF for one in user + password):
        raise _login_error(source)
    # Only one of the transports sends a user without a password.
    return f"{parts.netloc.rpartition('@')[0]}{':' if parts.password is None else ''}@"


def _login_error(source: str) -> ViduConfigurationError:
    return ViduConfigurationError(
        f"{source} has a user or password that cannot be sent.",
        advice="Nothing was sent to Vidu. It needs a user without a colon, and no character outside Latin-1; "
        "percent-encode characters with a meaning in a URL (%40 for @, %2F for /, %23 for #).",
    )
