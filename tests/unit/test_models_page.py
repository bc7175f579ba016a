# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The page about endpoints and models says what the catalogue says."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import models_page
import pytest

from airflow_provider_vidu.api.catalog import credits_of
from airflow_provider_vidu.api.catalog_types import Model, Row
from airflow_provider_vidu.api.registry import endpoints, known_endpoint
from airflow_provider_vidu.operators.base import ViduSubmittingOperator
from airflow_provider_vidu.provider_info import get_provider_info

ROOT = Path(__file__).resolve().parents[2]


def test_page_is_what_the_catalogue_says():
    assert models_page.PAGE.read_text() == models_page.page(), "run `make models`"


def test_page_has_every_endpoint():
    assert [operator.endpoint for operator in models_page.OPERATORS] == [endpoint.name for endpoint in endpoints()]


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_page_names_every_submitting_operator(page):
    modules = [import_module(name) for group in get_provider_info()["operators"] for name in group["python-modules"]]
    operators = {
        name
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, ViduSubmittingOperator) and not str(found.__doc__).strip().startswith("The base")
    }
    assert len(operators) == 9
    text = (ROOT / page).read_text()
    assert {name for name in operators if f"`{name}`" not in text} == set()


def credits_in_words(words: str, seconds: int) -> int | None:
    """Return what a price in words comes to."""
    fixed = {int(after): int(credits) for credits, after in re.findall(r"(\d+) for (\d+) s", words)}
    by_second = re.search(r"(\d+) a second", words)
    if seconds in fixed:
        return fixed[seconds]
    if by_second is None:
        return None
    last = max(fixed, default=0)
    return fixed.get(last, 0) + (seconds - last) * int(by_second[1])


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [(endpoint.name, model) for endpoint in endpoints() for model in endpoint.models],
)
def test_prices_in_words_are_the_estimates(endpoint, model):
    known = known_endpoint(endpoint).models[model]
    lines = models_page.price_lines(known)
    words = dict(line.split(": ") for line in lines if line != "unknown")
    for row in known.rows:
        for resolution in row.resolutions:
            for seconds in filter(None, row.durations):
                estimate = credits_of(model, seconds, resolution, audio=False, endpoint=endpoint)
                assert credits_in_words(words.get(resolution, "unknown"), seconds) == estimate


EVERY_SECOND = (Row(tuple(range(1, 11)), ("720p",), "720p"),)


@pytest.mark.parametrize(
    ("endpoint", "facts", "refused"),
    [
        ("img2video", {"off_peak_audio": True}, ["`off_peak` without `audio`"]),
        ("img2video", {"off_peak_audio": False}, ["`off_peak` with `audio`"]),
        ("img2video", {"off_peak_audio": None}, []),
        # Without sound nothing can be in the way of off-peak.
        ("img2video", {"refuses": frozenset({"audio"})}, ["`audio`"]),
        ("img2video", {"refuses": frozenset({"off_peak"})}, ["`off_peak`"]),
        # The endpoint has no such fields.
        ("extend", {"refuses": frozenset({"audio"})}, []),
        ("extend", {"max_images": 3}, ["more than 3 `images`"]),
    ],
)
def test_refusals_are_of_fields_that_the_endpoint_has(endpoint, facts, refused):
    assert models_page.refusals(known_endpoint(endpoint), Model("m", EVERY_SECOND, **facts)) == refused


@pytest.mark.parametrize(
    ("endpoint", "facts", "cells"),
    [
        ("img2video", {}, {"seconds": "1 to 10 (**5**)", "resolutions": "**720p**", "sound": "**off**"}),
        ("extend", {}, {"seconds added": "1 to 10 (**5**)", "sound": ""}),
        ("img2video", {"audio_default": True}, {"sound": "**on**"}),
        ("img2video", {"audio_credits": 15}, {"sound": "**off**; on costs 15 more"}),
        ("img2video", {"refuses": frozenset({"audio"})}, {"sound": "none"}),
        ("img2video", {"no_effect": frozenset({"style", "bgm"})}, {"no effect": "`bgm`"}),
        ("img2video", {"name": "viduq2"}, {"model": "`viduq2`", "no effect": "`bgm` at 9 and 10 s"}),
        ("img2video", {"name": "viduq3-turbo"}, {"model": "**`viduq3-turbo`**"}),
        (
            "img2video",
            {"rows": (Row((4,), ("360p", "720p"), "360p"), Row((8,), ("720p",), "720p")), "default_duration": 4},
            {"seconds": "**4**, 8", "resolutions": "4 s: **360p**, 720p<br>8 s: **720p**"},
        ),
        ("img2video", {"rows": (Row((0, 2, 5), ("720p",), "720p"),)}, {"seconds": "0, 2, **5**, 0 = Vidu chooses"}),
    ],
)
def test_row_of_a_model(endpoint, facts, cells):
    row = models_page.model_row(known_endpoint(endpoint), Model(**{"name": "m", "rows": EVERY_SECOND, **facts}))
    assert {column: row.get(column) for column in cells} == cells
