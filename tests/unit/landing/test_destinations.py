# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A file name never leads out of its folder, and an unusable destination is rejected before anything is paid."""

from __future__ import annotations

import os
import re

import pytest

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.api.registry import ANY, MP4, PICTURE, SOUND
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.landing import destinations
from airflow_provider_vidu.landing.destinations import (
    COVER,
    WATERMARKED,
    Wanted,
    check_destination,
    file_name_of,
    names_of,
    video_path,
)

TASK = ViduTask(
    task_id="77", model="viduq3-turbo", state="success", creations=(Creation(id="8", cover_url="https://x/c.jpeg?s=1"),)
)
VALUES = {"task_id": "77", "creation_id": "8", "model": "viduq3-turbo", "index": 4}
MUG = Origin(4, "MUG-04", {"sku": "M/1", "shop name": "Berlin", "7": "seven", "07": "nil-seven"}, "s3://b/mug 0.png")


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("/out/", "/out/77.mp4"),
        ("/out", "/out/77.mp4"),
        ("/out/cat.mp4", "/out/cat.mp4"),
        ("/out/2026.01.02/", "/out/2026.01.02/77.mp4"),
        ("/out/2026.01.02", "/out/2026.01.02/77.mp4"),
        ("s3://c@bucket/videos/", "s3://c@bucket/videos/77.mp4"),
        ("s3://c@bucket/cat.MP4", "s3://c@bucket/cat.MP4"),
        ("out", "out/77.mp4"),
    ],
)
def test_folder_gets_a_file_named_after_the_task(destination, path):
    assert video_path(destination, "77") == path
    assert Wanted(destination).place(TASK).paths == (path,)
    # Whatever it is called, the other files stand beside it.
    stem = path.rpartition(".")[0]
    assert f"{stem}-cover.jpg" in Wanted(destination).place(TASK, COVER).paths
    assert str(Wanted(destination).place(TASK, WATERMARKED)).startswith(f"{stem}-watermarked.")


@pytest.mark.parametrize(
    ("produces", "destination", "file_name", "paths"),
    [
        (SOUND, "/out/", None, ["/out/77.mp3", "/out/77.wav"]),
        (PICTURE, "/out/", "{task_id}", ["/out/77.png", "/out/77.jpg", "/out/77.webp"]),
        (PICTURE, "/out/a.JPEG", None, ["/out/a.JPEG"]),
        (PICTURE, "/out/", "{task_id}.jpeg", ["/out/77.jpeg"]),
        (MP4, "/out/", "{task_id}.mov", ["/out/77.mov"]),
        (ANY, "/out/", None, [f"/out/77{suffix}" for suffix in (".mp4", ".png", ".jpg", ".webp", ".mp3", ".wav")]),
        (ANY, "s3://b/a.wav", "{task_id}.mp4", ["s3://b/a.wav"]),
    ],
    ids=str,
)
def test_suffix_is_that_of_the_file_unless_written(produces, destination, file_name, paths):
    assert list(Wanted(destination, file_name, produces=produces).place(TASK).paths) == paths


@pytest.mark.parametrize(
    ("produces", "destination", "file_name", "said"),
    [
        (MP4, "{tmp}/a.wav", None, r"output_path .*/a.wav ends in .wav, but .* an MP4\. Use .* \.mp4, \.mov or \.m4v"),
        (SOUND, "{tmp}/a.mp4", None, r"output_path .*/a.mp4 ends in .mp4, but .* an MP3 or WAV"),
        (PICTURE, "s3://b/a.MP4", None, r"ends in .MP4, but .* a PNG, JPEG or WebP"),
        (MP4, "{tmp}/", "{task_id}.png", r"file_name \{task_id\}.png ends in .png, but .* an MP4"),
    ],
)
def test_name_of_another_kind_of_file_is_rejected(tmp_path, produces, destination, file_name, said):
    """It was silently taken for a folder."""
    with pytest.raises(ViduInputError, match=said):
        Wanted(destination.replace("{tmp}", str(tmp_path)), file_name, produces=produces).check()


@pytest.mark.parametrize("destination", ["{tmp}/a.wav/", "{tmp}/2026.01", "{tmp}/a.mov"])
def test_folders_and_names_that_fit_pass(tmp_path, destination):
    Wanted(destination.replace("{tmp}", str(tmp_path))).check()


