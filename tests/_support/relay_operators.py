# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Operators for the tests of relays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _support.family import OPERATORS
from _support.relay_stand_ins import FAMILIES, Relay
from airflow_provider_vidu.operators.base import ViduSingleOperator
from airflow_provider_vidu.operators.batch import ViduBatchOperator

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "resolution": "720p"}

#: The fields of a request to each endpoint of these tests, without its prompt.
FIELDS_OF: dict[str, dict[str, Any]] = {
    "img2video": FIELDS,
    "text2video": {"model": "viduq2", "duration": 1, "resolution": "720p"},
    "extend": {"video": "https://example.com/a.mp4", "model": "viduq2-turbo", "duration": 1, "resolution": "720p"},
}

#: Each family of relays with each of these endpoints that it routes, and with each that it does not.
ROUTED = [(name, asked) for name, family in FAMILIES.items() for asked in FIELDS_OF if asked in family.endpoints]
NOT_ROUTED = [(name, asked) for name in FAMILIES for asked in FIELDS_OF if (name, asked) not in ROUTED]


def operator(endpoint: str = "img2video", **settings: Any) -> ViduSingleOperator:
    asked = {"task_id": "t", **FIELDS_OF[endpoint], "prompt": "p", "poll_interval": 0.1, "timeout": 15}
    return OPERATORS[endpoint](**{**asked, **settings})


def mixed_batch(*rows: tuple[str, str], **settings: Any) -> ViduBatchOperator:
    """Return a batch of requests, each by its endpoint and its prompt."""
    requests = [{**FIELDS_OF[endpoint], "endpoint": endpoint, "prompt": prompt} for endpoint, prompt in rows]
    return ViduBatchOperator(**{"task_id": "t", "requests": requests, "poll_interval": 0.1, "timeout": 15, **settings})


def is_the_video(file: dict[str, Any], relay: Relay) -> bool:
    return Path(file["path"]).read_bytes() == relay.video
