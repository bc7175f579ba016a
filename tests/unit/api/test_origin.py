# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A record says what its video was made from, without a signature, and survives the way from task to task."""

from __future__ import annotations

import json

import pytest

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.origin import Origin, first_source, parse_labels
from airflow_provider_vidu.api.tasks import ViduTask

MUG = Origin(3, "MUG-01", {"sku": "MUG-01", "price": 9.5}, "/pictures/mug.png", "Steam rises")


@pytest.mark.parametrize(
    ("sources", "shown"),
    [
        ([], None),
        ([None, ""], None),
        ([["/a/cat.png", "/a/dog.png"]], "/a/cat.png"),
        (["s3://conn@bucket/cat.png?versionId=3"], "s3://conn@bucket/cat.png?versionId=3"),
        (["https://me:secret@cdn.example/cat.png?X-Amz-Signature=abc#x"], "https://cdn.example/cat.png"),
        (["htps://me:secret@cdn.example/cat.png?X-Amz-Signature=abc"], "htps://cdn.example/cat.png"),
        (["//cdn.example/cat.png?v=1&sig=abc%2F"], "//cdn.example/cat.png"),
        (["cat.png?token=abc"], "cat.png"),
        (["what? a key.png"], "what? a key.png"),
        (["data:image/png;base64,AAAA"], None),
        ([" /a/cat.png "], "/a/cat.png"),
    ],
)
def test_first_source_is_shown_without_its_signature(sources, shown):
    assert first_source(sources) == shown


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (None, {}),
        ("", {}),
        ("None", {}),
        ({"sku": "A", 7: [1, {"x": None}]}, {"sku": "A", "7": [1, {"x": None}]}),
        ('{"sku": "A"}', {"sku": "A"}),
        ("{'sku': 'A'}", {"sku": "A"}),
    ],
)
def test_labels_are_json_whatever_rendering_made_of_them(given, labels):
    assert parse_labels(given) == labels


@pytest.mark.parametrize("given", ["sku", ["sku"], 7, {"sku": object()}, {"price": float("nan")}])
def test_what_is_no_label_is_rejected(given):
    with pytest.raises(ViduInputError, match="labels: must be a dict of JSON values"):
        parse_labels(given)


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        (MUG, "item 3 (MUG-01)"),
        (Origin(0, image="s3://b/cups/3.png"), "item 0 (3.png)"),
        (Origin(12), "item 12"),
    ],
)
def test_messages_name_an_item_by_what_people_know(origin, name):
    assert origin.name == name


def test_origin_survives_the_way_through_records():
    made = ViduTask(task_id="9", state="processing").with_origin(MUG)
    record = json.loads(json.dumps(made.record()))
    assert (record["task_id"], record["id"], record["index"]) == ("9", "MUG-01", 3)
    again = ViduTask.from_record(record)
    assert again.origin == MUG
    # A later query knows nothing of it.
    assert ViduTask(task_id="9", state="success").filled_from(again).record()["labels"] == MUG.labels


@pytest.mark.parametrize("row", [{"id": "9", "state": "success"}, {"id": 9, "labels": "x", "prompt": 7}])
def test_the_id_of_a_hosts_row_is_the_tasks(row):
    task = ViduTask.from_record(row)
    assert (task.task_id, task.origin) == ("9", Origin())


def test_unreadable_parts_of_a_foreign_record_are_left_out():
    task = ViduTask.from_record({"task_id": "9", "id": 7, "labels": [], "image": {}, "prompt": None, "index": "x"})
    assert (task.task_id, task.origin) == ("9", Origin())
