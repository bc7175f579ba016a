# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Large pictures over real HTTP: uploaded right before they are paid for, and the same request all the same."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import struct
import tracemalloc
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from _support.batch_drive import drive
from _support.img2video import fingerprint, reading_of, wire_of
from _support.relay_stand_ins import KEY, VidusPaths
from _support.relay_stand_ins import serving as relay_serving
from airflow.providers.common.compat.sdk import AirflowFailException
from PIL import Image

from airflow_provider_vidu.api.errors import ViduError, ViduInputError, ViduUnavailableError
from airflow_provider_vidu.api.images import MEBIBYTE, EncodedImage, LargeImage, content_identity, encode_image
from airflow_provider_vidu.api.reference2video import ENDPOINT as REFERENCE
from airflow_provider_vidu.emulator import Fault, ViduEmulator
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.images import load_image
from airflow_provider_vidu.images import wire_of as wire_of_endpoint
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator
from airflow_provider_vidu.submission import uploads
from airflow_provider_vidu.submission.batch import sending
from airflow_provider_vidu.submission.uploads import MARGIN, UNKNOWN_LIFE, use_until

pytestmark = [pytest.mark.usefixtures("clock", "another_process")]

LOG = logging.getLogger(__name__)
FIELDS = {"model": "viduq2-turbo", "duration": 1, "prompt": "p"}
URL_ROW = {**FIELDS, "images": "https://example.com/a.png"}


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Forget the uploads of the tests before; call it to forget those of this test."""

    def start() -> None:
        monkeypatch.setattr(uploads, "_uploads", {})

    start()
    return start


def content(megabytes: float, colour: str = "teal") -> bytes:
    """Return a PNG of a size, most of which is a chunk that no reader needs."""
    file = io.BytesIO()
    Image.new("RGB", (64, 36), colour).save(file, "PNG")
    picture, end = file.getvalue()[:-12], file.getvalue()[-12:]
    chunk = b"vpAd" + bytes(int(megabytes * MEBIBYTE) - file.tell() - 12)
    return picture + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


@pytest.fixture
def large(tmp_path: Path) -> str:
    (tmp_path / "large.png").write_bytes(content(17))
    return str(tmp_path / "large.png")


def operator(images: Any, **settings: Any) -> Img2VideoOperator:
    return Img2VideoOperator(task_id="t", images=images, **FIELDS, **settings)


def batch(*rows: Any, **settings: Any) -> Img2VideoBatchOperator:
    return Img2VideoBatchOperator(task_id="t", requests=list(rows), poll_interval=0.2, deferrable=False, **settings)


def row(images: str, prompt: str = "p") -> dict[str, Any]:
    return {**FIELDS, "images": images, "prompt": prompt}


def pictures_of(vidu: ViduEmulator) -> list[list[str]]:
    """Return the form in which each task's pictures arrived."""
    forms = [[image.partition(":")[0] for image in task.request.pictures] for task in vidu.tasks]
    assert not vidu.counters.leaked_keys
    return forms


def was_untouched(vidu: ViduEmulator) -> bool:
    return not sum(vidu.counters.requests.values())


def test_large_picture_is_uploaded_and_animated(vidu_emulator, runtime_context, store, large):
    record = operator(large).execute(runtime_context(store))
    assert record["state"] == "success"
    assert pictures_of(vidu_emulator) == [["ssupload"]]
    assert list(vidu_emulator.tasks[0].fetched.values()) == [Path(large).read_bytes()]
    assert vidu_emulator.counters.requests["upload"] == 3


@pytest.mark.parametrize("way", ["submit", "asubmit", "submit_once", "asubmit_once"])
def test_every_submission_of_the_hook_uploads(vidu_emulator, runtime_context, store, large, way):
    context = [runtime_context(store)] if "once" in way else []
    task = getattr(ViduHook(), way)(*context, row(large))
    if way.startswith("a"):
        task = asyncio.run(task)
    assert task.task_id == vidu_emulator.tasks[0].task_id
    assert pictures_of(vidu_emulator) == [["ssupload"]]


