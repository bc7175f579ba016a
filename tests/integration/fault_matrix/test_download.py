# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Download x every fault: the destination never has a partial file, finally a whole one, and is paid for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import pytest
from _support.fault_table import one_by_one
from airflow.sdk.io.store import _STORE_CACHE, attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_vidu.api.errors import Fate, ViduError, ViduLandingError
from airflow_provider_vidu.emulator import Fault
from airflow_provider_vidu.landing import transfer

REFUSED = "refused connection"
ELSEWHERE = "/storage/elsewhere"

FAULTS = {
    "refused connection": REFUSED,
    "dropped before accept": Fault.drop_before_accept(),
    "reply lost": Fault.drop_after_accept(),
    "half a file": Fault.half_reply(),
    "half a file that says it is whole": Fault.broken_json(),
    "200 with an error": Fault.error_in_200(),
    "500": Fault.refuse(500),
    "503": Fault.refuse(503),
    "504": Fault.fail_after_accept(504),
    "408": Fault.refuse(408),
    "409": Fault.refuse(409),
    "499": Fault.refuse(499),
    "401": Fault.refuse(401),
    "403": Fault.refuse(403),
    "404": Fault.refuse(404),
    "302 to a link that is refused": Fault.refuse(302, location=ELSEWHERE),
    "307 to a link that is refused": Fault.refuse(307, location=ELSEWHERE),
    "302 without a target": Fault.refuse(302),
    "429": Fault.rate_limit(),
    "429, Retry-After 7": Fault.rate_limit(retry_after=7),
    "429, Retry-After a date": Fault.rate_limit(retry_after="HTTP date"),
    # For a read, a hang before accept is the same.
    "hang": Fault.hang(1.2),
}
# Faults of the query that re-signs a link after a failed download.
FAULTS_OF_THE_LINK = {
    "reply lost": Fault.drop_after_accept(),
    "half a reply": Fault.half_reply(),
    "200 with broken JSON": Fault.broken_json(),
    "200 with an error": Fault.error_in_200(),
    "503": Fault.refuse(503),
    "409": Fault.refuse(409),
    "404": Fault.refuse(404),
    "302": Fault.refuse(302, location=ELSEWHERE),
    "429": Fault.rate_limit(),
}


class Destination(NamedTuple):
    """A place where videos land, and how to read everything in it."""

    name: str
    files: Callable[[], dict[str, bytes]]


@pytest.fixture(params=["folder", "bucket"])
def destination(request, tmp_path):
    if request.param == "folder":
        folder = tmp_path / "videos"
        folder.mkdir()
        yield Destination(f"{folder}/", lambda: {path.name: path.read_bytes() for path in folder.iterdir()})
        return

    class Memory(MemoryFileSystem):
        cachable = False
        store: ClassVar = {}
        pseudo_dirs: ClassVar = [""]

    store = Memory()
    attach("s3", conn_id="videos", fs=store)
    yield Destination(
        "s3://videos@out/", lambda: {path.removeprefix("/out/"): store.cat(path) for path in store.find("/")}
    )
    _STORE_CACHE.clear()


@pytest.fixture
def ended(task_instance, open_client, monkeypatch, destination):
    """Make a task instance with an ended task, whose video only has to be landed."""

    def ended(fault):
        task = task_instance(fault)
        task.folder = destination.name
        monkeypatch.setattr(transfer, "STALL_TIMEOUT", task.account.timeout)
        submission, submitted = task.begin(open_client(task.account))
        return task, submission, task.wait(submission, submitted)

    return ended


@one_by_one(FAULTS)
def test_file_lands_in_the_same_try_despite_one_fault(fault, ended, destination, whole_video, strike, books):
    task, submission, known = ended(fault)
    strike("download", fault, lasts=0 if fault == REFUSED else None)
    video = task.land(submission, known)
    assert destination.files() == {f"{video}.mp4": whole_video}
    assert books.paid == books.created == [video]
    assert books.key_stayed_home


def test_file_lands_from_a_host_that_sends_halves(ended, destination, whole_video, strike, books):
    task, submission, known = ended(None)
    strike("download", FAULTS["half a file"], times=None)
    video = task.land(submission, known)
    assert destination.files() == {f"{video}.mp4": whole_video}
    assert books.paid == books.created == [video]
    assert books.requests("download") > 2


@one_by_one({name: fault for name, fault in FAULTS.items() if name != "half a file"})
def test_lasting_fault_lands_nothing_until_the_next_try(fault, ended, destination, whole_video, strike, books):
    task, submission, known = ended(fault)
    strike("download", fault, times=None)
    with pytest.raises(ViduLandingError, match="a retry lands it") as raised:
        task.land(submission, known)
    assert raised.value.fate is Fate.RETRYABLE
    assert destination.files() == {}
    strike.stop()
    video = task.run()
    assert destination.files() == {f"{video}.mp4": whole_video}
    assert books.paid == books.created == [video]
    assert books.key_stayed_home


def test_a_redirect_to_the_file_is_followed_without_the_key(ended, destination, whole_video, strike, books):
    task, submission, known = ended(None)
    strike("download", Fault.refuse(307, location=known.video_url))
    video = task.land(submission, known)
    assert destination.files() == {f"{video}.mp4": whole_video}
    assert books.requests("download") == 2
    assert books.key_stayed_home


def test_a_redirect_to_plain_http_elsewhere_is_refused_for_good(ended, destination, whole_video, strike, books):
    task, submission, known = ended(None)
    strike("download", Fault.refuse(302, location="http://storage.example/video.mp4"))
    with pytest.raises(ViduLandingError, match="not https") as raised:
        task.land(submission, known)
    assert raised.value.fate is Fate.PERMANENT
    assert destination.files() == {}
    assert task.run() == known.task_id
    assert books.paid == books.created == [known.task_id]


@pytest.mark.parametrize("times", [1, None], ids=["once", "lasting"])
@one_by_one(FAULTS_OF_THE_LINK)
def test_link_that_cannot_be_re_signed_costs_at_most_one_try(
    fault, times, ended, destination, whole_video, strike, books
):
    task, submission, known = ended(fault)
    strike("download", Fault.refuse(403))
    strike("poll", fault, times=times)
    try:
        video = task.land(submission, known)
    except ViduError:
        assert destination.files() == {}
        strike.stop()
        video = task.run()
    assert destination.files() == {f"{video}.mp4": whole_video}
    assert books.paid == books.created == [video]
    assert books.key_stayed_home
