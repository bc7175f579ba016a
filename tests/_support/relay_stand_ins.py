# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
One small server for each family of relays, written from what their sources and pages say.

None of them imports the package: a rule that client and server share is invisible to a test. A server counts what it
has accepted (``billed``), which is what the customer pays for.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

KEY = "sk-relay-0123456789abcdef"

Answer = tuple[int, dict[str, str], bytes]

DASHBOARD = b"<!doctype html><html><head><title>New API</title></head><body><div id=root></div></body></html>"
CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Enable JavaScript and cookies to continue"
    b"<script src=/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1></script></body></html>"
)
TIMED_OUT = b"<!DOCTYPE html><html><head><title>relay | 524: A timeout occurred</title></head><body></body></html>"


def of_json(status: int, value: Any) -> Answer:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(value, ensure_ascii=False).encode()


def of_html(status: int, page: bytes, **headers: str) -> Answer:
    return status, {"Content-Type": "text/html; charset=utf-8", **headers}, page


#: What Vidu itself has; a relay that passes everything below its prefix on has it, too.
VIDUS = ("img2video", "text2video", "start-end2video", "reference2video", "extend", "upscale-new", "template")
#: What the page of a relay with Vidu's paths lists.
LISTED = ("img2video", "text2video", "start-end2video", "reference2video", "reference2image", "text2audio")
# The ``type`` in answers, where it is not the endpoint's name.
_TYPES = {"start-end2video": "headtailimg2video", "reference2video": "character2video"}


@dataclass
class Job:
    """A task that a relay has accepted and bills, as one of an endpoint."""

    task_id: str
    row: int
    asked: dict[str, Any]
    endpoint: str
    queries: int = 0
    cancelled: bool = False


@dataclass(frozen=True)
class Fault:
    """A relay's reply to a submission in place of its own, and whether the relay accepts the submission first."""

    answer: Callable[[Relay], Answer | None]
    accepts: bool = False


def no_money(status: int) -> Fault:
    """Return the fault of an empty wallet at the relay, which uses three statuses for it."""
    message = "用户额度不足, 剩余额度: ＄0.000000 (request id: 20261128063011)"
    return Fault(lambda relay: relay.error(status, "insufficient_user_quota", message))


#: The relay has no channel for this model, so nothing went upstream.
NO_CHANNEL = Fault(
    lambda relay: relay.error(
        503, "model_not_found", "分组 default 下模型 viduq2-turbo 无可用渠道 (request id: 20261128063012)"
    )
)
SATURATED = Fault(lambda relay: relay.error(429, "", "当前分组上游负载已饱和，请稍后再试 (request id: 20261128063013)"))
#: Cloudflare is in front of the relay and requires JavaScript.
CLOUDFLARE = Fault(lambda relay: of_html(403, CHALLENGE, **{"cf-mitigated": "challenge", "Server": "cloudflare"}))
#: Cloudflare has timed out after 100 s; the relay has accepted and answered too late.
LATE = Fault(lambda relay: of_html(524, TIMED_OUT, Server="cloudflare"), accepts=True)
#: The connection breaks after the relay has accepted.
CUT = Fault(lambda relay: None, accepts=True)


