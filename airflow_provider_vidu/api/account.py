# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
An account: the host, the key and the paths of Vidu's API, read from the fields of an Airflow connection.

Pure, so that the hook, the triggerer and the tests read a connection by the same rules.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_provider_vidu.api.defaults import is_no, is_yes
from airflow_provider_vidu.api.errors import ViduConfigurationError
from airflow_provider_vidu.api.proxies import DEFAULT_PORTS, proxy_url

DEFAULT_BASE_URL = "https://api.vidu.com"
#: Maximum size of a landed file in megabytes: many times that of a video from Vidu.
DEFAULT_MAX_FILE_MB = 2000.0
#: The hosts that take ``Token``; every relay that copies the API takes ``Bearer``.
VIDU_HOSTS = frozenset({"api.vidu.com", "api.vidu.cn"})
#: The console that shows an account's tasks, by API host; Vidu documents no page for a single task.
CONSOLES = {"api.vidu.com": "https://platform.vidu.com/", "api.vidu.cn": "https://platform.vidu.cn/"}
DEFAULT_API_PREFIX = "/ent/v2"
_UPLOADS_PATH = "/tools/v2/files/uploads"
#: Seconds for one request. A create with a large image in it has been seen to take most of a minute.
DEFAULT_TIMEOUT = 60.0
#: Seconds after which an accepted submission counts as visible in the task list.
DEFAULT_SETTLE_SECONDS = 60.0

# Paths below the prefix, by the extra field that overrides them.
_PATHS = {
    "create_path": "{endpoint}",
    "task_path": "tasks/{task_id}/creations",
    "cancel_path": "tasks/{task_id}/cancel",
    "list_path": "tasks",
    "credits_path": "credits",
}

#: Every field of the connection's extra.
EXTRAS = (
    "allow_http",
    "api_prefix",
    "auth_scheme",
    "max_file_mb",
    "poll_interval",
    "proxy",
    "settle_seconds",
    "task_url",
    "timeout",
    "verify",
    *_PATHS,
)

# The connection's field for a name that some people put into the extra.
_FIELDS = {
    "api_base": "host",
    "base_url": "host",
    "endpoint": "host",
    "url": "host",
    "api_key": "password",
    "key": "password",
    "token": "password",
}

# Text before the key that is copied along from an example request.
_KEY_PREFIX = re.compile(
    r"""\A(?:authorization["']?\s*:\s*["']?)?(?:(?:token|bearer)(?::?\s+|:?\Z)["']?)*""", re.IGNORECASE
)
# Characters that both transports send unchanged.
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
_QUOTES = "\"' \t\r\n"


@dataclass(frozen=True)
class Account:
    """
    The host, the key and the paths of Vidu's API.

    :param base_url: scheme, host and port, perhaps a path; no slash at the end.
    :param api_key: the key; no representation of this object shows it.
    :param auth_scheme: the word before the key in ``Authorization``; empty = the raw key.
    :param create_path: path of the create call; ``{endpoint}`` in it is replaced.
    :param task_path: path of the query; ``{task_id}`` in it is replaced, as in ``cancel_path``.
    :param cancel_path: None = this host has no cancel.
    :param list_path: None = this host has no list.
    :param credits_path: None = this host does not report the balance.
    :param uploads_path: path of the upload tool, which is beside the API; many relays lack it.
    :param timeout: seconds for one request, connect included.
    :param settle_seconds: see ``DEFAULT_SETTLE_SECONDS``.
    :param poll_interval: seconds between polls of a task, unless the caller sets its own; None = the schedule decides.
        For emulators, which are faster than the schedule expects.
    :param verify: whether to verify TLS certificates, or the path of a CA bundle.
    :param proxy: URL of an HTTP proxy; None = the environment's.
    :param max_file_mb: maximum size of a landed file, in megabytes.
    :param task_url: URL of the page that shows a task; ``{task_id}`` in it is replaced. None = no page is known.
    """

    base_url: str = DEFAULT_BASE_URL
    api_key: str = field(default="", repr=False)
    auth_scheme: str = "Token"
    create_path: str = f"{DEFAULT_API_PREFIX}/{_PATHS['create_path']}"
    task_path: str = f"{DEFAULT_API_PREFIX}/{_PATHS['task_path']}"
    cancel_path: str | None = f"{DEFAULT_API_PREFIX}/{_PATHS['cancel_path']}"
    list_path: str | None = f"{DEFAULT_API_PREFIX}/{_PATHS['list_path']}"
    credits_path: str | None = f"{DEFAULT_API_PREFIX}/{_PATHS['credits_path']}"
    uploads_path: str = _UPLOADS_PATH
    timeout: float = DEFAULT_TIMEOUT
    settle_seconds: float = DEFAULT_SETTLE_SECONDS
    poll_interval: float | None = None
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    max_file_mb: float = DEFAULT_MAX_FILE_MB
    task_url: str | None = None

    @property
    def identity(self) -> str:
        """A short hash of host and key: shows whether a task id still belongs to this account."""
        return hashlib.sha256(f"{self.base_url}\n{self.api_key}".encode()).hexdigest()[:16]

    @property
    def authorization(self) -> str:
        """The value of the ``Authorization`` header."""
        return f"{self.auth_scheme} {self.api_key}" if self.auth_scheme else self.api_key

    def task_page(self, task_id: str) -> str | None:
        """Return the URL of the page that shows a task; None = no page is known."""
        return None if self.task_url is None else self.task_url.replace("{task_id}", quote(task_id, safe=""))

    @property
    def is_vidus(self) -> bool:
        """Whether the host is one of Vidu's own, not a relay's."""
        return urlsplit(self.base_url).hostname in VIDU_HOSTS

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine (the emulator, or a local proxy)."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without port and brackets, is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unknown_extras(extra: Mapping[str, Any]) -> list[str]:
    """
    List the unknown fields of a connection's extra, each with the field that is probably meant.

    :param extra: decoded.
    """
    named = []
    for name in extra:
        if name not in EXTRAS:
            meant = name.lower().rpartition("__")[2].replace("-", "_")
            # A wrong suggestion is worse than none.
            nearest = [_FIELDS[meant]] if meant in _FIELDS else get_close_matches(meant, EXTRAS, n=1, cutoff=0.8)
            named.append(f"{name} ({nearest[0]}?)" if nearest else name)
    return named


