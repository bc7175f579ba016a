# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The two transports: ``requests`` for workers, ``aiohttp`` for the triggerer and async tasks.

They only move bytes: ``airflow_provider_vidu.api`` decides what to send and what a reply means. Neither follows a
redirect with the key, neither repeats a POST, both limit the time and size of every request.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import tenacity

from airflow_provider_vidu import __version__
from airflow_provider_vidu.api import http_messages
from airflow_provider_vidu.api.account import Account, is_loopback
from airflow_provider_vidu.api.errors import (
    ViduAnswerTooLargeError,
    ViduConfigurationError,
    ViduError,
    ViduRateLimitError,
    ViduSubmissionInDoubtError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.proxies import choose_proxy, is_bypassed, proxy_url
from airflow_provider_vidu.api.redaction import redacted
from airflow_provider_vidu.api.tasks import Credits, TaskState, ViduTask
from airflow_provider_vidu.transport import timing
from airflow_provider_vidu.transport.connecting import connect
from airflow_provider_vidu.transport.exchange import Exchange, current_exchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import aiohttp
    import requests

    from airflow_provider_vidu.transport.name_resolution import OwnThreadResolver

Answer = tuple[int, Mapping[str, str], bytes]
Result = TypeVar("Result")

#: Seconds for the TCP and TLS connect alone.
CONNECT_TIMEOUT = 10.0
USER_AGENT = f"airflow-provider-vidu/{__version__}"

#: Attempts of a GET, and the seconds for all of them; an outage that lasts longer is up to the caller.
GET_ATTEMPTS = 4
GET_SECONDS = 30.0

_CHUNK = 64 * 1024
#: Replies of more bytes are parsed in a thread: a full page of the list takes some 10 ms.
_PARSED_ON_LOOP = 64 * 1024
#: Replies with more values are not parsed in the triggerer: JSON is decoded without a break, and would block the event
#: loop even from a thread. A full page of the list has some 5,000 values.
_MAX_VALUES = 20_000

#: Seconds for which an endpoint that a host seems to lack is not requested again.
_MISSING_SECONDS = 60.0

#: The fields of a task that messages quote.
_QUOTED_FIELDS = ("state", "model", "err_code", "err_msg", "created_at", "resolution", "wm_position")
_KNOWN_STATES = frozenset(TaskState)

# The variables that requests uses, in its order; then that of OpenSSL, which aiohttp's own context may have missed.
_CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def _retry_arguments() -> dict[str, Any]:
    backoff = tenacity.wait_random_exponential(multiplier=0.5, max=8)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ViduError) else None
        return backoff(state) if asked is None else min(asked, GET_SECONDS)

    return {
        "retry": tenacity.retry_if_exception_type((ViduUnavailableError, ViduRateLimitError)),
        "stop": tenacity.stop_after_attempt(GET_ATTEMPTS) | tenacity.stop_before_delay(GET_SECONDS),
        "wait": wait,
        "reraise": True,
    }


class _Body(io.BytesIO):
    """
    A request's body that knows whether any of it was sent: no server executes a POST of which only the head arrived.

    The libraries' errors do not say it: a TLS or proxy error can come before the request and after it.
    """

    def __init__(self, content: bytes, end: float = float("inf"), not_after: float = float("inf")) -> None:
        super().__init__(content)
        self.is_started = False
        self._end = end
        self._not_after = not_after

    def read(self, size: int | None = -1, /) -> bytes:
        # Checked here, at the last moment: the process may have been frozen since the request was built.
        if time.monotonic() > self._end or timing.now() > self._not_after:
            raise TimeoutError("sending took too long")
        self.is_started = True
        return super().read(size)


def _verify_error(error: BaseException) -> ViduError:
    return ViduConfigurationError(
        f"TLS certificates cannot be verified: {error}.",
        advice="Correct `verify` in the connection's extra, or the CA bundle of the environment. Nothing was sent.",
    )