class Relay(http.server.ThreadingHTTPServer):
    """
    A relay that answers with Vidu's bodies below ``prefix``, and with the dashboard's page for every other path.

    :ivar billed: what was accepted, in order.
    :ivar faults: answers to the next submissions.
    :ivar fails_with: the error code with which every task fails.
    :ivar queries_until_end: how often a task is queried before it ends.
    """

    daemon_threads = True
    #: The connection's extra for this family.
    extra: ClassVar[dict[str, Any]] = {"cancel_path": None, "list_path": None, "credits_path": None}
    prefix: ClassVar[str] = "/ent/v2"
    #: The endpoints that it routes.
    endpoints: ClassVar[tuple[str, ...]] = VIDUS
    #: What this relay supports besides creating and querying.
    has_list: ClassVar[bool] = False
    has_cancel: ClassVar[bool] = False
    keeps_payload: ClassVar[bool] = True

    def __init__(self, video: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.video = video
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.billed: list[Job] = []
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.keys_at_storage: list[str] = []
        self.fails_with = ""
        self.queries_until_end = 1
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    # --- what the family decides ----------------------------------------------------------------------------------

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        """Map patterns of ``METHOD path`` to handlers; the pattern's groups are the handler's arguments."""
        return {
            rf"POST {self.prefix}/({'|'.join(self.endpoints)})": self.create,
            rf"GET {self.prefix}/tasks/([^/]+)/creations": self.query,
        }

    def created(self, job: Job) -> Any:
        return {**self.of_vidu(job), "id": job.row, "state": "created"}

    def queried(self, job: Job) -> Any:
        return {"id": job.row, "task_id": job.task_id, **self.progress(job)}

    def not_routed(self, path: str) -> Answer:
        return of_html(200, DASHBOARD)

    def error(self, status: int, code: str, message: str) -> Answer:
        return of_json(status, {"error": {"message": message, "type": "new_api_error", "code": code}})

    def unknown(self) -> Answer:
        return of_json(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})

    def new_id(self) -> str:
        return str(911045603801182208 + len(self.billed))

    # --- what they share ------------------------------------------------------------------------------------------

    def link(self, job: Job) -> str:
        return f"{self.url}/files/{job.task_id}.mp4?X-Amz-Signature={job.queries}"

    def state(self, job: Job) -> str:
        if job.cancelled or (self.fails_with and job.queries > self.queries_until_end):
            return "failed"
        return "success" if job.queries > self.queries_until_end else "processing"

    def err_code(self, job: Job) -> str:
        return "UserCancelled" if job.cancelled else self.fails_with

    def progress(self, job: Job) -> dict[str, Any]:
        state = self.state(job)
        cover = f"{self.url}/files/{job.task_id}.jpeg"
        creation = {"id": f"c{job.row}", "url": self.link(job), "cover_url": cover, "watermarked_url": ""}
        return {
            "state": state,
            "err_code": self.err_code(job) if state == "failed" else "",
            "credits": 0 if state == "failed" else 8,
            "payload": job.asked.get("payload", ""),
            "bgm": False,
            "off_peak": False,
            "creations": [creation] if state == "success" else [],
        }

    def of_vidu(self, job: Job) -> dict[str, Any]:
        asked = job.asked
        return {
            "task_id": job.task_id,
            "type": _TYPES.get(job.endpoint, job.endpoint),
            "state": "created",
            "model": asked.get("model", ""),
            "style": "general",
            "prompt": asked.get("prompt", ""),
            "images": asked.get("images", []),
            "duration": asked.get("duration", 5),
            "seed": 12345,
            "aspect_ratio": "",
            "resolution": asked.get("resolution", "720p"),
            "movement_amplitude": "auto",
            "created_at": "2026-01-20T04:01:53.504648743Z",
            "credits": 8,
            "payload": asked.get("payload", ""),
            "cus_priority": 0,
            "off_peak": False,
            "watermark": False,
            "is_rec": False,
            "wm_position": "unspecified",
            "wm_url": "",
            "meta_data": "",
            "client_request_id": "",
        }

    def create(self, body: dict[str, Any], endpoint: str) -> Answer | None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and not fault.accepts:
            return fault.answer(self)
        job = Job(self.new_id(), 17 + len(self.billed), body, endpoint)
        self.billed.append(job)
        return fault.answer(self) if fault is not None else of_json(200, self.created(job))

    def query(self, body: Any, task_id: str) -> Answer:
        job = self.job(task_id)
        if job is None:
            return self.unknown()
        job.queries += 1
        return of_json(200, self.queried(job))

    def cancel(self, body: Any, task_id: str) -> Answer:
        job = self.job(task_id)
        if job is None:
            return self.unknown()
        job.cancelled = True
        return of_json(200, {})

    def job(self, task_id: str) -> Job | None:
        return next((job for job in self.billed if job.task_id == task_id), None)

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer | None:
        if path.startswith("/files/"):
            self.keys_at_storage += [authorization] if authorization else []
            return 200, {"Content-Type": "video/mp4"}, self.video
        self.requests.append(f"{method} {path}")
        for pattern, act in self.routes().items():
            matched = re.fullmatch(pattern, f"{method} {path}")
            if matched is not None:
                if authorization != f"Bearer {KEY}":
                    return self.error(401, "", "无效的令牌 (request id: 20261128063010)")
                return act(json.loads(body) if body else None, *matched.groups())
        return self.not_routed(path)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            answer = self.server.answer(
                self.command, self.path.partition("?")[0], self.headers.get("Authorization") or "", body
            )
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class VidusPaths(Relay):
    """new-api and one-api with Vidu's own paths: a row number as ``id``, and a web page for all other paths."""

    endpoints: ClassVar[tuple[str, ...]] = LISTED


