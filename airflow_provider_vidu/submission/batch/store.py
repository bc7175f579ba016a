# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Keeps a batch's record in Airflow's task state store: a header, and shards of the items.

One write carries the ids of all submissions that have just returned and the intents of all that are about to be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_vidu.api.errors import ViduError
from airflow_provider_vidu.compat import StateStore, clear_this_task
from airflow_provider_vidu.submission.airflow_try import Try
from airflow_provider_vidu.submission.batch.records import (
    SHARD_SIZE,
    Header,
    Item,
    reset_item,
    shard_from_json,
    shard_to_json,
)
from airflow_provider_vidu.submission.record import Phase
from airflow_provider_vidu.submission.state_writer import StateWriter, read_state

#: The key of a batch's header; its shards are called ``vidu_batch_<layout>_<number>``.
HEADER_KEY = "vidu_batch"
#: What a person writes under that key to say that nothing was created, so that nothing has to be searched for.
NOTHING_CREATED = {"task_id": None}
#: The key under which a person adopts Vidu tasks for attempts in doubt: ``{the attempt's marker: task id}``.
ADOPTED_KEY = "vidu_batch_adopted"


class TravellingStore:
    """Replaces Airflow's store below 3.3: it outlives no try, and travels in the arguments of a deferral."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        """Write the value of a key."""
        self.values[key] = value


class BatchStore:
    """The header and the items of a batch, in memory and in the store."""

    def __init__(
        self,
        store: StateStore,
        this_try: Try,
        log: Any,
        writer: StateWriter,
    ) -> None:
        self._store = store
        self._writer = writer
        self._try = this_try
        self._log = log
        self.header: Header | None = None
        #: A person has written that nothing was created.
        self.is_known_empty = False
        self.items: list[Item] = []
        self._changed: set[int] = set()

    def load(self) -> Header | None:
        """
        Read the record.

        :return: None = no earlier try has written an intent.
        :raises ViduError: the store or the record in it cannot be read; nothing is submitted then.
        """
        try:
            value = read_state(self._store, HEADER_KEY)
            if value == NOTHING_CREATED:
                self.is_known_empty, value = True, None
            self.header = header = Header.from_json(value)
            self.items = []
            if header is None:
                return None
            for first in range(0, header.size, SHARD_SIZE):
                shard = read_state(self._store, self._key(header.layout, first))
                if shard is None and self._try.record_may_be_discarded:
                    # A clear has discarded the record, and then the worker of the earlier try has written its header.
                    self.header, self.items = None, []
                    return None
                self.items += shard_from_json(shard)
            if len(self.items) != header.size:
                raise ValueError(f"{len(self.items)} items instead of {header.size}")
            self._adopt(header, read_state(self._store, ADOPTED_KEY) or {})
        except ValueError as error:
            raise ViduError(
                f"The batch's record {HEADER_KEY!r} in the task state store cannot be used: {error}.",
                advice=(
                    "This try submitted nothing. If you are sure that none of its tasks runs at Vidu, record that: "
                    f"{self._try.nothing_created_by_hand(HEADER_KEY)} . Then {clear_this_task()}: "
                    f"{self._try.clear_command()}"
                ),
            ) from error
        return self.header

    def remember(self, header: Header, items: Sequence[Item]) -> None:
        """Use what a search has found as the record, without writing it."""
        self.header, self.items = header, list(items)

    def write_layout(self, header: Header, items: Sequence[Item]) -> None:
        """
        Write a new set of shards, and then the header that names it: a death in between leaves the old set whole.

        :raises ViduUnavailableError: it cannot be written; nothing is submitted then.
        """
        self.items = list(items)
        self._changed = set(range(0, header.size, SHARD_SIZE))
        self._writer.write(lambda: self._write_shards(header.layout))
        self.write_header(header)

    def write_header(self, header: Header, *, needed: bool = True) -> None:
        """Write the header alone."""
        self.header = header
        self._write(lambda: self._store.set(HEADER_KEY, header.to_json()), needed=needed)

    def update(self, index: int, **changes: Any) -> None:
        """Change fields of an item; the next :meth:`write` saves it."""
        self.put(index, replace(self.items[index], **changes))

    def put(self, index: int, item: Item) -> None:
        """Replace an item; the next :meth:`write` saves it."""
        self.items[index] = item
        self._changed.add(index - index % SHARD_SIZE)

    def write(self, *, needed: bool) -> None:
        """
        Write every shard that has changed.

        A needed write must succeed before anything is sent, so it raises at once. Another one is tried a few times:
        what was submitted goes on without it, and the log has the ids.

        :raises ViduUnavailableError: a needed write has failed.
        """
        if self._changed and self.header is not None:
            layout = self.header.layout
            self._write(lambda: self._write_shards(layout), needed=needed)

    def _write(self, write: Callable[[], None], *, needed: bool) -> None:
        if needed:
            self._writer.write(write)
        else:
            self._writer.try_to_write(write, self._unwritten)

    def _adopt(self, header: Header, named: Any) -> None:
        if not isinstance(named, Mapping):
            raise ValueError(f"{ADOPTED_KEY!r} must hold {{marker: task id}}, not {named!r}")
        if not named:
            return
        for index, item in enumerate(self.items):
            marker = item.marker(header.generation)
            # For this attempt alone, since a later one has its own task. A corrected id replaces a mistyped one.
            task_id = named.get(marker) if item.has_been_sent else None
            if marker in named and task_id is None and item.phase is Phase.INTENT:
                self._log.info("Item %d: recorded by hand that its last attempt created nothing.", index)
                self.put(index, reset_item(item))
            elif task_id and str(task_id) != item.task_id:
                self._log.info("Item %d: Vidu task %s was adopted by hand.", index, task_id)
                self.update(index, phase=Phase.SUBMITTED, task_id=str(task_id), credits=None)

    def _write_shards(self, layout: int) -> None:
        for first in sorted(self._changed):
            self._store.set(self._key(layout, first), shard_to_json(self.items[first : first + SHARD_SIZE]))
            self._changed.discard(first)

    def _unwritten(self) -> str:
        ids = [
            f"{item.identity}: {item.task_id}"
            for first in sorted(self._changed)
            for item in self.items[first : first + SHARD_SIZE]
            if item.task_id
        ]
        return f"the Vidu tasks of {self._try.name}: {', '.join(ids)}"

    def _key(self, layout: int, first: int) -> str:
        return f"{HEADER_KEY}_{layout}_{first // SHARD_SIZE}"
