# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The local Vidu in a separate process, so that its CPU and memory are not measured.

``python -m benchmarks.emulated_vidu`` is that process; it stops when its standard input ends. :class:`EmulatedVidu`
starts it, submits to it and reads what it has counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import requests

API_KEY = "vda_benchmark_0123456789"
#: The model of all tasks. Its earliest plausible finish is below every duration used here.
MODEL = "viduq2-turbo"
#: Not on this machine, so that the local Vidu fetches nothing.
IMAGE = "https://example.com/cat.png"
#: The content of every download: nothing is rendered.
VIDEO = b"\0\0\0\x0cftypmp42\0\0\0\x08moov\0\0\0\0mdat" + bytes(4068)

#: Takes a task's id and the time of its submission, epoch seconds.
Report = Callable[[str, float], Awaitable[None]]


def durations(count: int, *, seed: int, median: float = 20.0, sigma: float = 0.25) -> list[float]:
    """Return how many seconds generations take: log-normal, as waiting times are, from 0.6 to 1.65 medians."""
    chance = random.Random(seed)
    return [
        round(min(max(median * chance.lognormvariate(0, sigma), 0.6 * median), 1.65 * median), 2) for _ in range(count)
    ]


def prompt_of(seconds: float) -> str:
    """Return a prompt whose generation takes so many real seconds."""
    return f"a cat in the rain [emulator:seconds={seconds}]"


class EmulatedVidu:
    """A local Vidu in a separate process, over https if TLS is on. Use it as a context manager."""

    def __init__(self, concurrency: int = 100_000, *, tls: bool = False) -> None:
        self._concurrency = concurrency
        self._tls = tls
        self._session = requests.Session()
        self._session.trust_env = False
        self._folder = tempfile.TemporaryDirectory(prefix="vidu-benchmark-")
        self.url = ""
        self.api_url = ""

    @property
    def certificates(self) -> str | None:
        """The file with the authority of its certificate; None = it uses plain http."""
        return str(Path(self._folder.name) / "authority.pem") if self._tls else None

    def __enter__(self) -> EmulatedVidu:
        command = [sys.executable, "-m", "benchmarks.emulated_vidu", "--concurrency", str(self._concurrency)]
        if self.certificates:
            command += ["--certificates", self.certificates]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url, _, self.api_url = self._process.stdout.readline().strip().partition(" ")
        if not self.url:
            self._process.wait()
            raise RuntimeError("the local Vidu did not start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._session.close()
        self._folder.cleanup()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def connection(self, **extra: Any) -> str:
        """Return an Airflow connection as JSON, without a poll interval: the schedule decides, as for the real Vidu."""
        if self.certificates:
            # Bundles that the environment names are not used for hosts on this machine.
            extra["verify"] = self.certificates
        return json.dumps({"conn_type": "vidu", "host": self.api_url, "password": API_KEY, "extra": extra})

    def get(self, what: str) -> Any:
        """Read from a route under ``/emulator/``."""
        answer = self._session.get(f"{self.url}/emulator/{what}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def order(self, what: str, **body: Any) -> None:
        """Write to a route under ``/emulator/``."""
        self._session.post(f"{self.url}/emulator/{what}", json=body, timeout=120).raise_for_status()

    def clear_faults(self) -> None:
        """Drop the faults that were ordered."""
        self._session.delete(f"{self.url}/emulator/faults", timeout=120).raise_for_status()

    def polls(self) -> int:
        """Return how many requests polled: single queries and pages of the list."""
        asked = self.get("counters")["requests"]
        return int(asked["poll"] + asked["list"])

    def finished(self) -> dict[str, float]:
        """Return when each finished task finished, by id, in epoch seconds."""
        return {
            task["task_id"]: task["changes"][-1]["at"]
            for task in self.get("tasks")
            if task["state"] in {"success", "failed"}
        }

    async def submit(
        self, seconds: Sequence[float], report: Report, *, rate: float | None = None, at_once: int = 4
    ) -> None:
        """Submit tasks, so many a second or as fast as possible, and report each in the order of submission."""
        import aiohttp

        began = time.time()
        headers = {"Authorization": f"Token {API_KEY}"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def one(number: int) -> tuple[str, float]:
                if rate is not None:
                    await asyncio.sleep(began + number / rate - time.time())
                body = {"model": MODEL, "images": [IMAGE], "prompt": prompt_of(seconds[number])}
                submitted_at = time.time()
                async with session.post(f"{self.url}/ent/v2/img2video", json=body) as answer:
                    answer.raise_for_status()
                    return (await answer.json())["task_id"], submitted_at

            for first in range(0, len(seconds), at_once):
                part = range(first, min(first + at_once, len(seconds)))
                for task_id, submitted_at in await asyncio.gather(*map(one, part)):
                    await report(task_id, submitted_at)

    async def submitted(self, seconds: Sequence[float]) -> list[tuple[str, float]]:
        """Submit tasks, and return the id and time of submission of each."""
        tasks: list[tuple[str, float]] = []

        async def take(task_id: str, submitted_at: float) -> None:  # ruff: ignore[unused-async]
            tasks.append((task_id, submitted_at))

        await self.submit(seconds, take)
        return tasks


async def _serve(concurrency: int, certificates: Path | None) -> None:
    from airflow_provider_vidu.emulator import ViduEmulator

    emulator = ViduEmulator(
        speed=1.0, created_seconds=0.0, concurrency=concurrency, credits=10**9, seed=1, video=VIDEO, api_keys=[API_KEY]
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_end_of_input() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stopping.set)

    async with AsyncExitStack() as stack:
        vidu = await stack.enter_async_context(emulator)
        api_url = vidu.url
        if certificates is not None:
            relay = await stack.enter_async_context(await _tls_before(vidu.url, certificates))
            api_url = f"https://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
        print(vidu.url, api_url, flush=True)
        threading.Thread(target=wait_for_end_of_input, daemon=True).start()
        await stopping.wait()


async def _tls_before(url: str, certificates: Path) -> asyncio.Server:
    """Start a TLS proxy in front of a host, as a load balancer is, and write the authority of its certificate."""
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(certificates)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    port = int(url.rpartition(":")[2])

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(2**16):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    return await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context, backlog=1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--certificates", type=Path)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.concurrency, arguments.certificates))
