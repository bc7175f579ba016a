# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Fetches what a submission points to on this machine. No other host gets a request."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from airflow_provider_vidu.api.images import MAX_IMAGE_BYTES
from airflow_provider_vidu.emulator.machine.emulated_task import Inputs
from airflow_provider_vidu.emulator.machine.submissions import Submission
from airflow_provider_vidu.emulator.video.first_frames import image_problem, is_loopback_url

_TIMEOUT = aiohttp.ClientTimeout(total=5)


async def fetch_inputs(session: aiohttp.ClientSession, submission: Submission) -> Inputs:
    """
    Fetch the image and the watermark of a submission, if their URLs are on this machine.

    Vidu accepts a submission whose image cannot be fetched, and the task fails later, unbilled; so does the
    emulator.
    """
    image = problem = watermark_image = None
    url = submission.request.images[0]
    if is_loopback_url(url):
        image = await _fetch(session, url)
        problem = "ImageDownloadFailure" if image is None else await asyncio.to_thread(image_problem, image)
    wm_url = submission.request.wm_url
    if submission.request.watermark and wm_url and is_loopback_url(wm_url):
        mark = await _fetch(session, wm_url)
        if mark is not None and await asyncio.to_thread(image_problem, mark) is None:
            watermark_image = mark
    return Inputs(image, problem, watermark_image)


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
