# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What is remembered of a batch: items are known by their content, and nothing that was paid for is forgotten."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_vidu.submission.batch.matching import KeepPriority, match
from airflow_provider_vidu.submission.batch.records import (
    SHARD_SIZE,
    Header,
    Item,
    Reading,
    find_marker,
    identities,
    reset_item,
    shard_from_json,
    shard_to_json,
)
from airflow_provider_vidu.submission.record import Phase

A, B, C = "a" * 16, "b" * 16, "c" * 16
GENERATION = "avp1:" + "0" * 32


def sent(identity: str, task_id: str = "1") -> Item:
    return Item(identity, Phase.SUBMITTED, 1, task_id, 8, 1_800_000_000.0)


def readings(wanted: list[str | None]) -> list[Reading | None]:
    return [None if identity is None else Reading(identity) for identity in wanted]


@pytest.mark.parametrize(
    ("remembered", "wanted", "items", "left_over", "moved"),
    [
        ([sent(A), sent(B)], [A, B], [sent(A), sent(B)], [], False),
        ([sent(A), sent(B)], [B, A], [sent(B), sent(A)], [], True),
        ([sent(A)], [A, C], [sent(A), Item(C)], [], True),
        ([sent(A)], [C, A], [Item(C), sent(A)], [], True),
        ([sent(A), sent(B)], [A], [sent(A)], [sent(B)], True),
        ([sent(A), Item(B)], [A], [sent(A)], [], True),
        ([sent(A), sent(B)], [A, C], [sent(A), Item(C)], [sent(B)], True),
        (
            [sent(A), replace(sent(B), phase=Phase.INTENT)],
            [A],
            [sent(A)],
            [replace(sent(B), phase=Phase.INTENT)],
            True,
        ),
        # What cannot be built now is taken for what stood in its place …
        ([sent(A), sent(B)], [None, B], [sent(A), sent(B)], [], False),
        # … unless the batch has another size.
        ([sent(A), sent(B)], [None, B, C], [Item(""), sent(B), Item(C)], [sent(A)], True),
    ],
)
def test_paid_items_are_found_wherever_they_are_now(remembered, wanted, items, left_over, moved):
    found = match(remembered, readings(wanted))
    assert list(found.items) == items
    assert list(found.left_over) == left_over
    assert found.moved is moved


def test_equal_requests_have_unique_names():
    assert identities([A, B, A, A]) == [A, B, f"{A}-1", f"{A}-2"]


@pytest.mark.parametrize(
    "item",
    [
        Item(A),
        Item(A, Phase.INTENT, 3, attempted_at=1_800_000_000.1),
        sent(f"{A}-17", "911045603801182208"),
        replace(sent(A), credits=None),
        Item(A, Phase.REFUSED, 0, error="TaskPromptPolicyViolation: no"),
        replace(sent(A), more="123456123456781a2b"),
        replace(sent(A), clears=2),
    ],
)
def test_item_comes_back_from_the_store_as_it_went(item):
    assert shard_from_json(json.loads(json.dumps(shard_to_json([item])))) == [item]


def test_full_shard_stays_below_the_advised_size():
    items = [
        Item(
            f"{number:016x}-9",
            Phase.REFUSED,
            9,
            "9" * 18,
            99_999,
            1_800_000_000.1,
            f"{number}" + "x" * 500,
            "f" * 30,
            9,
        )
        for number in range(SHARD_SIZE)
    ]
    shard = shard_to_json(items)
    assert len(json.dumps(shard)) < 64 * 1024
    assert shard_from_json(shard)[0].error == items[0].error[:200]
    assert shard_from_json(shard)[-1].error == "refused: the log says why"


@pytest.mark.parametrize(
    "value",
    [{}, {"items": [["a"]]}, {"items": [["a", "?", 1]]}, {"items": [["a", "r", 0, 1, None, None, 4]], "errors": []}],
)
def test_unreadable_shard_is_not_taken_for_a_missing_one(value):
    with pytest.raises(ValueError, match="cannot be read"):
        shard_from_json(value)


@pytest.mark.parametrize("value", [7, [], {"generation": 1}])
def test_unreadable_header_is_not_taken_for_a_missing_one(value):
    with pytest.raises(ValueError, match="cannot be read"):
        Header.from_json(value)


@pytest.mark.parametrize(
    ("remembered", "wanted", "expected"),
    [
        # B cannot be read, and A is where it was.
        ([A, B], [None, A], ["", A]),
        ([A, f"{A}-1", f"{A}-2"], [A, None, A], [A, f"{A}-1", f"{A}-2"]),
        ([A, B], [A, None], [A, B]),
        ([A, B], [None, B], [A, B]),
        ([A], [None, A], ["", A]),
    ],
)
def test_unreadable_request_takes_no_other_place(remembered, wanted, expected):
    items = [Item(identity, Phase.SUBMITTED, 1, identity.upper()) for identity in remembered]
    found = match(items, readings(wanted))
    assert [item.identity for item in found.items] == expected
    assert all(item.task_id == item.identity.upper() for item in found.items if item.task_id)