@pytest.mark.parametrize("settings", [{}, {"credit_budget": 100}])
def test_batch_uploads_a_picture_once_and_nothing_else(
    vidu_emulator, runtime_context, store, tmp_path, large, settings
):
    (tmp_path / "small.png").write_bytes(content(0.1))
    rows = [row(large, "1"), URL_ROW, row(large, "2"), row(str(tmp_path / "small.png")), row(large, "3")]
    records, _ = drive(batch(*rows, **settings), runtime_context(store))
    assert {record["state"] for record in records} == {"success"}
    forms = {task.task_id: form for task, form in zip(vidu_emulator.tasks, pictures_of(vidu_emulator), strict=True)}
    assert [forms[record["task_id"]] for record in records] == [
        ["ssupload"],
        ["https"],
        ["ssupload"],
        ["data"],
        ["ssupload"],
    ]
    # One to see that the host has the tool, and three for the upload.
    assert vidu_emulator.counters.requests["upload"] == 4


@pytest.mark.parametrize("kind", ["single", "batch"])
def test_retry_of_a_submitted_task_uploads_nothing(vidu_emulator, runtime_context, store, large, another_process, kind):
    def run(try_number: int) -> Any:
        context = runtime_context(store, try_number=try_number)
        if kind == "single":
            return operator(large, wait_for_completion=False).execute(context)
        return drive(batch(row(large)), context)[0]

    first = run(1)
    counted = vidu_emulator.counters.requests["upload"]
    another_process()
    assert run(2) == first
    assert (vidu_emulator.counters.requests["upload"], vidu_emulator.counters.submissions) == (counted, 1)


def test_identity_of_a_picture_does_not_depend_on_how_it_travels(large):
    wire = wire_of({"images": large}, None, LOG)
    picture = wire["images"][0]
    assert isinstance(picture, LargeImage)
    # A record that was written when such a picture still travelled in the request.
    in_request = EncodedImage(Path(large).read_bytes(), picture.facts)
    assert content_identity(picture) == content_identity(in_request) == content_identity(str(in_request))
    assert fingerprint(wire) == fingerprint({**wire, "images": [in_request]})
    assert reading_of(wire) == reading_of({**wire, "images": [in_request]})


def test_only_the_largest_pictures_of_a_request_are_uploaded(vidu_emulator, runtime_context, store, tmp_path):
    sizes = {"a.png": 6, "b.png": 7, "c.png": 5}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(content(size, "red"))
    images = [f"{tmp_path}/{name}" for name in sizes]
    Reference2VideoOperator(task_id="t", images=images, prompt="p", wait_for_completion=False).execute(
        runtime_context(store)
    )
    assert pictures_of(vidu_emulator) == [["data", "ssupload", "data"]]
    assert [len(one) for one in vidu_emulator.tasks[0].fetched.values()] == [7 * MEBIBYTE]


def test_same_picture_in_two_subjects_is_uploaded_once(vidu_emulator, runtime_context, store, large):
    subjects = [{"name": "cat", "images": [large]}, {"name": "dog", "images": [large, "https://example.com/a.png"]}]
    wire = wire_of_endpoint({"subjects": subjects, "prompt": "@cat @dog"}, None, LOG, endpoint=REFERENCE)
    sent = uploads.with_uploads(ViduHook().account, wire, LOG)
    uris = [one["images"] for one in sent["subjects"]]
    assert uris[0] == uris[1][:1]
    assert uris[0][0].startswith("ssupload:")
    assert uris[1][1] == "https://example.com/a.png"
    assert vidu_emulator.counters.requests["upload"] == 3


def test_picture_above_fifty_megabytes_is_refused_before_anything_is_sent(
    vidu_emulator, runtime_context, store, tmp_path
):
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(content(1))
        file.truncate(51 * MEBIBYTE)
    for made in (operator(f"{tmp_path}/huge.png"), batch(URL_ROW, row(f"{tmp_path}/huge.png"))):
        with pytest.raises(AirflowFailException, match=r"is 51\.0 MB; Vidu takes at most 50 MB"):
            made.execute(runtime_context(store))
    assert was_untouched(vidu_emulator)


@pytest.mark.parametrize("more", [{"duration": 99}, {"extra_params": {"x": "y" * 20 * MEBIBYTE}}, {"max_credits": 1}])
def test_nothing_is_uploaded_for_a_request_that_cannot_be_sent(vidu_emulator, runtime_context, store, large, more):
    fields = {**FIELDS, **more}
    with pytest.raises(AirflowFailException):
        Img2VideoOperator(task_id="t", images=large, **fields).execute(runtime_context(store))
    assert was_untouched(vidu_emulator)


def test_batch_uploads_nothing_that_its_budget_does_not_pay_for(vidu_emulator, runtime_context, store, large):
    with pytest.raises((ViduError, AirflowFailException)):
        drive(batch(row(large), credit_budget=1), runtime_context(store))
    # Whether the host has the tool is asked once.
    assert vidu_emulator.counters.requests["upload"] == 1
    assert not vidu_emulator.tasks


