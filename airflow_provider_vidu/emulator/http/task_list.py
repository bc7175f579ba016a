# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
The query of ``GET /tasks``, and the page that answers it.

Newest first. A page token names the last row of its page, so that tasks created meanwhile neither repeat nor hide a
row. Array parameters may be repeated or comma-separated. Vidu's page spells the paging parameters ``paper.*``, clients
write ``pager.*``; both work.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from airflow_provider_vidu.api.tasks import TaskState
from airflow_provider_vidu.emulator.faults import Quirks
from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.machine.moments import read_rfc3339
from airflow_provider_vidu.emulator.machine.refusals import about_fields

DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 100
#: Without ``created_at.from`` the list goes back seven days, in seconds. The speed does not shorten them.
DEFAULT_WINDOW_SECONDS = 7 * 86_400.0
#: Maximum ids in one query. Vidu's page is silent; a relay documents this number.
MAX_TASK_IDS = 100


@dataclass(frozen=True)
class ListQuery:
    """
    A query to the list.

    :param created_from: epoch seconds, included.
    :param created_to: epoch seconds, included.
    :param task_ids: only these; empty = all, as in the other filters.
    :param states: only in these states.
    :param resolutions: for example ``720p``.
    :param model_versions: model names without ``vidu`` in front, as Vidu's page has them: ``q2-pro``.
    :param templates: names of templates.
    :param page: 0-based; ignored with a token.
    :param page_size: rows a page.
    :param before: the id that the page token names.
    """

    created_from: float
    created_to: float
    task_ids: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    resolutions: frozenset[str] = frozenset()
    model_versions: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    page: int = 0
    page_size: int = DEFAULT_PAGE_SIZE
    before: int | None = None

    def matches(self, task: EmulatedTask) -> bool:
        """Return whether a task passes the filters."""
        return (
            self.created_from <= task.created <= self.created_to
            and (not self.templates or task.request.template in self.templates)
            and (not self.task_ids or task.task_id in self.task_ids)
            and (not self.states or str(task.state) in self.states)
            and (not self.resolutions or task.request.effective_resolution in self.resolutions)
            and (not self.model_versions or (task.request.model or "").removeprefix("vidu") in self.model_versions)
        )


def read_list_query(query: Iterable[tuple[str, str]], now: float) -> ListQuery:
    """
    Read the query string.

    :raises Refusal: ``FieldInvalid``, ``FieldItemCountOutOfRange`` or ``PageSizeOutOfRange``.
    """
    values: dict[str, list[str]] = {}
    for name, value in query:
        values.setdefault(name.replace("paper.", "pager."), []).extend(part for part in value.split(",") if part)
    task_ids = frozenset(values.get("task_ids", ()))
    if len(task_ids) > MAX_TASK_IDS:
        raise about_fields("FieldItemCountOutOfRange", "task_ids")
    states = frozenset(values.get("states", ()))
    if states - {str(state) for state in TaskState}:
        raise about_fields("FieldInvalid", "states")
    page_size = _number(values, "pager.pagesz") or DEFAULT_PAGE_SIZE
    if page_size > MAX_PAGE_SIZE:
        raise about_fields("PageSizeOutOfRange", "pager.pagesz")
    return ListQuery(
        created_from=_moment(values, "created_at.from", now - DEFAULT_WINDOW_SECONDS),
        created_to=_moment(values, "created_at.to", inf),
        task_ids=task_ids,
        states=states,
        resolutions=frozenset(values.get("resolutions", ())),
        model_versions=frozenset(values.get("model_versions", ())),
        templates=frozenset(values.get("templates", ())),
        page=_number(values, "pager.page"),
        page_size=page_size,
        before=_token(values),
    )


def page_of(
    tasks: Iterable[EmulatedTask], query: ListQuery, quirks: Quirks, now: float
) -> tuple[list[EmulatedTask], str]:
    """Return the rows of one page, newest first, and the token of the next one; empty on the last page."""
    rows = [
        task
        for task in tasks
        if query.matches(task)
        and task.created <= now - quirks.list_lag_seconds
        and not (query.task_ids and quirks.omits(task.task_id))
    ]
    rows.sort(key=lambda task: int(task.task_id), reverse=True)
    if quirks.list_ignores_paging:
        first = rows[: query.page_size]
        return first, _token_after(first)
    if query.before is not None:
        rows = [task for task in rows if int(task.task_id) < query.before]
    else:
        rows = rows[query.page * query.page_size :]
    page = rows[: query.page_size]
    return page, _token_after(page) if len(rows) > len(page) else ""


def _number(values: dict[str, list[str]], name: str) -> int:
    try:
        number = int(values.get(name, ["0"])[-1])
    except (ValueError, IndexError):
        number = -1
    if number < 0:
        raise about_fields("FieldInvalid", name)
    return number


def _moment(values: dict[str, list[str]], name: str, default: float) -> float:
    given = values.get(name)
    if not given:
        return default
    try:
        return read_rfc3339(given[-1])
    except ValueError:
        raise about_fields("FieldInvalid", name) from None


def _token(values: dict[str, list[str]]) -> int | None:
    given = values.get("pager.page_token") or values.get("page_token")
    if not given:
        return None
    try:
        return int(base64.urlsafe_b64decode(given[-1]))
    except (ValueError, binascii.Error):
        raise about_fields("FieldInvalid", "pager.page_token") from None


def _token_after(page: Sequence[EmulatedTask]) -> str:
    return base64.urlsafe_b64encode(page[-1].task_id.encode()).decode() if page else ""
