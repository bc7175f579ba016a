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
from airflow_provider_vidu.waiting.list_health import LONG_REST, REST, STRIKES, Listing, Then

DOWN = ViduUnavailableError("502", http_status=502)


@pytest.mark.parametrize(
    ("error", "then", "serves", "page_size"),
    [
        (DOWN, Then.RETURN, True, 100),
        (ViduUnavailableError("connection lost"), Then.RETURN, True, 100),
        (ViduRateLimitError("429", http_status=429), Then.RETURN, True, 100),
        (ViduAuthError("401", http_status=401), Then.RETURN, True, 100),
        (ViduCreditError("an empty account", http_status=403), Then.RETURN, True, 100),
        (ViduNotFoundError("404", http_status=404), Then.SINGLY, False, 100),
        (ViduRequestError("405", http_status=405), Then.SINGLY, False, 100),
        (ViduUnavailableError("501", http_status=501), Then.SINGLY, False, 100),
        (ViduConfigurationError("302", http_status=302), Then.SINGLY, True, 100),
        (ViduConfigurationError("a web page", http_status=200), Then.SINGLY, False, 100),
        (ViduRequestError("400", http_status=400), Then.SINGLY, True, 100),
        (ViduAnswerTooLargeError("9 MB"), Then.SMALLER, True, 50),
        (ViduRequestError("400", http_status=400, reason="FieldItemCountOutOfRange"), Then.SMALLER, True, 50),
        (ViduRequestError("414", http_status=414), Then.SMALLER, True, 50),
    ],
    ids=str,
)
def test_what_a_failed_page_means(error, then, serves, page_size):
    listing = Listing()
    assert listing.failed(error, 100) is then
    assert (listing.serves, listing.page_size) == (serves, page_size)


def test_a_connection_that_says_so_has_no_list():
    assert not Listing(exists=False).serves


def test_pages_are_halved_until_one_would_be_left_and_that_is_remembered_for_a_while():
    listing, count, sizes = Listing(), 100, []
    while listing.failed(ViduAnswerTooLargeError("9 MB"), count) is Then.SMALLER:
        count = listing.page_size
        sizes.append(count)
    assert sizes == [50, 25, 12, 6, 3]
    assert not listing.serves
    for _ in range(LONG_REST):
        listing.begins()
    assert (listing.serves, listing.page_size) == (True, 100)


def test_parallel_pages_that_are_too_large_halve_once():
    listing = Listing()
    for _ in range(4):
        listing.failed(ViduAnswerTooLargeError("9 MB"), 100)
    assert listing.page_size == 50


def test_only_rows_that_were_asked_for_and_have_a_state_count():
    rows = [ViduTask(task_id="1", state="success"), ViduTask(task_id="2"), ViduTask(task_id="3", state="failed")]
    assert list(Listing().readable(["1", "2"], rows)) == ["1"]


def test_a_host_that_keeps_omitting_ids_counts_as_having_no_list():
    listing = Listing()
    for number in range(STRIKES):
        assert listing.serves
        listing.omitted([f"{number}"], all_of_them=True)
    assert not listing.serves


def test_an_id_that_the_list_keeps_omitting_is_asked_singly_and_the_others_are_not():
    listing = Listing()
    for _ in range(STRIKES + 2):
        listing.answered(["1", "2"], ["2"])
        listing.omitted(["1"], all_of_them=False)
    assert (listing.has("1"), listing.has("2")) == (False, True)


def test_a_fresh_task_that_shows_late_costs_no_list():
    listing = Listing()
    for _ in range(STRIKES - 1):
        listing.omitted(["1"], all_of_them=True)
    listing.answered(["1"], ["1"])
    assert listing.has("1")
    assert listing.serves


@pytest.mark.parametrize(
    ("probe", "serves"),
    [(None, False), (ViduNotFoundError("404"), False), (DOWN, True), (ViduRateLimitError("429"), True)],
    ids=str,
)
def test_a_list_that_is_down_is_told_from_a_host_that_is(probe, serves):
    listing = Listing()
    for _ in range(STRIKES):
        assert not listing.doubted
        listing.failed(DOWN, 100)
    assert listing.doubted
    listing.probed(probe)
    # A host that has just come back answers the single query first: the list has another chance.
    assert listing.serves
    assert not listing.doubted
    assert listing.failed(DOWN, 100) is (Then.RETURN if serves else Then.SINGLY)
    assert listing.serves is serves
    for _ in range(REST):
        listing.begins()
    assert listing.serves


def test_refused_questions_in_a_row_rest_the_list():
    listing = Listing()
    for _ in range(STRIKES):
        listing.failed(ViduRequestError("400", http_status=400), 100)
    assert not listing.serves
