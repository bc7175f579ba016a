# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One download by ``ViduHook.download`` in a separate process, whose memory is sampled from outside.

``python -m benchmarks.one_download URL DESTINATION`` is that process: it prints ``idle`` when everything that a
download needs is loaded, starts at a line on its standard input, and prints the seconds it took. :func:`download`
starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Thread

import psutil

#: Seconds between two samples of the memory.
SAMPLE_EVERY = 0.01

_CONNECTION = {"conn_type": "vidu", "host": "http://127.0.0.1:9", "password": "vda_benchmark"}


@dataclass(frozen=True)
class Download:
    """Seconds and CPU seconds of one download, and the resident bytes just before it and at most."""

    seconds: float
    cpu: float
    idle: int
    most: int


def download(url: str, destination: str, environment: Mapping[str, str] | None = None) -> Download:
    """Download a file in a separate process."""
    command = [sys.executable, "-m", "benchmarks.one_download", url, destination]
    added = {"AIRFLOW_CONN_VIDU_DEFAULT": json.dumps(_CONNECTION), **(environment or {})}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **added}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines = (line for line in process.stdout if line.startswith(("idle", "done")))
    if next(lines, None) is None:
        raise RuntimeError(f"the downloading process exited with {process.wait()}")
    watched = psutil.Process(process.pid)
    idle = watched.memory_info().rss
    before = sum(watched.cpu_times()[:2])
    ends: list[str | None] = []
    waiting = Thread(target=lambda: ends.append(next(lines, None)))
    waiting.start()
    most = idle
    process.stdin.write("go\n")
    process.stdin.flush()
    while waiting.is_alive():
        most = max(most, watched.memory_info().rss)
        waiting.join(SAMPLE_EVERY)
    cpu = sum(watched.cpu_times()[:2]) - before
    process.stdin.close()
    process.stdout.close()
    if process.wait() or ends[0] is None:
        raise RuntimeError(f"the downloading process exited with {process.returncode}")
    return Download(float(ends[0].split()[1]), cpu, idle, most)


def main(url: str, destination: str) -> None:
    """Run as that process."""
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_vidu.hooks.vidu import ViduHook
    from airflow_provider_vidu.landing import land as landing  # ruff: ignore[unused-import]

    hook = ViduHook()
    hook.get_conn()
    if "://" in destination:
        # The store's libraries are some hundred modules, which any task that touches the store has loaded.
        ObjectStoragePath(destination).exists()
    print("idle", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    hook.download(url, destination)
    print("done", time.perf_counter() - began, flush=True)
    # Alive until the last sample is taken.
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