@pytest.mark.parametrize("destination", ["{tmp}/a.wav", "{tmp}/a.mp4", "{tmp}/a.webp"])
def test_any_media_name_passes_while_the_kind_is_unknown(tmp_path, destination):
    Wanted(destination.replace("{tmp}", str(tmp_path)), produces=ANY).check()


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{task_id}", "77"),
        ("{task_id}.mp4", "77"),
        ("{model}/{task_id}", "viduq3-turbo/77"),
        ("{index:05d}-{creation_id}", "00004-8"),
        ("cat of {task_id}", "cat of 77"),
        ("猫-{task_id}", "猫-77"),
        ("v1.2", "v1.2"),
        ("a.mp4.mp4", "a.mp4"),
        ("{id}", "MUG-04"),
        ("{image}-{index}", "mug_0-4"),
        ("{labels[sku]}/{labels[shop name]}", "M_1/Berlin"),
        ("{labels[7]}", "seven"),
        ("{labels[07]}", "nil-seven"),
    ],
)
def test_template_names_the_file(template, name):
    assert file_name_of(template, {**VALUES, **names_of(MUG)}) == name
    assert Wanted("/out/", template, origin=MUG).place(TASK).paths == (f"/out/{name}.mp4",)


@pytest.mark.parametrize(
    ("template", "lacking"),
    [
        ("{id}", "this request has no id"),
        ("{image}", "this request has no picture with a name"),
        ("{labels[size]}", "this request has no label 'size'"),
        ("{labels}", "has unknown fields 'labels'"),
        ("{labels[sku].__class__}", "has unknown fields"),
        ("{labels[sku][0]}", "has unknown fields"),
        ("{id.__class__}", "has unknown fields"),
        ("{labels[sku]:.1}", "only index takes a format"),
    ],
)
def test_name_of_what_a_request_lacks_is_rejected(template, lacking):
    with pytest.raises(ViduInputError, match=re.escape(lacking)):
        file_name_of(template, {**VALUES, **names_of(Origin(4, labels={"sku": "M"}))})


@pytest.mark.parametrize("label", ["../../etc", "..", "/etc/x", "a/b", "\\x", "", None, {"a": 1}])
def test_label_cannot_lead_out_of_the_folder(label):
    name = file_name_of("{labels[sku]}", {**VALUES, **names_of(Origin(labels={"sku": label}))})
    assert "/" not in name
    assert not name.startswith(".")


@pytest.mark.parametrize(
    "template",
    [
        "../{task_id}",
        "/etc/{task_id}",
        "a/../../{task_id}",
        "{task_id}/",
        "a//b",
        ".",
        "..",
        " ",
        "",
        ".mp4",
        "a\\b",
        "a\0b",
        "a\nb",
        "c:{task_id}",
        "{prompt}",
        "{}",
        "{0}",
        "{task_id",
        "{task_id.__class__}",
        "{task_id[0]}",
        "{index:q}",
        "{task_id:.8}",
        "{model!r:.2}",
    ],
)
def test_template_cannot_leave_the_folder_or_reach_code(template):
    with pytest.raises(ViduInputError, match="file_name"):
        file_name_of(template, VALUES)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("马克杯", "马克杯"),
        ("कप", "कप"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "café"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "a_b"),
        ("a/\\ b", "a_b"),
    ],
)
def test_names_keep_the_letters_of_every_script(value, name):
    assert file_name_of("{id}", names_of(Origin(id=value))) == name


def test_index_is_unknown_outside_a_batch(tmp_path):
    with pytest.raises(ViduInputError, match="this request has no index"):
        Wanted(f"{tmp_path}/", "{index}").check()
    Wanted(f"{tmp_path}/", "{index}", origin=Origin(0)).check()


@pytest.mark.parametrize("value", ["../../etc/passwd", "a/b", "..", "a\\b", "x\0y", "~root", "a b", "C:\\"])
def test_values_from_vidu_cannot_leave_the_folder(value):
    task = TASK.model_copy(update={"model": value, "creations": (Creation(id=value),)})
    for template in ("{model}", "{creation_id}", "x{model}"):
        try:
            (path,) = Wanted("/out/", template).place(task).paths
        except ViduInputError:
            continue
        assert re.fullmatch(r"/out/[\w.+=-]+\.mp4", path)
        assert os.path.dirname(os.path.normpath(path)) == "/out"


@pytest.mark.parametrize(
    ("destination", "why"),
    [
        ("", "must be a path"),
        ("  ", "must be a path"),
        (None, "must be a path"),
        (5, "must be a path"),
        ("nosuchstore://bucket/", "cannot be opened"),
    ],
)
def test_unusable_destination_is_rejected(destination, why):
    with pytest.raises(ViduInputError, match=why):
        check_destination(destination)


