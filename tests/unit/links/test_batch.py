# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A batch's buttons lead to its report and manifest, and carry no connection and no signature."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow_provider_vidu.links.batch import ViduManifestLink, ViduReportLink, browser_url


@pytest.mark.parametrize(
    ("path", "endpoint", "url"),
    [
        ("/data/report.html", None, ""),
        ("file:///data/report.html", None, ""),
        ("report.html", None, ""),
        (
            "s3://conn@bucket/a/report.html",
            None,
            "https://console.aws.amazon.com/s3/object/bucket?prefix=a%2Freport.html",
        ),
        ("s3://bucket/a@b/r.html", None, "https://console.aws.amazon.com/s3/object/bucket?prefix=a%40b%2Fr.html"),
        ("s3://conn@bucket/a/r.html", "https://minio.example:9000/", "https://minio.example:9000/bucket/a/r.html"),
        ("gs://conn@bucket/a#1/r.html", None, "https://storage.cloud.google.com/bucket/a%231/r.html"),
        ("abfs://conn@container/r.html", None, ""),
        ("javascript:alert(1)", None, ""),
    ],
)
def test_address_is_one_that_a_browser_can_open(path, endpoint, url):
    assert browser_url(path, endpoint) == url


def test_button_leads_to_the_store_of_its_connection(monkeypatch):
    extra = {"endpoint_url": "https://minio.example"}
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", json.dumps({"conn_type": "aws", "password": "secret", "extra": extra}))
    operator = SimpleNamespace(
        report_path="s3://minio@b/r.html", manifest_path="s3://b/m.jsonl", written={"report_path"}
    )
    assert ViduReportLink().get_link(operator, ti_key=None) == "https://minio.example/b/r.html"
    # Nothing was written there.
    assert ViduManifestLink().get_link(operator, ti_key=None) == ""


def test_unknown_connection_does_not_fail_the_task():
    operator = SimpleNamespace(report_path="s3://nowhere@b/r.html", written={"report_path"})
    assert ViduReportLink().get_link(operator, ti_key=None).startswith("https://console.aws")
