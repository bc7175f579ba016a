# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a host's list is good for: a case for every answer that it can give."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.errors import (
    ViduAnswerTooLargeError,
    ViduAuthError,
    ViduConfigurationError,
    ViduCreditError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduRequestError,
    ViduUnavailableError,
)
from airflow_provider_vidu.api.tasks import ViduTask
from airflow_provider_vidu.waiting.task_list_health import LONG_REST, REST, STRIKES, Fallback, ListHealth

DOWN = ViduUnavailableError("502", http_status=502)


@pytest.mark.parametrize(
    ("error", "then", "is_usable", "page_size"),
    [
        (DOWN, Fallback.RETURN_ERROR, True, 100),
        (ViduUnavailableError("connection lost"), Fallback.RETURN_ERROR, True, 100),
        (ViduRateLimitError("429", http_status=429), Fallback.RETURN_ERROR, True, 100),
        (ViduAuthError("401", http_status=401), Fallback.RETURN_ERROR, True, 100),
        (ViduCreditError("an empty account", http_status=403), Fallback.RETURN_ERROR, True, 100),
        (ViduNotFoundError("404", http_status=404), Fallback.ASK_SINGLY, False, 100),
        (ViduRequestError("405", http_status=405), Fallback.ASK_SINGLY, False, 100),
        (ViduUnavailableError("501", http_status=501), Fallback.ASK_SINGLY, False, 100),
        (ViduConfigurationError("302", http_status=302), Fallback.ASK_SINGLY, True, 100),
        (ViduConfigurationError("a web page", http_status=200), Fallback.ASK_SINGLY, False, 100),
        (ViduRequestError("400", http_status=400), Fallback.ASK_SINGLY, True, 100),
        (ViduAnswerTooLargeError("9 MB"), Fallback.ASK_FEWER, True, 50),
        (ViduRequestError("400", http_status=400, reason="FieldItemCountOutOfRange"), Fallback.ASK_FEWER, True, 50),
        (ViduRequestError("414", http_status=414), Fallback.ASK_FEWER, True, 50),
    ],
    ids=str,
)
def test_what_a_failed_page_means(error, then, is_usable, page_size):
    health = ListHealth()
    assert health.on_error(error, 100) is then
    assert (health.is_usable, health.page_size) == (is_usable, page_size)


def test_a_connection_that_says_so_has_no_list():
    assert not ListHealth(exists=False).is_usable


def test_pages_are_halved_until_the_list_is_useless():
    health, count, sizes = ListHealth(), 100, []
    while health.on_error(ViduAnswerTooLargeError("9 MB"), count) is Fallback.ASK_FEWER:
        count = health.page_size
        sizes.append(count)
    assert sizes == [50, 25, 12, 6, 3]
    assert not health.is_usable
    for _ in range(LONG_REST):
        health.begin_call()
    assert (health.is_usable, health.page_size) == (True, 100)


def test_parallel_pages_that_are_too_large_halve_once():
    health = ListHealth()
    for _ in range(4):
        health.on_error(ViduAnswerTooLargeError("9 MB"), 100)
    assert health.page_size == 50


def test_only_requested_rows_with_a_state_count():
    rows = [ViduTask(task_id="1", state="success"), ViduTask(task_id="2"), ViduTask(task_id="3", state="failed")]
    assert list(ListHealth().select_rows(["1", "2"], rows)) == ["1"]


def test_a_list_that_keeps_omitting_ids_is_not_used():
    health = ListHealth()
    for number in range(STRIKES):
        assert health.is_usable
        health.on_omitted([f"{number}"], all_of_them=True)
    assert not health.is_usable


def test_only_ids_that_the_list_omits_are_queried_singly():
    health = ListHealth()
    for _ in range(STRIKES + 2):
        health.on_page(["2"])
        health.on_omitted(["1"], all_of_them=False)
    assert (health.is_listed("1"), health.is_listed("2")) == (False, True)


def test_a_fresh_task_that_shows_late_costs_no_list():
    health = ListHealth()
    for _ in range(STRIKES - 1):
        health.on_omitted(["1"], all_of_them=True)
    health.on_page(["1"])
    assert health.is_listed("1")
    assert health.is_usable


@pytest.mark.parametrize(
    ("probe", "is_usable"),
    [(None, False), (ViduNotFoundError("404"), False), (DOWN, True), (ViduRateLimitError("429"), True)],
    ids=str,
)
def test_a_probe_separates_list_outages_from_host_outages(probe, is_usable):
    health = ListHealth()
    for _ in range(STRIKES):
        assert not health.needs_probe
        health.on_error(DOWN, 100)
    assert health.needs_probe
    health.on_probe(probe)
    # A host that has just come back answers the single query first: the list has another chance.
    assert health.is_usable
    assert not health.needs_probe
    assert health.on_error(DOWN, 100) is (Fallback.RETURN_ERROR if is_usable else Fallback.ASK_SINGLY)
    assert health.is_usable is is_usable
    for _ in range(REST):
        health.begin_call()
    assert health.is_usable


def test_refused_questions_in_a_row_rest_the_list():
    health = ListHealth()
    for _ in range(STRIKES):
        health.on_error(ViduRequestError("400", http_status=400), 100)
    assert not health.is_usable
