# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The JSON that Vidu answers: create, query, list row, balance. Field for field as in recorded real answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from airflow_provider_vidu.emulator.faults import Quirks
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.endpoints import CORNERS


def create_answer(task: EmulatedTask) -> dict[str, Any]:
    """Return the answer to the create call: what all endpoints answer, and the endpoint's own fields as sent."""
    request = task.request
    answer = {
        "task_id": task.task_id,
        "type": request.endpoint.type or request.endpoint.name,
        "state": task.shown_state,
        "model": request.model or "",
        "style": request.style or "general",
        "prompt": request.prompt or "",
        "images": request.images or [],
        "duration": request.effective_duration,
        "seed": task.seed,
        "aspect_ratio": request.aspect_ratio or next(iter(request.known_model.ratios), ""),
        "resolution": request.effective_resolution,
        "movement_amplitude": request.movement_amplitude or "auto",
        "created_at": task.created_at,
        "credits": task.credits,
        "payload": request.payload or "",
        "cus_priority": 0,
        "off_peak": bool(request.off_peak),
        "audio": request.has_audio,
        "audio_type": request.audio_type or "all",
        "voice_id": request.voice_id or "",
        "bgm": bool(request.bgm),
        "is_rec": bool(request.is_rec),
        "watermark": request.has_watermark,
        "wm_position": CORNERS[request.corner],
        "wm_url": request.wm_url or "",
        "meta_data": request.meta_data or "",
        "client_request_id": "",
    }
    own = {name: value for name, value in task.fields.items() if name not in answer and name != "callback_url"}
    return {**answer, **own}


def query_answer(task: EmulatedTask, creations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to a query, which is also the body of a callback."""
    return {
        "id": task.task_id,
        "state": task.shown_state,
        "err_code": task.err_code,
        "credits": task.credits,
        "payload": task.request.payload or "",
        "bgm": bool(task.request.bgm),
        "off_peak": bool(task.request.off_peak),
        "creations": creations,
    }


def list_row(task: EmulatedTask, creations: list[dict[str, Any]], quirks: Quirks) -> dict[str, Any]:
    """Return one row of the list. As on Vidu's page it has no ``payload`` and no ``err_code``; quirks add them."""
    row = {
        "id": task.task_id,
        "key_id": hashlib.sha256(task.api_key.encode()).hexdigest()[:16],
        "type": task.request.endpoint.type or task.request.endpoint.name,
        "state": task.shown_state,
        "model": task.request.model or "",
        "prompt": task.request.prompt or "",
        "images": task.request.images or [],
        "duration": task.request.effective_duration,
        "resolution": task.request.effective_resolution,
        "aspect_ratio": task.request.aspect_ratio or "",
        "off_peak": bool(task.request.off_peak),
        "credits": task.credits,
        "created_at": task.created_at,
        "creations": [{**creation, "moderation_url": []} for creation in creations],
    }
    if not quirks.list_without_payload:
        row["payload"] = task.request.payload or ""
    if not quirks.list_without_err_code:
        row["err_code"] = task.err_code
    return row


def credits_answer(
    credits: int, concurrency: int, running: int, waiting: int, packages: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the balance."""
    row = {
        "type": "metered",
        "credit_remain": credits,
        "concurrency_limit": concurrency,
        "current_concurrency": running,
        "queue_count": waiting,
    }
    return {"remains": [row], **({} if packages is None else {"packages": packages})}


def creation_answer(task: EmulatedTask, links: Mapping[str, str]) -> dict[str, Any]:
    """Return one creation."""
    return {"id": task.creation_id, "url": "", "cover_url": "", "watermarked_url": "", **links}