def account_from_fields(
    *,
    host: str | None = None,
    schema: str | None = None,
    port: int | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
    conn_id: str = "vidu_default",
) -> Account:
    """
    Read an account from the fields of an Airflow connection.

    A path in ``extra`` that starts with a slash is relative to the host, any other to ``api_prefix``. ``null`` means
    that this host lacks the endpoint.

    :param host: with or without scheme, port and path; empty = ``https://api.vidu.com``.
    :param schema: ``http`` or ``https``, if ``host`` has no scheme.
    :param port: if ``host`` has none.
    :param password: the API key; ``Token`` or ``Bearer`` pasted with it is dropped, unless ``auth_scheme`` is empty.
    :param extra: the connection's extra, decoded; the texts ``null`` and ``None``, from a URI, mean null.
    :param conn_id: for messages.
    :raises ViduConfigurationError: no key, an invalid host or number, or plain http to another machine without
        ``allow_http``.
    """
    where = f"The connection {conn_id!r}"
    if extra is not None and not isinstance(extra, Mapping):
        raise ViduConfigurationError(f"{where}: the extra must be a JSON object.")
    # A connection's URI can express null only as text.
    nulls = {"null", "none"}
    extra = {name: None if str(value).strip().lower() in nulls else value for name, value in (extra or {}).items()}
    scheme = extra.get("auth_scheme")
    key = (password or "").strip()
    if scheme is None or str(scheme).strip():
        key = _KEY_PREFIX.sub("", key.strip(_QUOTES)).strip(_QUOTES)
    if not key:
        raise ViduConfigurationError(f"{where} has no API key: put it into the password field.")
    if not _fits_a_header(key):
        raise ViduConfigurationError(f"{where}: the API key has a character that headers do not allow (a line break?).")
    base_url = _base_url(host, schema, port, where)
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not is_yes(extra.get("allow_http")):
        raise ViduConfigurationError(
            f"{where} would send its API key to {parts.hostname} over plain http.",
            advice='Use https, or set "allow_http": true in the extra if you must.',
        )
    prefix = (str(extra.get("api_prefix") or "").strip() or DEFAULT_API_PREFIX).strip("/")
    if prefix:
        # A URL from Vidu's page includes the prefix: https://api.vidu.com/ent/v2.
        base_url = base_url.removesuffix(f"/{prefix}")
    if scheme is None:
        scheme = "Token" if parts.hostname in VIDU_HOSTS else "Bearer"
    scheme = str(scheme).strip()
    if not _fits_a_header(scheme):
        raise ViduConfigurationError(f"{where}: auth_scheme has a character that headers do not allow.")
    paths = {name: _path(extra.get(name, default), default, prefix) for name, default in _PATHS.items()}
    for needed in ("create_path", "task_path"):
        if paths[needed] is None:
            raise ViduConfigurationError(f"{where}: {needed} must not be null: nothing works without it.")
    for name in ("task_path", "cancel_path"):
        if "{task_id}" not in (paths[name] or "{task_id}"):
            raise ViduConfigurationError(f"{where}: {name} must contain {{task_id}}, the id of the task.")
    settle = _number(extra, "settle_seconds", where, zero=True)
    return Account(
        base_url=base_url,
        api_key=key,
        auth_scheme=scheme,
        timeout=_number(extra, "timeout", where) or DEFAULT_TIMEOUT,
        settle_seconds=DEFAULT_SETTLE_SECONDS if settle is None else settle,
        poll_interval=_number(extra, "poll_interval", where),
        verify=_verify(extra.get("verify")),
        proxy=_proxy(extra.get("proxy"), f"{where}: proxy", parts.scheme),
        max_file_mb=_number(extra, "max_file_mb", where, unit="megabytes") or DEFAULT_MAX_FILE_MB,
        task_url=_task_url(extra.get("task_url"), parts.hostname or "", where),
        uploads_path=_uploads_path(prefix),
        **paths,  # type: ignore[arg-type]
    )


