# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a batch has submitted is read out of the account's list, or out of its manifest, once its record is gone."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.batch.recall import is_delivered_by, newest, of_manifest, read_marker

MARK = "avp1:" + "a" * 16
OLD, NEW = MARK + "0" * 16, MARK + "1" * 16
X, Y = "1" * 16, "2" * 16


def task(task_id: str, state: str = "success", minute: int = 0, **more) -> ViduTask:
    return ViduTask(task_id=task_id, state=state, created_at=f"2026-01-01T10:{minute:02}:00Z", **more)


def submitted(marker: str, task_: ViduTask):
    return read_marker(marker, task_, (MARK,))


@pytest.mark.parametrize(
    ("payload", "is_own"),
    [
        (f"{OLD}:{X}:1", True),
        (f"{OLD}:{X}-2:13.c2VhbA==", True),
        (f"sku 7 {OLD}:{X}:1", True),
        (f"avp1:{'b' * 32}:{X}:1", False),
        (OLD, False),
        ("sku 7", False),
        ("", False),
    ],
)
def test_only_this_task_instances_markers_count(payload, is_own):
    assert (read_marker(payload, task("1"), (MARK,)) is not None) is is_own


def test_the_newest_generation_counts_and_the_others_are_named():
    found = newest(
        [
            submitted(f"{OLD}:{X}:1", task("1", minute=0)),
            submitted(f"{NEW}:{X}:1", task("2", minute=5)),
            submitted(f"{OLD}:{Y}:1", task("3", minute=1)),
        ]
    )
    assert (found.marker, found.others) == (NEW, (OLD,))
    assert found.tasks.keys() == {X}
    assert newest([]) is None


@pytest.mark.parametrize(
    ("states", "attempt"),
    [
        (["success"], 1),
        (["failed", "success"], 2),
        (["failed", "processing"], 2),
        (["failed", "failed"], 2),
        (["success", "failed"], 1),
        (["processing", "failed"], 1),
    ],
)
def test_what_is_paid_or_running_counts_before_what_has_failed(states, attempt):
    found = newest(
        submitted(f"{OLD}:{X}:{number}", task(str(number), state, minute=number))
        for number, state in enumerate(states, start=1)
    )
    assert found.attempts[X] == attempt
    (item,) = found.items
    assert (item.identity, item.task_id, item.attempt) == (X, str(attempt), attempt)


def test_a_manifest_tells_the_same_where_there_is_no_list():
    rows = [
        {**task("1").record(), "marker": f"{OLD}:{X}:1", "error": None},
        {**task("2", "failed").record(), "marker": f"{OLD}:{Y}:3", "error": "failed"},
        {"task_id": None, "marker": f"{OLD}:{Y}:3", "error": "never submitted"},
        {**task("4").record(), "error": "of an older release"},
        {**task("5").record(), "marker": f"avp1:{'b' * 32}:{X}:1", "error": None},
    ]
    found = newest(of_manifest(rows, (MARK,)))
    assert {identity: one.task_id for identity, one in found.tasks.items()} == {X: "1", Y: "2"}
    assert found.attempts[Y] == 3


@pytest.mark.parametrize(
    ("rows", "is_delivered"),
    [
        ([("1", None), ("2", None)], True),
        # Rows of requests that have been taken out since do not matter.
        ([("1", None), ("2", None), ("9", None)], True),
        ([("1", None), ("2", "failed")], False),
        # The manifest is an older generation's.
        ([("1", None)], False),
        ([], False),
    ],
)
def test_a_manifest_shows_whether_all_was_delivered(rows, is_delivered):
    found = newest([submitted(f"{OLD}:{X}:1", task("1")), submitted(f"{OLD}:{Y}:1", task("2"))])
    assert is_delivered_by(found, [{"task_id": id_, "error": error} for id_, error in rows]) is is_delivered
