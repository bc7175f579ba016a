# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Test a connection: success only if the host has checked the key; a failure says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from airflow_provider_vidu.api.account import VIDU_HOSTS, Account
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
from airflow_provider_vidu.api.http_messages import is_missing_endpoint
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.api.redaction import redacted
from airflow_provider_vidu.client import ViduClient

# Seconds for one request of a connection test.
_TEST_TIMEOUT = 10.0

# `airflow connections test` prints through Rich, which drops text in brackets; a host's answer may contain some.
_MARKUP = re.compile(r"\[([a-z#/@][^\[\]]*)\]")

# Why a host was not reached: a mark in the error's text, what is wrong, and what to do.
_UNREACHED = (
    ("ProxyError", "its proxy let nothing through", "Check proxy in the extra, or the environment's proxy."),
    ("NameResolutionError", "no such name is known (DNS)", "Check the spelling of the host."),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted", "Name the CA bundle as verify in the extra."),
    (
        "SSLError",
        "it does not speak TLS there",
        "Check host and port; https is the default unless the host says http.",
    ),
    ("Connection refused", "nothing listens there", "Check host and port, and that the host is running."),
    ("imed out", "no answer in time", "Check the host, and that no firewall blocks this machine."),
)


def check_connection(look_up: Callable[[], Account], conn_id: str) -> tuple[bool, str]:
    """
    Check key and host with free requests: the balance, else the list, else a task that cannot exist.

    :param look_up: returns the account, or raises what is wrong with the connection.
    :param conn_id: the connection's id. The message leaves it out, since Airflow's form tests under a random one.
    :return: whether it works, and a message without the key.
    """
    key = ""
    account: Account | None = None
    try:
        account = look_up()
        key = account.api_key
        # A user, and a thread of the API server, are waiting for this.
        with ViduClient(replace(account, timeout=min(account.timeout, _TEST_TIMEOUT))) as client:
            works, message = _check(client)
    except ViduError as error:
        works, message = False, _explain(error, account).replace(f"The connection {conn_id!r}", "This connection")
    except Exception as error:
        # The form shows one message; it has no room for a traceback.
        works, message = False, f"{type(error).__name__}: {error}"
    return works, _MARKUP.sub(r"(\1)", redacted(message, key))


def _check(client: ViduClient) -> tuple[bool, str]:
    account = client.account
    accepts = f"{account.base_url} accepts this key"
    try:
        credits = client.get_credits()
        # No row means an empty account, or a host that answers `{}` to everything.
        if credits.rows:
            poor = "" if credits.total > 0 else " Top the account up before you submit."
            return True, f"{accepts}; {counted(credits.total, 'credit')} left.{poor}"
    except ViduCreditError as error:
        if REASONS.get(error.reason or "") != REASONS["CreditInsufficient"]:
            # A 402 without a reason may be about the host's own bill.
            raise
        return True, f"{accepts}, and answers that the account is empty: {error.message} {error.advice}"
    except ViduError as error:
        if not _is_lacking(error):
            raise
    listed = False
    try:
        if client.list_page(page_size=1).row_count:
            return True, f"{accepts}: it has listed the account's tasks. It does not report the balance."
        listed = True
    except ViduError as error:
        if not _is_lacking(error):
            raise
    try:
        client.get_task("0")
        return (
            False,
            f"{account.base_url} is not Vidu's API: it has an answer for a task that does not exist. Check the host.",
        )
    except ViduRequestError as error:
        if isinstance(error, ViduAuthError) or error.http_status == 429:
            raise
        refusal = error
    if listed and refusal.reason not in {None, "NotFound"}:
        return (
            True,
            f"{accepts}: it has listed the account's tasks, of which there are none. It does not report the balance.",
        )
    # The refusal says nothing about the key, unless a wrong key gets another one.
    with type(client)(replace(account, api_key="not-a-key")) as stranger:
        try:
            stranger.get_task("0", retry=False)
        except ViduAuthError:
            return True, f"{accepts} and refuses others. It does not report the balance, and lists no tasks."
        except ViduError:
            pass
    if refusal.http_status == 404 and refusal.reason in {None, "NotFound"}:
        return False, (
            f"{account.base_url} has no task query at {account.task_path}: check api_prefix and the paths in the "
            f"extra, and that the host is Vidu's or a relay's."
        )
    return False, (
        f"{account.base_url} answers, but nothing there shows whether this key is valid: it reports no balance, lists "
        f"no tasks, and answers a wrong key in the same way ({refusal.message}). Check host and api_prefix. If they "
        f"are right, submit one cheap video to find out."
    )


def _is_lacking(error: ViduError) -> bool:
    # A redirect has the same class, and means that nothing works there.
    by_connection = isinstance(error, ViduConfigurationError) and error.http_status is None
    return by_connection or is_missing_endpoint(error)


def _explain(error: ViduError, account: Account | None) -> str:
    if account is None:
        return str(error)
    host = urlsplit(account.base_url).hostname or ""
    if isinstance(error, ViduAuthError):
        others = ", ".join(sorted(f"https://{other}" for other in VIDU_HOSTS - {host}))
        if host in VIDU_HOSTS:
            error = error.but(advice=f"Check the API key. If it belongs to the other region, the host is {others}.")
        return f"{account.base_url} refuses this key. {error}"
    if isinstance(error, ViduRateLimitError):
        error = error.but(advice="The host asks for a pause and has not checked the key. Test again in a minute.")
    elif isinstance(error, ViduUnavailableError) and error.http_status == 403:
        error = error.but(
            advice="The host has not checked the key. If this continues, ask the host to let this address through."
        )
    elif isinstance(error, ViduUnavailableError) and (error.http_status or 0) >= 400:
        error = error.but(advice="The host is down or overloaded and has not checked the key. Test again later.")
    elif isinstance(error, ViduUnavailableError):
        if "could not be reached" not in error.message:
            asked = [name for name in ("credits_path", "list_path") if getattr(account, name) is not None]
            lacking = ", ".join(f'"{name}": null' for name in asked)
            return (
                f"{account.base_url} does not answer as Vidu's API does. {error.message} Check the host "
                f"(https://api.vidu.com, https://api.vidu.cn, or a relay's API rather than its web page)."
                + (f" If it is a relay, name what it lacks in the extra: {lacking}." if lacking else "")
            )
        for mark, why, advice in _UNREACHED:
            if mark in error.message:
                return f"{urlsplit(account.base_url).netloc} could not be reached: {why}. {advice}"
        error = error.but(advice="Check the host and the network to it.")
    elif isinstance(error, ViduRequestError):
        advice = "Vidu does not answer a test in this way: check the host and api_prefix."
        if isinstance(error, ViduCreditError):
            advice = (
                "The host has not checked the key. A host whose bill is not paid answers like this, and an account "
                "without credits may too: check the host's own page."
            )
        return f"{account.base_url} refused the test. {error.but(advice=advice)}"
    return str(error)
