# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Where a batch's requests come from, and where its videos may go."""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
from typing import Any
from urllib.parse import quote

import pytest
from _support.img2video import read_requests

from airflow_provider_vidu import images
from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduInputError, ViduUnavailableError
from airflow_provider_vidu.api.registry import known_endpoint
from airflow_provider_vidu.landing.destinations import Wanted
from airflow_provider_vidu.submission.batch.file_names import check_names
from airflow_provider_vidu.submission.batch.requests import (
    check_requests,
    digest_requests,
    raise_problems,
)
from airflow_provider_vidu.submission.batch.requests import read_requests as read_requests_of

ACCOUNT = Account(base_url="https://vidu.example", api_key="vda_0123456789")
FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def named(requests: Any, file_name: str | None = None, **more: Any) -> Any:
    """Check the names of requests."""
    return check_names(
        requests,
        lambda one: Wanted(one.output_path, file_name, origin=one.origin, produces=one.endpoint.produces, **more),
    )


def check(count: int, folder: Any, file_name: str) -> None:
    raise_problems(named(read_requests([FIELDS] * count, None, f"{folder}/"), file_name))


@pytest.mark.parametrize(
    "file_name",
    [
        "{index}",
        "{index:05d}",
        "{index:x}",
        "{index:+}",
        "{index:,}",
        "{index:.0f}",
        "{index!s:>05}",
        "cat-{index:03d}",
        "{model}/{index:05d}",
        "{index:05d}.mp4",
        "{task_id}",
        "{creation_id}",
        "{index}-{task_id}",
        "{task_id!s}",
    ],
)
def test_every_format_that_distinguishes_videos_is_accepted(tmp_path, file_name):
    check(1200, tmp_path, file_name)


@pytest.mark.parametrize(
    "file_name",
    [
        "cat",
        "{model}",
        "{{index}}",
        "{index!s:.1}",
        "{index:.1e}",
        "{task_id:.3}",
        "../{index}",
        "{index:/>3}",
        "{index:c}",
        "{index:.>5}",
        "{index[0]}",
        "{number}",
        "{index:q}",
    ],
)
def test_colliding_or_escaping_names_are_rejected(tmp_path, file_name):
    with pytest.raises(ViduInputError, match="file_name"):
        check(1200, tmp_path, file_name)


def test_two_requests_cannot_share_a_file(tmp_path):
    rows = [FIELDS, {**FIELDS, "output_path": f"{tmp_path}/00000.mp4"}]
    with pytest.raises(ViduInputError, match=r"item 1 \(a\.png\): .*00000\.mp4 is a file of item 0, too"):
        raise_problems(named(read_requests(rows, None, str(tmp_path)), "{index:05d}"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{0}/a.mp4", "{0}/./a.mp4"),
        ("{0}/a.mp4", "{0}/x/../a.mp4"),
        ("{0}/a.mp4", "file://{0}/a.mp4"),
        ("{0}/a.mp4", "local://{0}/a.mp4"),
        ("{0}/a.mp4", "{0}/link/a.mp4"),
        ("{0}/a.mp4", "a.mp4"),
        ("s3://aws@b/k.mp4", "s3a://other@b/k.mp4"),
        ("sftp://c@host/a/k.mp4", "sftp://c@host/a/./k.mp4"),
    ],
)
def test_two_spellings_of_one_path_are_one_file(tmp_path, monkeypatch, first, second):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    rows = [{**FIELDS, "output_path": path.format(tmp_path)} for path in (first, second)]
    with pytest.raises(ViduInputError, match=r"item 1 \(a\.png\): .* of item 0, too"):
        raise_problems(named(read_requests(rows, None)))


def test_link_at_a_destination_is_a_file_of_its_own(tmp_path):
    """What lands there replaces the link."""
    (tmp_path / "latest.mp4").symlink_to(tmp_path / "b.mp4")
    rows = [{**FIELDS, "output_path": f"{tmp_path}/{name}.mp4"} for name in ("latest", "b")]
    raise_problems(named(read_requests(rows, None)))


@pytest.mark.parametrize(
    ("first", "second"),
    [("s3://b/k.mp4", "s3://c/k.mp4"), ("s3://b/a/../k.mp4", "s3://b/k.mp4"), ("s3://b/k.mp4", "gs://b/k.mp4")],
)
def test_two_objects_are_not_taken_for_one(first, second):
    raise_problems(named(read_requests([{**FIELDS, "output_path": path} for path in (first, second)], None)))


