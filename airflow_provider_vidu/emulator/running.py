# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The emulator as one object: a server in a thread of its own, or on the running event loop.

::

    with ViduEmulator(speed=100) as vidu:
        os.environ["AIRFLOW_CONN_VIDU_DEFAULT"] = vidu.connection_json()
        ...
        assert vidu.counters.submissions == 1
        assert vidu.ledger.refunded == 0
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from airflow_provider_vidu.emulator.faults import FaultPlan, Quirks
from airflow_provider_vidu.emulator.http.server import Server
from airflow_provider_vidu.emulator.machine.clock import Clock
from airflow_provider_vidu.emulator.machine.counters import Counters
from airflow_provider_vidu.emulator.machine.emulated_task import Change, EmulatedTask
from airflow_provider_vidu.emulator.machine.ledger import Ledger
from airflow_provider_vidu.emulator.machine.settings import Settings

#: The key of ``api_key`` and of the connections, unless the emulator gets its own.
DEFAULT_API_KEY = "vda_emulator_0123456789abcdef"
#: Seconds after which a client may consider the list complete; the emulator's has no lag by default.
SETTLE_SECONDS = 0.2

#: Seconds for one request: the emulator is near, and a lost reply costs this much waiting.
TIMEOUT = 5.0
#: Seconds between two polls of a task at Vidu's own pace; a connection to the emulator divides it by the speed.
POLL_INTERVAL = 5.0


