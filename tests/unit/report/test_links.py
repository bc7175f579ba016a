# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A link leads from the report to the landed file, wherever both are moved to together."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.report.links import relative_link


@pytest.mark.parametrize(
    ("target", "report", "link"),
    [
        ("/data/videos/9.mp4", "/data/videos/report.html", "9.mp4"),
        ("/data/videos/9.mp4", "/data/report.html", "videos/9.mp4"),
        ("/data/videos/9.mp4", "/data/reports/monday/report.html", "../../videos/9.mp4"),
        ("/mnt/videos/9.mp4", "/home/me/report.html", "../../mnt/videos/9.mp4"),
        ("file:///data/videos/9.mp4", "/data/report.html", "videos/9.mp4"),
        ("videos/9.mp4", "report.html", "videos/9.mp4"),
        ("s3://conn@bucket/videos/9.mp4", "s3://conn@bucket/report.html", "videos/9.mp4"),
        ("s3://conn@bucket/videos/9.mp4", "s3://other@bucket/videos/report.html", "9.mp4"),
        ("s3://conn@bucket/videos/9.mp4", "s3://conn@bucket/reports/report.html", "../videos/9.mp4"),
        ("s3://conn@bucket/9.mp4", "s3://conn@another/report.html", None),
        ("gs://conn@bucket/9.mp4", "s3://conn@bucket/report.html", None),
        ("s3://conn@bucket/9.mp4", "/data/report.html", None),
        ("/data/9.mp4", "s3://conn@bucket/report.html", None),
        ("~nobody-has-this-name/9.mp4", "/data/report.html", None),
    ],
)
def test_link_is_relative_within_a_store(target: str, report: str, link: str | None):
    assert relative_link(target, report) == link


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("a b.mp4", "a%20b.mp4"),
        ("50%.mp4", "50%25.mp4"),
        ("a?b#c.mp4", "a%3Fb%23c.mp4"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("http://elsewhere/9.mp4", None),
        ('"><script>.mp4', "%22%3E%3Cscript%3E.mp4"),
        ("\u676f.mp4", "%E6%9D%AF.mp4"),
        ("\ud800.mp4", None),
    ],
)
def test_no_name_is_a_link_of_its_own(name: str, link: str | None):
    assert relative_link(f"/data/{name}", "/data/report.html") == link
