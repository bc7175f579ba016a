# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Fetches what a submission points to on this machine. No other host gets a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import cast

import aiohttp
from yarl import URL

from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask, Inputs
from airflow_provider_vidu.emulator.machine.endpoints import Request, Source
from airflow_provider_vidu.emulator.video.first_frames import (
    MAX_IMAGE_BYTES,
    first_frame_size,
    image_problem,
    is_data_uri,
    is_loopback_url,
    is_upload,
)

#: Maximum bytes of a fetched video.
MAX_VIDEO_BYTES = 512 * 1024 * 1024

_TIMEOUT = aiohttp.ClientTimeout(total=5)


async def fetch_inputs(
    session: aiohttp.ClientSession,
    request: Request,
    source: EmulatedTask | None,
    uploaded: Callable[[str], bytes | None],
) -> Inputs:
    """
    Fetch what a submission points to on this machine.

    ``source`` is the emulator's own video that it names, and ``uploaded`` returns the content of an upload.

    Vidu accepts a submission whose input cannot be fetched or used, and the task fails later, unbilled; so does the
    emulator.
    """
    urls = list(filter(is_loopback_url, request.pictures))
    contents = await asyncio.gather(*(_fetch(session, url, MAX_IMAGE_BYTES) for url in urls))
    fetched = dict(zip(urls, contents, strict=True))
    fetched |= {uri: uploaded(uri) for uri in filter(is_upload, request.pictures)}
    problem = await asyncio.to_thread(_problem_of_pictures, request, fetched)
    if request.has_watermark and is_loopback_url(request.wm_url or ""):
        mark = await _fetch(session, request.wm_url, MAX_IMAGE_BYTES)
        if mark is not None and await asyncio.to_thread(image_problem, mark) is None:
            fetched[request.wm_url] = mark
    rule, video = request.endpoint.source, cast("EmulatedTask | bytes | None", source)
    if rule and video is None and is_loopback_url(request.video_url or ""):
        video = await _fetch(session, request.video_url, MAX_VIDEO_BYTES)
        problem = problem or ("ImageDownloadFailure" if video is None else None)
    if rule and video is not None:
        problem = problem or await asyncio.to_thread(_problem_of_source, request, rule, video)
    return Inputs({url: content for url, content in fetched.items() if content is not None}, video, problem)


def _problem_of_pictures(request: Request, fetched: dict[str, bytes | None]) -> str | None:
    for content in fetched.values():
        problem = "ImageDownloadFailure" if content is None else image_problem(content)
        if problem is not None:
            return problem
    known = [picture for picture in request.pictures if is_data_uri(picture) or picture in fetched]
    if not fetched or len(known) < len(request.pictures):
        return None
    return request.endpoint.sizes_problem([first_frame_size(picture, fetched.get(picture)) for picture in known])


def _problem_of_source(request: Request, rule: Source, source: EmulatedTask | bytes) -> str | None:
    if find_spec("av") is None:
        return None
    from airflow_provider_vidu.emulator.storage.rendering import source_facts
    from airflow_provider_vidu.emulator.video.render import SHORTER_SIDES

    try:
        facts = source_facts(source)
    except ValueError:
        return "VideoFormatInvalid"
    is_large_already = rule.must_grow and SHORTER_SIDES[request.effective_resolution] <= min(facts.size)
    return None if rule.takes(facts) and not is_large_already else "VideoFormatInvalid"


async def _fetch(session: aiohttp.ClientSession, url: str, limit: int) -> bytes | None:
    try:
        # A redirect could lead off this machine.
        async with session.get(URL(url, encoded=True), allow_redirects=False, timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                return None
            # One byte above the limit is enough to know that it is too large.
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > limit:
                    break
            return bytes(content)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError):
        return None
