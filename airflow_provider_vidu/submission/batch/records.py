# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What is remembered of a batch's items, pure: one short row each, in shards that fit Airflow's state store.

An item is known by the content of its request, not by its position or its neighbours: a list that was reordered or has
grown finds the tasks that it has paid for.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import IntEnum
from itertools import count
from typing import Any

from airflow_provider_vidu.submission.protocol import MARKER_PREFIX, Phase, SubmissionRecord

#: Instead of an item's further readings: a search has found it, and they are unknown.
UNREAD = "-"
#: Items of a shard at the most: with it a shard stays below the 64 KB that Airflow advises for a value.
SHARD_SIZE = 500
#: Characters of an item's error that are kept; all of it stands in the log.
MAX_ERROR_CHARACTERS = 200
#: Different errors that a shard keeps.
MAX_ERRORS = 30
#: Hexadecimal digits that are kept of a request's exact reading, which only tells items of one identity apart …
EXACT_DIGITS = 6
#: … and of the one without any query.
BARE_DIGITS = 8
#: Parameters of a query of which a record keeps two digits of the name and two of the value, to name those that differ.
MAX_PARAMETERS = 4

# How a shard writes a phase.
_LETTERS = {Phase.NEW: "", Phase.INTENT: "i", Phase.SUBMITTED: "s", Phase.REFUSED: "r"}
_PHASES = {letter: phase for phase, letter in _LETTERS.items()}

_MARKER = re.compile(re.escape(MARKER_PREFIX) + r"[0-9a-f]{32}:([0-9a-f]{16}(?:-\d+)?):(\d+)")


class KeepPriority(IntEnum):
    """What an item is worth among items of equal requests: the lower, the sooner a request keeps it."""

    SUCCEEDED = 0
    RUNNING = 1
    IN_DOUBT = 2
    FAILED = 3
    UNSENT = 4


@dataclass(frozen=True)
class Reading:
    """
    What makes a request the same request, in three readings of the URLs in it; see ``batch.readings``.

    :param identity: hash of its content, its URLs without what is known to be a signature.
    :param more: the first digits of its exact hash and of the one without any query, then of names and values of
        parameters; empty where no URL has a query and all three are one.
    :param names: of these parameters; a record does not keep them.
    """

    identity: str
    more: str = field(default="", compare=False)
    names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def exact(self) -> str:
        """The reading with every query as it is; only compared where the identity is the same."""
        return self.more[:EXACT_DIGITS] or self.identity[:EXACT_DIGITS]

    @property
    def bare(self) -> str:
        """The reading without any query."""
        return self.more[EXACT_DIGITS : EXACT_DIGITS + BARE_DIGITS] or self.identity[:BARE_DIGITS]

    def differing(self, earlier: Reading) -> list[str]:
        """
        Return the names of parameters in which it differs from an earlier request, as far as the record knows.

        :param earlier: of a record.
        """
        known = earlier._marks()
        differing = [name for name, mark in zip(self.names, self._marks(), strict=False) if mark not in known]
        return list(dict.fromkeys(differing or self.names))

    def _marks(self) -> list[str]:
        marks = self.more[EXACT_DIGITS + BARE_DIGITS :]
        return [marks[first : first + 4] for first in range(0, len(marks), 4)]


@dataclass(frozen=True)
class Item:
    """
    One request of a batch, and what became of it.

    :param identity: hash of the request's content, with a number behind it where the batch has it more than once.
    :param phase: how far it got.
    :param attempt: number of the last attempt to submit it, 1 for the first; part of its marker.
    :param task_id: Vidu's id, once known.
    :param credits: the price that the create answer told.
    :param attempted_at: when it was (about to be) sent, epoch seconds.
    :param error: why Vidu refused it.
    :param more: see :class:`Reading`.
    :param ended_at: when the reply of a lost submission was over, epoch seconds; not kept beyond the process.
    """

    identity: str
    phase: Phase = Phase.NEW
    attempt: int = 0
    task_id: str | None = None
    credits: float | None = None
    attempted_at: float | None = None
    error: str | None = None
    more: str = ""
    ended_at: float | None = None

    @property
    def reading(self) -> Reading:
        """What makes its request the same request."""
        return Reading(self.identity.partition("-")[0], self.more)

    @property
    def has_been_sent(self) -> bool:
        """Whether there is, or may be, a task of it at Vidu."""
        return self.phase in {Phase.INTENT, Phase.SUBMITTED}

    def marker(self, generation: str) -> str:
        """
        Return what the payload of its last attempt holds at Vidu.

        :param generation: the batch's own marker.
        """
        return f"{generation}:{self.identity}:{self.attempt}"

    def as_submission(self, header: Header, timeout: float) -> SubmissionRecord:
        """
        Return the item as the rules of submission know it.

        :param header: of its batch.
        :param timeout: seconds for which a POST can be under way.
        """
        attempted_at = self.attempted_at or 0.0
        return SubmissionRecord(
            phase=self.phase,
            max_tries=header.max_tries,
            try_number=header.try_number,
            account=header.account,
            fingerprint={},
            attempted_at=attempted_at,
            marker=self.marker(header.generation),
            task_id=self.task_id,
            ended_at=self.ended_at,
            not_after=attempted_at + timeout,
        )