class ViduEmulator:
    """
    A local Vidu. Use it as a context manager: ``with`` runs it in a thread, ``async with`` on the running loop.

    :param port: to listen on; 0 = a free one.
    :param host: to listen on. Only this machine reaches the default.
    :param speed: how many times faster than Vidu: processing, off-peak waits and links' lifetimes shrink, times of
        day stay real. At the default of 60 a minute takes a second.
    :param concurrency: tasks that an account has in processing at once; 0 = no task ever leaves the queue.
    :param seed: of everything that is random. Equal seeds and equal submissions give equal outcomes.
    :param api_keys: the keys that are accepted, all of one account; a mapping gives each key's account. None =
        every key that is not empty.
    :param credits: of each account at the start.
    :param processing_seconds: real seconds of every processing, whatever the speed; None = by model,
        duration and resolution.
    :param created_seconds: how long a task stays ``created``, divided by ``speed``.
    :param off_peak_seconds: how long an off-peak task queues, divided by ``speed``. Beyond 48 hours it expires.
    :param reject_unknown_fields: refuse a submission with fields that Vidu's page does not have.
    :param allow_remote_callbacks: send callbacks to other machines too.
    :param quirks: how this host differs from Vidu's pages.
    :param video: bytes that every download of a video returns instead of a rendered one.
    :param clock: returns epoch seconds.
    :param on_change: called with every change of a task's state, on the server's thread.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        speed: float = 60.0,
        concurrency: int = Settings.concurrency,
        seed: int = Settings.seed,
        api_keys: Collection[str] | Mapping[str, str] | None = None,
        credits: int = Settings.credits,
        processing_seconds: float | None = None,
        created_seconds: float = Settings.created_seconds,
        off_peak_seconds: float = Settings.off_peak_seconds,
        reject_unknown_fields: bool = False,
        allow_remote_callbacks: bool = False,
        quirks: Quirks | None = None,
        video: bytes | None = None,
        clock: Callable[[], float] = time.time,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        settings = Settings(
            concurrency=concurrency,
            speed=speed,
            seed=seed,
            api_keys=api_keys,
            credits=credits,
            processing_seconds=processing_seconds,
            created_seconds=created_seconds,
            off_peak_seconds=off_peak_seconds,
            reject_unknown_fields=reject_unknown_fields,
        )
        # A set has no first key; the smallest one is the same in every run.
        self.api_key: str = DEFAULT_API_KEY if api_keys is None else min(api_keys)
        self._address = (host, port)
        self._speed = speed
        self._clock = Clock(clock)
        self._server = Server(
            settings,
            clock=self._clock,
            quirks=quirks,
            allow_remote_callbacks=allow_remote_callbacks,
            video=video,
            on_change=on_change,
        )
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port, for example ``http://127.0.0.1:40123``. Kept after it has stopped."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.url).port or 0

    @property
    def tasks(self) -> list[EmulatedTask]:
        """Every task as it is now, oldest first. Copies: changing them changes nothing."""
        return self._server.vidu.tasks()

    @property
    def ledger(self) -> Ledger:
        """The credits as they are now."""
        self._server.vidu.advance()
        return self._server.vidu.ledger

    @property
    def counters(self) -> Counters:
        """The counts since the start or the last reset."""
        return self._server.counters

    @property
    def faults(self) -> FaultPlan:
        """The faults that strike the coming requests; add to them."""
        return self._server.faults

    @property
    def quirks(self) -> Quirks:
        """How this host differs from Vidu's pages; set its fields."""
        return self._server.quirks

    def reset(self) -> None:
        """Forget tasks, credits and counters, drop faults, and restore the quirks of the start."""
        self._server.reset()

    def skip(self, seconds: float) -> None:
        """
        Let time pass without waiting for it.

        :param seconds: real seconds: divide seconds at Vidu's pace by ``speed``. All skips together are at most 100
            years.
        :raises ValueError: less than 0, too many, or not a number.
        """
        self._clock.skip(seconds)

    def go_offline(self) -> None:
        """
        Refuse connections from now on, and cut the open ones; tasks continue.

        :raises RuntimeError: it does not run in its own thread.
        """
        self._on_server(self._server.go_offline)

    def go_online(self) -> None:
        """Accept connections again, at the same address; see :meth:`go_offline`."""
        self._on_server(self._server.go_online)

    def connection_json(self, **extra: Any) -> str:
        """
        Return an Airflow connection to this emulator, for ``AIRFLOW_CONN_VIDU_DEFAULT``.

        :param extra: further fields of the connection's extra.
        """
        return json.dumps(
            {
                "conn_type": "vidu",
                "host": self.url,
                "password": self.api_key,
                "extra": {**self._extra, **extra},
            }
        )

    def connection_uri(self, **extra: Any) -> str:
        """
        Return the same connection as a URI.

        :param extra: further fields of the connection's extra.
        """
        query = {"__extra__": json.dumps({**self._extra, **extra})}
        return f"vidu://:{quote(self.api_key, safe='')}@{urlsplit(self.url).netloc}/?{urlencode(query)}"

    @property
    def _extra(self) -> dict[str, Any]:
        # The schedule for the real Vidu would poll more slowly than the emulator renders.
        return {
            "timeout": TIMEOUT,
            "settle_seconds": SETTLE_SECONDS,
            "poll_interval": max(0.1, POLL_INTERVAL / self._speed),
            "task_url": f"{self.url}/emulator/tasks/{{task_id}}",
        }

    def start(self) -> ViduEmulator:
        """
        Listen, in its own thread.

        :return: itself.
        :raises OSError: the port is taken.
        :raises RuntimeError: it was started before.
        """
        if self._thread is not None or self.url:
            raise RuntimeError("an emulator is started once; create a new one")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(started),), name="vidu-emulator")
        # A test process that dies without stopping the emulator must not hang.
        self._thread.daemon = True
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop, and wait for its threads. The counts can still be read."""
        if self._thread is None:
            return
        if self._loop is not None and self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> ViduEmulator:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    async def __aenter__(self) -> ViduEmulator:
        await self._server.start(*self._address)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._server.stop()

    def _on_server(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._thread is None or self._loop is None:
            raise RuntimeError("only an emulator that runs in its own thread can go offline")
        asyncio.run_coroutine_threadsafe(act(), self._loop).result()

    async def _run(self, started: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._server.start(*self._address)
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await self._stopping.wait()
        await self._server.stop()