class NewApi(Relay):
    """
    Plain new-api: an OpenAI-like API of its own. Fields that it does not know travel in ``metadata`` only.

    It has one path for everything: the number of images decides which of Vidu's endpoints it calls.
    """

    extra: ClassVar[dict[str, Any]] = {
        "create_path": "/v1/video/generations",
        "task_path": "/v1/video/generations/{task_id}",
        **Relay.extra,
    }
    #: By the number of images, from none on.
    endpoints: ClassVar[tuple[str, ...]] = ("text2video", "img2video", "start-end2video", "reference2video")
    keeps_payload: ClassVar[bool] = False

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        return {
            r"POST /v1/video/generations": self.create,
            r"GET /v1/video/generations/([^/]+)": self.query,
            r"GET /v1/videos/([^/]+)": self.query_as_openai,
        }

    def new_id(self) -> str:
        return f"task_{uuid.uuid4().hex}"

    def create(self, body: dict[str, Any], endpoint: str = "") -> Answer | None:
        upstream = {name: body[name] for name in ("model", "prompt", "images", "duration") if name in body}
        upstream["resolution"] = body.get("size") or "1080p"
        called = self.endpoints[min(len(upstream.get("images", ())), 3)]
        return super().create({**upstream, **body.get("metadata", {})}, called)

    def created(self, job: Job) -> Any:
        return {
            "id": job.task_id,
            "task_id": job.task_id,
            "object": "video",
            "model": job.asked["model"],
            "status": "queued",
            "progress": 0,
            "created_at": 1768881713,
        }

    def queried(self, job: Job) -> Any:
        state = self.state(job)
        return {
            "code": "success",
            "message": "",
            "data": {
                "task_id": job.task_id,
                "action": "generate",
                "status": {"processing": "IN_PROGRESS", "success": "SUCCESS", "failed": "FAILURE"}[state],
                "progress": "30%" if state == "processing" else "100%",
                "fail_reason": self.err_code(job) if state == "failed" else "",
                "result_url": self.link(job) if state == "success" else "",
                "data": {"id": "947408163915751424", **self.progress(job)},
            },
        }

    def query_as_openai(self, body: Any, task_id: str) -> Answer:
        job = self.job(task_id)
        if job is None:
            return self.unknown()
        job.queries += 1
        state = self.state(job)
        answer: dict[str, Any] = {
            "id": job.task_id,
            "object": "video",
            "model": job.asked["model"],
            "status": {"processing": "in_progress", "success": "completed", "failed": "failed"}[state],
            "progress": 30 if state == "processing" else 100,
            "created_at": 1768881713,
        }
        if state == "success":
            answer["metadata"] = {"url": self.link(job)}
        if state == "failed":
            answer["error"] = {"message": self.err_code(job), "code": "task_failed"}
        return of_json(200, answer)

    def not_routed(self, path: str) -> Answer:
        if path.startswith("/v1"):
            message = f"Invalid URL ({path})"
            error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
            return of_json(404, {"error": error})
        return of_html(200, DASHBOARD)

    def error(self, status: int, code: str, message: str) -> Answer:
        # The middleware (key, channel) answers in OpenAI's shape, the task itself (money, upstream) in its own.
        if status in {401, 503}:
            return super().error(status, code, message)
        return of_json(status, {"code": code, "message": message, "data": None})


class NewApiAsOpenAI(NewApi):
    """Plain new-api, queried as OpenAI's videos."""

    extra: ClassVar[dict[str, Any]] = {**NewApi.extra, "task_path": "/v1/videos/{task_id}"}


class OneHub(Relay):
    """
    one-hub: lists without the payload, cancels, and sends every refusal of Vidu's as HTTP 500.

    Its list has ten rows a page, the newest first, and knows none of Vidu's parameters.
    """

    extra: ClassVar[dict[str, Any]] = {"api_prefix": "/vidu/ent/v2", "credits_path": None}
    prefix: ClassVar[str] = "/vidu/ent/v2"
    has_list: ClassVar[bool] = True
    has_cancel: ClassVar[bool] = True

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        return {
            **super().routes(),
            rf"GET {self.prefix}/tasks": self.rows,
            rf"POST {self.prefix}/tasks/([^/]+)/cancel": self.cancel,
        }

    def created(self, job: Job) -> Any:
        return self.of_vidu(job)

    def queried(self, job: Job) -> Any:
        return {"id": job.task_id, **self.progress(job)}

    def rows(self, body: Any) -> Answer:
        rows = []
        for job in self.billed[:-11:-1]:
            job.queries += 1
            row = {**self.of_vidu(job), **self.progress(job), "id": job.task_id}
            row.pop("payload")
            row.pop("task_id")
            rows.append(row)
        return of_json(200, {"data": rows or None, "total": len(self.billed), "page": 1, "size": 10})

    def unknown(self) -> Answer:
        return self.refused(404, "TaskNotFound", "task not found")

    def refused(self, status: int, reason: str, message: str) -> Answer:
        """A refusal of Vidu's, as this relay passes it on: the status is lost, the body is text."""
        vidus = {"code": status, "reason": reason, "message": message, "metadata": {"trace_id": "04e5c2fe159ff7c5"}}
        return of_json(500, {"code": "upstream_error", "message": json.dumps(vidus), "data": None})


