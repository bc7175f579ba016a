# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Lineage and asset events contain lasting URIs, without a connection, a signature, a key or a picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias, ObjectStoragePath
from PIL import Image

from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.images import load_image
from airflow_provider_vidu.operators.download import ViduDownloadOperator
from airflow_provider_vidu.operators.img2video import Img2VideoBatchOperator, Img2VideoOperator
from airflow_provider_vidu.reporting import lineage
from airflow_provider_vidu.reporting.lineage import (
    asset_uri,
    asset_uris,
    batch_extra,
    fill_outlet_events,
    openlineage_facets,
    report_lineage,
)

FILE = {"kind": "video", "path": "s3://conn@bucket/out/77.mp4", "bytes": 5, "sha256": "x", "duration": 4.0}
COVER = {**FILE, "kind": "cover", "path": "s3://conn@bucket/out/77-cover.jpg", "duration": None}
SECOND = {**FILE, "path": "s3://conn@bucket/out/77-2.mp4"}
VIDEO_URI, COVER_URI, SECOND_URI = (f"s3://bucket/out/77{end}" for end in (".mp4", "-cover.jpg", "-2.mp4"))
TASK = ViduTask(
    task_id="77", state="success", model="viduq3-turbo", credits=60, creations=(Creation(url="https://x/v?sig=s"),)
)


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ("s3://conn_id@bucket/a b/cat.png", "s3://bucket/a b/cat.png"),
        ("S3://bucket/cat.png", "s3://bucket/cat.png"),
        ("gs://bucket/cat.png", "gs://bucket/cat.png"),
        ("https://user:secret@x.example/cat.png?X-Amz-Signature=s#f", "https://x.example/cat.png"),
        ("/data/cat.png", "file:///data/cat.png"),
        ("file:///data/cat.png", "file:///data/cat.png"),
        ("/data/ü #1.png", "file:///data/%C3%BC%20%231.png"),
        (Path("/data/cat.png"), "file:///data/cat.png"),
        ("file:///data/%C3%BC%20%231.png", "file:///data/%C3%BC%20%231.png"),
        ("s3://b/PO# 1/v.mp4", "s3://b/PO%23 1/v.mp4"),
        ("s3://b/PO%23 1/v.mp4", "s3://b/PO%2523 1/v.mp4"),
        ("s3://b/what?/v.mp4", "s3://b/what%3F/v.mp4"),
        ("data:image/png;base64,aGFsbG8=", None),
        ("DATA:image/png;base64,aGFsbG8=", None),
        ("ssupload:?id=5", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_each_place_has_one_uri(place, uri):
    assert asset_uri(place) == uri


def test_uri_of_a_landed_file_can_be_loaded(tmp_path):
    picture = tmp_path / "ü #1 100%.png"
    Image.new("RGB", (300, 300)).save(picture)
    assert load_image(asset_uri(str(picture))) == load_image(str(picture)) == load_image(f"file://{picture}")


def test_two_folders_have_two_uris():
    assert len({Asset(uri=asset_uri(f"s3://b/PO# {number}/v.mp4")).uri for number in (1, 2)}) == 2


def test_object_storage_uri_has_no_connection():
    assert asset_uri(ObjectStoragePath("file:///data/cat.png")) == "file:///data/cat.png"


def test_pictures_have_uris_in_any_form():
    assert asset_uris([["s3://b/1.png"], "s3://b/2.png", None, ["data:x"]]) == ["s3://b/1.png", "s3://b/2.png"]


def test_collector_gets_input_and_output(monkeypatch):
    reported = []
    collector = SimpleNamespace(
        add_input_asset=lambda context, uri: reported.append(("input", uri)),
        add_output_asset=lambda context, uri: reported.append(("output", uri)),
    )
    monkeypatch.setattr("airflow.providers.common.compat.sdk.get_hook_lineage_collector", lambda: collector)
    report_lineage(object(), ["s3://c@bucket/cat.png"], [FILE, COVER])
    assert reported == [
        ("input", "s3://bucket/cat.png"),
        ("output", "s3://bucket/out/77.mp4"),
        ("output", "s3://bucket/out/77-cover.jpg"),
    ]


class Events:
    """Airflow's accessor, which takes assets although those of 3.0 have no hash."""

    def __init__(self):
        self.events = {}

    def __getitem__(self, outlet):
        if repr(outlet) not in self.events:
            event = SimpleNamespace(extra={"the author's": 1}, added=[])
            event.add = lambda asset, extra: event.added.append((asset.uri, extra))
            self.events[repr(outlet)] = event
        return self.events[repr(outlet)]


def test_outlet_events_get_task_uri_and_price():
    asset, alias, events = Asset("s3://bucket/videos"), AssetAlias("videos"), Events()
    made_from = {"index": 4, "id": "MUG-04", "labels": {"sku": "M"}, "image": "mug.png", "prompt": "Steam rises"}
    task = TASK.with_origin(Origin(**made_from))
    extra = lineage.event_extra(task, [FILE])
    own = {"vidu_task_id": "77", "uri": "s3://bucket/out/77.mp4", "credits": 60, "model": "viduq3-turbo"}
    assert extra == {**own, **made_from}
    fill_outlet_events({"outlet_events": events}, [asset, alias], extra, [task.record([FILE, COVER, SECOND])])
    assert events[asset].extra == {"the author's": 1, **extra}
    common = {"vidu_task_id": "77", "model": "viduq3-turbo", **made_from}
    assert events[alias].added == [
        (VIDEO_URI, {**common, "kind": "video", "uri": VIDEO_URI, "credits": 60}),
        (COVER_URI, {**common, "kind": "cover", "uri": COVER_URI, "credits": None}),
        (SECOND_URI, {**common, "kind": "video", "uri": SECOND_URI, "credits": None}),
    ]


@pytest.mark.parametrize("kind", ["video", "image", "audio"])
def test_main_file_of_any_kind_has_the_credits(kind):
    file = {**FILE, "kind": kind}
    assert lineage.file_extra(TASK.record([file, COVER]), file, "s3://b/x")["credits"] == 60


class Refusing(Events):
    def __getitem__(self, outlet):
        raise TypeError("Key should be either an asset or an asset alias")


@pytest.mark.parametrize(
    "outlets", [[Asset("s3://b/x")], [AssetAlias("a")], [object()], [SimpleNamespace(url="file:///x")]]
)
def test_failed_reporting_costs_no_paid_video(outlets, monkeypatch):
    def broken(*arguments, **named):
        raise ValueError("URI too long")

    monkeypatch.setattr(
        "airflow.providers.common.compat.sdk.get_hook_lineage_collector",
        lambda: SimpleNamespace(add_input_asset=broken, add_output_asset=broken),
    )
    operator = SimpleNamespace(outlets=outlets)
    record = lineage.deliver(operator, {"outlet_events": Refusing()}, TASK, [FILE], sources="/data/cat.png")
    assert record["task_id"] == "77"
    lineage.deliver(operator, {}, TASK, [FILE])


def test_event_has_no_expiring_link():
    assert lineage.event_extra(TASK, [])["uri"] is None


def test_batch_event_has_totals():
    records = [{"error": None, "credits": 60}, {"error": None, "credits": None}, {"error": "x", "credits": 0}]
    assert batch_extra(records, "s3://c@bucket/manifest.jsonl") == {
        "videos": 2,
        "failed": 1,
        "credits": 60,
        "uri": "s3://bucket/manifest.jsonl",
    }


def test_openlineage_gets_datasets_and_credits():
    lineage_of_task = openlineage_facets(["/data/cat.png", "s3://c@in/dog.png"], [TASK.record([FILE, COVER])])
    assert [(dataset.namespace, dataset.name) for dataset in lineage_of_task.inputs] == [
        ("file", "/data/cat.png"),
        ("s3://in", "dog.png"),
    ]
    assert [(dataset.namespace, dataset.name) for dataset in lineage_of_task.outputs] == [
        ("s3://bucket", "out/77.mp4"),
        ("s3://bucket", "out/77-cover.jpg"),
    ]
    assert lineage_of_task.outputs[0].outputFacets["outputStatistics"].size == 5
    facet = lineage_of_task.run_facets["vidu"]
    assert (facet.tasks, facet.models, facet.duration, facet.credits) == (["77"], ["viduq3-turbo"], 4.0, 60)


@pytest.mark.parametrize(
    "operator",
    [
        Img2VideoOperator(task_id="a", images="data:image/png;base64,aaaa"),
        Img2VideoBatchOperator(task_id="b", requests=[{"images": "data:image/png;base64,aaaa"}]),
        ViduDownloadOperator(task_id="c", vidu_task="77", destination="/out/"),
    ],
    ids=["one", "batch", "download"],
)
def test_operators_answer_openlineage_before_there_is_a_video(operator):
    assert operator.get_openlineage_facets_on_complete(None).outputs == []
    operator.delivered = [TASK.record([FILE])]
    lineage_of_task = operator.get_openlineage_facets_on_complete(None)
    assert [dataset.name for dataset in lineage_of_task.outputs] == ["out/77.mp4"]
    assert "base64" not in str(lineage_of_task)
    assert "sig=" not in str(lineage_of_task)
