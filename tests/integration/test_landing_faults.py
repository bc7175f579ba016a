# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Whatever fails between Vidu's storage and a disk: the whole video lands or nothing does, paid for once."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from _support.other_process import DOWNLOAD, DOWNLOAD_ON_A_SMALL_DISK, OWN_MOUNTS, OWN_NAMESPACES, namespaces, python
from _support.storage_host import Client, serving

from airflow_provider_vidu.api.errors import Fate, ViduLandingError
from airflow_provider_vidu.emulator import Fault, ViduEmulator
from airflow_provider_vidu.hooks.vidu import ViduHook
from airflow_provider_vidu.landing import land as landing
from airflow_provider_vidu.landing.land import ATTEMPTS, land

TESTS = Path(__file__).resolve().parents[1]
IMAGE = TESTS.parent / "dags_examples" / "images" / "city_dusk.jpg"
DAY = 86_400


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


BOXES = (box(b"ftyp", b"isom\0\0\2\0"), box(b"moov", bytes(range(60))), box(b"mdat", bytes(range(256)) * 2))
#: Small, so that it can be cut at every byte; no two parts are alike.
MP4 = b"".join(BOXES)
#: More than fits on a disk of one megabyte.
LARGE = MP4[: -len(BOXES[-1])] + box(b"mdat", os.urandom(2_000_000))


@pytest.fixture
def storage(monkeypatch):
    monkeypatch.setattr(landing, "MAX_GAP", 0.0)
    with serving() as host:
        yield host


@pytest.fixture
def made(vidu_emulator):
    """A task that has succeeded."""
    task = ViduHook().submit({"images": ["https://x.example/cat.png"], "model": "viduq2-turbo", "duration": 1})
    vidu_emulator.skip(600)
    return task.task_id


@pytest.fixture
def elsewhere(vidu_emulator, storage):
    """Make Vidu's links redirect to the storage host permanently."""
    vidu_emulator.faults.add("download", Fault.refuse(307, location=f"{storage.url}/video.mp4", times=None))


# -- cut off anywhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("etag", ['"v1"', None], ids=["with ETag", "without ETag"])
def test_transfer_interrupted_at_any_byte_lands_whole(storage, tmp_path, etag):
    storage.file, storage.etag = MP4, etag
    for cut in range(len(MP4)):
        storage.cuts, storage.sent = [cut], 0
        with Client(f"{storage.url}/video.mp4") as client:
            facts = land(client, client.task, f"{tmp_path}/{cut}.mp4", log=logging.getLogger("cut"))
        assert Path(facts["path"]).read_bytes() == MP4, cut
        assert facts["sha256"] == hashlib.sha256(MP4).hexdigest(), cut
        # Fewer than eight bytes cannot be identified.
        assert storage.sent == len(MP4) + (0 if etag and cut >= 8 else cut), cut
    assert len(list(tmp_path.iterdir())) == len(MP4)


def test_truncated_file_never_lands(storage, tmp_path):
    for cut in range(len(MP4)):
        storage.answers, storage.targets = [(200, {}, MP4[:cut])], []
        client = Client(f"{storage.url}/video.mp4")
        with client, pytest.raises(ViduLandingError, match="a retry lands it"):
            land(client, client.task, f"{tmp_path}/", log=logging.getLogger("cut"))
        assert list(tmp_path.iterdir()) == [], cut
        assert len(storage.targets) <= ATTEMPTS + 1, cut


# -- replies other than the video -------------------------------------------------------------------------------

