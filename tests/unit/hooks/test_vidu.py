# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The hook over real HTTP: connections as users write them, the free connection test, the async methods."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import socket
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from _support.storage_host import MP4, Client, serving
from rich import markup

from airflow_provider_vidu.api.errors import (
    ViduConfigurationError,
    ViduInputError,
    ViduLandingError,
    ViduRequestError,
)
from airflow_provider_vidu.api.tasks import Creation
from airflow_provider_vidu.emulator import ViduEmulator
from airflow_provider_vidu.hooks.vidu import ViduHook

pytestmark = pytest.mark.usefixtures("clock")

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "prompt": "p"}


@pytest.fixture
def connect(monkeypatch):
    def connect(**fields):
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps({"conn_type": "vidu", **fields}))
        return ViduHook()

    return connect


def test_uri_can_disable_endpoints_with_null(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", "vidu://:Bearer%20k@[::1]:8080/?list_path=null&credits_path=null")
    account = ViduHook().account
    assert (account.base_url, account.api_key) == ("http://[::1]:8080", "k")
    assert (account.list_path, account.credits_path) == (None, None)
    assert account.cancel_path


def test_unknown_extra_is_warned_about_once(connect, caplog, capsys, vidu_emulator):
    for _ in range(3):
        hook = connect(host=vidu_emulator.url, password="k", extra={"time_out": 5, "nonsense": "s3cret"})
        hook.get_credits()
        asyncio.run(hook.aget_account())
    # It depends on Airflow's version how it logs.
    logged = caplog.text or "".join(capsys.readouterr())
    assert logged.count("time_out (timeout?), nonsense") == 1
    assert "s3cret" not in logged
    ok, text = hook.test_connection()
    assert ok
    assert "time_out (timeout?)" in text


def test_hook_can_be_created_without_a_connection():
    assert ViduHook("nowhere").vidu_conn_id == "nowhere"


def test_json_and_uri_of_a_connection_are_equivalent(vidu_emulator, monkeypatch):
    by_json = ViduHook().account
    monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu_emulator.connection_uri())
    assert ViduHook().account == by_json


def test_host_and_port_may_be_separate(connect, vidu_emulator):
    hook = connect(host="127.0.0.1", port=vidu_emulator.port, password="k")
    assert hook.get_credits().total > 0


@pytest.mark.parametrize(
    ("fields", "works", "message"),
    [
        ({"password": "good"}, True, "accepts this key"),
        ({"password": "wrong"}, False, "HTTP 401"),
        ({}, False, "has no API key"),
        ({"password": "good", "host": "http://vidu.example"}, False, "plain http"),
        ({"password": "good", "host": "http://127.0.0.1:9"}, False, "could not be reached"),
        ({"password": "good", "extra": {"credits_path": None}}, True, "does not report the balance"),
        ({"password": "wrong", "extra": {"credits_path": None}}, False, "HTTP 401"),
        ({"password": "good", "extra": {"api_prefix": "/wrong"}}, False, "check api_prefix"),
        ({"password": "good", "extra": {"proxy": 8080}}, False, "proxy must be a URL"),
        ({"password": "good", "extra": {"proxy": "http://user:sesame@127.0.0.1:x"}}, False, "proxy must be a URL"),
    ],
)
def test_connection_test_passes_or_fails_with_a_reason(connect, monkeypatch, fields, works, message):
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with ViduEmulator(api_keys={"good"}) as vidu:
        ok, text = connect(**{"host": vidu.url, **fields}).test_connection()
    assert (ok, message in text) == (works, True), text
    assert "sesame" not in text
    assert vidu.counters.submissions == 0


def test_relay_without_credits_endpoint_passes_the_connection_test(connect):
    with ViduEmulator() as vidu:
        vidu.quirks.has_credits = False
        ok, text = connect(host=vidu.url, password="k").test_connection()
    assert ok, text


def test_a_relay_at_other_paths_works(connect, vidu_emulator):
    hook = connect(
        host=vidu_emulator.url,
        password="k",
        extra={
            "api_prefix": "/elsewhere",
            "create_path": "/ent/v2/{endpoint}",
            "task_path": "/ent/v2/tasks/{task_id}/creations",
            "auth_scheme": "",
        },
    )
    task = hook.submit(FIELDS)
    assert hook.get_task(task.task_id).task_id == task.task_id