@pytest.mark.parametrize(
    ("remembered", "wanted", "ranks", "expected"),
    [
        # What was sent before what was not …
        ([Item(A, Phase.REFUSED), sent(f"{A}-1")], [A], {}, [f"{A}-1"]),
        # … what is paid or runs before what is in doubt, and that before what has failed.
        ([sent(A), sent(f"{A}-1")], [A], {A: KeepPriority.FAILED, f"{A}-1": KeepPriority.SUCCEEDED}, [f"{A}-1"]),
        ([sent(A), sent(f"{A}-1")], [A], {A: KeepPriority.IN_DOUBT, f"{A}-1": KeepPriority.RUNNING}, [f"{A}-1"]),
        ([sent(A), sent(f"{A}-1")], [A], {A: KeepPriority.FAILED, f"{A}-1": KeepPriority.IN_DOUBT}, [f"{A}-1"]),
        # One more of them has a name that no other has had.
        ([sent(f"{A}-1")], [A, A], {}, [f"{A}-1", A]),
        ([sent(A), sent(f"{A}-1")], [A, A, A], {}, [A, f"{A}-1", f"{A}-2"]),
    ],
)
def test_equal_requests_keep_the_items_of_highest_priority(remembered, wanted, ranks, expected):
    found = match(remembered, readings(wanted), ranks)
    assert [item.identity for item in found.items] == expected


@pytest.mark.parametrize(
    ("remembered", "wanted", "unclear"),
    [
        ([sent(A), sent(f"{A}-1")], [A, A], []),
        ([sent(A), sent(f"{A}-1")], [A], [A, f"{A}-1"]),
        ([sent(A), Item(f"{A}-1", Phase.REFUSED)], [A], []),
        # None of them is asked for: there is nothing to choose.
        ([sent(A), sent(f"{A}-1")], [B], []),
        # The other place is kept for a request that cannot be read now.
        ([sent(A), sent(f"{A}-1")], [None, A], []),
    ],
)
def test_equal_items_are_queried_only_if_too_many(remembered, wanted, unclear):
    assert [item.identity for item in match(remembered, readings(wanted)).unclear] == unclear


def test_equal_requests_keep_their_exact_urls_before_their_places():
    first, second = replace(sent(A, "1"), more="1" * 14), replace(sent(f"{A}-1", "2"), more="2" * 14)
    found = match([first, second], [Reading(A, "2" * 14), Reading(A, "1" * 14)])
    assert [item.task_id for item in found.items] == ["2", "1"]


@pytest.mark.parametrize("count", [5_000])
def test_thousands_of_equal_requests_are_matched_at_once(count):
    items = [sent(name, str(number)) for number, name in enumerate(identities([A] * count))]
    assert len(match(items, [Reading(A)] * (count - 1)).left_over) == 1
    assert match(items, [Reading(A)] * count).items == tuple(items)


def test_header_of_a_newer_release_is_read():
    header = Header(GENERATION, 1, 2, 3, "account", "asked", 80, "whole")
    assert Header.from_json({**header.to_json(), "invented": 1}) == header
    assert Header.from_json(None) is None


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (f"{GENERATION}:{A}:1.seal", (A, 1)),
        (f"{GENERATION}:{A}-2:13", (f"{A}-2", 13)),
        (f"mine {GENERATION}:{A}:1.seal and more", (A, 1)),
        (f"avp1:{'1' * 32}:{A}:1 quoted, {GENERATION}:{B}:2", (B, 2)),
        (f"avp1:{'1' * 32}:{A}:1", None),
        (GENERATION, None),
        ("", None),
    ],
)
def test_marker_is_found_in_a_payload(payload, found):
    marker = find_marker(payload, GENERATION)
    assert (marker and marker[1:]) == found


def test_marker_of_an_attempt_is_read_back():
    item = Item(f"{A}-1", Phase.INTENT, 2)
    assert find_marker(item.marker(GENERATION), GENERATION) == (GENERATION, f"{A}-1", 2)


def test_reset_item_forgets_its_task_and_keeps_its_count():
    again = reset_item(replace(sent(A), error="x", ended_at=1.0))
    assert again == Item(A, Phase.NEW, 1, attempted_at=1_800_000_000.0)


@pytest.mark.parametrize(
    ("clears", "item", "is_noted"),
    [
        (0, Item("a", Phase.SUBMITTED, 1, "1"), False),
        (1, Item("a", Phase.SUBMITTED, 1, "1"), True),
        (1, Item("a", Phase.SUBMITTED, 2, "2", clears=1), False),
        # A search has recalled it: it was sent before the clear that discarded the record.
        (1, Item("a", Phase.INTENT, 0), True),
        (0, Item("a", Phase.INTENT, 0), False),
        # A refused item has no attempt that counts; it is not sent again for the same clear.
        (1, Item("a", Phase.REFUSED, 0, clears=1), False),
        (2, Item("a", Phase.SUBMITTED, 2, "2", clears=1), True),
    ],
)
def test_clear_asks_once_for_what_was_sent_before_it(clears, item, is_noted):
    header = Header("avp1:" + "0" * 32, 1, 1, 2, "account", clears=clears)
    assert header.notes_clear_since(item) is is_noted


def test_row_given_otherwise_does_not_take_the_item_in_its_place():
    gone = [replace(sent(A), given="as before"), sent(B)]
    kept = match(gone, [None, *readings([B])], given=["as before", ""])
    assert list(kept.items) == gone
    other = match(gone, [None, *readings([B])], given=["another product", ""])
    assert list(other.items) == [Item(""), gone[1]]
    assert list(other.left_over) == [gone[0]]
