# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A landed file is whole or not there at all, and no byte is fetched twice."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import threading
from pathlib import Path

import pytest
from _support.storage_host import MP4, Client, serving
from PIL import Image

from airflow_provider_vidu.api.errors import Fate, ViduLandingError
from airflow_provider_vidu.api.registry import ANY, PICTURE, SOUND
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.compat import clear_this_task
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.landing.land import ATTEMPTS, land, land_all, link_of
from airflow_provider_vidu.landing.transfer import Transfer

pytestmark = pytest.mark.usefixtures("clock")

LOG = logging.getLogger("test")
MD5 = f'"{hashlib.md5(MP4).hexdigest()}"'


@pytest.fixture
def storage():
    with serving() as host:
        yield host


@pytest.fixture
def client(storage):
    with Client(f"{storage.url}/video.mp4?sig=x") as made:
        yield made


def landed(client: Client, wanted: str | Wanted, **options):
    return land(client, client.task, wanted, log=LOG, **options)


def written_at(path: Path) -> tuple[int, int]:
    """Which file is there and when it was written; a file that is only read keeps both."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_file_is_whole_and_logged(client, tmp_path):
    facts = landed(client, f"{tmp_path}/new/folder/")
    assert Path(facts["path"]).read_bytes() == MP4
    assert facts == {
        "kind": "video",
        "path": f"{tmp_path}/new/folder/77.mp4",
        "bytes": len(MP4),
        "sha256": hashlib.sha256(MP4).hexdigest(),
        "duration": None,
        "width": None,
        "height": None,
        "fps": None,
    }


def test_what_is_not_a_video_lands_as_its_endpoint_says(client, storage, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (8, 6)).save(picture, "PNG")
    storage.answers = [(200, {}, picture.getvalue())]
    facts = landed(client, Wanted(f"{tmp_path}/", produces=PICTURE))
    assert Path(facts["path"]).read_bytes() == picture.getvalue()
    assert (facts["path"], facts["width"], facts["height"]) == (f"{tmp_path}/77.png", 8, 6)
    assert facts["kind"] == "image"
    storage.answers = [(200, {}, MP4)] * ATTEMPTS
    with pytest.raises(ViduLandingError, match="something that is not a PNG, JPEG or WebP"):
        landed(client, Wanted(f"{tmp_path}/another.png", produces=PICTURE))
    assert not (tmp_path / "another.png").exists()


@pytest.mark.parametrize(
    ("destination", "file_name", "names"),
    [
        ("/", None, ["77.mp4", "77-2.mp4"]),
        ("/cat.mp4", None, ["cat.mp4", "cat-2.mp4"]),
        ("/", "{creation_id}", ["a.mp4", "b.mp4"]),
        ("/", "v-{creation_id}-{task_id}", ["v-a-77.mp4", "v-b-77.mp4"]),
    ],
)
def test_each_video_of_a_task_lands_in_a_file_of_its_own(client, storage, tmp_path, destination, file_name, names):
    link = f"{storage.url}/video.mp4?sig=x"
    videos = (Creation(id="a", url=link), Creation(id="none"), Creation(id="b", url=link))
    task = ViduTask(task_id="77", state="success", creations=videos)
    wanted = Wanted(f"{tmp_path}{destination}", file_name)
    assert wanted.is_landed(task) is False
    files = land_all(client, task, wanted, log=LOG, read_task=lambda: task)
    assert [Path(file["path"]).name for file in files] == names
    assert all(Path(file["path"]).read_bytes() == MP4 for file in files)
    assert wanted.is_landed(task) is True
    Path(files[1]["path"]).unlink()
    assert wanted.is_landed(task) is False


def test_videos_without_ids_share_no_file_and_no_link(tmp_path):
    videos = tuple(Creation(url=f"https://x/{name}.mp4") for name in "ab")
    task = ViduTask(task_id="77", state="success", creations=videos)
    wanted = Wanted(f"{tmp_path}/", "{creation_id}")
    assert [str(wanted.place(task, number=number)) for number in (0, 1)] == [
        f"{tmp_path}/77.mp4",
        f"{tmp_path}/77-2.mp4",
    ]
    with_one = task.model_copy(update={"creations": videos[:1]})
    assert link_of(with_one, "main", 1) is None


@pytest.mark.parametrize(("addresses", "looks"), [(set(), 1), ({"93.184.215.14"}, 0)])
def test_new_client_calls_the_api_before_it_lands(monkeypatch, storage, tmp_path, addresses, looks):
    """Only the address of an API call may be private."""
    monkeypatch.setattr("airflow_provider_vidu.landing.transfer.is_private_by_itself", lambda host: True)
    with Client(f"{storage.url}/video.mp4", base_url="https://api.vidu.example") as client:
        client.addresses = addresses
        landed(client, f"{tmp_path}/")
        assert client.queries == looks


def test_landed_file_has_ordinary_permissions(client, tmp_path):
    (tmp_path / "other").write_text("")
    assert Path(landed(client, f"{tmp_path}/")["path"]).stat().st_mode == (tmp_path / "other").stat().st_mode


BROKEN = [
    (200, {"Content-Length": str(len(MP4) + 100)}, MP4),
    (200, {}, b"<html>an error page with status 200</html>"),
    (403, {}, b"<Error>Request has expired</Error>"),
    (500, {}, b""),
    (200, {}, b""),
    (200, {}, MP4[: len(MP4) // 2]),
]
BROKEN_IDS = ["cut off", "HTML", "expired", "500", "empty", "cut off at its announced length"]


@pytest.mark.parametrize("answer", BROKEN, ids=BROKEN_IDS)
def test_broken_transfer_leaves_nothing_at_the_destination(client, storage, tmp_path, answer):
    storage.answers = [answer]
    (tmp_path / "77.mp4").write_bytes(b"an older video")
    with pytest.raises(ViduLandingError, match="a retry lands it and submits nothing"):
        landed(client, f"{tmp_path}/")
    assert [path.name for path in tmp_path.iterdir()] == ["77.mp4"]
    assert (tmp_path / "77.mp4").read_bytes() == b"an older video"


@pytest.mark.parametrize("answer", BROKEN, ids=BROKEN_IDS)
def test_broken_transfer_is_retried_with_a_fresh_link(client, storage, tmp_path, answer):
    storage.answers = [answer, (200, {}, MP4)]
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4
    assert client.queries == 1


@pytest.mark.parametrize("cut", range(0, len(MP4), 199))
def test_received_bytes_are_not_fetched_again(client, storage, tmp_path, cut):
    storage.file, storage.etag, storage.cuts = MP4, '"v1"', [cut]
    facts = landed(client, f"{tmp_path}/")
    assert Path(facts["path"]).read_bytes() == MP4
    assert facts["sha256"] == hashlib.sha256(MP4).hexdigest()
    assert storage.sent == len(MP4)
    if cut >= 16:
        assert storage.headers[1]["Range"] == f"bytes={cut}-"


def test_many_cuts_are_tolerated_while_there_is_progress(client, storage, tmp_path):
    storage.file, storage.etag, storage.cuts = MP4, '"v1"', [300] * 30
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4
    assert len(storage.targets) == 31


def test_attempts_without_progress_end_the_landing(client, storage, tmp_path):
    storage.file, storage.etag, storage.cuts = MP4, None, [300] * 99
    with pytest.raises(ViduLandingError, match="ended after 300 of"):
        landed(client, f"{tmp_path}/")
    assert len(storage.targets) == ATTEMPTS + 1


@pytest.mark.parametrize("etag", [None, 'W/"v1"'], ids=["none", "a weak one"])
def test_without_an_etag_the_whole_file_is_requested(client, storage, tmp_path, etag):
    storage.file, storage.etag, storage.cuts = MP4, etag, [500]
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4
    assert "Range" not in storage.headers[1]


def test_parts_of_two_files_are_never_joined(client, storage, tmp_path, monkeypatch):
    other = MP4[:40] + bytes(len(MP4) - 40)
    storage.file, storage.etag, storage.cuts = other, '"v1"', [500]

    def changes(self, url, receive=Transfer.receive):
        try:
            receive(self, url)
        finally:
            storage.file, storage.etag = MP4, '"v2"'

    monkeypatch.setattr(Transfer, "receive", changes)
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4


@pytest.mark.parametrize("part", ["bytes 5-99/100", "items 1-2/3", "bytes 0-1/*"])
def test_wrong_part_is_rejected(client, storage, tmp_path, part):
    storage.answers = [(206, {"Content-Range": part}, MP4[5:]), (200, {}, MP4)]
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4


class ForgetfulHost:
    """Replaces its file during a download, and ignores If-Range."""

    def __init__(self, storage, before, after):
        self.storage, self.files = storage, [before, after]

    def __call__(self, headers):
        body = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        asked = headers.get("Range")
        if asked is None:
            return 200, {"ETag": etag, "Content-Length": str(len(body))}, body[:500] if body is not MP4 else body
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        return 206, {"ETag": etag, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:]


def test_host_that_ignores_if_range_mixes_no_files(client, storage, tmp_path):
    other = MP4[:40] + bytes(len(MP4) - 40)
    storage.answer = ForgetfulHost(storage, other, MP4)
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == MP4


def test_full_disk_names_the_folder(client, storage, tmp_path, monkeypatch):
    monkeypatch.setattr("airflow_provider_vidu.landing.transfer._free_bytes", lambda file: 1000)
    with pytest.raises(ViduLandingError, match=rf"No space left on device: '{tmp_path}'.*The video is safe at Vidu"):
        landed(client, f"{tmp_path}/")
    assert len(storage.targets) == 1


def test_stray_byte_after_the_last_box_is_ignored(client, storage, tmp_path):
    storage.answers = [(200, {}, MP4 + b"\n")]
    assert landed(client, f"{tmp_path}/")["bytes"] == len(MP4) + 1


def test_file_with_the_hosts_md5_is_landed_despite_odd_boxes(client, storage, tmp_path, caplog):
    odd = MP4 + b"\0\0\1\0free"
    storage.file, storage.etag = odd, f'"{hashlib.md5(odd).hexdigest()}"'
    assert Path(landed(client, f"{tmp_path}/")["path"]).read_bytes() == odd
    assert "has the same bytes" in caplog.text


# -- what is there already --------------------------------------------------------------------------------------


def test_same_file_is_not_fetched_again(client, storage, tmp_path):
    storage.file, storage.etag = MP4, MD5
    first = landed(client, f"{tmp_path}/")
    before = written_at(tmp_path / "77.mp4")
    assert landed(client, f"{tmp_path}/") == first
    assert [headers.get("Range") for headers in storage.headers] == [None, "bytes=0-0"]
    assert written_at(tmp_path / "77.mp4") == before


@pytest.mark.parametrize(
    ("standing", "etag"),
    [(MP4[:-1], MD5), (MP4[:-1] + b"x", MD5), (MP4, '"an-upload-in-parts-3"'), (MP4, None), (b"", MD5)],
    ids=["shorter", "as long", "no MD5", "no ETag", "empty"],
)
def test_different_file_is_replaced(client, storage, tmp_path, standing, etag):
    (tmp_path / "77.mp4").write_bytes(standing)
    storage.file, storage.etag = MP4, etag
    landed(client, f"{tmp_path}/")
    assert (tmp_path / "77.mp4").read_bytes() == MP4


def test_link_that_expired_at_the_probe_is_read_again(client, storage, tmp_path):
    (tmp_path / "77.mp4").write_bytes(MP4)
    storage.answers = [(403, {}, b"expired"), (200, {}, MP4)]
    landed(client, f"{tmp_path}/")
    assert client.queries == 1


def test_two_tries_at_once_leave_one_whole_file(client, storage, tmp_path):
    threads = [threading.Thread(target=landed, args=(client, f"{tmp_path}/")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["77.mp4"]
    assert (tmp_path / "77.mp4").read_bytes() == MP4


# -- what a file is ------------------------------------------------------------------------------------------------


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "red").save(file, kind)
    return file.getvalue()


WAV = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x08\0\0\0" + bytes(8)
MP3 = b"ID3\x04" + bytes(500)
CONTENTS = [
    (MP4, "video", ".mp4"),
    (picture("PNG"), "image", ".png"),
    (picture("JPEG"), "image", ".jpg"),
    (picture("WEBP"), "image", ".webp"),
    (MP3, "audio", ".mp3"),
    (WAV, "audio", ".wav"),
]
of_every_format = pytest.mark.parametrize(
    ("content", "kind", "suffix"), CONTENTS, ids=[suffix for _, _, suffix in CONTENTS]
)


@of_every_format
def test_a_file_gets_the_suffix_and_kind_of_what_it_is(client, storage, tmp_path, content, kind, suffix):
    storage.file, storage.etag = content, f'"{hashlib.md5(content).hexdigest()}"'
    facts = landed(client, Wanted(f"{tmp_path}/", produces=ANY))
    assert (facts["kind"], facts["path"]) == (kind, f"{tmp_path}/77{suffix}")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(f"77{suffix}", content)]
    # It is not fetched again, although only the file itself shows its suffix.
    before = written_at(tmp_path / f"77{suffix}")
    assert landed(client, Wanted(f"{tmp_path}/", produces=ANY)) == facts
    assert [headers.get("Range") for headers in storage.headers] == [None, "bytes=0-0"]
    assert written_at(tmp_path / f"77{suffix}") == before


@pytest.mark.parametrize(
    ("name", "content", "is_odd"),
    [
        ("a.jpeg", picture("JPEG"), False),
        ("a.png", picture("JPEG"), True),
        ("a.MOV", MP4, False),
        ("a.mp3", WAV, True),
        ("a.WAV", WAV, False),
    ],
    ids=["a.jpeg", "a.png", "a.MOV", "a.mp3", "a.WAV"],
)
def test_written_name_of_the_same_kind_is_kept(client, storage, tmp_path, caplog, name, content, is_odd):
    storage.file, storage.etag = content, f'"{hashlib.md5(content).hexdigest()}"'
    for _ in range(2):
        facts = landed(client, Wanted(f"{tmp_path}/{name}", produces=ANY))
        assert facts["path"] == f"{tmp_path}/{name}"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [headers.get("Range") for headers in storage.headers] == [None, "bytes=0-0"]
    assert ("does not fit its content" in caplog.text) is is_odd


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.wav", MP4, r"The sound could not be landed at .*/a.wav: it is a video, and the name is that of a sound"),
        ("a.mp4", WAV, r"it is a sound, .* of a video.*The sound is paid for and safe at Vidu.*ends in \.wav"),
        ("a.mp4", picture("PNG"), r"it is a picture, and the name is that of a video"),
    ],
    ids=["a video", "a sound", "a picture"],
)
def test_file_of_another_kind_than_its_name_is_never_written(client, storage, tmp_path, name, content, said):
    storage.answers = [(200, {}, content)]
    with pytest.raises(ViduLandingError, match=said) as raised:
        landed(client, Wanted(f"{tmp_path}/{name}", produces=ANY))
    assert raised.value.fate is Fate.PERMANENT
    assert len(storage.targets) == 1
    assert list(tmp_path.iterdir()) == []


def test_unknown_content_is_retried_and_never_written(client, storage, tmp_path):
    storage.answers = [(200, {}, b"<html>a page</html>")]
    with pytest.raises(
        ViduLandingError, match=r"The file could not.*not an MP4, PNG, JPEG, WebP, MP3 or WAV.*The file is safe"
    ) as raised:
        landed(client, Wanted(f"{tmp_path}/", produces=ANY))
    assert raised.value.fate is Fate.RETRYABLE
    assert len(storage.targets) == ATTEMPTS
    assert list(tmp_path.iterdir()) == []


def test_file_under_the_suffix_of_another_format_is_not_the_same(client, storage, tmp_path):
    storage.file, storage.etag = WAV, f'"{hashlib.md5(WAV).hexdigest()}"'
    (tmp_path / "77.mp3").write_bytes(WAV)
    assert landed(client, Wanted(f"{tmp_path}/", produces=SOUND))["path"] == f"{tmp_path}/77.wav"
    assert (tmp_path / "77.wav").read_bytes() == WAV


# -- what else a task has ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_cover_and_watermarked_copy_land_beside_the_video(storage, tmp_path, kind, suffix):
    storage.answers = [(200, {}, MP4), (200, {}, picture(kind)), (200, {}, MP4)]
    links = {
        "cover_url": f"{storage.url}/cover.jpeg?sig=y",
        "watermarked_url": f"{storage.url}/watermarked.mp4",
    }
    with Client(f"{storage.url}/video.mp4", **links) as client:
        files = land_all(client, client.task, Wanted(f"{tmp_path}/", None, cover=True, watermarked=True), log=LOG)
    assert [(file["kind"], Path(file["path"]).name) for file in files] == [
        ("video", "77.mp4"),
        ("cover", f"77-cover{suffix}"),
        ("watermarked", "77-watermarked.mp4"),
    ]
    assert (files[1]["width"], files[1]["height"], files[1]["duration"]) == (64, 36, None)
    assert (tmp_path / f"77-cover{suffix}").read_bytes() == picture(kind)


def test_missing_copy_does_not_fail_the_video(client, tmp_path, caplog):
    files = land_all(client, client.task, Wanted(f"{tmp_path}/", watermarked=True), log=LOG)
    assert [file["kind"] for file in files] == ["video"]
    assert "has no watermarked copy" in caplog.text


def test_failed_cover_does_not_fail_the_video(storage, tmp_path, caplog):
    storage.answers = [(200, {}, MP4), (403, {}, b"expired")]
    client = Client(storage.url, cover_url=f"{storage.url}/cover.jpeg")
    with client:
        wanted = Wanted(f"{tmp_path}/", cover=True)
        files = land_all(client, client.task, wanted, log=LOG)
    assert [file["kind"] for file in files] == ["video"]
    assert "The cover picture could not be landed" in caplog.text


def test_web_page_is_rejected_as_a_cover(storage, tmp_path):
    storage.answers = [(200, {}, b"<html>not a picture at all</html>")]
    client = Client(storage.url, cover_url=f"{storage.url}/cover.jpeg")
    with client, pytest.raises(ViduLandingError, match="not a PNG, JPEG or WebP"):
        landed(client, f"{tmp_path}/", role="cover")
    assert list(tmp_path.iterdir()) == []


# -- what the person on call reads -------------------------------------------------------------------------------


def test_unwritable_destination_keeps_the_video_safe(client, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ViduLandingError, match=r"Vidu task 77.*credits 60.*The video is safe at Vidu") as raised:
        landed(client, f"{tmp_path}/file/inside/")
    assert raised.value.advice == (
        "The video is safe at Vidu. Correct the path or its permissions, then retry or, from Airflow 3.3 on, "
        f"{clear_this_task()}: it lands the video and submits nothing."
    )


def test_full_disk_is_not_retried(client, storage, tmp_path, monkeypatch):
    def full(self, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Transfer, "_keep", full)
    with pytest.raises(ViduLandingError, match=r"No space left.*Free space there, then retry or, from .* clear"):
        landed(client, f"{tmp_path}/")
    assert len(storage.targets) == 1
    assert list(tmp_path.iterdir()) == []


def test_link_to_plain_http_fails_permanently(tmp_path):
    with Client("http://storage.example/v.mp4") as client, pytest.raises(ViduLandingError) as refused:
        landed(client, f"{tmp_path}/")
    assert refused.value.fate is Fate.PERMANENT
    assert "not https" in str(refused.value)
    assert "Vidu task 77" in str(refused.value)
    assert "submits nothing" in str(refused.value)