def test_watermarked_copy_of_one_is_not_the_video_of_another(tmp_path):
    rows = [{**FIELDS, "id": one} for one in ("MUG", "MUG-watermarked")]
    requests = read_requests(rows, None, f"{tmp_path}/")
    raise_problems(named(requests, "{id}"))
    with pytest.raises(ViduInputError, match=r"item 1 \(MUG-watermarked\): .* of item 0, too"):
        raise_problems(named(requests, "{id}", watermarked=True))


def test_invalid_request_keeps_its_name(tmp_path):
    """Its task may have been paid for before it became invalid."""
    rows = [{**FIELDS, "id": "A", "promt": "x"}, {**FIELDS, "id": "B"}]
    requests = read_requests_of(rows, None, f"{tmp_path}/", endpoint=known_endpoint("img2video"))
    problems = [str(request.problem) for request in named(requests, "{image}")]
    assert "promt" in problems[0]
    assert "of item 0, too" in problems[1]


LONG = 10**5000


def nested() -> Any:
    inner: Any = []
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "broken",
    [
        {"id": LONG},
        {"duration": LONG},
        {"labels": {"a": LONG}},
        {"extra_params": {"a": LONG}},
        {"extra_params": {"a": nested()}},
        {"extra_params": {(1, 2): 3}},
        {"output_path": ["/tmp"]},
        {"output_path": {"a": 1}},
        {"prompt": nested()},
        {"sku": LONG},
    ],
    ids=lambda row: next(iter(row)),
)
@pytest.mark.parametrize("rest", [False, True])
def test_row_that_no_record_could_hold_is_a_problem_of_its_own(broken, rest):
    log = logging.getLogger(__name__)
    rows = [FIELDS, {**FIELDS, **broken}, {**FIELDS, "prompt": "y"}]
    requests = read_requests_of(rows, None, endpoint=known_endpoint("img2video"), labels_from_rest=rest)
    checked = named(check_requests(requests, log))
    assert [isinstance(request.problem, ViduInputError) for request in checked] == [False, True, False]
    assert checked[1].problem.message
    assert digest_requests(checked)


CSV = "images,prompt,duration,sku,seed\nhttps://example.com/a.png,Steam rises,5,M-1,\n"


def test_csv_file_is_recognized(tmp_path):
    file = tmp_path / "products.csv"
    file.write_text(CSV)
    with pytest.raises(ViduInputError, match=r"seems to be a CSV file\. .*csv\.DictReader") as raised:
        read_requests(str(file), None)
    assert len(str(raised.value).splitlines()) == 1


def test_rows_of_a_csv_reader_are_requests():
    [request] = read_requests(list(csv.DictReader(io.StringIO(CSV))), {"model": "viduq3-turbo"}, labels_from_rest=True)
    [checked] = check_requests([request], logging.getLogger())
    assert checked.problem is None
    assert request.labels == {"sku": "M-1"}
    [same] = read_requests([{**FIELDS, "model": "viduq3-turbo", "duration": 5}], None)
    assert request.price[1] == same.price[1]


def test_number_of_thousands_of_digits_in_a_file_is_named(tmp_path):
    file = tmp_path / "requests.jsonl"
    file.write_text('{"images": "a.png", "seed": ' + "9" * 5000 + "}")
    with pytest.raises(ViduInputError, match="line 1"):
        read_requests(str(file), None)


def test_row_with_a_typo_keeps_its_id_and_labels():
    row = {**FIELDS, "promt": "x", "id": "A", "labels": {"sku": "M"}}
    [request] = read_requests_of([row], None, endpoint=known_endpoint("img2video"))
    assert (request.id, request.labels) == ("A", {"sku": "M"})
    assert "promt" in str(request.problem)


class UnreachableStore(Exception):
    """What a store's own library raises."""


def test_outage_of_a_pictures_store_is_not_an_invalid_request(monkeypatch):
    def read(*_: Any) -> Any:
        raise UnreachableStore("Unable to locate credentials")

    monkeypatch.setattr(images, "_read", read)
    [request] = check_requests(read_requests([{**FIELDS, "images": "s3://b/a.png"}], None), logging.getLogger())
    assert request.invalidity is None
    with pytest.raises(ViduUnavailableError, match=r"cannot be read now .*Unable to locate credentials"):
        raise_problems([request])


def test_equal_names_in_different_folders_are_fine(tmp_path):
    rows = [{**FIELDS, "output_path": f"{tmp_path}/{number}/"} for number in range(3)]
    raise_problems(named(read_requests(rows, None), "video"))


