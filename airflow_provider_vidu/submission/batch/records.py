# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The record of a batch, pure: a header, and a short row for each item, in shards that fit Airflow's state store.

An item is identified by the content of its request, not by its position or its neighbours: a list that was reordered or
extended finds the tasks that it has paid for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

from airflow_provider_vidu.submission.record import MARKER_PREFIX, Phase, SubmissionRecord

#: Replaces the further readings of an item that a search has found: they are unknown.
UNREAD = "-"
#: Items of a shard: so many stay below the 64 KB that Airflow advises for a value.
SHARD_SIZE = 500
#: Characters of an item's error that are kept; the log has all of it.
MAX_ERROR_CHARACTERS = 200
#: Different errors that a shard keeps.
MAX_ERRORS = 30
#: Hexadecimal digits that are kept of a request's exact reading, which only tells items of one identity apart …
EXACT_DIGITS = 6
#: … and of the one without any query.
BARE_DIGITS = 8
#: Query parameters of which a record keeps two digits of the name and two of the value, to name those that differ.
MAX_PARAMETERS = 4

# How a shard writes a phase.
_LETTERS = {Phase.NEW: "", Phase.INTENT: "i", Phase.SUBMITTED: "s", Phase.REFUSED: "r"}
_PHASES = {letter: phase for phase, letter in _LETTERS.items()}

_MARKER = re.compile(rf"({re.escape(MARKER_PREFIX)}[0-9a-f]{{32}}):([0-9a-f]{{16}}(?:-\d+)?):(\d+)")


@dataclass(frozen=True)
class Reading:
    """
    What makes a request the same request, in three readings of the URLs in it; see ``batch.identity``.

    ``identity`` hashes the content, with URLs that have lost their known signatures. ``more`` has the first digits of
    the exact hash, of the hash without any query, and of ``names`` and values of parameters. It is empty if no URL has
    a query, since all three readings are one then. A record does not keep ``names``.
    """

    identity: str
    more: str = field(default="", compare=False)
    names: tuple[str, ...] = field(default=(), compare=False)

    @property
    def exact(self) -> str:
        """The reading with every query as it is; only compared between equal identities."""
        return self.more[:EXACT_DIGITS] or self.identity[:EXACT_DIGITS]

    @property
    def bare(self) -> str:
        """The reading without any query."""
        return self.more[EXACT_DIGITS : EXACT_DIGITS + BARE_DIGITS] or self.identity[:BARE_DIGITS]

    def differing(self, earlier: Reading) -> list[str]:
        """Return the names of the parameters that differ from an earlier request, as far as its record shows."""
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

    ``identity`` has a number behind the hash if the batch has the request more than once. ``attempt`` counts from 1 and
    is part of the marker; 0 = none, or unknown. ``clears`` is that of the header when it was last sent. ``given`` is a
    short hash of the request as it was written. Times are in epoch seconds; ``ended_at``, when the reply of a lost
    submission was over, is not stored.
    """

    identity: str
    phase: Phase = Phase.NEW
    attempt: int = 0
    task_id: str | None = None
    credits: float | None = None
    attempted_at: float | None = None
    error: str | None = None
    more: str = ""
    clears: int = 0
    given: str = ""
    ended_at: float | None = None

    @property
    def reading(self) -> Reading:
        """What makes its request the same request."""
        return Reading(self.identity.partition("-")[0], self.more)

    @property
    def has_been_sent(self) -> bool:
        """Whether Vidu has, or may have, a task for it."""
        return self.phase in {Phase.INTENT, Phase.SUBMITTED}

    def marker(self, generation: str) -> str:
        """Return the marker in the payload of its last attempt."""
        return f"{generation}:{self.identity}:{self.attempt}"

    def not_after(self, timeout: float) -> float:
        """Return until when the POST of its last attempt can be in flight, epoch seconds."""
        return (self.attempted_at or 0.0) + timeout

    def as_submission(self, header: Header, timeout: float) -> SubmissionRecord:
        """Return the item as the rules of submission need it; a POST lasts at most ``timeout`` seconds."""
        return SubmissionRecord(
            phase=self.phase,
            max_tries=header.max_tries,
            try_number=header.try_number,
            account=header.account,
            fingerprint={},
            attempted_at=self.attempted_at or 0.0,
            marker=self.marker(header.generation),
            task_id=self.task_id,
            ended_at=self.ended_at,
            not_after=self.not_after(timeout),
        )


@dataclass(frozen=True)
class Header:
    """
    The record of a batch as a whole.

    ``generation`` is the marker of all its videos' generation, and part of every item's marker. Each new order of
    the items has a ``layout`` of its own, which numbers their shards. ``max_tries`` and ``try_number`` (0 =
    unknown) are those of the try that wrote it, and distinguish a retry from a clear. ``dropped_credits`` is what
    removed requests have cost: the budget still counts them. ``over_limit`` is the highest price that Vidu has
    asked above ``max_credits``: nothing more is submitted until the limit is raised or the task is cleared.
    ``clears`` counts the clears that a try has noted; each asks once for every item that was last sent before it: no
    time is compared, because the clocks of two workers differ. ``next_number`` is greater than the number in any item's
    name, removed items included.
    ``returned`` is ``whole`` or ``partly`` once ``execute`` has returned the results, with or without all videos.
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
    clears: int = 0
    next_number: int = 0

    def as_submission(self) -> SubmissionRecord:
        """Return the batch as a whole as the rules of submission need it."""
        return SubmissionRecord(
            phase=Phase.RETURNED if self.returned == "whole" else Phase.SUBMITTED,
            max_tries=self.max_tries,
            try_number=self.try_number,
            account=self.account,
            fingerprint={},
            attempted_at=0.0,
        )

    def notes_clear_since(self, item: Item) -> bool:
        """Return whether it notes a clear since an item was last sent."""
        return item.clears < self.clears

    def to_json(self) -> dict[str, Any]:
        """Return the header as JSON primitives."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Header | None:
        """
        Read a header back, ignoring fields of a newer release.

        :raises ValueError: it cannot be read; it must not be taken for a missing one.
        """
        if value is None:
            return None
        names = {field.name for field in fields(cls)}
        try:
            return cls(**{name: item for name, item in value.items() if name in names})
        except (AttributeError, TypeError) as error:
            raise ValueError(f"the batch's record in the task state store cannot be read: {error!r}") from error


def identities(fingerprints: Iterable[str]) -> list[str]:
    """Return a unique name for each request: equal ones have a number behind the hash."""
    seen: Counter[str] = Counter()
    named = []
    for fingerprint in fingerprints:
        named.append(f"{fingerprint}-{seen[fingerprint]}" if seen[fingerprint] else fingerprint)
        seen[fingerprint] += 1
    return named


def next_number(items: Iterable[Item]) -> int:
    """Return a number that is greater than those behind the items' hashes."""
    return 1 + max((int(item.identity.partition("-")[2] or 0) for item in items), default=0)