@contextmanager
def without_tool(how: str, vidu: ViduEmulator, monkeypatch: pytest.MonkeyPatch) -> Generator[Any, None, None]:
    """A host without the upload tool, by a 404 or by the web page of a relay; yields what it has billed."""
    if how == "404":
        vidu.faults.add("upload", Fault.refuse(404, times=None))
        yield lambda: vidu.counters.submissions
        return
    with relay_serving(VidusPaths, b"") as relay:
        connection = {"conn_type": "vidu", "host": relay.url, "password": KEY, "extra": {"list_path": None}}
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps(connection))
        yield lambda: len(relay.billed)


@pytest.mark.parametrize("how", ["404", "web page"])
@pytest.mark.parametrize("kind", ["single", "batch"])
def test_host_without_the_tool_is_named_before_anything_is_paid(
    vidu_emulator, runtime_context, store, monkeypatch, large, how, kind
):
    made = operator(large) if kind == "single" else batch(URL_ROW, row(large), URL_ROW)
    with without_tool(how, vidu_emulator, monkeypatch) as billed:
        with pytest.raises(AirflowFailException) as raised:
            made.execute(runtime_context(store))
        assert billed() == 0
    text = str(raised.value)
    assert f"{large} (17.0 MB) does not fit into the request, which may have 20 MB, and 127.0.0.1 has no upload" in text
    assert "Pass it as a URL (up to 50 MB), or as a smaller JPEG." in text
    assert "nothing is billed" in text
    assert ("Item 1 (large.png): " in text) is (kind == "batch")
    assert "intent" not in str(store.values)


def test_batch_delivers_what_is_paid_although_the_tool_has_gone(vidu_emulator, runtime_context, store, tmp_path, large):
    # The budget ends the first try after the first row.
    with pytest.raises((ViduError, AirflowFailException)):
        drive(batch(URL_ROW, row(large), credit_budget=8), runtime_context(store))
    assert vidu_emulator.counters.submissions == 1
    vidu_emulator.faults.add("upload", Fault.refuse(404, times=None))
    with pytest.raises(AirflowFailException, match="no upload tool"):
        drive(
            batch(URL_ROW, row(large), manifest_path=f"{tmp_path}/manifest.jsonl"),
            runtime_context(store, try_number=2),
        )
    first, second = map(json.loads, (tmp_path / "manifest.jsonl").read_text().splitlines())
    assert (first["state"], first["error"]) == ("success", None)
    assert "no upload tool" in second["error"]
    assert vidu_emulator.counters.submissions == 1


def test_earlier_task_is_kept_if_its_replacement_cannot_be_uploaded(vidu_emulator, runtime_context, store, large):
    context = runtime_context(store)
    operator("https://example.com/a.png", wait_for_completion=False).execute(context)
    vidu_emulator.faults.add("upload", Fault.refuse(404, times=None))
    store.values["vidu_submission"]["phase"] = "submitted"
    with pytest.raises(AirflowFailException, match="no upload tool"):
        operator(large, on_input_change="resubmit").execute(runtime_context(store, try_number=2))
    assert vidu_emulator.counters.requests["cancel"] == 0


@pytest.mark.parametrize("after", [0, 1, 2])
def test_broken_upload_is_repeated_before_the_submission(vidu_emulator, runtime_context, store, large, after):
    vidu_emulator.faults.add("upload", Fault.refuse(503, after=after), Fault.drop_before_accept())
    operator(large, wait_for_completion=False).execute(runtime_context(store))
    assert pictures_of(vidu_emulator) == [["ssupload"]]


def test_failed_upload_leaves_nothing_in_doubt(vidu_emulator, runtime_context, store, large):
    vidu_emulator.faults.add("upload", Fault.refuse(503, after=1, times=None))
    with pytest.raises(ViduUnavailableError, match=r"large.png \(17.0 MB\) cannot be uploaded now.*503.*not submitted"):
        operator(large).execute(runtime_context(store))
    assert not store.writes
    vidu_emulator.faults.clear()
    operator(large, wait_for_completion=False).execute(runtime_context(store, try_number=2))
    assert vidu_emulator.counters.submissions == 1


def test_upload_is_used_again_until_it_expires(vidu_emulator, clock, large, another_process):
    def submit() -> int:
        ViduHook().submit(row(large))
        return vidu_emulator.counters.requests["upload"]

    assert [submit(), submit()] == [3, 3]
    # The emulator is 200 times as fast, so that its hour has 18 s.
    clock.now += 18
    assert [submit(), submit()] == [6, 6]
    assert len({task.request.pictures[0] for task in vidu_emulator.tasks}) == 2


