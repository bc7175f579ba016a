# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Landing in a real object store, an S3 server with permissions: the whole, right object or none."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import os
import random
import urllib.request
from pathlib import Path

import pytest
from _support.other_process import DOWNLOAD, DOWNLOAD_ON_A_SMALL_DISK, OWN_MOUNTS, namespaces, python
from _support.storage_host import serving as serving_storage
from PIL import Image

from airflow_provider_vidu.api.errors import Fate, ViduLandingError
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.landing import land as landing

IMAGE = Path(__file__).resolve().parents[2] / "dags_examples" / "images" / "city_dusk.jpg"
OLDER = b"an older video"


def mp4(size: int) -> bytes:
    """Return a file of a given size that every check accepts as an MP4; no two parts are alike."""
    head = b"\0\0\0\x0cftypisom\0\0\0\x08moov"
    return head + (size - len(head)).to_bytes(4, "big") + b"mdat" + random.Random(1).randbytes(size - len(head) - 8)


SMALL = mp4(300_000)
#: Objects beyond two parts of 5 MB are uploaded in parts.
IN_PARTS = mp4(12_000_000)

in_parts = pytest.mark.vidu_emulator(video=IN_PARTS)
at_once = pytest.mark.vidu_emulator(video=SMALL)
of_both_sizes = pytest.mark.parametrize(
    "video", [pytest.param(SMALL, marks=at_once, id="at once"), pytest.param(IN_PARTS, marks=in_parts, id="in parts")]
)


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(landing, "MAX_GAP", 0.0)


@pytest.fixture
def made(vidu_emulator):
    """A task that has succeeded."""
    task = ViduHook().submit({"images": ["https://x.example/cat.png"], "model": "viduq2-turbo", "duration": 1})
    vidu_emulator.skip(600)
    return task.task_id


def served(record, link="url") -> bytes:
    """Return the served video. Links expire while a DAG runs, a cover's within seconds at the emulator's speed."""
    (creation,) = ViduHook().get_task(record["task_id"]).creations
    with urllib.request.urlopen(getattr(creation, link)) as response:
        return response.read()


def test_landed_object_is_vidus_file_and_the_record_describes_it(
    run_dag, store, vidu_emulator, decoded_video, tmp_path
):
    store.put("pictures/cat.jpg", IMAGE.read_bytes())
    conf = {"image": store.path("pictures/cat.jpg"), "output": store.path("out/")}
    run = run_dag("landing_in_a_bucket", conf)
    assert run.state == "success"
    one = run.xcom("one")
    records = {
        "one": [one],
        "mapped": run.xcom("mapped"),
        "batch": run.xcom("batch"),
        "fetched": [run.xcom("fetched")],
    }
    assert [len(found) for found in records.values()] == [1, 2, 2, 1]
    expected = {"pictures/cat.jpg", "out/fetched/name.mp4", "out/fetched/name-cover.jpg"}
    for task_id, found in records.items():
        for record in found:
            name = f"{record['model']}/{record['task_id']}" if task_id == "mapped" else record["task_id"]
            key = "out/fetched/name.mp4" if task_id == "fetched" else f"out/{task_id}/{name}.mp4"
            expected |= {key, f"out/one/{one['task_id']}-cover.jpg"}
            video = record["files"][0]
            content = store.read(key)
            assert content == served(record)
            assert store.media_type(key) == "video/mp4"
            assert video["kind"] == "video"
            assert video["path"] == store.path(key)
            assert video["bytes"] == len(content)
            assert video["sha256"] == hashlib.sha256(content).hexdigest()
            (tmp_path / "video.mp4").write_bytes(content)
            seen = decoded_video(tmp_path / "video.mp4")
            assert (video["width"], video["height"]) == (seen["width"], seen["height"])
            assert video["duration"] == pytest.approx(seen["duration"], abs=0.05)
            assert video["fps"] == pytest.approx(seen["count"] / seen["duration"], abs=0.1)
    assert set(store.keys) == expected
    assert vidu_emulator.counters.submissions == 5
    assert vidu_emulator.counters.leaked_keys == 0
    cover = one["files"][1]
    content = store.read(f"out/one/{one['task_id']}-cover.jpg")
    assert content == served(one, "cover_url")
    assert store.media_type(f"out/one/{one['task_id']}-cover.jpg") == "image/jpeg"
    assert (cover["kind"], cover["sha256"]) == ("cover", hashlib.sha256(content).hexdigest())
    assert (cover["width"], cover["height"]) == Image.open(io.BytesIO(content)).size


