# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The catalogue against Vidu's page and price lists, restated here by hand."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.catalog import MODELS, RECOMMENDED_PROMPT_CREDITS, Price, credits_of
from airflow_provider_vidu.api.defaults import DEFAULT_MODEL

THREE = {"540p", "720p", "1080p"}
TWO = {"720p", "1080p"}

# model: durations, default duration, resolutions and default resolution at the default duration
PAGE = {
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


@pytest.mark.parametrize(("name", "duration"), [("viduq3-pro", 0), ("viduq3-pro", 17), ("viduq2", 11), ("vidu2.0", 5)])
def test_a_duration_outside_the_page_has_no_row(name, duration):
    assert MODELS[name].row(duration) is None


def test_eight_seconds_of_vidu_2_come_in_720p_alone():
    assert MODELS["vidu2.0"].row(8).resolutions == ("720p",)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_only_the_q3_family_speaks_by_default_and_takes_off_peak_with_audio(model):
    q3 = model.name.startswith("viduq3")
    assert model.audio_default is q3
    assert model.off_peak_audio is q3


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
        ("viduq3-pro", 10, "540p", 90),
        ("viduq3-turbo", None, None, 60),
        ("viduq3-pro-fast", 4, "1080p", 60),
    ],
)
def test_an_estimate_is_the_price_lists_figure(model, duration, resolution, credits):
    assert credits_of(model, duration, resolution) == credits


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
    ],
)
def test_a_price_that_nobody_published_is_not_guessed(model, duration, resolution):
    assert credits_of(model, duration, resolution) is None


@pytest.mark.parametrize(
    ("model", "duration", "resolution", "credits"),
    [("viduq1", 5, "1080p", 40), ("viduq3-turbo", 1, "540p", 4), ("viduq2-pro", 1, "1080p", 28)],
)
def test_off_peak_costs_half_rounded_up(model, duration, resolution, credits):
    assert credits_of(model, duration, resolution, off_peak=True) == credits


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