class Marker(NamedTuple):
    """The parts of an attempt's marker: the batch's own marker, the item's identity and the attempt's number."""

    generation: str
    identity: str
    attempt: int


def find_marker(payload: str, marks: str | tuple[str, ...]) -> Marker | None:
    """Return the first marker in a task's payload that begins with one of the marks."""
    found = (Marker(generation, identity, int(attempt)) for generation, identity, attempt in _MARKER.findall(payload))
    return next((marker for marker in found if marker.generation.startswith(marks)), None)


def new_items(readings: Sequence[Reading | None]) -> list[Item]:
    """Return new items for requests that no record has; one that cannot be built has no name."""
    names = iter(identities(reading.identity for reading in readings if reading is not None))
    return [Item("") if reading is None else Item(next(names), more=reading.more) for reading in readings]


def shard_to_json(items: Sequence[Item]) -> dict[str, Any]:
    """Return a shard as JSON primitives: a short list for each item, and each error once."""
    errors: list[str] = []
    rows = []
    for item in items:
        number = None
        if item.error is not None:
            text = item.error[:MAX_ERROR_CHARACTERS]
            if text not in errors:
                text = text if len(errors) < MAX_ERRORS else "refused: the log says why"
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
            item.clears or None,
            item.given or None,
        ]
        while row[-1] is None:
            row.pop()
        rows.append(row)
    return {"items": rows, "errors": errors}


def shard_from_json(value: Any) -> list[Item]:
    """
    Read a shard back.

    :raises ValueError: it is missing or cannot be read; it must not be taken for an empty one.
    """
    try:
        items = []
        for row in value["items"]:
            identity, phase, attempt, *more = row
            at, task_id, credits, number, reading, clears, given = (more + [None] * 7)[:7]
            error: str | None = None if number is None else value["errors"][number]
            phase = _PHASES[phase]
            known = (identity, phase, attempt, task_id, credits, at, error, reading or "", clears or 0, given or "")
            items.append(Item(*known))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"a shard of the batch's record cannot be read: {error!r}") from error
    return items


def reset_item(item: Item) -> Item:
    """Return an item to submit again; its next attempt has a new marker."""
    return replace(item, phase=Phase.NEW, task_id=None, credits=None, error=None, ended_at=None)