def test_cancel_explains_which_tasks_cannot_be_cancelled(connect):
    with ViduEmulator(concurrency=1, processing_seconds=60, created_seconds=0) as vidu:
        hook = connect(host=vidu.url, password="k")
        running, waiting = hook.submit(FIELDS).task_id, hook.submit(FIELDS).task_id
        vidu.skip(1)
        hook.cancel_task(waiting)
        assert hook.get_task(waiting).err_code == "UserCancelled"
        with pytest.raises(ViduRequestError, match="can not cancel"):
            hook.cancel_task(running)


def test_list_reads_every_page(vidu_emulator):
    hook = ViduHook()
    submitted = {hook.submit(FIELDS).task_id for _ in range(105)}
    assert {task.task_id for task in hook.list_tasks()} == submitted
    assert len(list(hook.list_tasks(task_ids=sorted(submitted)[:3]))) == 3


def test_download_accepts_task_record_id_or_link(vidu_emulator, tmp_path):
    hook = ViduHook()
    task = hook.wait_for_task(hook.submit(FIELDS))
    for number, source in enumerate([task, task.record(), task.task_id, task.video_url]):
        landed = hook.download(source, f"{tmp_path}/{number}.mp4")
        assert Path(landed["path"]).read_bytes()[4:8] == b"ftyp"
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


OTHER_KINDS = [
    ("reference2image", {"model": "viduq2", "prompt": "a cat"}, "image", ".png"),
    ("text2audio", {"model": "audio1.0", "prompt": "rain"}, "audio", ".wav"),
]


@pytest.mark.parametrize(("endpoint", "fields", "kind", "suffix"), OTHER_KINDS)
def test_download_lands_pictures_and_sounds(vidu_emulator, tmp_path, endpoint, fields, kind, suffix):
    hook = ViduHook()
    task = hook.wait_for_task(hook.submit(fields, endpoint=endpoint))
    for source, name in [(task, f"{task.task_id}{suffix}"), (task.task_id, f"own{suffix}"), (task.video_url, None)]:
        landed = hook.download(source, f"{tmp_path}/" + (name if name and name.startswith("own") else ""))
        assert landed["kind"] == kind
        assert Path(landed["path"]).name == (name or f"video{suffix}")
        assert Path(landed["path"]).read_bytes()[:4] in {b"\x89PNG", b"RIFF"}


class Creations:
    """A hook whose task has two videos, at a storage host; the second link may be broken."""

    def __init__(self, hook, storage, *, breaks=False):
        self.storage, links = storage, [f"{storage.url}/{name}.mp4" for name in "ab"]
        storage.answer = lambda headers: (403, {}, b"") if breaks and "b.mp4" in storage.targets[-1] else (200, {}, MP4)
        hook._client = Client(links[0])
        creations = tuple(Creation(id=link[-5], url=link) for link in links)
        self.task = hook._client.task = hook._client.task.model_copy(update={"creations": creations})
        self.noted = hook._submissions[self.task.task_id] = Mock()


@pytest.mark.parametrize(("destination", "names"), [("/", ["77.mp4", "77-2.mp4"]), ("/c.mov", ["c.mov", "c-2.mov"])])
def test_download_lands_every_video_of_a_task(tmp_path, destination, names):
    hook = ViduHook()
    with serving() as storage:
        made = Creations(hook, storage)
        landed = hook.download(made.task, f"{tmp_path}{destination}")
    (other,) = landed.pop("others")
    assert [Path(file["path"]).name for file in (landed, other)] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    made.noted.note_returned.assert_called_once()


def test_download_counts_as_delivery_only_if_everything_landed(tmp_path):
    hook = ViduHook()
    with serving() as storage:
        made = Creations(hook, storage, breaks=True)
        with pytest.raises(ViduLandingError, match=r"could not be landed at .*/77-2: .*403"):
            hook.download(made.task, f"{tmp_path}/")
    assert [path.name for path in tmp_path.iterdir()] == ["77.mp4"]
    made.noted.note_returned.assert_not_called()


async def test_async_methods_do_the_same(vidu_emulator, tmp_path):
    hook = ViduHook()
    task = await hook.asubmit(FIELDS)
    assert (await hook.aget_task(task.task_id)).task_id == task.task_id
    assert [found.task_id async for found in hook.alist_tasks()] == [task.task_id]
    assert (await hook.aget_credits()).total == hook.get_credits().total
    with pytest.raises(ViduInputError):
        await hook.asubmit({**FIELDS, "duration": 99})
    other = await hook.asubmit({**FIELDS, "off_peak": True})
    await hook.acancel_task(other.task_id)
    assert hook.get_task(other.task_id).err_code == "UserCancelled"
    assert (await hook.adownload(hook.wait_for_task(task), f"{tmp_path}/"))["bytes"] > 1000


