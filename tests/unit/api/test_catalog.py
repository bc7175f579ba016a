# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The catalogue against Vidu's page and price lists, restated here by hand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_vidu.api.catalog import (
    MODELS,
    MODELS_OF,
    RECOMMENDED_PROMPT_CREDITS,
    Model,
    Price,
    Row,
    credits_of,
    estimate_credits,
)
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL
from airflow_provider_vidu.api.img2video import Img2VideoRequest

FIVE = {"540p", "720p", "1080p", "2K", "4K"}
THREE = {"540p", "720p", "1080p"}
TWO = {"720p", "1080p"}

# model: durations, default duration, resolutions and default resolution at the default duration
PAGE = {
    "viduq4-preview": (range(3, 17), 5, FIVE, "720p"),
    "viduq3-pro": (range(1, 17), 5, THREE, "720p"),
    "viduq3-turbo": (range(1, 17), 5, THREE, "720p"),
    "viduq3-pro-fast": (range(1, 17), 5, TWO, "720p"),
    "viduq2": (range(1, 11), 5, THREE, "720p"),
    "viduq2-pro": (range(1, 11), 5, THREE, "720p"),
    "viduq2-turbo": (range(1, 11), 5, THREE, "720p"),
    "viduq2-pro-fast": (range(1, 11), 5, TWO, "720p"),
    "viduq1": ([5], 5, {"1080p"}, "1080p"),
    "viduq1-classic": ([5], 5, {"1080p"}, "1080p"),
    "vidu2.0": ([4, 8], 4, {"360p", "720p", "1080p"}, "360p"),
}


def test_the_catalogue_holds_exactly_the_promised_models():
    assert set(MODELS) == set(PAGE)
    assert all(name == model.name for name, model in MODELS.items())


def test_the_default_model_is_in_the_catalogue():
    assert DEFAULT_MODEL in MODELS


@pytest.mark.parametrize(("name", "row"), PAGE.items(), ids=PAGE)
def test_a_model_has_the_row_of_vidus_page(name, row):
    durations, default_duration, resolutions, default_resolution = row
    model = MODELS[name]
    assert model.durations == tuple(durations)
    assert model.default_duration == default_duration
    at_default = model.row(default_duration)
    assert set(at_default.resolutions) == resolutions
    assert at_default.default_resolution == default_resolution


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_default_is_itself_legal(model):
    assert model.default_duration in model.durations
    assert all(row.default_resolution in row.resolutions for row in model.rows)


@pytest.mark.parametrize(
    ("name", "duration"), [("viduq3-pro", 0), ("viduq3-pro", 17), ("viduq4-preview", 2), ("viduq2", 11), ("vidu2.0", 5)]
)
def test_a_duration_outside_the_page_has_no_row(name, duration):
    assert MODELS[name].row(duration) is None


def test_eight_seconds_of_vidu_2_come_in_720p_alone():
    assert MODELS["vidu2.0"].row(8).resolutions == ("720p",)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_only_q3_and_q4_have_audio_by_default(model):
    assert model.audio_default is model.name.startswith(("viduq3", "viduq4"))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_off_peak_needs_audio_with_q3_and_silence_below(model):
    expected = None if model.name == "viduq4-preview" else model.name.startswith("viduq3")
    assert model.off_peak_audio is expected


@pytest.mark.parametrize("fields", [{"audio": True}, {"audio": False}, {}], ids=str)
def test_vidu_decides_what_no_page_says_of_viduq4(fields):
    asked = {"images": "https://example.com/cat.png", "model": "viduq4-preview", "prompt": "x" * 20_000, **fields}
    request = Img2VideoRequest.of({**asked, "off_peak": True, "duration": 16, "resolution": "2K"})
    assert request.wire()["resolution"] == "2K"
    assert request.warnings() == []


