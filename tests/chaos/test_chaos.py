# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Whatever goes wrong, whenever: no user pays twice, and nothing paid for is lost.

Runs five hundred fixed seeds for each operator, so that a failure repeats; ``make chaos N=10000`` drives more.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.submission.record import MARKER_PREFIX
from chaos.batch_world import BatchWorld
from chaos.chance import Drawn, Seeded
from chaos.drive import run, run_seeds
from chaos.world import REQUESTS, World

RUNS, SHARD = 500, 50
MARKER = re.compile(rf"{re.escape(MARKER_PREFIX)}[0-9a-f]{{32}}")


@pytest.fixture(autouse=True)
def _quiet():
    # The log has only failures that are meant to happen; a broken run brings its own history.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", [World, BatchWorld], ids=["single", "batch"])
@pytest.mark.parametrize("first", range(0, RUNS, SHARD))
def test_no_accident_pays_twice_or_loses_a_paid_video(first, kind):
    struck = run_seeds(range(first, first + SHARD), kind)
    # Without accidents every promise would be kept.
    assert struck["runs"] == SHARD
    for accident in ("fault", "death", "freeze", "clear", "retry", "store failure", "user kill"):
        assert struck[accident] > 0, f"no {accident} in {SHARD} runs"
    for endpoint in REQUESTS:
        assert struck[f"POST /{endpoint}"] > 0, f"no request to {endpoint} in {SHARD} runs"
    if kind is World:
        assert struck["discarding clear"] > 0


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_no_short_chain_of_accidents_breaks_a_promise(data):
    """Hypothesis chooses the accidents, and shortens a chain that breaks a promise."""
    with TemporaryDirectory(prefix="vidu-chaos-") as folder:
        run(Drawn(data), Path(folder))


@pytest.mark.parametrize(("kind", "seed"), [(World, 7), (BatchWorld, 105)], ids=["single", "batch"])
def test_seed_gives_the_same_run_every_time(kind, seed):
    with TemporaryDirectory(prefix="vidu-chaos-") as folder:
        one, two = (run(Seeded(seed), Path(folder), kind).history for _ in range(2))
    # A part of each marker is random.
    one, two = ([MARKER.sub("", line) for line in history] for history in (one, two))
    assert one == two
    assert len(one) > 3
