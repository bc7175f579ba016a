# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The emulated Vidu over HTTP: the API, the storage that its links lead to, and the inspection under ``/emulator/``.

Thin: the state machine and its neighbours decide the answers, and know nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp import web

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.faults import FaultPlan, Quirks
from airflow_provider_vidu.emulator.http.callback_sender import RETRY_SECONDS, CallbackSender
from airflow_provider_vidu.emulator.http.injection import strike
from airflow_provider_vidu.emulator.http.inspection import Inspection
from airflow_provider_vidu.emulator.http.replies import json_reply
from airflow_provider_vidu.emulator.http.task_list import page_of, read_list_query
from airflow_provider_vidu.emulator.http.uploads import Uploads
from airflow_provider_vidu.emulator.machine import answers
from airflow_provider_vidu.emulator.machine.clock import Clock
from airflow_provider_vidu.emulator.machine.counters import Counters
from airflow_provider_vidu.emulator.machine.emulated_task import Change, EmulatedTask
from airflow_provider_vidu.emulator.machine.endpoints import ENDPOINTS, Request
from airflow_provider_vidu.emulator.machine.moments import rfc3339
from airflow_provider_vidu.emulator.machine.refusals import Refusal, reason_of
from airflow_provider_vidu.emulator.machine.settings import Settings
from airflow_provider_vidu.emulator.machine.state import Vidu
from airflow_provider_vidu.emulator.machine.submissions import read_submission
from airflow_provider_vidu.emulator.storage.creations import Creations
from airflow_provider_vidu.emulator.storage.fetching import fetch_inputs
from airflow_provider_vidu.emulator.storage.host import Storage
from airflow_provider_vidu.emulator.storage.signed_links import AUDIO, COVER, IMAGE, VIDEO, WATERMARKED, Signer

PREFIX = "/ent/v2"
UPLOADS_PATH = "/tools/v2/files/uploads"
#: Vidu's limit for the body of a POST.
MAX_BODY_BYTES = 20 * 1024 * 1024

# Below this a body is checked on the event loop; above it, an image is decoded in a thread.
_SMALL_BODY_BYTES = 64 * 1024
# Maximum sleep of the watch, in seconds: an injected clock may jump without notice.
_LONGEST_SLEEP = 0.2

Act = Callable[[web.Request], Awaitable[web.Response]]


