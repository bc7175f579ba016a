# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Applies a fault to one HTTP exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from airflow_provider_vidu.emulator.faults import (
    BROKEN_JSON,
    DROP_AFTER_ACCEPT,
    DROP_BEFORE_ACCEPT,
    ERROR_IN_200,
    FAIL_AFTER_ACCEPT,
    HALF_REPLY,
    HANG,
    HANG_BEFORE_ACCEPT,
    NO_ID,
    REFUSE,
    Fault,
)
from airflow_provider_vidu.emulator.http.replies import json_reply
from airflow_provider_vidu.emulator.machine.refusals import Refusal, reason_of


async def strike(
    fault: Fault, request: web.Request, act: Callable[[], Awaitable[web.Response]], trace_id: str
) -> web.StreamResponse:
    """Answer a request with a fault; ``act`` acts on it and returns the good answer."""
    if fault.kind == DROP_BEFORE_ACCEPT:
        return _drop(request)
    if fault.kind == REFUSE:
        return _error(fault, trace_id)
    if fault.kind == ERROR_IN_200:
        return json_reply(Refusal(fault.reason or reason_of(500), status=500).body(trace_id))
    if fault.kind == HANG_BEFORE_ACCEPT:
        # Read now: the client may be gone when the request is acted on.
        await request.read()
        await asyncio.sleep(fault.seconds)
    good = await act()
    if fault.kind == HANG:
        await asyncio.sleep(fault.seconds)
    if fault.kind == DROP_AFTER_ACCEPT:
        return _drop(request)
    if fault.kind == FAIL_AFTER_ACCEPT:
        return _error(fault, trace_id)
    if fault.kind == NO_ID and good.status == 200:
        return json_reply(_without_ids(json.loads(_content(good))))
    if fault.kind == BROKEN_JSON:
        return web.Response(body=_half(good), content_type="application/json")
    if fault.kind == HALF_REPLY:
        return await _break_off(request, good)
    return good


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _error(fault: Fault, trace_id: str) -> web.Response:
    status = fault.status or 500
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.location is not None:
        headers["Location"] = fault.location
    if status < 400:
        return web.Response(status=status, headers=headers)
    refusal = Refusal(fault.reason or reason_of(status), status=status)
    return json_reply(refusal.body(trace_id), status=status, headers=headers)


async def _break_off(request: web.Request, good: web.Response) -> web.StreamResponse:
    half = web.StreamResponse(status=good.status, headers=good.headers)
    half.content_length = len(_content(good))
    await half.prepare(request)
    await half.write(_half(good))
    if request.transport is not None:
        request.transport.close()
    return half


def _without_ids(answer: dict[str, Any]) -> dict[str, Any]:
    bare = {name: value for name, value in answer.items() if name not in {"id", "task_id"}}
    return {**bare, "tasks": [_without_ids(row) for row in bare["tasks"]]} if "tasks" in bare else bare


def _half(good: web.Response) -> bytes:
    content = _content(good)
    return content[: max(1, len(content) // 2)]


def _content(good: web.Response) -> bytes:
    return good.body if isinstance(good.body, bytes) else b""