WRONG = {
    "fewer bytes than announced": (200, {"Content-Length": str(len(MP4) + 7)}, MP4),
    "more bytes than announced": (200, {"Content-Length": str(len(MP4) - 7)}, MP4),
    "nothing": (200, {}, b""),
    "a page": (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Sign in</title>" + bytes(1000)),
    "an error's XML": (200, {"Content-Type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>"),
    "an unrequested part": (206, {"Content-Range": f"bytes 9-{len(MP4) - 1}/{len(MP4)}"}, MP4[9:]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_only_the_real_video_lands(storage, vidu_emulator, elsewhere, made, tmp_path, wrong):
    storage.answers = [wrong]
    with pytest.raises(ViduLandingError, match="The file is safe at Vidu") as raised:
        ViduHook().download(made, f"{tmp_path}/")
    assert raised.value.fate is Fate.RETRYABLE
    assert list(tmp_path.iterdir()) == []
    storage.answers = [wrong, (200, {}, MP4)]
    assert Path(ViduHook().download(made, f"{tmp_path}/")["path"]).read_bytes() == MP4
    assert vidu_emulator.counters.submissions == 1


# -- expired links ----------------------------------------------------------------------------------------


def test_expired_link_is_re_read_in_the_same_try(run_dag, monkeypatch, tmp_path):
    def late() -> float:
        # A day passes between the reply with the link and the first request to the storage.
        return time.time() + DAY * bool(vidus and vidus[0].counters.requests["download"])

    vidus: list[ViduEmulator] = []
    with ViduEmulator(speed=200.0, seed=1, clock=late) as vidu:
        vidus.append(vidu)
        monkeypatch.setenv("AIRFLOW_CONN_VIDU_DEFAULT", vidu.connection_json())
        run = run_dag("landing_by_conf", {"image": str(IMAGE), "output": f"{tmp_path}/"})
        assert run.state == "success"
        assert run.tries() == {("video", -1): 1}
        # The first request was refused as expired.
        assert vidu.counters.requests["download"] == 2
        assert vidu.counters.downloads == 1
        assert vidu.counters.submissions == 1
    (file,) = run.xcom("video")["files"]
    assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]


# -- the disk ----------------------------------------------------------------------------------------------------


@namespaces
@pytest.mark.vidu_emulator(video=LARGE)
def test_full_disk_is_reported_and_leaves_no_partial_file(vidu_emulator, made, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    process = python(DOWNLOAD_ON_A_SMALL_DISK, made, f"{disk}/", str(disk), within=OWN_MOUNTS)
    output, _ = process.communicate(timeout=90)
    assert f"could not be landed at {disk}/{made}: OSError: [Errno 28] No space left on device: '{disk}'" in output
    assert "The file is safe at Vidu" in output
    assert "in the folder: older.mp4\n" in output
    # A fault of this machine's disk does not repeat requests to Vidu's storage.
    assert vidu_emulator.counters.requests["download"] == 1
    assert Path(ViduHook().download(made, f"{disk}/")["path"]).read_bytes() == LARGE


# -- concurrent and killed processes ------------------------------------------------------------------------------


def test_two_processes_at_once_leave_one_whole_video(storage, elsewhere, made, tmp_path):
    together = threading.Barrier(2, timeout=60)

    def answer(headers, answer=storage.answer):
        together.wait()
        return answer(headers)

    storage.answers, storage.answer = [(200, {}, LARGE)], answer
    processes = [python(DOWNLOAD, made, f"{tmp_path}/") for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=90)
        assert process.returncode == 0, output
    assert len(storage.targets) == 2
    assert [path.name for path in tmp_path.iterdir()] == [f"{made}.mp4"]
    assert (tmp_path / f"{made}.mp4").read_bytes() == LARGE


def test_next_try_lands_the_video_after_a_kill(storage, elsewhere, vidu_emulator, made, tmp_path):
    def answer(headers, answer=storage.answer):
        if "Range" in headers and not killed:
            killed.append(process)
            process.kill()
            process.wait()
        return answer(headers)

    killed = []
    storage.file, storage.etag, storage.cuts, storage.answer = LARGE, '"v1"', [1_000_000], answer
    process = python(DOWNLOAD, made, f"{tmp_path}/")
    output, _ = process.communicate(timeout=90)
    assert process.returncode == -9, output
    # A hidden partial file remains, since a killed process cannot clean up.
    (half,) = tmp_path.iterdir()
    assert half.match(".vidu-*.part")
    assert half.stat().st_size > 900_000
    assert Path(ViduHook().download(made, f"{tmp_path}/")["path"]).read_bytes() == LARGE
    assert vidu_emulator.counters.submissions == 1


# -- where a link leads ------------------------------------------------------------------------------------------

STORAGE = "https://storage.example/video.mp4"
INWARD = [
    "https://10.0.0.5/video.mp4",
    "https://127.0.0.1/video.mp4",
    "https://169.254.169.254/latest/meta-data",
    # A public name in front of a private address.
    "https://internal.example/video.mp4",
]


@namespaces
def test_public_links_never_reach_the_workers_network(tmp_path):
    links = [STORAGE, f"{STORAGE}?to={STORAGE}", *INWARD, *(f"{STORAGE}?to={inward}" for inward in INWARD)]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = python(
        (Path(__file__).parents[1] / "_support" / "private_network.py").read_text(),
        str(tmp_path),
        *links,
        within=OWN_NAMESPACES,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(TESTS / "unit"), *filter(None, sys.path)])},
    )
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    outcome = json.loads(output.splitlines()[-1])
    became = outcome["links"]
    assert [became[link] for link in links[:2]] == ["landed", "landed"]
    for link in links[2:]:
        assert "an address of a private network" in became[link], link
        assert "clear this task: it lands the video and submits nothing" in became[link], link
    visits = outcome["visits"]
    assert visits.pop("93.184.216.34") == 3 + len(INWARD)
    assert set(visits.values()) == {0}