def test_the_prompt_of_an_unknown_model_has_no_limit():
    request = Img2VideoRequest.of({"images": "https://example.com/cat.png", "model": "viduq9", "prompt": "x" * 20_000})
    assert len(request.prompt) == 20_000


@pytest.mark.parametrize(
    ("name", "field", "duration", "ignored"),
    [
        ("viduq3-pro", "movement_amplitude", 5, True),
        ("viduq3-turbo", "bgm", 5, True),
        ("viduq3-pro-fast", "voice_id", 5, True),
        ("viduq2-pro", "movement_amplitude", 5, True),
        ("viduq2", "movement_amplitude", 5, True),
        ("viduq2-pro", "bgm", 8, False),
        ("viduq2-turbo", "bgm", 9, True),
        ("viduq2-pro-fast", "bgm", 10, True),
        ("viduq2-pro", "voice_id", 5, False),
        ("viduq1", "movement_amplitude", 5, False),
        ("vidu2.0", "movement_amplitude", 4, False),
        ("vidu2.0", "bgm", 8, False),
        ("viduq1", "seed", 5, False),
    ],
)
def test_what_a_model_ignores_is_what_the_page_says(name, field, duration, ignored):
    assert MODELS[name].ignores(field, duration) is ignored


@pytest.mark.parametrize(
    ("model", "duration", "resolution", "credits"),
    [
        ("viduq1", 5, "1080p", 80),
        ("viduq1", None, None, 80),
        ("viduq1-classic", 5, None, 80),
        ("vidu2.0", None, None, 20),
        ("vidu2.0", 4, "720p", 40),
        ("vidu2.0", 4, "1080p", 100),
        ("vidu2.0", 8, None, 100),
        ("viduq2-turbo", 1, "540p", 6),
        ("viduq2-turbo", 5, "540p", 14),
        ("viduq2-turbo", 1, "720p", 8),
        ("viduq2-turbo", 2, "720p", 10),
        ("viduq2-turbo", 3, "720p", 20),
        ("viduq2-turbo", 5, "1080p", 75),
        ("viduq2-pro", 1, "540p", 8),
        ("viduq2-pro", 2, "540p", 10),
        ("viduq2-pro", 4, "540p", 20),
        ("viduq2-pro", 5, "720p", 55),
        ("viduq2-pro", 2, "1080p", 70),
        ("viduq3-turbo", None, None, 60),
    ],
)
def test_an_estimate_is_the_price_lists_figure(model, duration, resolution, credits):
    assert credits_of(model, duration, resolution) == credits


@pytest.mark.parametrize("resolution", [" 720P ", "None", None, ""])
def test_an_estimate_reads_a_resolution_as_a_request_does(resolution):
    assert estimate_credits({"model": "viduq3-turbo", "resolution": resolution}) == 60


@pytest.mark.parametrize(
    ("model", "duration", "resolution"),
    [
        ("viduq9", 5, "720p"),
        ("viduq1", 4, "1080p"),
        ("viduq1", 5, "720p"),
        ("viduq3-pro-fast", 5, "540p"),
        ("vidu2.0", 8, "1080p"),
        ("viduq2", 5, "720p"),
        ("viduq2-pro-fast", None, None),
        ("viduq4-preview", None, None),
        ("viduq4-preview", 5, "4K"),
    ],
)
def test_an_unpublished_price_is_not_guessed(model, duration, resolution):
    assert credits_of(model, duration, resolution) is None