# -- pictures and sounds -----------------------------------------------------------------------------------------


def content_of(format: str) -> bytes:
    if format == "MP3":
        return b"ID3\x04" + bytes(500)
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "red").save(file, format)
    return file.getvalue()


@pytest.fixture
def bare_media_types():
    """Python's own table of media types, as in an image without /etc/mime.types."""
    mimetypes.init(files=[])
    yield
    mimetypes.init()


@pytest.mark.usefixtures("bare_media_types")
@pytest.mark.parametrize(
    ("format", "name", "landed_as", "media_type"),
    [
        ("PNG", "out/", "out/{}.png", "image/png"),
        ("JPEG", "out/", "out/{}.jpg", "image/jpeg"),
        ("WEBP", "out/", "out/{}.webp", "image/webp"),
        ("MP3", "out/", "out/{}.mp3", "audio/mpeg"),
        ("JPEG", "a.png", "a.png", "image/jpeg"),
    ],
)
def test_object_has_the_suffix_and_media_type_of_what_it_is(
    store, vidu_emulator, made, format, name, landed_as, media_type
):
    content, key = content_of(format), landed_as.format(made)
    with serving_storage() as storage:
        vidu_emulator.faults.add("download", Fault.refuse(307, location=f"{storage.url}/file", times=None))
        storage.file, storage.etag = content, f'"{hashlib.md5(content).hexdigest()}"'
        landed = ViduHook().download(made, store.path(name))
        assert landed["path"] == store.path(key)
        store.calls.clear()
        assert ViduHook().download(made, store.path(name)) == landed
    assert not any(call.puts for call in store.calls)
    assert store.keys == [key]
    assert store.read(key) == content
    assert store.media_type(key) == media_type


# -- existing objects --------------------------------------------------------------------------------------------


@of_both_sizes
def test_landed_object_is_not_transferred_again(store, vidu_emulator, made, video):
    first = ViduHook().download(made, store.path("a.mp4"))
    store.calls.clear()
    asked = vidu_emulator.counters.downloads
    assert ViduHook().download(made, store.path("a.mp4")) == first
    assert vidu_emulator.counters.downloads == asked + 1
    assert not any(call.puts for call in store.calls)
    assert store.read("a.mp4") == video


@at_once
@pytest.mark.parametrize("existing", [OLDER, SMALL[:-1] + b"x"], ids=["another length", "the same length"])
def test_another_object_is_replaced(store, made, existing):
    store.put("a.mp4", existing)
    ViduHook().download(made, store.path("a.mp4"))
    assert store.read("a.mp4") == SMALL
    assert [call.status for call in store.calls if call.puts] == [200]


@at_once
def test_batch_reads_and_lands_in_a_store(run_dag, store, vidu_emulator):
    store.put("night/requests.jsonl", json.dumps({"images": str(IMAGE), "id": "MUG-1"}).encode())
    run = run_dag("report_by_conf", {"folder": store.path("night")})
    assert run.states() == {("batch", -1): "success"}
    [record] = run.xcom("batch")
    assert store.read(f"night/videos/{record['task_id']}.mp4") == SMALL
    assert b"MUG-1" in store.read("night/report.html")


# -- refusals of the store --------------------------------------------------------------------------------------


def test_missing_bucket_is_rejected_before_payment(run_dag, store, vidu_emulator, capfd):
    run = run_dag("landing_by_conf", {"image": str(IMAGE), "output": store.path("out/", bucket="nobodys")})
    assert run.states() == {("video", -1): "failed"}
    assert run.tries() == {("video", -1): 1}
    assert vidu_emulator.counters.submissions == 0
    assert "there is no bucket nobodys" in "".join(capfd.readouterr())


@at_once
def test_denied_upload_is_landed_by_a_retry(run_dag, store, vidu_emulator):
    with store.denying():
        store.revoke()
        # Between the first try's upload and the second try.
        store.after(lambda call: call.puts and call.status == 403, store.grant)
        run = run_dag("landing_by_conf", {"image": str(IMAGE), "output": store.path("out/")})
    assert run.states() == {("video", -1): "success"}
    assert run.tries() == {("video", -1): 2}
    assert [call.status for call in store.calls if call.puts] == [403, 200]
    assert vidu_emulator.counters.submissions == 1
    assert store.read(f"out/{run.xcom('video')['task_id']}.mp4") == SMALL