def _base_url(host: str | None, schema: str | None, port: int | None, where: str) -> str:
    text = (host or "").strip()
    if not text:
        return DEFAULT_BASE_URL
    try:
        if "://" not in text:
            name = urlsplit(_bracketed(f"//{text}")).hostname or ""
            scheme = (schema or "").strip().lower() or ("http" if is_loopback(name) else "https")
            text = f"{scheme}://{text}"
        parts = urlsplit(_bracketed(text))
        name = _ascii_name(parts.hostname or "")
        number = parts.port or (int(port) if port else None)
        if number == DEFAULT_PORTS.get(parts.scheme):
            # The same host: a default port must not make it another account, whose tasks are not ours.
            number = None
    except ValueError as error:
        raise ViduConfigurationError(f"{where} has an invalid host or port: {error}.") from None
    if "@" in parts.netloc:
        raise ViduConfigurationError(f"{where} has a user or key in its host: the key belongs in the password field.")
    beyond = parts.query or parts.fragment or any(character.isspace() for character in text)
    if parts.scheme not in {"http", "https"} or not name or beyond:
        raise ViduConfigurationError(f"{where} needs a host such as https://api.vidu.com, not {host!r}.")
    name = f"[{name}]" if ":" in name else name
    path = quote(parts.path.rstrip("/"), safe=_URL_CHARACTERS)
    return f"{parts.scheme}://{name}{f':{number}' if number else ''}{path}"


def _ascii_name(host: str) -> str:
    """Return a host name in its DNS form: each transport would encode it by its own rule, or not at all."""
    if host.isascii():
        return host
    from yarl import URL

    return URL.build(scheme="https", host=host).raw_host or ""


def _bracketed(url: str) -> str:
    """Put an IPv6 address into the brackets that a URL needs; Airflow strips them from a connection's URI."""
    scheme, slashes, rest = url.partition("//")
    netloc, slash, path = rest.partition("/")
    try:
        return f"{scheme}{slashes}[{IPv6Address(netloc)}]{slash}{path}"
    except ValueError:
        return url


def _task_url(value: Any, host: str, where: str) -> str | None:
    if value is None or value == "":
        return CONSOLES.get(host)
    text = str(value).strip()
    if urlsplit(text).scheme not in {"http", "https"}:
        raise ViduConfigurationError(
            f"{where}: task_url must be a URL, such as https://console.example/task/{{task_id}}."
        )
    return text


def _proxy(value: Any, source: str, scheme: str) -> str | None:
    text = "" if value is None else str(value).strip()
    return proxy_url(text, source, to_https=scheme == "https") if text else None


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _path(value: Any, default: str, prefix: str) -> str | None:
    if value is None:
        return None
    text = quote(str(value).strip() or default, safe=_URL_CHARACTERS + "{}")
    if text.startswith("/"):
        return text
    return f"/{prefix}/{text}" if prefix else f"/{text}"


def _uploads_path(prefix: str) -> str:
    # A relay with Vidu's API at /vidu/ent/v2 has the tool at /vidu/tools.
    before, found, _ = f"/{prefix}/".rpartition(f"{DEFAULT_API_PREFIX}/")
    return f"{before}{_UPLOADS_PATH}" if found else _UPLOADS_PATH


def _verify(value: Any) -> bool | str:
    if value is None or value == "":
        return True
    if is_yes(value) or is_no(value):
        return is_yes(value)
    return str(value)


def _number(
    extra: Mapping[str, Any], name: str, where: str, *, zero: bool = False, unit: str = "seconds"
) -> float | None:
    value = extra.get(name)
    if value is None or value == "":
        return None
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not (0 <= number < float("inf")) or (number == 0 and not zero):
        raise ViduConfigurationError(f"{where}: {name} must be a number of {unit}, not {json.dumps(value)}.")
    return number