def _transport_error(request: http_messages.HttpRequest, error: BaseException, *, sent: bool) -> ViduError:
    # The texts of transport errors contain addresses, never headers; the class identifies the cause.
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    # A proxy's URL may contain a password.
    cause = re.sub(r"//[^/@\s'\"]+@", "//***@", cause)
    host = urlsplit(request.url).netloc
    if request.submits and sent:
        return ViduSubmissionInDoubtError(f"The reply to the submission to {host} was lost ({cause}).")
    unsent = " Nothing was sent." if not sent else ""
    return ViduUnavailableError(f"{host} could not be reached ({cause}).{unsent}", task_id=request.task_id)


def _too_large(request: http_messages.HttpRequest) -> ViduError:
    text = f"The answer is larger than {_limit(request) // (1024 * 1024)} MB."
    if request.submits:
        return ViduSubmissionInDoubtError(text)
    return ViduAnswerTooLargeError(text, task_id=request.task_id)


def _limit(request: http_messages.HttpRequest) -> int:
    # The reply to a submission echoes the image, so that it may be as large as the request.
    return http_messages.MAX_ANSWER_BYTES + len(request.body or b"")


def _has_many_values(body: bytes) -> bool:
    """Return whether a JSON text has too many values for the triggerer, by its commas outside of strings."""
    if body.count(b",") <= _MAX_VALUES:
        return False
    # Every second part is outside of strings. A reply with still more strings is over the limit anyway.
    parts = body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', 4 * _MAX_VALUES)
    return len(parts) > 4 * _MAX_VALUES or sum(part.count(b",") for part in parts[::2]) > _MAX_VALUES


def _list_query(
    task_ids: Sequence[str] | None,
    states: Sequence[str] | None,
    created_after: datetime | None,
    created_before: datetime | None,
) -> dict[str, Any]:
    return {
        "task_ids": task_ids or (),
        "states": states or (),
        "created_after": created_after,
        "created_before": created_before,
    }


def proxy_for(account: Account) -> str | None:
    """
    Return the proxy for an account's host: the connection's own, else the environment's; none for loopback.

    :raises ViduConfigurationError: a proxy that only one of the transports could use, such as SOCKS.
    """
    if account.proxy or account.is_loopback:
        return account.proxy
    return _proxy_of_environment(account.base_url)


def proxy_to(account: Account, url: str) -> str | None:
    """
    Return the proxy for a storage host: the connection's own unless ``NO_PROXY`` names it, else the environment's.

    :param url: the link.
    :raises ViduConfigurationError: see :func:`proxy_for`.
    """
    host = urlsplit(url).hostname or ""
    if is_loopback(host):
        return None
    if account.proxy:
        is_excepted = is_bypassed(url, getproxies().get("no", "")) or proxy_bypass(host)
        return None if is_excepted else account.proxy
    return _proxy_of_environment(url)


def _proxy_of_environment(url: str) -> str | None:
    parts = urlsplit(url)
    chosen = choose_proxy(url, getproxies())
    # proxy_bypass also knows the exceptions in the settings of macOS.
    if chosen is None or proxy_bypass(parts.hostname or ""):
        return None
    kind, text = chosen
    return proxy_url(text, _variable(kind), to_https=parts.scheme == "https")


def _variable(kind: str) -> str:
    """Return the name of a proxy variable as the environment spells it, for a message."""
    names = (name for name, value in os.environ.items() if name.lower() == f"{kind}_proxy" and value)
    # The variable in lower case wins.
    return max(names, default="The proxy of the system's settings")


def _ca_bundle(account: Account) -> bool | str:
    """Return the CA bundle: a path, True = certifi's, False = no verification."""
    if account.verify is not True or account.is_loopback:
        return account.verify
    return next((path for name in _CA_BUNDLES if (path := os.environ.get(name))), True)


