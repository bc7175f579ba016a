# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Fetches what a submission points to on this machine. No other host gets a request."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from airflow_provider_vidu.emulator.machine.emulated_task import Inputs
from airflow_provider_vidu.emulator.machine.endpoints import Request
from airflow_provider_vidu.emulator.video.first_frames import (
    MAX_IMAGE_BYTES,
    first_frame_size,
    image_problem,
    is_data_uri,
    is_loopback_url,
)

_TIMEOUT = aiohttp.ClientTimeout(total=5)


async def fetch_inputs(session: aiohttp.ClientSession, request: Request) -> Inputs:
    """
    Fetch the pictures and the watermark of a submission whose URLs are on this machine.

    Vidu accepts a submission whose picture cannot be fetched, and the task fails later, unbilled; so does the emulator.
    """
    urls = list(filter(is_loopback_url, request.pictures))
    fetched = dict(zip(urls, await asyncio.gather(*(_fetch(session, url) for url in urls)), strict=True))
    problem = await asyncio.to_thread(_problem, request, fetched)
    if request.watermark and is_loopback_url(request.wm_url or ""):
        mark = await _fetch(session, request.wm_url)
        if mark is not None and await asyncio.to_thread(image_problem, mark) is None:
            fetched[request.wm_url] = mark
    return Inputs({url: content for url, content in fetched.items() if content is not None}, problem)


def _problem(request: Request, fetched: dict[str, bytes | None]) -> str | None:
    for content in fetched.values():
        problem = "ImageDownloadFailure" if content is None else image_problem(content)
        if problem is not None:
            return problem
    known = [picture for picture in request.pictures if is_data_uri(picture) or picture in fetched]
    if not fetched or len(known) < len(request.pictures):
        return None
    return request.endpoint.sizes_problem([first_frame_size(picture, fetched.get(picture)) for picture in known])


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes | None:
    try:
        # A redirect could lead off this machine.
        async with session.get(URL(url, encoded=True), allow_redirects=False, timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                return None
            # One byte above the limit is enough to know that it is too large.
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > MAX_IMAGE_BYTES:
                    break
            return bytes(content)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError):
        return None