ROWS = [{**FIELDS, "prompt": "猫"}, {**FIELDS, "prompt": "two"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
        "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\r\n",
        json.dumps(ROWS, ensure_ascii=False),
        "\n" + json.dumps(ROWS, ensure_ascii=False, indent=2) + "\n",
    ],
    ids=["lines", "Windows lines", "array", "indented array"],
)
def test_file_of_requests_is_read_however_it_was_saved(tmp_path, text, encoding):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(text.encode(encoding))
    assert [request.fields for request in read_requests(str(path), None)] == ROWS


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (json.dumps(ROWS).encode()[:-1], "is not a JSON array"),
        ('{"prompt": "猫"}'.encode("utf-16"), "UTF-8"),
        (b'{"prompt": "a"}\n{"prompt": "b"\n', r"requests\.jsonl, line 2, column 15: Expecting"),
        (b'{"prompt": "a"}, {"prompt": "b"}\n', r"requests\.jsonl, line 1, column 16: Extra data(?!.*column 16)"),
        (b'[{"prompt": "a"}\n {"prompt": "b"}]', r"is not a JSON array \(line 2, column 2: Expecting"),
        (json.dumps({"requests": ROWS}).encode(), r"one JSON object \(requests\).*JSON object a line, or a JSON array"),
        (json.dumps({"rows": ROWS}, indent=1).encode(), r"one JSON object \(rows\).*object a line, or a JSON array"),
        (json.dumps(ROWS[0], indent=1).encode(), r"one JSON object .*JSON object a line, or a JSON array"),
        (
            b'{"image": "a.png"}',
            r"item 0: image: is not a field of Vidu's image-to-video request \(images\?\)\. Nothing",
        ),
        (
            b'{"images": "a.png", "zoom": 1}',
            r"zoom: is not a field of .*; a newer field goes into extra_params, a column of your own into labels",
        ),
        (
            b'{"promt": "a", "zoom": 1}',
            r"item 0: promt: is not .* \(prompt\?\)\. zoom: is not a field of Vidu's image-to-",
        ),
        (
            b'{"endpoint": "text2video"}',
            r"item 0: endpoint: ViduBatchOperator takes requests of several endpoints, this",
        ),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"[" * 100_000, "is not a JSON array .*nested too deeply"),
        (b'{"a":' * 100_000, "line 1, column 1: nested too deeply"),
    ],
)
def test_file_that_cannot_be_read_says_why(tmp_path, content, told):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(content)
    with pytest.raises(ViduInputError, match=told):
        read_requests(str(path), None)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS[0], indent=2),
        json.dumps(ROWS[0], indent=2).replace("\n", "\r\n"),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        json.dumps(ROWS[0]).replace(", ", ",\n "),
        json.dumps(ROWS[0], indent=2)[:-1] + ",}",
    ],
    ids=["one", "Windows lines", "two", "another style", "broken"],
)
def test_object_over_several_lines_is_reported_once(tmp_path, text):
    path = tmp_path / "requests.jsonl"
    path.write_text(text)
    with pytest.raises(ViduInputError, match="one JSON object a line, or a JSON array") as caught:
        read_requests(str(path), None)
    assert "line 2" not in str(caught.value)


def test_defaults_that_nest_too_deeply_are_rejected():
    with pytest.raises(ViduInputError, match="nested too deeply"):
        read_requests([FIELDS], "[" * 100_000)


@pytest.mark.parametrize("name", ["sub dir", "PO# 1", "100%25", "q?"])
@pytest.mark.parametrize("start", ["file://", "local://"])
def test_uri_of_an_asset_event_leads_to_its_file(tmp_path, name, start):
    (tmp_path / name).mkdir()
    (tmp_path / name / "r.jsonl").write_text('{"images": "%20.png"}')
    (tmp_path / name / "%20.png").write_bytes(PNG)
    for path in (f"{start}{tmp_path}/{name}/r.jsonl", f"{start}{tmp_path}/{quote(name)}/r.jsonl"):
        (read,) = read_requests(path, None)
        assert read.build_wire(logging.getLogger())["images"][0].startswith("data:image/png;base64,")


@pytest.mark.parametrize("images", ["pictures/cat.png", "./pictures/cat.png", ["pictures/cat.png"]])
def test_pictures_of_a_file_are_relative_to_it(tmp_path, monkeypatch, images):
    (tmp_path / "job" / "pictures").mkdir(parents=True)
    (tmp_path / "job" / "pictures" / "cat.png").write_bytes(PNG)
    path = tmp_path / "job" / "requests.jsonl"
    path.write_text(json.dumps({"images": images}))
    monkeypatch.chdir(tmp_path)
    (read,) = read_requests(str(path), None)
    assert read.build_wire(logging.getLogger())["images"][0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "images", ["https://example.com/a.png", "/data/a.png", "~/a.png", "s3://bucket/a.png", "file:///a.png", " "]
)
def test_other_than_relative_paths_stay_unchanged(tmp_path, images):
    path = tmp_path / "requests.jsonl"
    path.write_text(json.dumps({"images": images}))
    assert read_requests(str(path), None)[0].fields["images"] == images


