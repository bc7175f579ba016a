# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Matches the requests of a batch with what earlier tries have submitted for them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any

from airflow_provider_vidu.submission.batch.records import UNREAD, Item, Reading


class KeepPriority(IntEnum):
    """Which of the items of equal requests are kept first: those with the lowest value."""

    SUCCEEDED = 0
    RUNNING = 1
    IN_DOUBT = 2
    FAILED = 3
    UNSENT = 4


@dataclass(frozen=True)
class Match:
    """
    The match of a list of requests with a record.

    ``items`` has one for each request. ``left_over`` were sent, and no request matches them. ``moved`` = an item has
    another place than before. ``ambiguous`` are pairs of a request's number and a left-over item whose URL differs only
    in its query: a new signature, or another picture. ``surplus`` are the sent items of equal requests, if there are
    more of them than requests: their tasks decide which are kept.
    """

    items: tuple[Item, ...]
    left_over: tuple[Item, ...]
    moved: bool
    ambiguous: tuple[tuple[int, Item], ...] = ()
    surplus: tuple[Item, ...] = ()

    @property
    def unclear(self) -> list[Item]:
        """The items whose tasks decide: query them, and match again with their priorities."""
        found = [*self.surplus, *(item for _, item in self.ambiguous)]
        return list({item.identity: item for item in found}.values())


def match(
    remembered: Sequence[Item],
    wanted: Sequence[Reading | None],
    priorities: Mapping[str, KeepPriority] | None = None,
    *,
    by_place: bool = True,
    first_number: int = 0,
    given: Sequence[str] = (),
) -> Match:
    """
    Match requests with recorded items: by their identity, and among equal ones by their exact URL, then their place.

    A request without a reading cannot be built now, for instance since its image is gone. It matches the item in its
    place if the batch has kept its size, no other request matches that item, and both were ``given`` alike: another
    product in its place must not get its video. Without ``by_place`` the items have no
    places: a search has found them. ``priorities`` are those of :attr:`Match.unclear`, by the items' identities. The
    names of new items are numbered from ``first_number`` on: no task of a removed item may have their markers.
    """
    priorities = priorities or {}
    keeps_size = by_place and len(wanted) == len(remembered)
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, reading in enumerate(wanted):
        if reading is not None:
            rows_of[reading.identity].append(row)
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(remembered):
        places_of[item.reading.identity].append(place)
    claims: dict[int, int] = {}
    surplus: list[Item] = []
    for identity, rows in rows_of.items():
        places = places_of[identity]
        sent = [remembered[place] for place in places if remembered[place].has_been_sent]
        unread = sum(keeps_size and wanted[place] is None for place in places)
        if len(sent) > len(rows) + unread:
            surplus += sent
        claims.update(_pairs(remembered, places, wanted, rows, priorities))
    claimed = set(claims.values())
    if keeps_size:
        unread_rows = [
            row
            for row, reading in enumerate(wanted)
            if reading is None and row not in claimed and (not given or remembered[row].given == given[row])
        ]
        claims.update(zip(unread_rows, unread_rows, strict=True))
        claimed.update(unread_rows)
    left_over = [item for place, item in enumerate(remembered) if place not in claimed and item.has_been_sent]
    unmatched = [(row, reading) for row, reading in enumerate(wanted) if row not in claims]
    fresh = _new_under_free_names(remembered, unmatched, first_number)
    items = tuple(remembered[claims[row]] if row in claims else fresh[row] for row in range(len(wanted)))
    moved = [item.identity for item in items] != [item.identity for item in remembered]
    lost = [item for item in left_over if priorities.get(item.identity) is not KeepPriority.FAILED]
    return Match(items, tuple(left_over), moved, _ambiguous(fresh, lost), tuple(surplus))


def _pairs(
    remembered: Sequence[Item],
    places: Sequence[int],
    wanted: Sequence[Reading | None],
    rows: Sequence[int],
    priorities: Mapping[str, KeepPriority],
) -> dict[int, int]:
    """Return which of equal requests keeps which item: row -> place."""
    exact_of = {row: reading.exact for row in rows if (reading := wanted[row]) is not None}
    exacts, own = set(exact_of.values()), set(rows)

    def worth(place: int) -> tuple[Any, ...]:
        item = remembered[place]
        priority = priorities.get(item.identity, KeepPriority.SUCCEEDED) if item.has_been_sent else KeepPriority.UNSENT
        return priority, item.reading.exact not in exacts, place not in own, place

    chosen = dict.fromkeys(sorted(sorted(places, key=worth)[: len(rows)]))
    pairs: dict[int, int] = {}

    def pair(row: int, place: int) -> None:
        pairs[row] = place
        del chosen[place]

    for row in rows:
        if row in chosen and remembered[row].reading.exact == exact_of[row]:
            pair(row, row)
    by_exact: dict[str, deque[int]] = defaultdict(deque)
    for place in chosen:
        by_exact[remembered[place].reading.exact].append(place)
    for row in rows:
        if row not in pairs and by_exact[exact_of[row]]:
            pair(row, by_exact[exact_of[row]].popleft())
    for row in rows:
        if row not in pairs and row in chosen:
            pair(row, row)
    pairs.update(zip((row for row in rows if row not in pairs), list(chosen), strict=False))
    return pairs


def _new_under_free_names(
    remembered: Sequence[Item], unmatched: Sequence[tuple[int, Reading | None]], first_number: int
) -> dict[int, Item]:
    """Return new items whose names no recorded item has: a lost submission is searched for by its name."""
    taken = {item.identity for item in remembered}
    numbers: dict[str, count[int]] = defaultdict(lambda: count(first_number))
    fresh: dict[int, Item] = {}
    for row, reading in unmatched:
        if reading is None:
            fresh[row] = Item("")
            continue
        identity = reading.identity
        names = (f"{identity}-{number}" if number else identity for number in numbers[identity])
        fresh[row] = Item(next(name for name in names if name not in taken), more=reading.more)
    return fresh


def _ambiguous(fresh: Mapping[int, Item], lost: Sequence[Item]) -> tuple[tuple[int, Item], ...]:
    by_bare: dict[str, deque[Item]] = defaultdict(deque)
    unread = deque(item for item in lost if item.more == UNREAD)
    for item in lost:
        by_bare[item.reading.bare].append(item)
    found = []
    for row, item in fresh.items():
        # Of an item that a search has found only the identity is known: any link with a query may be its.
        candidates = (by_bare.get(item.reading.bare) or (item.more and unread)) if item.identity else None
        if candidates:
            found.append((row, candidates.popleft() if len(candidates) > 1 else candidates[0]))
    return tuple(found)
