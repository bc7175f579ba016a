# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What a host's task list is good for when it is asked about many ids at once, learnt from its answers.

A list answer is a hint: a row counts only if its id was asked for and its state can be read. Pure decisions; the
requests are made by ``airflow_provider_vidu.waiting.bulk_query``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum

from airflow_provider_vidu.api.endpoints import MAX_PAGE_SIZE, is_missing_endpoint
from airflow_provider_vidu.api.errors import (
    ACCOUNT_ERRORS,
    ViduAnswerTooLargeError,
    ViduError,
    ViduNotFoundError,
    ViduRateLimitError,
    ViduUnavailableError,
    is_outage,
)
from airflow_provider_vidu.api.tasks import ViduTask

#: Answers in a row that serve nothing, or refuse, after which a host counts as having no list.
STRIKES = 3
#: A list that is down alone is tried again after this many calls, a minute or more of a wait's looks …
REST = 30
#: … and one that serves nothing after this many.
LONG_REST = 300
#: Ids that the list keeps omitting are remembered up to this many.
_MOST_OMITTED = 10_000

# The request holds more than this host takes, in ids or in bytes of its URL.
_TOO_MANY = frozenset({"FieldItemCountOutOfRange", "PageSizeOutOfRange"})
_TOO_LONG = frozenset({413, 414, 431})


class Fallback(str, Enum):
    """What to do about the ids of a list request that failed."""

    #: Give each of them this error: what is down, slowed or locked for one request is so for a hundred.
    RETURN_ERROR = "return the error"
    #: Ask for them again, fewer at a time.
    ASK_FEWER = "ask for fewer"
    #: Ask for them one by one.
    ASK_SINGLY = "ask singly"


class ListHealth:
    """
    One host's list.

    :param exists: False = the connection says that there is none.
    """

    def __init__(self, *, exists: bool = True) -> None:
        #: Ids that one request may ask for.
        self.page_size = MAX_PAGE_SIZE
        self._exists = exists
        self._rest = 0
        self._strikes = 0
        self._outages = 0
        self._is_up = False
        self._omitted: dict[str, int] = {}

    @property
    def is_usable(self) -> bool:
        """Whether to ask the list at all."""
        return self._exists and not self._rest

    @property
    def needs_probe(self) -> bool:
        """
        Whether one single query should show first if only the list is down.

        True after three outages of the list in a row, and at every second one from there on.
        """
        return self.is_usable and not self._is_up and self._outages >= STRIKES and (self._outages - STRIKES) % 2 == 0

    def is_listed(self, task_id: str) -> bool:
        """
        Tell whether the list is worth asking for an id.

        :param task_id: Vidu's id.
        """
        return self.is_usable and self._omitted.get(task_id, 0) < STRIKES

    def begin_call(self) -> None:
        """Note that a call begins: a list that rests is tried again one day."""
        self._is_up = False
        if self._rest:
            self._rest -= 1
            if not self._rest:
                self.page_size = MAX_PAGE_SIZE

    def select_rows(self, asked: Collection[str], rows: Iterable[ViduTask]) -> dict[str, ViduTask]:
        """
        Return the rows that count.

        :param asked: the ids of the request.
        :param rows: of its answer.
        """
        wanted = set(asked)
        return {row.task_id: row for row in rows if row.task_id in wanted and row.state is not None}

    def on_page(self, asked: Collection[str], told: Collection[str]) -> None:
        """
        Note an answer.

        :param asked: the ids of the request.
        :param told: those of them that the answer had a readable row for.
        """
        self._outages = 0
        for task_id in told:
            self._omitted.pop(task_id, None)
        self._strikes = 0 if told else self._strikes

    def on_omitted(self, found: Collection[str], *, all_of_them: bool) -> None:
        """
        Note ids that an answer left out and that a single query has found: the list was wrong about them.

        :param found: the ids.
        :param all_of_them: the answer had none of the ids that were asked for.
        """
        # The same id again is no news of the host: a fresh task may only be slow to show.
        new = any(task_id not in self._omitted for task_id in found)
        if len(self._omitted) + len(found) > _MOST_OMITTED:
            self._omitted.clear()
        for task_id in found:
            self._omitted[task_id] = self._omitted.get(task_id, 0) + 1
        if all_of_them and (new or len(found) > 1):
            self._strike()

    def on_error(self, error: ViduError, count: int) -> Fallback:
        """
        Note a list request that failed, and decide about its ids.

        :param error: what came instead of a page.
        :param count: how many ids it asked for.
        :return: what to do about its ids.
        """
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
                # The list alone is down.
                self._outages, self._rest = 0, REST
                return Fallback.ASK_SINGLY
            self._outages += 1
            return Fallback.RETURN_ERROR
        if isinstance(error, (ViduRateLimitError, *ACCOUNT_ERRORS)):
            return Fallback.RETURN_ERROR
        # It refuses this question (an id that is none?), or redirects: a single query's answer says what is wrong.
        self._strike()
        return Fallback.ASK_SINGLY

    def on_probe(self, error: ViduError | None) -> None:
        """
        Note the single query that was made because the list is :attr:`needs_probe`.

        After an answer the list is asked once more, in the same call: a host that has just come back answers it too,
        and a thousand single queries would be what it can bear least then.

        :param error: what came of it; None = an answer.
        """
        if is_outage(error):
            self._outages += 1
        else:
            self._is_up = True

    def _strike(self) -> None:
        self._strikes += 1
        if self._strikes >= STRIKES:
            self._strikes, self._rest = 0, LONG_REST