class Octopusx(Relay):
    """octopusx and deepwl: a singular path, ids of their own, one ``video_url`` and no payload."""

    extra: ClassVar[dict[str, Any]] = {
        "api_prefix": "/vidu/ent/v2",
        "task_path": "task/{task_id}/creations",
        **Relay.extra,
    }
    prefix: ClassVar[str] = "/vidu/ent/v2"
    endpoints: ClassVar[tuple[str, ...]] = ("img2video",)
    keeps_payload: ClassVar[bool] = False

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        return {
            rf"POST {self.prefix}/({'|'.join(self.endpoints)})": self.create,
            rf"GET {self.prefix}/task/([^/]+)/creations": self.query,
        }

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def created(self, job: Job) -> Any:
        return {"task_id": job.task_id, "status": "processing", "created_at": "2026-01-20T04:01:53Z"}

    def queried(self, job: Job) -> Any:
        state = self.state(job)
        return {
            "id": job.task_id,
            "status": {"processing": "processing", "success": "completed", "failed": "failed"}[state],
            "video_url": self.link(job) if state == "success" else "",
            "err_msg": self.err_code(job) if state == "failed" else "",
            "status_update_time": "2026-01-20T04:03:11Z",
        }


class Kapon(Relay):
    """kapon: Vidu's bodies and its cancel below ``/vidu``; JSON for what it lacks."""

    extra: ClassVar[dict[str, Any]] = {"api_prefix": "/vidu/ent/v2", "list_path": None, "credits_path": None}
    prefix: ClassVar[str] = "/vidu/ent/v2"
    has_cancel: ClassVar[bool] = True

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        return {**super().routes(), rf"POST {self.prefix}/tasks/([^/]+)/cancel": self.cancel}

    def created(self, job: Job) -> Any:
        return self.of_vidu(job)

    def queried(self, job: Job) -> Any:
        return {"id": job.task_id, **self.progress(job)}

    def not_routed(self, path: str) -> Answer:
        return self.error(404, "not_found", f"Not found: {path}")

    def unknown(self) -> Answer:
        return of_json(404, {"code": "task_not_found", "message": "task not found", "data": None})


class Api302(Kapon):
    """302: as kapon, without the cancel, and with errors in a shape of its own."""

    extra: ClassVar[dict[str, Any]] = {"api_prefix": "/vidu/ent/v2", **Relay.extra}
    has_cancel: ClassVar[bool] = False

    def routes(self) -> dict[str, Callable[..., Answer | None]]:
        return Relay.routes(self)

    def error(self, status: int, code: str, message: str) -> Answer:
        error = {"err_code": code or -10000, "message": message, "message_cn": message, "type": "api_error"}
        return of_json(status, {"error": error})

    def unknown(self) -> Answer:
        return self.error(404, "task_not_found", "task not found")


class Seed(Relay):
    """The relay of the page that this provider was first written for: Vidu's paths at the root, nothing else."""

    endpoints: ClassVar[tuple[str, ...]] = LISTED

    def created(self, job: Job) -> Any:
        return self.of_vidu(job)

    def queried(self, job: Job) -> Any:
        return {"id": job.task_id, **self.progress(job)}

    def not_routed(self, path: str) -> Answer:
        return self.error(404, "", f"Invalid URL ({path})")


FAMILIES: dict[str, type[Relay]] = {
    "vidus-paths": VidusPaths,
    "new-api": NewApi,
    "new-api-openai": NewApiAsOpenAI,
    "one-hub": OneHub,
    "octopusx": Octopusx,
    "kapon": Kapon,
    "302": Api302,
    "seed": Seed,
}


@contextmanager
def serving(family: type[Relay], video: bytes) -> Generator[Relay, None, None]:
    relay = family(video)
    thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
        thread.join()