# Credits a second in two price lists of one year, each with its figures for 540p, 720p and 1080p.
LISTS = {
    "viduq3-pro": ((9, 20, 24), (10, 25, 30)),
    "viduq3-turbo": ((7, 12, 13), (8, 12, 14)),
    "viduq3-pro-fast": ((None, 12, 15), (None, 20, 25)),
}


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("off_peak", [False, True])
def test_of_two_published_prices_the_estimate_is_the_higher(model, off_peak):
    for resolution, *prices in zip(("540p", "720p", "1080p"), *LISTS[model], strict=True):
        if None not in prices:
            second = max(prices)
            billed = -(-second // 2) if off_peak else second
            assert credits_of(model, 8, resolution, off_peak=off_peak) == 8 * billed


def test_a_live_bill_is_not_underestimated():
    assert credits_of("viduq3-pro", 10, "540p") == 100


@pytest.mark.parametrize(
    ("model", "duration", "resolution", "credits"),
    [
        ("viduq3-pro", 5, "540p", 25),
        ("viduq3-pro", 16, "540p", 80),
        ("viduq3-turbo", 3, "1080p", 21),
        ("viduq3-pro-fast", 2, "1080p", 26),
        ("viduq1", 5, "1080p", 40),
        ("viduq3-turbo", 1, "540p", 4),
        ("viduq2-pro", 1, "1080p", 28),
        ("viduq2-pro", 3, "1080p", 28 + 8 + 8),
        ("viduq2-pro", 3, "540p", 4 + 1 + 3),
    ],
)
def test_off_peak_is_halved_and_rounded_up_each_second(model, duration, resolution, credits):
    assert credits_of(model, duration, resolution, off_peak=True) == credits


@pytest.mark.parametrize(
    ("fields", "credits"),
    [
        ({"model": "viduq2-pro", "duration": 5, "resolution": "720p"}, 55),
        ({"model": "viduq2-pro", "duration": 5, "resolution": "720p", "audio": False}, 55),
        ({"model": "viduq2-pro", "duration": 5, "resolution": "720p", "audio": "false"}, 55),
        ({"model": "viduq2-pro", "duration": 5, "resolution": "720p", "audio": True}, 70),
        ({"model": "viduq2-pro", "duration": "5", "resolution": "720p", "audio": "True", "is_rec": "true"}, 80),
        ({"model": " viduq2-turbo ", "duration": 1, "resolution": "540p", "audio": True}, 21),
        ({"model": "viduq2-pro-fast", "audio": True}, None),
        ({"model": "viduq3-turbo", "audio": True}, 60),
        ({"model": "viduq3-turbo", "audio": False}, 60),
        ({"model": "viduq1", "audio": True}, 80),
    ],
    ids=str,
)
def test_audio_costs_fifteen_more_with_q2_only(fields, credits):
    assert estimate_credits(fields) == credits


def test_the_recommended_prompt_costs_ten_and_is_not_halved():
    assert RECOMMENDED_PROMPT_CREDITS == 10
    assert credits_of("viduq1", 5, None, is_rec=True) == 90
    assert credits_of("viduq1", 5, None, off_peak=True, is_rec=True) == 50


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_longer_video_is_never_cheaper(model):
    for resolution in {resolution for row in model.rows for resolution in row.resolutions}:
        known = [credits_of(model.name, seconds, resolution) for seconds in model.durations]
        prices = [price for price in known if price is not None]
        assert prices == sorted(prices)
        assert all(price > 0 for price in prices)


def test_a_second_second_at_its_own_price_is_counted_once():
    assert [Price(8, 5, second=10).of(seconds) for seconds in (1, 2, 3)] == [8, 10, 15]
    assert [Price(6, 2).of(seconds) for seconds in (1, 2, 3)] == [6, 8, 10]


def test_a_duration_that_vidu_chooses_has_no_price(monkeypatch):
    model = Model("m", (Row((0, 1, 2), ("720p",), "720p"),), default_duration=1, prices={"720p": Price(5, 5)})
    monkeypatch.setitem(MODELS_OF, "another", {"m": model})
    assert [credits_of("m", seconds, None, endpoint="another") for seconds in (0, 1, 2)] == [None, 5, 10]


def test_an_estimate_loads_nothing_heavy():
    """A DAG file may estimate while it is parsed."""
    code = (
        "import sys; from airflow_provider_vidu.api.catalog import estimate_credits;"
        "print(sorted({'pydantic', 'airflow', 'PIL', 'requests', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
