# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""No video of a batch overwrites another one: both are paid for."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_vidu.api.errors import Fate, ViduError, ViduLandingError
from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.api.tasks import Creation, ViduTask
from airflow_provider_vidu.landing import many
from airflow_provider_vidu.landing.destinations import Wanted


def task(number: int, videos: int = 1) -> ViduTask:
    creations = tuple(Creation(id=f"c{one}", url=f"https://s.example/{number}-{one}.mp4") for one in range(videos))
    return ViduTask(task_id=f"t{number}", state="success", creations=creations)


@pytest.fixture
def land(monkeypatch):
    landed: list[str] = []

    def land_all(client: Any, one: ViduTask, wanted: Wanted, *, log: Any) -> list[dict[str, Any]]:
        landed.append(one.task_id)
        return []

    monkeypatch.setattr(many, "land_all", land_all)

    def land(*wanted: Wanted, videos: int = 1) -> tuple[list[str], dict[int, ViduError]]:
        errors: dict[int, ViduError] = {}
        tasks = {number: task(number, videos) for number in range(len(wanted))}
        log = logging.getLogger(__name__)
        many.land_batch(None, tasks, dict(enumerate(wanted)), errors, log=log, stop=lambda: None)
        return sorted(landed), errors

    return land


@pytest.mark.parametrize(
    ("first", "second", "videos"),
    [
        (Wanted("/out/a.mp4"), Wanted("/out/./a.mp4"), 1),
        (Wanted("/out/", "{id}", origin=Origin(0, "A")), Wanted("/out/", "{id}", origin=Origin(1, "A-2")), 2),
        (
            Wanted("/out/", "{id}", watermarked=True, origin=Origin(0, "A")),
            Wanted("/out/", "{id}", watermarked=True, origin=Origin(1, "A-watermarked")),
            1,
        ),
    ],
    ids=["two spellings", "second video", "watermarked copy"],
)
def test_two_videos_never_land_in_one_file(land, first, second, videos):
    landed, errors = land(first, second, videos=videos)
    assert landed == ["t0"]
    assert isinstance(errors[1], ViduLandingError)
    assert "item 0 lands there too" in str(errors[1])
    assert errors[1].fate is Fate.PERMANENT


def test_video_without_a_valid_name_keeps_no_other_from_landing(land):
    landed, errors = land(Wanted("/out/", "{labels[sku]}"), Wanted("/out/", "{task_id}"))
    assert landed == ["t1"]
    assert "The video was not landed: file_name" in str(errors[0])
    assert "safe at Vidu" in str(errors[0])
