# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The report of a batch in an object store, an S3 server: pictures are read there, and the page appears in one step."""

from __future__ import annotations

import io
import json

from PIL import Image

from airflow_provider_vidu.report.__main__ import main


def test_report_beside_its_manifest_in_a_store(store, capsys):
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    store.put("in/mug.png", picture.getvalue())
    row = {
        "task_id": "9",
        "state": "success",
        "image": store.path("in/mug.png"),
        "files": [{"kind": "video", "path": store.path("videos/a b/9.mp4")}],
        "error": None,
    }
    store.put("videos/manifest.jsonl", json.dumps(row).encode())
    assert main([store.path("videos/manifest.jsonl")]) == 0
    assert capsys.readouterr().out.endswith(f"{store.path('videos/manifest.html')}\n")
    html = store.read("videos/manifest.html").decode()
    assert 'src="a%20b/9.mp4"' in html
    assert "data:image/webp;base64," in html
    assert store.media_type("videos/manifest.html") == "text/html"
    assert [call.path.rpartition("/")[2] for call in store.calls if call.puts] == ["manifest.html"]


def test_missing_manifest_in_a_store_is_explained(store, capsys):
    assert main([store.path("videos/none.jsonl")]) == 1
    assert f"There is no manifest at {store.path('videos/none.jsonl')}." in capsys.readouterr().err


def test_store_that_refuses_the_page_is_explained(store, capsys):
    store.put("videos/manifest.jsonl", b'{"task_id": "9", "state": "success"}')
    with store.denying():
        store.revoke()
        assert main([store.path("videos/manifest.jsonl")]) == 1
    assert "The report cannot be written" in capsys.readouterr().err
    assert store.keys == ["videos/manifest.jsonl"]