@dataclass(frozen=True)
class Header:
    """
    What is remembered of a batch as a whole.

    :param generation: marker of this generation of all its videos; a part of every item's.
    :param layout: number of the present set of shards; a new order of the items gets a new one.
    :param size: how many items there are.
    :param max_tries: of the task instance when it was written: tells a retry from a clear.
    :param try_number: of the try that wrote it, for the same purpose; 0 = unknown.
    :param account: identity of host and key.
    :param asked: hash of the requests as they were given: tells a resumed worker that they still are the same.
    :param dropped_credits: what tasks cost that are paid and not in the batch any more: a budget goes on counting them.
    :param dear: credits that Vidu has asked for one of them although its author allows less: nothing more is submitted
        before he allows it, or clears the task.
    :param returned: ``whole`` or ``partly``: the results were handed over by ``execute``, with or without all videos.
    """

    generation: str
    layout: int
    size: int
    max_tries: int
    account: str
    requests_digest: str = ""
    dropped_credits: float = 0
    over_limit: float = 0
    returned: str = ""
    try_number: int = 0

    def as_submission(self) -> SubmissionRecord:
        """Return the batch as a whole as the rules of submission know it."""
        return SubmissionRecord(
            phase=Phase.RETURNED if self.returned == "whole" else Phase.SUBMITTED,
            max_tries=self.max_tries,
            try_number=self.try_number,
            account=self.account,
            fingerprint={},
            attempted_at=0.0,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON primitives."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Header | None:
        """
        Read it back, passing over what a newer release put in.

        :param value: of the store; None = there is none.
        :raises ValueError: there is one that cannot be read; it must not be taken for none.
        """
        if value is None:
            return None
        names = {field.name for field in fields(cls)}
        try:
            return cls(**{name: item for name, item in value.items() if name in names})
        except (AttributeError, TypeError) as error:
            raise ValueError(f"the batch's record in the task state store cannot be read: {error!r}") from error


def identities(fingerprints: Iterable[str]) -> list[str]:
    """
    Return a name of its own for each request.

    :param fingerprints: hashes of their content, in their order; equal requests are told apart by a number.
    """
    seen: Counter[str] = Counter()
    named = []
    for fingerprint in fingerprints:
        named.append(f"{fingerprint}-{seen[fingerprint]}" if seen[fingerprint] else fingerprint)
        seen[fingerprint] += 1
    return named


def identity_of(payload: str, generation: str) -> tuple[str, int] | None:
    """
    Read whose submission a task is.

    :param payload: of the task.
    :param generation: of the batch.
    :return: the item's identity and the attempt's number; None = not this batch's.
    """
    return next(
        ((found[1], int(found[2])) for found in _MARKER.finditer(payload) if found[0].startswith(f"{generation}:")),
        None,
    )


def new_items(readings: Sequence[Reading]) -> list[Item]:
    """
    Return the items of requests of which nothing is remembered.

    :param readings: one for each request, in their order.
    """
    names = identities(reading.identity for reading in readings)
    return [Item(name, more=reading.more) for name, reading in zip(names, readings, strict=True)]


@dataclass(frozen=True)
class Match:
    """
    How a list of requests meets what is remembered.

    :param items: one for each request, in their order.
    :param left_over: what has been sent, and no request asks for any more.
    :param moved: whether any item is in another place than before.
    :param ambiguous: requests that may be one that is left over, with another signature in its URL, or may be of
        another picture: the request's number, and what is left over.
    :param surplus: sent items of equal requests that are more than the requests: which are worth keeping depends on
        their tasks.
    """

    items: tuple[Item, ...]
    left_over: tuple[Item, ...]
    moved: bool
    ambiguous: tuple[tuple[int, Item], ...] = ()
    surplus: tuple[Item, ...] = ()

    @property
    def unclear(self) -> list[Item]:
        """Items whose tasks decide: query them, and match again with their priorities."""
        found = [*self.surplus, *(item for _, item in self.ambiguous)]
        return list({item.identity: item for item in found}.values())


def match(
    remembered: Sequence[Item],
    wanted: Sequence[Reading | None],
    priorities: Mapping[str, KeepPriority] | None = None,
    *,
    by_place: bool = True,
) -> Match:
    """
    Find what is remembered of each request: by its identity, and among equal ones by its exact URL, then its place.

    :param remembered: of the store, in the order of then.
    :param wanted: the requests of now; None = it cannot be built now (its image is gone): it is taken for the one that
        was in its place, where the batch has kept its size and no other request is that one.
    :param priorities: what became of the tasks of :attr:`Match.unclear`, by the items' identities.
    :param by_place: False = what is remembered has no places: a search has found it.
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
        unread_rows = [row for row, reading in enumerate(wanted) if reading is None and row not in claimed]
        claims.update(zip(unread_rows, unread_rows, strict=True))
        claimed.update(unread_rows)
    left_over = [item for place, item in enumerate(remembered) if place not in claimed and item.has_been_sent]
    fresh = _new_under_free_names(
        remembered, [(row, reading) for row, reading in enumerate(wanted) if row not in claims]
    )
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
        rank = priorities.get(item.identity, KeepPriority.SUCCEEDED) if item.has_been_sent else KeepPriority.UNSENT
        return rank, item.reading.exact not in exacts, place not in own, place

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
    remembered: Sequence[Item], unmatched: Sequence[tuple[int, Reading | None]]
) -> dict[int, Item]:
    """Return new items, under names that none of the remembered has: a lost submission is searched for by its name."""
    taken = {item.identity for item in remembered}
    numbers: dict[str, count[int]] = defaultdict(count)
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
        # Of what a search has found only the identity is known: any link with a query may be its.
        candidates = (by_bare.get(item.reading.bare) or (item.more and unread)) if item.identity else None
        if candidates:
            found.append((row, candidates.popleft() if len(candidates) > 1 else candidates[0]))
    return tuple(found)


def shard_to_json(items: Sequence[Item]) -> dict[str, Any]:
    """
    Return a shard as JSON primitives: a short list an item, and each error once.

    :param items: at most :data:`SHARD_SIZE`.
    """
    errors: list[str] = []
    rows = []
    for item in items:
        number = None
        if item.error is not None:
            text = item.error[:MAX_ERROR_CHARACTERS]
            if text not in errors:
                text = text if len(errors) < MAX_ERRORS else "refused: the log tells why"
                errors += [text] if text not in errors else []
            number = errors.index(text)
        at = None if item.attempted_at is None else round(item.attempted_at, 1)
        row = [
            item.identity,
            _LETTERS[item.phase],
            item.attempt,
            at,
            item.task_id,
            item.credits,
            number,
            item.more or None,
        ]
        while row[-1] is None:
            row.pop()
        rows.append(row)
    return {"items": rows, "errors": errors}


def shard_from_json(value: Any) -> list[Item]:
    """
    Read a shard back.

    :param value: of :func:`shard_to_json`.
    :raises ValueError: it is missing or cannot be read; that must not be taken for an empty one.
    """
    try:
        items = []
        for row in value["items"]:
            identity, phase, attempt, *more = row
            at, task_id, credits, number, reading = (more + [None] * 5)[:5]
            error: str | None = None if number is None else value["errors"][number]
            items.append(Item(identity, _PHASES[phase], attempt, task_id, credits, at, error, reading or ""))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"a shard of the batch's record cannot be read: {error!r}") from error
    return items


def reset_item(item: Item) -> Item:
    """
    Return an item that is to be submitted anew; its next attempt has a marker of its own.

    :param item: whose earlier attempt came to nothing.
    """
    return replace(item, phase=Phase.NEW, task_id=None, credits=None, error=None, ended_at=None)
