# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the connection form's "Test" says: green only where the host has looked at the key, red with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from airflow_provider_vidu.api.account import VIDU_HOSTS, Account
from airflow_provider_vidu.api.endpoints import is_missing_endpoint
from airflow_provider_vidu.api.errors import (
    REASONS,
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduError,
    ViduRateLimitError,
    ViduRequestError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.redaction import redacted
from airflow_provider_vidu.client import ViduClient

# Seconds for one request of a connection's test.
_TEST_TIMEOUT = 10.0

# `airflow connections test` prints through Rich, which swallows this; a host may answer with it.
_MARKUP = re.compile(r"\[([a-z#/@][^\[\]]*)\]")

# Why a host was not reached, by what stands in the text of the error: what is wrong, and what to do.
_UNREACHED = (
    ("ProxyError", "its proxy let nothing through", "Check proxy in the extra, or the environment's proxy."),
    ("NameResolutionError", "no such name is known (DNS)", "Check how the host is spelt."),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted", "Name the CA bundle as verify in the extra."),
    (
        "SSLError",
        "it does not speak TLS there",
        "Check host and port; https is what is used unless the host says http.",
    ),
    ("Connection refused", "nothing listens there", "Check host and port, and that it runs."),
    ("imed out", "no answer in time", "Check the host, and that a firewall lets this machine out to it."),
)


def check_connection(look_up: Callable[[], Account], conn_id: str) -> tuple[bool, str]:
    """
    Check key and host by what costs nothing: the balance, else the list, else a task that cannot exist.

    :param look_up: returns the account; raises what is wrong with the connection.
    :param conn_id: the connection's id. Airflow's form tests under a random one, which nobody knows: it is not told.
    :return: whether it works, and a sentence. The key is not in it.
    """
    key = ""
    account: Account | None = None
    try:
        account = look_up()
        key = account.api_key
        # Somebody waits for the answer, and a thread of the API server with him.
        with ViduClient(replace(account, timeout=min(account.timeout, _TEST_TIMEOUT))) as client:
            works, told = _check(client)
    except ViduError as error:
        works, told = False, _explain(error, account).replace(f"The connection {conn_id!r}", "This connection")
    except Exception as error:
        # The form shows the sentence; a traceback would help nobody there.
        works, told = False, f"{type(error).__name__}: {error}"
    return works, _MARKUP.sub(r"(\1)", redacted(told, key))


def _check(client: ViduClient) -> tuple[bool, str]:
    account = client.account
    accepts = f"{account.base_url} accepts this key"
    try:
        credits = client.get_credits()
        # Without a row it may be an empty account, or a host that answers `{}` to everything.
        if credits.rows:
            poor = "" if credits.total > 0 else " Top the account up before you submit."
            return True, f"{accepts}; {counted(credits.total, 'credit')} left.{poor}"
    except ViduCreditError as error:
        if REASONS.get(error.reason or "") != REASONS["CreditInsufficient"]:
            # A bare 402 may be about the host's own bill.
            raise
        return True, f"{accepts}, and answers that the account is empty: {error.message} {error.advice}"
    except ViduError as error:
        if not _is_lacking(error):
            raise
    listed = False
    try:
        if client.list_page(page_size=1).row_count:
            return True, f"{accepts}: it has listed the account's tasks. It does not tell the balance."
        listed = True
    except ViduError as error:
        if not _is_lacking(error):
            raise
    try:
        client.get_task("0")
        return (
            False,
            f"{account.base_url} is not Vidu's API: it answers for a task that does not exist. Check the host.",
        )
    except ViduRequestError as error:
        if isinstance(error, ViduAuthError) or error.http_status == 429:
            raise
        refusal = error
    if listed and refusal.reason not in {None, "NotFound"}:
        return (
            True,
            f"{accepts}: it has listed the account's tasks, of which there are none. It does not tell the balance.",
        )
    # A refused task says nothing of the key, unless another key is refused in another way.
    with type(client)(replace(account, api_key="not-a-key")) as stranger:
        try:
            stranger.get_task("0", retry=False)
        except ViduAuthError:
            return True, f"{accepts} and refuses others. It does not tell the balance, and lists no tasks."
        except ViduError:
            pass
    if refusal.http_status == 404 and refusal.reason in {None, "NotFound"}:
        return False, (
            f"{account.base_url} has no task query at {account.task_path}: check api_prefix and the paths in the "
            f"extra, and that the host is Vidu's or a relay's."
        )
    return False, (
        f"{account.base_url} answers, but nothing there shows whether this key is good: it tells no balance, lists "
        f"no tasks, and answers a wrong key alike ({refusal.message}). Check host and api_prefix; where they are "
        f"right, only a first, cheap video can tell."
    )


def _is_lacking(error: ViduError) -> bool:
    # A redirect is of the same class, and means that nothing works there.
    by_connection = isinstance(error, ViduConfigurationError) and error.http_status is None
    return by_connection or is_missing_endpoint(error)


def _explain(error: ViduError, account: Account | None) -> str:
    if account is None:
        return str(error)
    host = urlsplit(account.base_url).hostname or ""
    if isinstance(error, ViduAuthError):
        others = ", ".join(sorted(f"https://{other}" for other in VIDU_HOSTS - {host}))
        if host in VIDU_HOSTS:
            error.advice = f"Check the API key. If it belongs to the other region, the host is {others}."
        return f"{account.base_url} refuses this key. {error}"
    if isinstance(error, ViduRateLimitError):
        error.advice = "It asks for a pause and has not judged the key. Test again in a minute."
    elif isinstance(error, ViduUnavailableError) and error.http_status == 403:
        error.advice = "It has not judged the key. If it goes on, ask the host to let this address through."
    elif isinstance(error, ViduUnavailableError) and (error.http_status or 0) >= 400:
        error.advice = "It is down or overloaded, and has not judged the key. Test again later."
    elif isinstance(error, ViduUnavailableError):
        if "could not be reached" not in error.message:
            asked = [name for name in ("credits_path", "list_path") if getattr(account, name) is not None]
            lacking = ", ".join(f'"{name}": null' for name in asked)
            return (
                f"{account.base_url} does not answer as Vidu's API does. {error.message} Check the host "
                f"(https://api.vidu.com, https://api.vidu.cn, or a relay's API rather than its web page)."
                + (f" Say what a relay lacks in the extra: {lacking}." if lacking else "")
            )
        for mark, why, advice in _UNREACHED:
            if mark in error.message:
                return f"{urlsplit(account.base_url).netloc} could not be reached: {why}. {advice}"
        error.advice = "Check the host, and the way to it."
    elif isinstance(error, ViduRequestError):
        error.advice = "Vidu does not answer a test like this: check the host and api_prefix."
        if isinstance(error, ViduCreditError):
            error.advice = (
                "It has not judged the key. A host that has not been paid for answers like this, and so may an empty "
                "account: check the host's own page."
            )
        return f"{account.base_url} refused to be asked. {error}"
    return str(error)