def test_pictures_are_relative_to_a_file_in_an_object_store(tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "requests.jsonl").write_text('{"images": "cat.png"}')
    (read,) = read_requests(f"local://{tmp_path}/requests.jsonl", None)
    assert read.build_wire(logging.getLogger())["images"][0].startswith("data:image/png;base64,")


def test_pictures_of_defaults_are_relative_to_the_worker(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text('{"prompt": "a"}')
    assert read_requests(str(path), {"images": "cat.png"})[0].fields["images"] == "cat.png"


def test_missing_picture_says_where_it_was_looked_for(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text('{"images": "pictures/cat.png"}')
    with pytest.raises(ViduInputError) as raised:
        raise_problems(check_requests(read_requests(str(path), None), logging.getLogger()))
    assert f"pictures/cat.png was not found on the worker; looked in {tmp_path}/pictures" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "[{'images': 'https://x.example/a.png', 'off_peak': True}]",
        '[{"images": "https://x.example/a.png", "off_peak": true}]',
    ],
)
def test_list_that_became_text_is_a_list(text):
    [request] = read_requests(text, None)
    assert request.fields["off_peak"] is True


def test_empty_list_in_a_text_is_an_empty_batch():
    with pytest.raises(ViduInputError, match="the batch is empty"):
        read_requests("[]", None)


def test_text_that_is_not_a_list_says_what_to_do():
    with pytest.raises(ViduInputError, match="tojson"):
        read_requests("[<Thing>, <Thing>]", None)


@pytest.mark.parametrize(
    ("defaults", "row", "said"),
    [
        (
            {"resolution": "720p"},
            {},
            "item 0: resolution: is not a field of Vidu's upscale request (upscale_resolution?); it comes from "
            "defaults, and None in this request removes it.",
        ),
        (
            {"duration": 5},
            {},
            "item 0: duration: is not a field of Vidu's upscale request; it comes from defaults, and",
        ),
        ({"duration": 5}, {"duration": 6}, "item 0: duration: is not a field of Vidu's upscale request; a newer field"),
        # A typo is one, with or without a value.
        ({}, {"duraton": None}, "item 0: duraton: is not a field of Vidu's upscale request; a newer field"),
        ({"duration": 5}, {"duration": None}, None),
        ({"duration": 5}, {"duration": ""}, None),
        ({"duration": 5}, {"duration": "None"}, None),
        ({"duration": None}, {}, None),
        ({"extra_params": {"a": 1}, "output_path": "/videos/"}, {}, None),
    ],
)
def test_a_default_that_an_endpoint_lacks_must_be_removed(defaults, row, said):
    rows = [{"endpoint": "upscale-new", "video": "911045603801182209", **row}]
    if said is None:
        (request,) = read_requests_of(rows, defaults, endpoint=None, may_differ=True)
        assert request.build_wire(logging.getLogger())["video_creation_id"] == "911045603801182209"
        return
    with pytest.raises(ViduInputError) as caught:
        raise_problems(read_requests_of(rows, defaults, endpoint=None, may_differ=True))
    assert said in str(caught.value)


def test_a_default_video_is_removed_for_an_endpoint_without_one():
    rows = [{"endpoint": "extend"}, {"endpoint": "text2video", "prompt": "p", "video": None}]
    extend, text = read_requests_of(rows, {"video": "https://x.example/a.mp4"}, endpoint=None, may_differ=True)
    assert extend.fields["video_url"] == "https://x.example/a.mp4"
    assert text.fields == {"prompt": "p"}


def test_price_depends_on_sound():
    row = {"images": "https://x.example/a.png", "model": "viduq2-pro"}
    silent, loud, off = read_requests([row, {**row, "audio": "true"}, {**row, "audio": False}], None)
    assert silent.price[0] != loud.price[0] != off.price[0]
    assert loud.price[1] == silent.price[1] + 15


def test_unset_extra_parameter_is_not_sent():
    row = {"images": "https://x.example/a.png", "extra_params": {"payload": "None", "new": None, "n": 1}}
    [request] = read_requests([row], None)
    assert request.extra_params == {"new": None, "n": 1}


def test_digest_of_requests_names_their_endpoint():
    rows = [{"images": ["https://x.example/a.png", "https://x.example/b.png"], "prompt": str(one)} for one in range(2)]
    digests = {
        name: digest_requests(read_requests_of(rows, None, endpoint=known_endpoint(name)))
        for name in ("img2video", "start-end2video", "reference2video")
    }
    assert len(set(digests.values())) == 3
    # Stored by a release that knew one endpoint.
    assert digests["img2video"] == "82bd89001efdbaf9"