def test_submit_once_submits_again_only_for_a_clear_after_delivery(vidu_emulator, runtime_context, store, tmp_path):
    hook = ViduHook()
    first = hook.submit_once(runtime_context(store), FIELDS)
    assert hook.submit_once(runtime_context(store, try_number=2), FIELDS).task_id == first.task_id
    hook.download(hook.wait_for_task(first), f"{tmp_path}/")
    assert hook.submit_once(runtime_context(store, try_number=3, max_tries=4), FIELDS).task_id != first.task_id
    assert vidu_emulator.counters.submissions == 2


def test_submit_once_returns_an_undelivered_video_even_after_a_clear(vidu_emulator, runtime_context, store):
    hook = ViduHook()
    first = hook.submit_once(runtime_context(store), FIELDS)
    hook.wait_for_task(first)
    again = ViduHook().submit_once(runtime_context(store, try_number=2, max_tries=4), FIELDS)
    assert again.task_id == first.task_id
    assert vidu_emulator.counters.submissions == 1


async def test_async_submit_once_protects_too(vidu_emulator, runtime_context, store):
    first = await ViduHook().asubmit_once(runtime_context(store), FIELDS)
    assert (await ViduHook().asubmit_once(runtime_context(store, try_number=2), FIELDS)).task_id == first.task_id
    assert vidu_emulator.counters.submissions == 1


def test_second_submission_of_a_task_needs_its_own_key(vidu_emulator, runtime_context, store):
    from airflow.providers.common.compat.sdk import AirflowFailException

    hook, context = ViduHook(), runtime_context(store)
    hook.submit_once(context, FIELDS)
    with pytest.raises(AirflowFailException, match="prompt changed"):
        hook.submit_once(context, {**FIELDS, "prompt": "another"})
    hook.submit_once(context, {**FIELDS, "prompt": "another"}, key="vidu_submission_2")
    assert vidu_emulator.counters.submissions == 2


def test_extra_params_are_merged_last_and_unchecked(vidu_emulator):
    ViduHook().submit(FIELDS, extra_params={"duration": 2, "new_field": {"a": 1}})
    (task,) = vidu_emulator.tasks
    assert task.request.duration == 2


@pytest.mark.parametrize("extra", [{"timeout": "soon"}, {"timeout": 0}, {"create_path": None}, {"settle_seconds": -1}])
def test_invalid_setting_is_named(connect, extra):
    with pytest.raises(ViduConfigurationError, match=next(iter(extra))):
        _ = connect(password="k", extra=extra).account


def test_missing_connection_is_reported():
    with pytest.raises(ViduConfigurationError, match="airflow connections add nowhere"):
        _ = ViduHook("nowhere").account


def test_download_of_a_link_retries_the_link(vidu_emulator, tmp_path):
    from airflow_provider_vidu.emulator import Fault

    hook = ViduHook()
    task = hook.wait_for_task(hook.submit(FIELDS))
    vidu_emulator.faults.add("download", Fault.refuse(503))
    assert hook.download(task.video_url, f"{tmp_path}/x.mp4")["bytes"] > 1000


