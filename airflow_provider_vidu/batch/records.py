# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What is remembered of a batch's items, pure: one short row each, in shards that fit Airflow's state store.

An item is known by the content of its request, not by its position: a list that was reordered or has grown finds the
tasks that it has paid for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import Any

from airflow_provider_vidu.submission_rules import MARKER_PREFIX, Phase, SubmissionRecord

#: Items of a shard at the most: with it a shard stays below the 64 KB that Airflow advises for a value.
SHARD_SIZE = 500
#: Characters of an item's error that are kept; all of it stands in the log.
MAX_ERROR_CHARACTERS = 200
#: Different errors that a shard keeps.
MAX_ERRORS = 50

_MARKER = re.compile(re.escape(MARKER_PREFIX) + r"[0-9a-f]{32}:([0-9a-f]{16}(?:-\d+)?):(\d+)")


class ItemPhase(str, Enum):
    """How far an item got."""

    #: Nothing was sent, or nothing was created by it.
    NEW = ""
    #: About to be sent: it may or may not have been.
    INTENT = "i"
    #: Created, its id is known.
    SUBMITTED = "s"
    #: Vidu refused it, and would refuse it again.
    REFUSED = "r"


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
    :param ended_at: when the reply of a lost submission was over, epoch seconds; not kept beyond the process.
    """

    identity: str
    phase: ItemPhase = ItemPhase.NEW
    attempt: int = 0
    task_id: str | None = None
    credits: int | None = None
    attempted_at: float | None = None
    error: str | None = None
    ended_at: float | None = None

    @property
    def has_been_sent(self) -> bool:
        """Whether there is, or may be, a task of it at Vidu."""
        return self.phase in {ItemPhase.INTENT, ItemPhase.SUBMITTED}

    def marker(self, generation: str) -> str:
        """
        Return what the payload of its last attempt holds at Vidu.

        :param generation: the batch's own marker.
        """
        return f"{generation}:{self.identity}:{self.attempt}"

    def as_submission(self, header: Header, timeout: float) -> SubmissionRecord:
        """
        Return the item as the rules of submission know it.

        A clear of a batch means "do the rest": what runs is waited for, never cancelled.

        :param header: of its batch.
        :param timeout: seconds for which a POST can be under way.
        """
        attempted_at = self.attempted_at or 0.0
        return SubmissionRecord(
            phase=Phase.INTENT if self.phase is ItemPhase.INTENT else Phase.SUBMITTED,
            max_tries=header.max_tries,
            account=header.account,
            fingerprint={},
            attempted_at=attempted_at,
            marker=self.marker(header.generation),
            task_id=self.task_id,
            resume=True,
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
    :param account: identity of host and key.
    :param asked: hash of the requests as they were given: tells a resumed worker that they still are the same.
    :param left_credits: what tasks cost that are paid and not in the batch any more: a budget goes on counting them.
    :param dear: credits that Vidu has asked for one of them although its author allows less: nothing more is submitted
        before he allows it, or clears the task.
    :param returned: ``whole`` or ``partly``: the results were handed over by ``execute``, with or without all videos.
    """

    generation: str
    layout: int
    size: int
    max_tries: int
    account: str
    asked: str = ""
    left_credits: int = 0
    dear: int = 0
    returned: str = ""

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


@dataclass(frozen=True)
class Match:
    """
    How a list of requests meets what is remembered.

    :param items: one for each request, in their order.
    :param left_over: what has been sent, and nobody asks for any more.
    :param moved: whether any item stands in another place than before.
    """

    items: tuple[Item, ...]
    left_over: tuple[Item, ...]
    moved: bool


def match(remembered: Sequence[Item], wanted: Sequence[str | None]) -> Match:
    """
    Find what is remembered of each request.

    :param remembered: of the store, in the order of then.
    :param wanted: the identities of now; None = the request cannot be built now (its image is gone): it is taken for
        the one that stood in its place, where the batch has kept its size and no other request is that one.
    """
    if len(wanted) == len(remembered):
        claimed = set(wanted)
        in_place = (None if item.identity in claimed else item.identity for item in remembered)
        wanted = [name or place for name, place in zip(wanted, in_place, strict=True)]
    by_identity = {item.identity: item for item in remembered}
    items = tuple(by_identity.pop(name or "", Item(name or "")) for name in wanted)
    left_over = tuple(item for item in by_identity.values() if item.has_been_sent)
    moved = [item.identity for item in items] != [item.identity for item in remembered]
    return Match(items, left_over, moved)


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
        row = [item.identity, item.phase.value, item.attempt, at, item.task_id, item.credits, number]
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
            at, task_id, credits, number = (more + [None] * 4)[:4]
            error: str | None = None if number is None else value["errors"][number]
            items.append(Item(identity, ItemPhase(phase), attempt, task_id, credits, at, error))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"a shard of the batch's record cannot be read: {error!r}") from error
    return items


def renewed(item: Item) -> Item:
    """
    Return an item that is to be submitted anew; its next attempt has a marker of its own.

    :param item: whose earlier attempt came to nothing.
    """
    return replace(item, phase=ItemPhase.NEW, task_id=None, credits=None, error=None, ended_at=None)
