# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The emulator as one object: a server in a thread of its own, or on the event loop that runs already.

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

#: The key of ``api_key`` and of the connections, where the emulator was not given its own.
DEFAULT_API_KEY = "vda_emulator_0123456789abcdef"
#: Seconds after which a client may take the list to be complete; the emulator's has no lag unless told.
SETTLE_SECONDS = 0.2

#: Seconds for one request: nothing is far away, and what a lost reply costs is waiting it out.
TIMEOUT = 5.0
#: Seconds between two looks at a task at Vidu's own pace; its connections ask for that much less.
POLL_INTERVAL = 5.0


class ViduEmulator:
    """
    A local Vidu. Use it as a context manager: ``with`` runs it in a thread, ``async with`` on the running loop.

    :param port: to listen on; 0 = a free one.
    :param host: to listen on. Nothing but this machine reaches the default.
    :param speed: how many times faster than Vidu: processing, off-peak waits and links' lifetimes shrink, times of
        day stay real. At the default of 60 a minute takes a second.
    :param concurrency: tasks that an account has in processing at once; 0 = none ever leaves the queue.
    :param seed: of everything that is random. Equal seeds and equal submissions give equal outcomes.
    :param api_keys: the keys that are accepted, all of one account; a mapping tells each key's account. None =
        every key that is not empty.
    :param credits: what each account begins with.
    :param processing_seconds: real seconds of every processing, whatever the speed; None = by the catalogue.
    :param created_seconds: how long a task stays ``created``, divided by ``speed``.
    :param off_peak_seconds: how long an off-peak task queues, divided by ``speed``. Beyond 48 hours it expires.
    :param reject_unknown_fields: refuse a submission with fields that Vidu's page does not have.
    :param allow_remote_callbacks: send callbacks to other machines too.
    :param quirks: how this host differs from Vidu's pages.
    :param video: bytes that every download of a video answers instead of a rendered one.
    :param clock: returns epoch seconds.
    :param on_change: called with everything that happens to a task, on the server's thread.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        speed: float = 60.0,
        concurrency: int = 5,
        seed: int = 0,
        api_keys: Collection[str] | Mapping[str, str] | None = None,
        credits: int = 100_000,
        processing_seconds: float | None = None,
        created_seconds: float = 0.5,
        off_peak_seconds: float = 1800.0,
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
        # A set has no first key of its own: the least one is the same in every run.
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
        """Scheme, host and port, for example ``http://127.0.0.1:40123``. Kept after the end."""
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
        """Credits as they are now."""
        self._server.vidu.advance()
        return self._server.vidu.ledger

    @property
    def counters(self) -> Counters:
        """What was counted."""
        return self._server.counters

    @property
    def faults(self) -> FaultPlan:
        """What strikes the coming requests; add to it."""
        return self._server.faults

    @property
    def quirks(self) -> Quirks:
        """How this host differs from Vidu's pages; set its fields."""
        return self._server.quirks

    def reset(self) -> None:
        """Forget tasks, credits and counters; faults are dropped, quirks are those of the start."""
        self._server.reset()

    def skip(self, seconds: float) -> None:
        """
        Let time pass without waiting for it.

        :param seconds: real ones: divide by ``speed`` what is meant at Vidu's pace. All skips together are at most 100
            years.
        :raises ValueError: less than 0, too many, or not a number.
        """
        self._clock.skip(seconds)

    def go_offline(self) -> None:
        """
        Refuse connections from now on, and cut those that are open; tasks go on.

        :raises RuntimeError: it does not run in a thread of its own.
        """
        self._on_server(self._server.go_offline)

    def go_online(self) -> None:
        """Take connections again, at the same address; see :meth:`go_offline`."""
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
        told = {"__extra__": json.dumps({**self._extra, **extra})}
        return f"vidu://:{quote(self.api_key, safe='')}@{urlsplit(self.url).netloc}/?{urlencode(told)}"

    @property
    def _extra(self) -> dict[str, Any]:
        # What a client of the real Vidu leaves to the schedule would outlast everything that is rendered here.
        return {
            "timeout": TIMEOUT,
            "settle_seconds": SETTLE_SECONDS,
            "poll_interval": max(0.1, POLL_INTERVAL / self._speed),
            "task_url": f"{self.url}/emulator/tasks/{{task_id}}",
        }

    def start(self) -> ViduEmulator:
        """
        Listen, in a thread of its own.

        :return: itself.
        :raises OSError: the port is taken.
        :raises RuntimeError: it runs, or ran: an emulator is started once.
        """
        if self._thread is not None or self.url:
            raise RuntimeError("an emulator is started once; make a new one")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(started),), name="vidu-emulator")
        # A test process that dies without stopping it must not hang.
        self._thread.daemon = True
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop, and return when its threads have ended. What was counted can still be read."""
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
            raise RuntimeError("only an emulator in a running thread of its own goes offline")
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