@contextlib.contextmanager
def host(answer):
    """Serve every GET with what ``answer(path, authorization)`` returns: (status, body), optionally a location."""

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, *location = answer(self.path, self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for where in location:
                self.send_header("Location", where)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


KEY = "vda_0123456789abcdefghijklmnopqrstuvwxyz"
NOTHING = (404, b"")
UNKNOWN_TASK = (404, b'{"code": 404, "reason": "TaskNotFound", "message": "no such task"}')
EMPTY_ACCOUNT = (403, b'{"error": {"message": "no quota", "code": "insufficient_user_quota"}}')
MUTE = (400, b'{"error": {"message": "bad request"}}')


def relay(*, credits=NOTHING, tasks=NOTHING, task=UNKNOWN_TASK, looks_at_keys=True):
    """Make a host with three replies."""

    def answer(path, authorization):
        if looks_at_keys and authorization != f"Bearer {KEY}":
            return 401, b'{"error": {"message": "invalid token"}}'
        if path.startswith("/ent/v2/credits"):
            return credits
        return tasks if path.startswith("/ent/v2/tasks?") else task

    return answer


def everything(status, body=b"", *location):
    """Make a host that gives the same answer to every request."""
    return lambda path, authorization: (status, body, *location)


@pytest.mark.parametrize(
    ("answer", "works", "message"),
    [
        pytest.param(relay(), True, "and refuses others. It does not report the balance", id="only its task query"),
        pytest.param(relay(task=MUTE), True, "and refuses others", id="it refuses without a reason"),
        pytest.param(relay(task=NOTHING), True, "and refuses others", id="it refuses without a word"),
        pytest.param(
            relay(tasks=(200, b'{"tasks": [{"id": "7", "state": "success"}]}')), True, "has listed", id="a list"
        ),
        pytest.param(relay(tasks=(200, b'{"tasks": []}')), True, "there are none", id="a list of nothing"),
        pytest.param(
            relay(credits=(200, b'{"remains": [{"credit_remain": 0}]}')), True, "Top the account up", id="no credits"
        ),
        pytest.param(
            relay(credits=(200, b'{"remains": []}')), True, "does not report the balance", id="a balance without rows"
        ),
        pytest.param(
            lambda path, authorization: (401, b'{"reason": "Unauthorized", "message": "no"}'),
            False,
            "It was sent after 'Bearer' in the Authorization header",
            id="a wrong key",
        ),
        pytest.param(relay(looks_at_keys=False), False, "answers a wrong key in the same way", id="no key is checked"),
        pytest.param(everything(*MUTE), False, "check the host and api_prefix", id="everything is a bad request"),
        pytest.param(
            relay(credits=(200, b"<html>"), tasks=(200, b"<html>")), True, "and refuses others", id="pages for the rest"
        ),
        pytest.param(everything(404), False, "check api_prefix", id="nothing is there"),
        pytest.param(everything(404, b"<html>"), False, "check api_prefix", id="a web server without this page"),
        pytest.param(everything(200, b"<html>Hi"), False, "does not answer as Vidu's API", id="a web page"),
        pytest.param(everything(200, b"{}"), False, "is not Vidu's API", id="an object for everything"),
        pytest.param(everything(200, b"[]"), False, "does not answer as Vidu's API", id="a list for everything"),
        pytest.param(
            everything(301, b"", "https://www.vidu.example/"), False, "redirects (HTTP 301 to https://www", id="moved"
        ),
        pytest.param(everything(503), False, "has not checked the key. Test again later", id="down"),
        pytest.param(
            everything(403, b"<html><title>Just a moment...</title>"),
            False,
            "has not checked the key",
            id="a challenge",
        ),
        pytest.param(relay(credits=EMPTY_ACCOUNT), True, "Top the account up", id="an empty account"),
        pytest.param(relay(task=EMPTY_ACCOUNT), True, "and refuses others", id="an empty account, seen by a query"),
        pytest.param(
            everything(402, b"<html>Payment required. DEPLOYMENT_DISABLED"),
            False,
            "has not checked the key. A host whose bill is not paid",
            id="a bill of the host's own",
        ),
        pytest.param(
            relay(credits=(402, b"")), False, "has not checked the key. A host whose", id="a 402 without a word"
        ),
        pytest.param(
            relay(credits=(402, b'{"error": {"message": "Insufficient balance"}}')), True, "Top", id="a 402 in words"
        ),
        pytest.param(everything(429), False, "Test again in a minute", id="too many requests"),
    ],
)
def test_connection_test_passes_only_if_the_key_was_checked(connect, monkeypatch, answer, works, message):
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with host(answer) as url:
        ok, text = connect(host=url, password=KEY).test_connection()
    assert (ok, message in text) == (works, True), text
    assert KEY not in text


def test_refused_key_gets_the_other_regions_host_as_advice(connect, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.hooks.connection_test.VIDU_HOSTS", {"127.0.0.1", "api.vidu.cn"})
    with host(everything(401)) as url:
        ok, text = connect(host=url, password=KEY).test_connection()
    assert (ok, "belongs to the other region, the host is https://api.vidu.cn." in text) == (False, True), text


def test_connection_test_advises_nothing_that_is_already_set(connect):
    with host(everything(200, b"[]")) as url:
        _, text = connect(host=url, password=KEY, extra={"list_path": None}).test_connection()
        assert '"credits_path": null.' in text
        assert "list_path" not in text
        _, text = connect(host=url, password=KEY, extra={"list_path": None, "credits_path": None}).test_connection()
        assert "null" not in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "http://127.0.0.1:9"}, "127.0.0.1:9 could not be reached: nothing listens there"),
        ({"host": "https://vidu.invalid"}, "vidu.invalid could not be reached: no such name is known"),
        ({"host": "https://{here}"}, "it does not speak TLS there"),
        ({"host": "https://vidu.invalid", "extra": {"proxy": "http://u:sesame@127.0.0.1:9"}}, "its proxy let nothing"),
        ({"host": "http://vidu.invalid"}, "This connection would send its API key to vidu.invalid over plain http"),
        ({"host": "http://{here}", "password": ""}, "This connection has no API key"),
        ({"host": "http://{here}", "password": "two\nlines"}, "This connection: the API key has a character"),
    ],
)
def test_unreachable_host_is_reported_with_advice(connect, monkeypatch, fields, message):
    def resolve(name, *arguments, **options):
        if name.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolved(name, *arguments, **options)

    resolved = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with host(everything(200)) as url:
        here = url.removeprefix("http://")
        filled = {**fields, "host": fields["host"].replace("{here}", here)}
        ok, text = connect(**{"password": KEY, **filled}).test_connection()
    assert (ok, message in text) == (False, True), text
    assert KEY not in text
    assert "sesame" not in text
    assert "Max retries exceeded" not in text


