# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Which files the API server opens for a report, and what it shows of them."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_provider_vidu.plugins.report_app import BEGINNING, _framed, find_in_places
from airflow_provider_vidu.report.page import render_page

STORE = "s3://reports@bucket/nightly"


@pytest.mark.parametrize("place", [STORE, f"{STORE}/", "s3://reports@bucket"])
def test_report_below_a_named_folder_is_opened(place: str):
    path = f"{STORE}/2026-07-01/report.html"
    assert find_in_places(path, ["/elsewhere", place]) == path


@pytest.mark.parametrize(
    "path",
    [
        "s3://reports@bucket/other/report.html",
        "s3://reports@bucket/nightly.html",
        "s3://reports@bucket/nightly-of-another-team/report.html",
        # Another connection may read other buckets of the same name.
        "s3://admin@bucket/nightly/report.html",
        "s3://bucket/nightly/report.html",
        f"{STORE}/../other/report.html",
        f"{STORE}/./report.html",
        f"{STORE}/x::file:///etc/passwd",
        f"simplecache::{STORE}/report.html",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "/etc/passwd",
        "~/report.html",
        "report.html",
        "",
    ],
)
def test_no_other_path_is_opened(path: str):
    assert find_in_places(path, [STORE]) is None


def test_nothing_is_opened_without_places():
    assert find_in_places(f"{STORE}/report.html", []) is None


def test_local_report_in_a_named_folder_is_opened(tmp_path: Path):
    report = tmp_path / "reports" / "report.html"
    report.parent.mkdir()
    for place in (str(report.parent), f"file://{report.parent}/", "/"):
        assert find_in_places(str(report), [place]) == str(report)
        assert find_in_places(f"file://{report}", [place]) == str(report)


def test_local_path_cannot_lead_out_of_its_folder(tmp_path: Path):
    place = tmp_path / "reports"
    place.mkdir()
    secret = tmp_path / "reports-of-others"
    secret.write_text("secret")
    (place / "link.html").symlink_to(secret)
    os.mkfifo(place / "pipe.html")
    for path in (place / "link.html", place / "pipe.html", place / ".." / secret.name, secret, place):
        assert find_in_places(str(path), [str(place)]) is None
    assert find_in_places("reports/report.html", [str(place)]) is None


COVER, VIDEO = "s3://conn@bucket/videos/9.webp", "s3://conn@bucket/videos/9.mp4"


def report(*kinds: str) -> str:
    """Render a report of one request with these files."""
    paths = {"video": VIDEO, "cover": COVER}
    row = {"state": "success", "task_id": "9", "files": [{"kind": kind, "path": paths[kind]} for kind in kinds]}
    return render_page(
        [row],
        title="Nightly",
        written_at=datetime(2026, 7, 1, tzinfo=timezone.utc),
        report="s3://conn@bucket/report.html",
        thumbnails={COVER: "data:image/webp;base64,AAAA"},
    )


def test_our_reports_start_as_the_server_expects():
    assert report("video").encode().startswith(BEGINNING)


def test_frame_says_where_the_report_is():
    assert "s3://conn@bucket/&lt;b&gt;.html" in _framed(report("video"), "s3://conn@bucket/<b>.html")


@pytest.mark.parametrize(
    ("kinds", "instead"), [(["video", "cover"], 'src="data:image/webp;base64,AAAA"'), (["video"], "No cover")]
)
def test_frame_has_covers_and_names_but_no_dead_links(kinds: list[str], instead: str):
    page = report(*kinds)
    assert "<video" in page
    assert '<a href="videos/9.mp4"' in page
    framed = _framed(page, "s3://conn@bucket/report.html")
    assert "<video" not in framed
    assert "<a href" not in framed
    assert instead in framed
    assert "9.mp4" in framed
