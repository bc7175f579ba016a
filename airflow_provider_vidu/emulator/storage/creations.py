# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The files of a task, rendered in threads when they are first requested, and kept.

The renderer needs the extra ``airflow-provider-vidu[emulator]`` (PyAV). Without it the API works and a download
says what is missing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.storage.signed_links import VIDEO, WATERMARKED

#: Maximum bytes of rendered files that are kept; beyond it the oldest are dropped, and rendered again if requested.
KEPT_BYTES = 256 * 1024 * 1024
#: Two renderers leave a core for Airflow on most machines.
WORKERS = 2


class RendererMissing(Exception):
    """The renderer's libraries are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "This emulator cannot render videos: PyAV is not installed. "
            "Install it with: pip install 'airflow-provider-vidu[emulator]'"
        )


class Creations:
    """Renders and keeps files; every video is the given one, if there is one."""

    def __init__(self, video: bytes | None = None) -> None:
        self._video = video
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="vidu-emulator-render")
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._rendering: dict[tuple[str, str], asyncio.Future[bytes]] = {}
        self._facts: dict[str, dict[str, Any]] = {}

    async def file(self, task: EmulatedTask, file: str) -> bytes:
        """
        Return the bytes of a file of a successful task.

        :raises RendererMissing: PyAV is not installed.
        """
        if self._video is not None and file in {VIDEO, WATERMARKED}:
            return self._video
        key = (task.task_id, file)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._rendering:
            rendering = asyncio.create_task(self._render(task, file))
            rendering.add_done_callback(lambda done: self._keep(key, done))
            self._rendering[key] = rendering
        # Shielded: a client that disconnects must not cancel the rendering for another one.
        return await asyncio.shield(self._rendering[key])

    async def facts(self, tasks: Sequence[EmulatedTask]) -> dict[str, dict[str, Any]]:
        """Return duration, frame rate and size of videos by task id, without rendering; nothing without PyAV."""
        new = [task for task in tasks if task.task_id not in self._facts]
        if new:
            loop = asyncio.get_running_loop()
            try:
                self._facts.update(await loop.run_in_executor(self._pool, _facts, new))
            except RendererMissing:
                return {}
        return {task.task_id: self._facts[task.task_id] for task in tasks}

    async def _render(self, task: EmulatedTask, file: str) -> bytes:
        source = task.source
        if isinstance(source, EmulatedTask):
            source = await self.file(source, VIDEO)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _render, task, file, source)

    def close(self) -> None:
        """End the threads, after what they are rendering."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _keep(self, key: tuple[str, str], done: asyncio.Future[bytes]) -> None:
        del self._rendering[key]
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[key] = done.result()
        while sum(map(len, self._kept.values())) > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)


def _require_renderer() -> None:
    if find_spec("av") is None:
        raise RendererMissing


def _render(task: EmulatedTask, file: str, source: bytes | None) -> bytes:
    _require_renderer()
    from airflow_provider_vidu.emulator.storage.rendering import render

    return render(task, file, source)


def _facts(tasks: Sequence[EmulatedTask]) -> dict[str, dict[str, Any]]:
    _require_renderer()
    from airflow_provider_vidu.emulator.storage.rendering import facts_of

    found = {}
    for task in tasks:
        (width, height), rate, seconds = facts_of(task)
        found[task.task_id] = {
            "duration": seconds,
            "fps": round(rate),
            "resolution": {"width": width, "height": height},
        }
    return found
