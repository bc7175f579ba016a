# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A record passed as ``video`` means the creation that is landed."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.registry import known_endpoint
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.landing.land import link_of

REQUEST = known_endpoint("extend").request
LINK, OTHER = "https://videos.example/a.mp4?sign=x", "https://videos.example/b.mp4?sign=y"


@pytest.mark.parametrize(
    ("creations", "field", "value"),
    [
        ([{"id": "1", "url": LINK}, {"id": "2", "url": OTHER}], "video_creation_id", "1"),
        ([{"id": "1", "url": None}, {"id": "2", "url": OTHER}], "video_creation_id", "2"),
        ([{"id": "1", "cover_url": LINK}, {"url": OTHER}], "video_url", OTHER),
        ([{"id": "1", "url": ""}, {"id": "2"}], "video_creation_id", "1"),
        ([{"id": 911045603801182209, "url": LINK}], "video_creation_id", "911045603801182209"),
    ],
)
def test_record_means_the_creation_that_is_landed_first(creations, field, value):
    record = {"task_id": "7", "state": "success", "creations": creations, "files": []}
    assert REQUEST.meant({"video": record})[field] == value
    task = ViduTask.model_validate(record)
    if any(creation.get("url") for creation in creations):
        assert link_of(task, "main") == task.results[0].url


@pytest.mark.parametrize("record", [{"task_id": None, "creations": []}, {"creations": "x"}, {"creations": [None]}])
def test_record_without_a_creation_is_refused(record):
    with pytest.raises(ViduInputError, match="has no video"):
        REQUEST.meant({"video": record})
