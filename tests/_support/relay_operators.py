# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Operators for the tests of relays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _support.relay_stand_ins import Relay
from airflow_provider_vidu.operators.img2video import Img2VideoOperator

FIELDS = {"images": "https://example.com/a.png", "model": "viduq2-turbo", "duration": 1, "resolution": "720p"}


def operator(**settings: Any) -> Img2VideoOperator:
    asked = {"task_id": "t", **FIELDS, "prompt": "p", "poll_interval": 0.1, "timeout": 15}
    return Img2VideoOperator(**{**asked, **settings})


def is_the_video(file: dict[str, Any], relay: Relay) -> bool:
    return Path(file["path"]).read_bytes() == relay.video
