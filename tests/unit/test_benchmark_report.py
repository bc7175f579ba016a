# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The benchmarks' page: targets met and missed, missing figures never count as met, all from the files."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.__main__ import KEPT, ROOT, ROWS, main, page
from benchmarks.report import MISSED, REACHED, Result, Table, Target, format_value, markdown, percentile, ratio, spread
from benchmarks.rows import Measured, imports


@pytest.mark.parametrize(
    ("measured", "limit", "below", "reached"),
    [
        (0.02, 0.025, False, True),
        (0.025, 0.025, False, True),
        (0.025, 0.025, True, False),
        (0.03, 0.025, False, False),
        (0.0, 1.0, True, True),
        (None, 1.0, False, None),
        (math.nan, 1.0, False, None),
    ],
)
def test_target_is_met_at_its_limit_unless_strict(measured, limit, below, reached):
    assert Target("requests", measured, limit, below=below).reached is reached


@pytest.mark.parametrize(("measured", "reached"), [(0.89, False), (0.9, True), (1.1, True), (None, None)])
def test_at_least_targets(measured, reached):
    target = Target("throughput", measured, 0.9, "×", at_least=True)
    assert target.reached is reached
    assert target.wanted == "≥ 0.9 ×"


def test_missing_figure_gives_its_reason():
    verdict = Target("wall", None, 1.0, reason="there is no batch operator").verdict
    assert verdict == "not measured: there is no batch operator"


@pytest.mark.parametrize(("ours", "theirs", "expected"), [(1, 4, 0.25), (None, 4, None), (1, None, None), (1, 0, None)])
def test_a_ratio_needs_both_figures(ours, theirs, expected):
    assert ratio(ours, theirs) == expected


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02, "share", "1/50"),
        (1.2, "share", "1.2 ×"),
        (0.5634, "×", "0.563 ×"),
        (12.345, "s", "12.3 s"),
        (603_000, "", "603 000"),
        (1000, "requests", "1000 requests"),
        (0.00012, "s", "0.0001 s"),
        (0, "", "0"),
        (None, "s", "–"),
    ],
)
def test_figures_have_three_digits(value, unit, text):
    assert format_value(value, unit) == text


def test_a_percentile_is_one_of_the_values():
    values = [5, 1, 2, 4, 3]
    assert percentile(values, 0.5) == 3
    assert percentile(values, 0.99) == 5
    assert percentile(values, 0.0) == 1
    assert math.isnan(percentile([], 0.5))


def test_several_runs_become_median_and_range():
    assert spread([3.0, 1.0, 2.0], "s") == "2 (1 to 3) s"
    assert spread([2.5], "s") == "2.5 s"


def _result(**changes):
    given = {"row": "waits", "title": "a thousand waits", "taken_at": "2026-11-24 12:00", "machine": {"cores": "2"}}
    return Result(**{**given, **changes})


def test_result_survives_its_file():
    result = _result(
        targets=[Target("requests", 0.02, 0.025, "share")], table=Table(["way", "requests"], [["ours", "20"]])
    )
    assert Result.from_json(result.to_json()) == result


def test_page_distinguishes_met_missed_and_missing():
    targets = [Target("requests", 0.02, 0.025, "share"), Target("CPU", 0.5, 0.1, "share"), Target("lag", None, 1)]
    text = markdown(
        [_result(targets=targets), _result(row="soak", reason="no time | at all")],
        {"waits": ("img/waits.svg", "latency"), "soak": ("img/soak.svg", "memory")},
        "make bench",
    )
    assert f"| [waits](#waits) | requests | 1/50 | ≤ 1/40 | {REACHED} |" in text
    assert f"| CPU | 1/2 | ≤ 1/10 | {MISSED} |" in text
    assert "| lag | – | ≤ 1 | not measured: no figure |" in text
    assert "not measured: no time \\| at all" in text
    assert "- `waits`: CPU is 1/2, the target is ≤ 1/10." in text
    assert "![latency](img/waits.svg)" in text
    assert "img/soak.svg" not in text


def test_committed_page_is_what_the_committed_figures_give():
    """No number on the page is typed by hand. After a change of its text, run ``python -m benchmarks --page``."""
    assert {file.stem for file in KEPT.iterdir()} == {row.name for row in ROWS}
    assert page(KEPT, ROOT / "docs") == (ROOT / "docs" / "benchmarks.md").read_text()


def test_page_shows_exactly_the_folders_pictures():
    linked = {f"benchmarks_{row.name}.svg" for row in ROWS if row.picture}
    assert {file.name for file in (ROOT / "docs" / "img").glob("benchmarks_*")} == linked


def test_figures_keep_what_the_page_shows_and_no_raw_series(monkeypatch, tmp_path):
    measured = Measured([Target("import", 0.2, 1.0)], Table(["way"], [["ours"]]), ["cold"], {"times": [1.0] * 5000})
    monkeypatch.setattr(imports, "measure", lambda quick: measured)
    monkeypatch.setattr("benchmarks.__main__.ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.__main__.KEPT", tmp_path)
    (tmp_path / "docs").mkdir()
    assert main(["--only", "imports"]) == 0
    written = (tmp_path / "imports.json").read_text()
    for file in KEPT.iterdir():
        text = file.read_text()
        assert Result.from_json(text).to_json() == text
        assert list(json.loads(text)) == list(json.loads(written))
        assert len(text.splitlines()) == len(written.splitlines())