@of_both_sizes
def test_landing_needs_only_write_permission(store, made, video):
    with store.denying():
        store.allow("s3:PutObject")
        landed = ViduHook().download(made, store.path("a.mp4"))
    assert landed["bytes"] == len(video)
    assert store.read("a.mp4") == video


@at_once
def test_unreadable_object_is_replaced(store, made):
    # For example an object that was encrypted with another key.
    store.put("a.mp4", SMALL)
    with store.denying():
        store.before(lambda call: call.reads, lambda: store.allow("s3:PutObject"))
        ViduHook().download(made, store.path("a.mp4"))
    assert [call.status for call in store.calls if call.reads] == [403]
    assert [call.status for call in store.calls if call.puts] == [200]
    assert store.read("a.mp4") == SMALL


@at_once
def test_denied_upload_names_the_permission_and_the_video(store, made):
    with store.denying():
        store.revoke()
        with pytest.raises(ViduLandingError) as raised:
            ViduHook().download(made, store.path("a.mp4"))
    assert f"could not be landed at {store.path('a.mp4')}: PermissionError: Access Denied" in str(raised.value)
    assert "The video is safe at Vidu" in str(raised.value)
    assert raised.value.fate is Fate.RETRYABLE
    assert store.keys == []


@in_parts
def test_failed_upload_leaves_no_object_and_no_parts(store, made):
    with store.denying():
        store.before(lambda call: call.part == 2, store.revoke)
        with pytest.raises(ViduLandingError, match=r"Access Denied.*The video is safe at Vidu") as raised:
            ViduHook().download(made, store.path("a.mp4"))
    assert raised.value.fate is Fate.RETRYABLE
    assert {call.part for call in store.calls} >= {1, 2, 3}
    assert store.keys == []
    assert store.unfinished == []
    assert ViduHook().download(made, store.path("a.mp4"))["bytes"] == len(IN_PARTS)
    assert store.read("a.mp4") == IN_PARTS


# -- cuts and kills ----------------------------------------------------------------------------------------------


def test_interrupted_download_is_resumed(store, vidu_emulator, made):
    with serving_storage() as storage:
        vidu_emulator.faults.add("download", Fault.refuse(307, location=f"{storage.url}/video.mp4", times=None))
        storage.file, storage.etag = IN_PARTS, '"v1"'
        storage.cuts = [len(IN_PARTS) // 2, 1_000_000, 17]
        landed = ViduHook().download(made, store.path("a.mp4"))
        assert storage.sent == len(IN_PARTS)
        assert len(storage.targets) == 4
    assert store.read("a.mp4") == IN_PARTS
    assert landed["sha256"] == hashlib.sha256(IN_PARTS).hexdigest()
    assert store.unfinished == []


@in_parts
@pytest.mark.parametrize("older", [None, OLDER], ids=["nothing", "an older one"])
def test_killed_upload_leaves_no_partial_object(store, vidu_emulator, made, older):
    if older:
        store.put("a.mp4", older)
    killed = []

    def kill():
        killed[0].kill()
        killed[0].wait()

    store.before(lambda call: call.part == 3, kill)
    killed.append(python(DOWNLOAD, made, store.path("a.mp4")))
    output, _ = killed[0].communicate(timeout=90)
    assert killed[0].returncode == -9, output
    # The uploaded parts stay, but are no object: a bucket's lifecycle rule removes such uploads.
    assert store.keys == (["a.mp4"] if older else [])
    if older:
        assert store.read("a.mp4") == older
    landed = ViduHook().download(made, store.path("a.mp4"))
    assert landed["bytes"] == len(IN_PARTS)
    assert store.read("a.mp4") == IN_PARTS
    assert vidu_emulator.counters.submissions == 1


@namespaces
@in_parts
def test_workers_full_disk_is_reported(store, made, tmp_path):
    process = python(
        DOWNLOAD_ON_A_SMALL_DISK,
        made,
        store.path("a.mp4"),
        str(tmp_path),
        within=OWN_MOUNTS,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    output, _ = process.communicate(timeout=90)
    assert f"[Errno 28] No space left on device: '{tmp_path}'" in output
    assert "The video is safe at Vidu" in output
    assert "in the folder: older.mp4\n" in output
    assert store.keys == []
    assert not any(call.puts for call in store.calls)