def _parse_reply(
    parse: Callable[..., Result],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    account: Account,
    *more: str,
) -> Result:
    """
    Parse a reply, and remove the key, which it may repeat, from everything that messages quote.

    The payload, ids and links stay as they were sent: they are used, not quoted.
    """
    try:
        result = parse(status, headers, body, *more)
    except ViduError as error:
        raise http_messages.with_advice_for(error, account).without(account.api_key) from None
    if isinstance(result, http_messages.TaskPage):
        result = cast("Result", replace(result, tasks=tuple(_clean_task(task, account) for task in result.tasks)))
    elif isinstance(result, ViduTask):
        result = cast("Result", _clean_task(result, account))
    return result


def _clean_task(task: ViduTask, account: Account) -> ViduTask:
    """Return a task with absolute links, and without the key in the texts that messages quote."""
    changed = {}
    for name in _QUOTED_FIELDS:
        text = getattr(task, name)
        if isinstance(text, str) and text not in _KNOWN_STATES:
            clean = redacted(text, account.api_key)
            if clean != text:
                changed[name] = clean
    if changed:
        task = task.model_copy(update=changed)
    if task.unread_reply:
        task = task.with_unread_reply(redacted(task.unread_reply, account.api_key))
    if task.trace_id:
        task = task.with_trace_id(redacted(task.trace_id, account.api_key))
    return task.at(account.base_url)


class _MissingEndpoints:
    """
    The endpoints that a host was seen to lack, by the function that parses their replies.

    Only a web page counts: it comes from a path that is not routed, while a 404 may be about one task. It may also be a
    maintenance page, so it is remembered for half the time in which a list settles (at most a minute): a look-up sends
    another request before it decides. Vidu's own hosts have every endpoint, so nothing is remembered about them.
    """

    def __init__(self, account: Account, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_vidu = account.is_vidus
        self._seconds = min(_MISSING_SECONDS, account.settle_seconds / 2)
        self._clock = clock
        self._errors: dict[Callable[..., Any], tuple[ViduError, float]] = {}

    def check(self, parse: Callable[..., Any], task_id: str | None) -> None:
        """Raise the error of a moment ago, so that no further request is sent."""
        known, until = self._errors.get(parse, (None, 0.0))
        if known is not None and self._clock() < until:
            raise ViduConfigurationError(
                known.message, advice=known.advice, http_status=known.http_status, task_id=task_id
            )

    def note(self, parse: Callable[..., Any], error: ViduError) -> None:
        """Remember an error that every request to this endpoint will get."""
        if http_messages.is_web_page(error) and not self._is_vidu:
            self._errors[parse] = error, self._clock() + self._seconds


def _tls_context(bundle: bool | str) -> ssl.SSLContext | bool:
    # Reads files: not on the triggerer's loop.
    if bundle is False:
        return False
    # As requests does: the system's certificates may differ, or be missing in a slim container.
    path = certifi.where() if bundle is True else bundle
    try:
        is_folder = os.path.isdir(path)
        return ssl.create_default_context(cafile=None if is_folder else path, capath=path if is_folder else None)
    except OSError as error:
        raise _verify_error(OSError(f"{path}: {error}")) from None


class _WatchedConnection:
    """A connection of ``urllib3`` whose exchange limits its time and can cut it off."""

    sock: Any

    def _new_conn(self: Any) -> Any:
        from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

        # The same errors as those of the method that this one overrides.
        try:
            where = (self._dns_host, self.port)
            return connect(where, self.timeout, self.source_address, options=self.socket_options or ())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} failed: {error}") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def putrequest(self, *arguments: Any, **named: Any) -> None:
        if self.sock is not None:
            # An earlier exchange opened it.
            current_exchange().watch(self.sock)
        super().putrequest(*arguments, **named)  # type: ignore[misc]


class _FinalResponse(http.client.HTTPResponse):
    """
    A reply without the interim replies before it (``102 Processing``, ``103 Early Hints``).

    ``http.client`` skips only ``100 Continue`` and treats any other as the final reply; aiohttp skips them all.
    """

    def _read_status(self) -> tuple[str, int, str]:
        # Not begin(): only this method reads the reply to a proxy's CONNECT.
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