def test_folder_below_a_file_is_rejected(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ViduInputError, match="file is not a folder"):
        check_destination(f"{tmp_path}/file/videos/")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(ViduInputError, match="nowhere is not a folder"):
        check_destination(f"{tmp_path}/nowhere/videos/")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_rejected(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ViduInputError, match="is not writable for this worker"):
        check_destination(f"{tmp_path}/videos/")


def test_missing_folder_is_accepted(tmp_path):
    check_destination(f"{tmp_path}/a/b/c/")
    check_destination(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        ("", "猫" * 90, "274 bytes"),
        ("", "a" * 240 + "{task_id}", "262 bytes"),
        ("猫" * 90, "v", "270 bytes"),
        ("", "{index}-2026-01-01T00:00:00", r"colon.*\{\{ dag_run\.run_after \| ts_nodash \}\}"),
    ],
)
def test_unusable_names_are_rejected_before_submission(tmp_path, folder, name, said):
    with pytest.raises(ViduInputError, match=said):
        Wanted(f"{tmp_path}/{folder}/", name, origin=Origin(3)).check()


def test_object_keys_over_1024_bytes_are_rejected_before_submission():
    with pytest.raises(ViduInputError, match="1026 bytes"):
        destinations.check_lengths("s3://b/" + "k" * 1026)
    with pytest.raises(ViduInputError, match="2008 bytes"):
        destinations.check_lengths("s3://b/a#?" + "k" * 2005)
    destinations.check_lengths("s3://b/" + "k" * 1024)


def test_length_of_the_model_name_counts(tmp_path):
    Wanted(f"{tmp_path}/", "x" * 230 + "{model}").check(model="viduq3-pro-fast")
    with pytest.raises(ViduInputError, match="263 bytes"):
        Wanted(f"{tmp_path}/", "x" * 244 + "{model}").check(model="viduq3-pro-fast")


@pytest.mark.parametrize(("task_id", "name"), [("..", "__"), (".hidden", "_hidden"), ("", "_"), ("a/../b", "a_.._b")])
def test_odd_id_lands_under_a_safe_name(task_id, name):
    assert file_name_of("{task_id}", {"task_id": task_id}) == name


@pytest.mark.parametrize(
    ("destination", "file_name", "why"),
    [
        ("{tmp}/out.mp4", None, "is a folder"),
        ("{tmp}/", "a/{{task_id}}", "is not a folder"),
        ("{tmp}/\0/", None, "NUL"),
        ("{tmp}/\udc80\ud800/", None, "is not a valid path"),
        ("~nosuchuser/", None, "is not a valid path"),
        ("file:/tmp/x/", None, "write file:///tmp/x/"),
        ("{tmp}/" + "d" * 250 + ("/" + "d" * 250) * 20 + "/", None, "4095"),
    ],
)
def test_unwritable_paths_are_rejected_before_submission(tmp_path, destination, file_name, why):
    (tmp_path / "out.mp4").mkdir()
    (tmp_path / "a").write_text("a file")
    name = file_name and file_name.format()
    with pytest.raises(ViduInputError, match=why):
        Wanted(destination.replace("{tmp}", str(tmp_path)), name).check()


@pytest.mark.parametrize("kind", [{"cover": True}, {"watermarked": True}], ids=str)
def test_names_of_cover_and_copy_count_too(tmp_path, kind):
    Wanted(f"{tmp_path}/", "x" * 230, **kind).check()
    with pytest.raises(ViduInputError, match="bytes; the limit is"):
        Wanted(f"{tmp_path}/", "x" * 248, **kind).check()


@pytest.mark.parametrize(
    ("longest", "settings"),
    [(249, {}), (248, {"produces": PICTURE}), (237, {"watermarked": True})],
    ids=["video", "picture", "watermarked"],
)
def test_room_is_left_for_the_name_of_a_second_file(tmp_path, longest, settings):
    Wanted(f"{tmp_path}/", "x" * longest, **settings).check()
    with pytest.raises(ViduInputError, match=r"-2(-watermarked)?\.\w+ has 256 bytes"):
        Wanted(f"{tmp_path}/", "x" * (longest + 1), **settings).check()


def test_creations_with_names_of_their_own_need_no_number(tmp_path):
    Wanted(f"{tmp_path}/", "x" * 233 + "{creation_id}").check()


def test_a_file_of_any_fitting_format_counts_as_landed(tmp_path):
    wanted = Wanted(f"{tmp_path}/", produces=PICTURE)
    assert wanted.is_landed(TASK) is False
    (tmp_path / "77.webp").write_bytes(b"x")
    assert wanted.is_landed(TASK) is True
