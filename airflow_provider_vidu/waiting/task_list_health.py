# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Learns from the replies of a host's task list whether to use it, and for how many ids at once.

A list reply is a hint: a row counts only if its id was requested and its state can be read. Pure decisions;
``airflow_provider_vidu.waiting.bulk_query`` sends the requests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

from airflow_provider_vidu.api.errors import (
    ACCOUNT_ERRORS,
    ViduAnswerTooLargeError,
    ViduError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.api.http_messages import MAX_PAGE_SIZE, is_missing_endpoint
from airflow_provider_vidu.api.tasks import ViduTask

#: Replies in a row without a usable row, or refusals, after which a host counts as having no list.
STRIKES = 3
#: Calls until a list is tried again if only the list was down: a minute or more of a wait's polls.
REST = 30
#: The same for a list that is of no use.
LONG_REST = 300
#: Maximum number of remembered ids that the list keeps omitting.
_MOST_OMITTED = 10_000

# The request has more ids, or a longer URL, than this host accepts.
_TOO_MANY = frozenset({"FieldItemCountOutOfRange", "PageSizeOutOfRange"})
_TOO_LONG = frozenset({413, 414, 431})


class Fallback(str, Enum):
    """What to do about the ids of a list request that failed."""

    #: Return this error for each of them: an outage, a limit or a refused key affects a hundred requests alike.
    RETURN_ERROR = "return the error"
    #: Request them again, fewer at a time.
    ASK_FEWER = "ask for fewer"
    #: Query them one by one.
    ASK_SINGLY = "ask singly"


class ListHealth:
    """
    The usefulness of one host's list.

    :param exists: False = the connection says that there is none.
    """

    def __init__(self, *, exists: bool = True) -> None:
        #: Maximum ids of one request.
        self.page_size = MAX_PAGE_SIZE
        self._exists = exists
        self._rest = 0
        self._strikes = 0
        self._outages = 0
        self._is_up = False
        self._omitted: dict[str, int] = {}

    @property
    def is_usable(self) -> bool:
        """Whether to use the list at all."""
        return self._exists and not self._rest

    @property
    def needs_probe(self) -> bool:
        """
        Whether a single query should first show if only the list is down.

        True after three outages of the list in a row, and at every second one from then on.
        """
        return self.is_usable and not self._is_up and self._outages >= STRIKES and (self._outages - STRIKES) % 2 == 0

    def is_listed(self, task_id: str) -> bool:
        """Return whether to use the list for this id."""
        return self.is_usable and self._omitted.get(task_id, 0) < STRIKES

    def begin_call(self) -> None:
        """Note the start of a call: a resting list is tried again after some of them."""
        self._is_up = False
        if self._rest:
            self._rest -= 1
            if not self._rest:
                self.page_size = MAX_PAGE_SIZE

    def select_rows(self, asked: Collection[str], rows: Iterable[ViduTask]) -> dict[str, ViduTask]:
        """Return the rows that count, by id."""
        wanted = set(asked)
        return {row.task_id: row for row in rows if row.task_id in wanted and row.state is not None}

    def on_page(self, found: Collection[str]) -> None:
        """Note a page, and the ids that it had a readable row for."""
        self._outages = 0
        for task_id in found:
            self._omitted.pop(task_id, None)
        self._strikes = 0 if found else self._strikes

    def on_omitted(self, found: Collection[str], *, all_of_them: bool) -> None:
        """
        Note ids that the list left out and that a single query has found: the list was wrong about them.

        :param all_of_them: the list had none of the requested ids.
        """
        # The same id again says nothing new about the host: a fresh task may appear late.
        new = any(task_id not in self._omitted for task_id in found)
        if len(self._omitted) + len(found) > _MOST_OMITTED:
            self._omitted.clear()
        for task_id in found:
            self._omitted[task_id] = self._omitted.get(task_id, 0) + 1
        if all_of_them and (new or len(found) > 1):
            self._strike()

    def on_error(self, error: ViduError, count: int) -> Fallback:
        """Note a list request for a number of ids that failed, and return what to do about them."""
        if isinstance(error, ViduAnswerTooLargeError) or error.reason in _TOO_MANY or error.http_status in _TOO_LONG:
            self.page_size = min(self.page_size, count // 2)
            if self.page_size > 1:
                return Fallback.ASK_FEWER
            # A page of one saves nothing.
            self._rest = LONG_REST
            return Fallback.ASK_SINGLY
        if is_missing_endpoint(error) or isinstance(error, ViduNotFoundError):
            self._exists = False
            return Fallback.ASK_SINGLY
        if isinstance(error, ViduUnavailableError):
            if self._is_up:
                # Only the list is down.
                self._outages, self._rest = 0, REST
                return Fallback.ASK_SINGLY
            self._outages += 1
            return Fallback.RETURN_ERROR
        if isinstance(error, (ViduRateLimitError, *ACCOUNT_ERRORS)):
            return Fallback.RETURN_ERROR
        # It refuses this request (an invalid id?), or redirects: the reply to a single query says what is wrong.
        self._strike()
        return Fallback.ASK_SINGLY

    def on_probe(self, error: ViduError | None) -> None:
        """
        Note the result of the single query that :attr:`needs_probe` asks for.

        After a reply the list is tried once more, in the same call: a host that has just come back serves it too, and
        can least bear a thousand single queries.

        :param error: None = the query was answered.
        """
        if is_outage(error):
            self._outages += 1
        else:
            self._is_up = True

    def _strike(self) -> None:
        self._strikes += 1
        if self._strikes >= STRIKES:
            self._strikes, self._rest = 0, LONG_REST