def test_command_line_prints_the_whole_connection_test_result(connect, monkeypatch):
    """``airflow connections test`` prints through Rich, which takes [words] in square brackets for markup."""
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with host(everything(401, b'{"code": 401, "reason": "x", "message": "[bad key] [/b] refused"}')) as url:
        _, text = connect(host=url, password=KEY).test_connection()
    assert "bad key" in text
    assert markup.render(text).plain == text


def test_connection_test_gives_up_on_a_silent_host_soon(connect, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.hooks.connection_test._TEST_TIMEOUT", 0.1)
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ok, text = connect(host=f"http://127.0.0.1:{silent.getsockname()[1]}", password=KEY).test_connection()
    assert (ok, "no answer in time" in text) == (False, True), text


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 X\r\nX-More: ", b"HTTP/1.1 100 Continue\r\nX: "])
def test_connection_test_gives_up_on_a_dripping_host_soon(connect, monkeypatch, begin):
    monkeypatch.setattr("airflow_provider_vidu.hooks.connection_test._TEST_TIMEOUT", 0.3)
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)
    over = threading.Event()

    def drip(listening):
        connection, _ = listening.accept()
        with contextlib.suppress(OSError), connection:
            connection.sendall(begin)
            # A reply that drips for longer than this test may take counts as endless.
            for _ in range(500):
                over.wait(0.02)
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        began = time.monotonic()
        ok, text = connect(host=f"http://127.0.0.1:{listening.getsockname()[1]}", password=KEY).test_connection()
        took = time.monotonic() - began
    over.set()
    assert (ok, "no answer in time" in text) == (False, True), text
    assert took < 8


def test_connection_form_with_only_a_key_works(connect, vidu_emulator):
    from airflow_provider_vidu.provider_info import get_provider_info

    fields = get_provider_info()["connection-types"][0]["conn-fields"]
    untouched = {name: field["schema"].get("default") for name, field in fields.items()}
    hook = connect(host=vidu_emulator.url, password=KEY, port=0, extra=untouched)
    assert hook.test_connection()[0]
    assert hook.get_task(hook.submit(FIELDS).task_id).task_id


@pytest.mark.parametrize("status", [200, 401, 404, 500])
@pytest.mark.parametrize("split", ["", "\n"])
def test_repeated_key_is_never_quoted_even_in_part(connect, monkeypatch, status, split):
    monkeypatch.setattr("airflow_provider_vidu.client.GET_SECONDS", 0.1)

    def repeats(path, authorization):
        return status, b"<html>" + b"x" * 160 + f"{authorization[:16]}{split}{authorization[16:]}".encode() + b"</html>"

    with host(repeats) as url:
        _, text = connect(host=url, password=KEY).test_connection()
    assert not [KEY[start : start + 6] for start in range(len(KEY) - 5) if KEY[start : start + 6] in text], text