@pytest.mark.vidu_emulator(speed=1)
@pytest.mark.parametrize("kind", ["single", "batch"])
def test_upload_that_expires_in_a_full_queue_is_repeated(vidu_emulator, runtime_context, store, large, kind):
    # Each of them waits for 300 s, and an upload lives for an hour.
    vidu_emulator.faults.add("submit", Fault.rate_limit(retry_after=300, times=12))
    if kind == "single":
        operator(large, wait_for_completion=False).execute(runtime_context(store))
    else:
        drive(batch(row(large)), runtime_context(store))
    assert vidu_emulator.counters.submissions == 1
    assert vidu_emulator.counters.requests["upload"] == 6 + (kind == "batch")
    assert list(vidu_emulator.tasks[0].fetched.values()) == [Path(large).read_bytes()]


@pytest.mark.vidu_emulator(api_keys={"a": "alice", "b": "bob"})
def test_upload_is_not_used_for_another_account(vidu_emulator, monkeypatch, large):
    for key in ("a", "b"):
        connection = {
            "conn_type": "vidu",
            "host": vidu_emulator.url,
            "password": key,
            "extra": {"auth_scheme": "Token"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", json.dumps(connection))
        ViduHook().submit(row(large))
    assert vidu_emulator.counters.requests["upload"] == 6
    assert all(task.fetched for task in vidu_emulator.tasks)


@pytest.mark.parametrize(
    ("expires_at", "seconds"),
    [
        (3_600.0, 3_600 - MARGIN),
        (MARGIN, MARGIN / 2),
        (10.0, 5.0),
        (0.0, UNKNOWN_LIFE),
        (-5.0, UNKNOWN_LIFE),
        (None, UNKNOWN_LIFE),
    ],
)
def test_upload_is_used_until_a_margin_before_its_expiry(expires_at, seconds):
    now = 1_800_000_000.0
    assert use_until(None if expires_at is None else now + expires_at, now) == now + seconds


def test_changed_file_is_not_sent(vidu_emulator, large):
    wire = wire_of({"images": large}, None, LOG)
    Path(large).write_bytes(content(17, "red"))
    with pytest.raises(ViduInputError, match="has changed since it was checked"):
        uploads.with_uploads(ViduHook().account, wire, LOG)
    assert was_untouched(vidu_emulator)


def test_large_picture_does_not_stay_in_memory(large):
    Path(large).write_bytes(content(45))
    load_image(large)
    tracemalloc.start()
    kept = [load_image(large) for _ in range(3)]
    used, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [image.facts.size for image in kept] == [45 * MEBIBYTE] * 3
    assert used < MEBIBYTE
    # The file, and for a moment a chunk of it.
    assert most < 3 * 45 * MEBIBYTE


def test_given_up_upload_ends(vidu_emulator, large):
    def stop() -> None:
        if vidu_emulator.counters.requests["upload"]:
            raise ViduError("stopped")

    with pytest.raises(ViduError, match="stopped"):
        uploads.with_uploads(ViduHook().account, wire_of({"images": large}, None, LOG), LOG, stop)
    # It was not finished.
    assert vidu_emulator.counters.requests["upload"] < 3


def test_killed_batch_does_not_wait_for_its_uploads(vidu_emulator, runtime_context, store, monkeypatch, large):
    made = batch(row(large))
    ended = []

    def upload(account: Any, wire: Any, log: Any, stop: Any) -> None:
        made.on_kill()
        try:
            # Without end, as a slow host.
            while True:
                stop()
        except ViduError as error:
            ended.append(error.message)
            raise

    monkeypatch.setattr(sending, "with_uploads", upload)
    with pytest.raises(ViduError, match="told to stop"):
        drive(made, runtime_context(store))
    assert ended == ["The upload was given up: this try submits nothing more."]
    assert vidu_emulator.counters.submissions == 0


def test_wire_without_large_pictures_is_sent_as_it_is():
    wire = {"images": ["https://example.com/a.png", encode_image(content(0.1))], "n": (1, 2), "deep": {"a": [None]}}
    assert uploads.with_uploads(None, wire, LOG) == {**wire, "n": [1, 2]}  # type: ignore[arg-type]
    assert uploads.with_known_uploads(None, wire) is not None  # type: ignore[arg-type]