class Server:
    """An HTTP server around a state machine."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        quirks: Quirks | None = None,
        allow_remote_callbacks: bool = False,
        video: bytes | None = None,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.vidu = Vidu(settings, self.clock)
        self.faults = FaultPlan()
        self.quirks = quirks or Quirks()
        self.counters = Counters()
        self.url = ""
        self.host = ""
        self._kept: list[socket.socket] = []
        self._first_quirks = replace(self.quirks)
        self._on_change = on_change
        self._signer = Signer(f"storage of emulator {settings.seed}".encode(), settings.speed)
        self._creations = Creations(video)
        self._storage = Storage(self.vidu, self._signer, self._creations, self.counters)
        self._uploads = Uploads(self.vidu, self._signer, self._storage, self._account)
        self._callbacks = CallbackSender(
            self.counters, retry_seconds=RETRY_SECONDS / settings.speed, allow_remote=allow_remote_callbacks
        )

    async def start(self, host: str, port: int) -> None:
        """
        Listen; port 0 takes a free one.

        :raises OSError: the port is taken.
        """
        self.host = host
        self._changed = asyncio.Event()
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        try:
            await self._listen(host, port)
        except OSError:
            await self._close()
            raise
        self.url = f"http://{_reachable(host)}:{self._runner.addresses[0][1]}"
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop listening, cancel what is in progress and end every thread."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._callbacks.close()
        await self._close()

    async def go_offline(self) -> None:
        """Refuse connections from now on, and cut the open ones."""
        if self._kept:
            return
        addresses = [address[:2] for address in self._runner.addresses]
        await self._site.stop()
        # Bound but not listening: connections are refused, and no other socket gets the port meanwhile.
        self._kept = [_bound(*address) for address in addresses]
        for connection in self._runner.server.connections if self._runner.server else ():
            connection.force_close()

    async def go_online(self) -> None:
        """Listen where it listened before."""
        if self._kept:
            host, port = self._kept[0].getsockname()[:2]
            self._release()
            await self._listen(host, port)

    def reset(self) -> None:
        """Forget tasks, credits and counters, drop faults, and restore the quirks of the start."""
        self.vidu.reset()
        self._uploads.clear()
        self.faults.clear()
        self.quirks.change(**asdict(self._first_quirks))
        self.counters.reset()

    def video_url(self, task: EmulatedTask, request: web.Request) -> str | None:
        """Return a fresh link to a task's video, on the host that the request reached; None = it has no video."""
        if not self.vidu.shows_creation(task):
            return None
        link: str = self._creations_of(task, _base_url(request))[0]["url"]
        return link

    def _app(self) -> web.Application:
        # The emulator measures bodies itself, so that a large one gets Vidu's error, not the framework's.
        app = web.Application(client_max_size=0, middlewares=[_errors_as_json])
        tasks = f"{PREFIX}/tasks"
        for endpoint in ENDPOINTS:
            app.router.add_post(f"{PREFIX}/{endpoint}", self._answers("submit", partial(self._submit, endpoint)))
        app.router.add_get(f"{tasks}/{{task_id}}/creations", self._answers("poll", self._poll))
        app.router.add_get(tasks, self._answers("list", self._list))
        app.router.add_post(f"{tasks}/{{task_id}}/cancel", self._answers("cancel", self._cancel))
        app.router.add_get(f"{PREFIX}/credits", self._answers("credits", self._credits))
        app.router.add_post(UPLOADS_PATH, self._answers("upload", self._uploads.create))
        app.router.add_put(f"{UPLOADS_PATH}/{{upload_id}}/finish", self._answers("upload", self._uploads.finish))
        app.router.add_put("/storage/{file:.+}", self._answers("upload", self._uploads.put))
        app.router.add_get("/storage/{file:.+}", self._answers("download", self._storage.download))
        Inspection(self).add_routes(app.router)
        return app

    async def _listen(self, host: str, port: int) -> None:
        self._site = web.TCPSite(self._runner, host, port)
        await self._site.start()

    def _release(self) -> None:
        kept, self._kept = self._kept, []
        for one in kept:
            one.close()

    async def _close(self) -> None:
        self._release()
        await self._runner.cleanup()
        await self._session.close()
        self._creations.close()

    def _answers(self, operation: str, act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def acted(request: web.Request) -> web.Response:
            try:
                return await act(request)
            except Refusal as refusal:
                self._count_refusal(operation, refusal)
                return json_reply(refusal.body(self.vidu.trace_id()), status=refusal.status)

        async def answer(request: web.Request) -> web.StreamResponse:
            self.counters.requests[operation] += 1
            fault = self.faults.take(operation)
            if fault is None:
                return await acted(request)
            self.counters.faults[operation] += 1
            return await strike(fault, request, lambda: acted(request), self.vidu.trace_id())

        return answer

    def _count_refusal(self, operation: str, refusal: Refusal) -> None:
        self.counters.unauthorized += refusal.reason == "Unauthorized"
        self.counters.submissions_refused += operation == "submit"
        self.counters.cancels_refused += operation == "cancel"

    async def _submit(self, endpoint: str, request: web.Request) -> web.Response:
        key = _api_key(request)
        self.vidu.check_balance(self.vidu.account_of(key))
        body = await _body(request)
        unwanted = self.vidu.settings.reject_unknown_fields
        read = partial(read_submission, body, endpoint, reject_unknown_fields=unwanted)
        submission = read() if len(body) < _SMALL_BODY_BYTES else await asyncio.to_thread(read)
        account = self.vidu.account_of(key)
        source = self._source(account, submission) if submission.endpoint.source else None
        uploaded = partial(self._uploads.content, account)
        task = self.vidu.create(key, submission, await fetch_inputs(self._session, submission, source, uploaded))
        self.counters.submissions += 1
        self._changed.set()
        return json_reply(answers.create_answer(task))

    async def _poll(self, request: web.Request) -> web.Response:
        task = self.vidu.find(self._account(request), request.match_info["task_id"])
        creations = self._creations_of(task, _base_url(request)) if self.vidu.shows_creation(task) else []
        return json_reply(answers.query_answer(task, creations))

    async def _list(self, request: web.Request) -> web.Response:
        account = self._account(request)
        if not self.quirks.has_list:
            raise Refusal("NotFound")
        now = self.vidu.clock()
        query = read_list_query(request.query.items(), now)
        rows, token = page_of(self.vidu.tasks(account, query.task_ids or None), query, self.quirks, now)
        shown = [task for task in rows if self.vidu.shows_creation(task)]
        facts = await self._creations.facts([task for task in shown if task.request.endpoint.delivers == "video"])
        creations = {task.task_id: self._creations_of(task, _base_url(request)) for task in shown}
        for task_id, video in facts.items():
            creations[task_id] = [{**creation, "video": video} for creation in creations[task_id]]
        listed = [answers.list_row(task, creations.get(task.task_id, []), self.quirks) for task in rows]
        return json_reply({"tasks": listed, "next_page_token": token})

    async def _cancel(self, request: web.Request) -> web.Response:
        account = self._account(request)
        if not self.quirks.has_cancel:
            raise Refusal("NotFound")
        self.vidu.cancel(account, request.match_info["task_id"])
        self.counters.cancels_accepted += 1
        self._changed.set()
        return json_reply({})

    async def _credits(self, request: web.Request) -> web.Response:
        account = self._account(request)
        if not self.quirks.has_credits:
            raise Refusal("NotFound")
        settings = self.vidu.settings
        running, waiting = self.vidu.load(account)
        balance = self.vidu.ledger.balance(account)
        packages = None
        if request.query.get("show_detail", "").lower() == "true":
            packages = [_package(settings.concurrency, settings.credits, balance, self.vidu.clock())]
        return json_reply(answers.credits_answer(balance, settings.concurrency, running, waiting, packages))

    def _source(self, account: str, submission: Request) -> EmulatedTask | None:
        # Vidu prefers the id where a submission has both.
        if submission.video_creation_id:
            return self.vidu.find_video(account, submission.video_creation_id)
        return self._storage.find_video(submission.video_url or "")

    def _account(self, request: web.Request) -> str:
        return self.vidu.account_of(_api_key(request))

    def _creations_of(self, task: EmulatedTask, base_url: str) -> list[dict[str, Any]]:
        if task.state is not TaskState.SUCCESS:
            return []
        now, lower_case = self.vidu.clock(), self.quirks.lower_case_links
        delivers = task.request.endpoint.delivers
        files = {"url": {"video": VIDEO, "image": IMAGE, "audio": AUDIO}[delivers]}
        if delivers != "audio":
            files["cover_url"] = COVER
        if delivers == "video" and task.request.has_watermark:
            files["watermarked_url"] = WATERMARKED
        links = {
            name: base_url + self._signer.target(task, file, now, lower_case=lower_case) for name, file in files.items()
        }
        return [answers.creation_answer(task, links)]

    async def _watch(self) -> None:
        # The state machine needs no timer; reporting its changes does.
        while True:
            for change in self.vidu.take_changes():
                if self._on_change is not None:
                    self._on_change(change)
                self._callbacks.send(self._session, change, partial(self._callback_body, change.task))
            planned = self.vidu.next_change()
            timer = None
            if planned is not None:
                wait = min(max(0.0, planned - self.clock()), _LONGEST_SLEEP)
                timer = asyncio.get_running_loop().call_later(wait, self._changed.set)
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
            await self._changed.wait()
            self._changed.clear()
            if timer is not None:
                timer.cancel()

    def _callback_body(self, task: EmulatedTask) -> dict[str, Any]:
        return answers.query_answer(task, self._creations_of(task, self.url))


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as error:
        refusal = error
    except web.HTTPException as error:
        refusal = Refusal(reason_of(error.status), error.reason.lower(), status=error.status)
    return json_reply(refusal.body("0" * 32), status=refusal.status)


def _bound(host: str, port: int) -> socket.socket:
    kept = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind((host, port))
    return kept


def _reachable(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host or "127.0.0.1"
    if address.is_unspecified:
        # A server that listens everywhere is reached here: the URL must work as it is.
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]" if address.version == 6 else str(address)


def _api_key(request: web.Request) -> str:
    words = request.headers.get("Authorization", "").split()
    if len(words) == 2 and words[0].lower() in {"token", "bearer"}:
        return words[1]
    return words[0] if len(words) == 1 else ""


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) <= MAX_BODY_BYTES:
        body = await request.read()
        if len(body) <= MAX_BODY_BYTES:
            return body
    raise Refusal("BadRequest", "bad request: the body is above 20 MB", status=413)


def _base_url(request: web.Request) -> str:
    # By the name that the client used: inside a container, this machine has another one.
    return f"http://{request.host}"


def _package(concurrency: int, bought: int, left: int, now: float) -> dict[str, Any]:
    year = 365 * 86_400
    begun, ends = rfc3339(int(now) * 10**9), rfc3339((int(now) + year) * 10**9)
    return {
        "id": "1",
        "name": "emulator",
        "type": "metered",
        "concurrency": concurrency,
        "credit_amount": bought,
        "credit_remain": left,
        "created_at": begun,
        "purchase_at": begun,
        "valid_from": begun,
        "valid_to": ends,
    }