def _adapt(session: requests.Session) -> None:
    """Make a session skip interim replies and keep deadlines, whether it connects directly or through a proxy."""
    import requests

    def adapted(pool: Any) -> Any:
        known = pool.ConnectionCls
        connection = type(known.__name__, (_WatchedConnection, known), {"response_class": _FinalResponse})
        return type(pool.__name__, (pool,), {"ConnectionCls": connection})

    def patched(manager: Any) -> Any:
        manager.pool_classes_by_scheme = {
            scheme: adapted(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }
        return manager

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            super().init_poolmanager(*arguments, **named)
            patched(self.poolmanager)

        def proxy_manager_for(self, proxy: Any, **named: Any) -> Any:
            known = proxy in self.proxy_manager
            manager = super().proxy_manager_for(proxy, **named)
            return manager if known else patched(manager)

    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())


class ViduClient:
    """
    A blocking client on ``requests``, for workers. Close it, or use it as a context manager.

    :param account: the host, the key and the paths.
    :param sleep: waits between retries, in seconds; tests replace it.
    """

    def __init__(self, account: Account, *, sleep: Callable[[float], None] = timing.sleep) -> None:
        import requests

        self.account = account
        self._session = requests.Session()
        _adapt(self._session)
        self._session.headers["User-Agent"] = USER_AGENT
        # This module reads the environment, by the same rules for both transports. It also prevents an entry of
        # ~/.netrc from replacing the key.
        self._session.trust_env = False
        self._session.verify = _ca_bundle(account)
        proxy = proxy_for(account)
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}
        #: Addresses that this client's requests went to: those of the proxy, if there is one.
        self.addresses: set[str] = set()
        self._missing = _MissingEndpoints(account)
        self._retrying = tenacity.Retrying(sleep=sleep, **_retry_arguments())

    def __enter__(self) -> ViduClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the session and its connections."""
        self._session.close()

    def submit(self, wire: Mapping[str, Any], *, endpoint: str, not_after: float = float("inf")) -> ViduTask:
        """
        Create a task, **once and unprotected**: a caller that dies before it has saved the id pays again.

        :param wire: the request's JSON object.
        :param endpoint: the last part of the create path.
        :param not_after: epoch seconds after which nothing may be sent, even if this process was frozen meanwhile:
            another one may already be looking for the task.
        :return: the created task.
        :raises ViduSubmissionInDoubtError: the reply was lost; it may have been created.
        :raises ViduError: it was not created.
        """
        request = replace(http_messages.prepare_create(self.account, endpoint, wire), not_after=not_after)
        return self._ask(request, http_messages.parse_create)

    def get_task(self, task_id: str, *, retry: bool = True) -> ViduTask:
        """
        Query a task; its links are re-signed on every query.

        :param retry: False = a single request, for callers that pace themselves and must not be delayed.
        :raises ViduNotFoundError: this account has no such task.
        :raises ViduUnavailableError: Vidu cannot be reached, after retries.
        """
        request = http_messages.prepare_task(self.account, task_id)
        if not retry:
            return self._ask(request, http_messages.parse_task, task_id)
        return self._retrying(lambda: self._ask(request, http_messages.parse_task, task_id))

    def list_page(self, *, retry: bool = True, **query: Any) -> http_messages.TaskPage:
        """
        Read one page of the task list.

        :param retry: see :meth:`get_task`.
        :param query: see :func:`airflow_provider_vidu.api.http_messages.prepare_list`.
        """
        request = http_messages.prepare_list(self.account, **query)
        if not retry:
            return self._ask(request, http_messages.parse_list)
        return self._retrying(lambda: self._ask(request, http_messages.parse_list))

    def list_tasks(
        self,
        task_ids: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[ViduTask]:
        """
        Iterate over the task list, page by page. A list reply is a hint: it may lag behind and omit rows.

        :param task_ids: only these, at most 100.
        :param states: only tasks in these states.
        :param created_after: None = Vidu's window of seven days.
        :param created_before: see ``created_after``.
        :raises ViduConfigurationError: this host has no list.
        """
        query = _list_query(task_ids, states, created_after, created_before)
        paging = http_messages.Paging()
        while not paging.ended:
            yield from paging.take(self.list_page(**query, page_token=paging.token))

    def cancel_task(self, task_id: str) -> None:
        """
        Cancel a task that has not started; Vidu refunds it. The request is not repeated if its reply is lost.

        :raises ViduRequestError: refused: the task is scheduled, processing or finished.
        """
        request = http_messages.prepare_cancel(self.account, task_id)
        self._ask(request, http_messages.parse_cancel, task_id)

    def get_credits(self) -> Credits:
        """
        Read the account's balance.

        :raises ViduConfigurationError: this host does not report it.
        """
        request = http_messages.prepare_credits(self.account)
        return self._retrying(lambda: self._ask(request, http_messages.parse_credits))

    def _ask(self, request: http_messages.HttpRequest, parse: Callable[..., Result], *more: str) -> Result:
        self._missing.check(parse, request.task_id)
        try:
            return _parse_reply(parse, *self._send(request), self.account, *more)
        except ViduError as error:
            self._missing.note(parse, error)
            raise error.without(self.account.api_key) from None

    def _send(self, request: http_messages.HttpRequest) -> Answer:
        import requests
        import urllib3

        seconds = max(0.001, min(self.account.timeout, request.not_after - timing.now()))
        end = time.monotonic() + seconds
        # The limit includes upload and connect: the look-up of a lost POST waits as long as the POST can last. requests
        # accepts urllib3's own object, though its types do not say so.
        limit = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, seconds), read=seconds, total=seconds)
        outgoing = None if request.body is None else _Body(request.body, end, request.not_after)
        exchange = Exchange(seconds)
        try:
            prepared = self._session.prepare_request(
                requests.Request(request.method, request.url, headers=dict(request.headers), data=outgoing)
            )
            with (
                exchange,
                self._session.send(
                    prepared,
                    timeout=cast("Any", limit),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                body = bytearray()
                # A plain read would return only full chunks.
                read = getattr(response.raw, "read1", response.raw.read)
                while chunk := read(_CHUNK, decode_content=True):
                    body += chunk
                    if len(body) > _limit(request):
                        raise _too_large(request)
                if exchange.is_over:
                    # A connection that is cut off looks like the end of a reply that has no length.
                    raise exchange.timeout()
                if exchange.address is not None:
                    self.addresses.add(exchange.address)
                return response.status_code, response.headers, bytes(body)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            sent = outgoing is None or outgoing.is_started
            if exchange.is_over:
                raise _transport_error(request, exchange.timeout(), sent=sent) from None
            of_libraries = isinstance(error, (requests.exceptions.RequestException, urllib3.exceptions.HTTPError))
            if of_libraries or (outgoing is not None and sent):
                raise _transport_error(request, error, sent=sent) from None
            # requests reports a wrong path of a CA bundle as a plain OSError.
            raise _verify_error(error) from None


class AsyncViduClient:
    """
    The same on ``aiohttp``: one session, for the triggerer and async tasks. Close it, or use ``async with``.

    :param account: the host, the key and the paths.
    :param sleep: waits between retries, in seconds; tests replace it.
    """

    def __init__(
        self,
        account: Account,
        *,
        sleep: Callable[[float], Awaitable[None]] = timing.asleep,
    ) -> None:
        self.account = account
        self._session: aiohttp.ClientSession | None = None
        self._resolver: OwnThreadResolver | None = None
        self._closed = False
        self._tls: ssl.SSLContext | bool = True
        self._proxy = proxy_for(account)
        self._missing = _MissingEndpoints(account)
        self._retrying = tenacity.AsyncRetrying(sleep=sleep, **_retry_arguments())

    async def __aenter__(self) -> AsyncViduClient:
        self._closed = False
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session and its connections; only another ``async with`` opens a new one."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def submit(self, wire: Mapping[str, Any], *, endpoint: str, not_after: float = float("inf")) -> ViduTask:
        """See :meth:`ViduClient.submit`."""
        request = replace(http_messages.prepare_create(self.account, endpoint, wire), not_after=not_after)
        return await self._ask(request, http_messages.parse_create)

    async def get_task(self, task_id: str, *, retry: bool = True) -> ViduTask:
        """See :meth:`ViduClient.get_task`."""
        request = http_messages.prepare_task(self.account, task_id)
        if not retry:
            return await self._ask(request, http_messages.parse_task, task_id)
        return await self._retrying(self._ask, request, http_messages.parse_task, task_id)

    async def list_page(self, *, retry: bool = True, **query: Any) -> http_messages.TaskPage:
        """See :meth:`ViduClient.list_page`."""
        request = http_messages.prepare_list(self.account, **query)
        if not retry:
            return await self._ask(request, http_messages.parse_list)
        return await self._retrying(self._ask, request, http_messages.parse_list)

    async def list_tasks(
        self,
        task_ids: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncIterator[ViduTask]:
        """See :meth:`ViduClient.list_tasks`."""
        query = _list_query(task_ids, states, created_after, created_before)
        paging = http_messages.Paging()
        while not paging.ended:
            for task in paging.take(await self.list_page(**query, page_token=paging.token)):
                yield task

    async def cancel_task(self, task_id: str) -> None:
        """See :meth:`ViduClient.cancel_task`."""
        request = http_messages.prepare_cancel(self.account, task_id)
        await self._ask(request, http_messages.parse_cancel, task_id)

    async def get_credits(self) -> Credits:
        """See :meth:`ViduClient.get_credits`."""
        request = http_messages.prepare_credits(self.account)
        return await self._retrying(self._ask, request, http_messages.parse_credits)

    async def _ask(self, request: http_messages.HttpRequest, parse: Callable[..., Result], *more: str) -> Result:
        self._missing.check(parse, request.task_id)
        try:
            status, headers, body = await self._send(request)
            if len(body) > _PARSED_ON_LOOP:
                # The reply to a submission must be read, however large it is.
                if not request.submits and _has_many_values(body):
                    raise ViduAnswerTooLargeError(
                        f"The answer has more than {_MAX_VALUES} values.", task_id=request.task_id
                    )
                return await asyncio.to_thread(_parse_reply, parse, status, headers, body, self.account, *more)
            return _parse_reply(parse, status, headers, body, self.account, *more)
        except ViduError as error:
            self._missing.note(parse, error)
            raise error.without(self.account.api_key) from None

    async def _send(self, request: http_messages.HttpRequest) -> Answer:
        import aiohttp
        from yarl import URL

        session = await self._open_session()
        outgoing = None if request.body is None else _Body(request.body, not_after=request.not_after)
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=dict(request.headers),
                data=outgoing,
                allow_redirects=False,
                proxy=self._proxy,
                ssl=self._tls,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK):
                    body += chunk
                    if len(body) > _limit(request):
                        raise _too_large(request)
                return response.status, response.headers, bytes(body)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            # An invalid host name raises a ValueError.
            raise _transport_error(request, error, sent=outgoing is None or outgoing.is_started) from None

    async def _open_session(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None and not self._closed:
            uses_tls = any((url or "").startswith("https:") for url in (self.account.base_url, self._proxy))
            if uses_tls or isinstance(self.account.verify, str):
                # Reading a CA bundle takes tens of milliseconds: not on the triggerer's loop.
                self._tls = await asyncio.to_thread(_tls_context, _ca_bundle(self.account))
        if self._closed:
            # The owner has closed it and would not close another session.
            raise ViduUnavailableError("This client has been closed. Nothing was sent.")
        # Checked again: another coroutine may have opened a session while the bundle was read.
        if self._session is None:
            from airflow_provider_vidu.transport.name_resolution import OwnThreadResolver

            self._resolver = OwnThreadResolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=self._resolver),
                headers={"User-Agent": USER_AGENT},
                timeout=aiohttp.ClientTimeout(total=self.account.timeout, sock_connect=CONNECT_TIMEOUT),
            )
        return self._session
