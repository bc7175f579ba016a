# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Turns the rows of a manifest into one HTML page that loads nothing from outside. Pure: no other file is read."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from airflow_provider_vidu.report.items import Item, State, read_item


@dataclass(frozen=True)
class Group:
    """
    Items with one model, or without a video for one reason; ``unpriced`` as in :class:`Totals`.

    :param name: of the model, or the reason in plain words.
    :param code: of the reason, as :class:`Item` has it.
    """

    name: str
    code: str
    count: int
    made: int
    credits: float
    unpriced: int


@dataclass(frozen=True)
class Totals:
    """
    What a batch has made.

    :param states: how many items each state has, in the order of :class:`State`.
    :param credits: what is billed, as far as prices are known.
    :param unpriced: videos that are billed at an unknown price.
    :param models: the most frequent first.
    :param reasons: why items have no video, likewise.
    """

    count: int
    states: tuple[tuple[State, int], ...]
    credits: float
    unpriced: int
    models: tuple[Group, ...]
    reasons: tuple[Group, ...]

    @property
    def is_running(self) -> bool:
        """Whether items are running, which will be billed once they are made."""
        return dict(self.states)[State.RUNNING] > 0


def add_up(items: Sequence[Item]) -> Totals:
    """Add up a batch."""
    states = Counter(item.state for item in items)
    return Totals(
        count=len(items),
        states=tuple((state, states[state]) for state in State),
        credits=_credits_of(items),
        unpriced=_unpriced(items),
        models=_grouped(items, [(item.model or "unknown", "") for item in items]),
        reasons=_grouped(items, [(item.headline, item.code) if item.has_no_video else None for item in items]),
    )


def render_page(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    written_at: datetime,
    report: str,
    thumbnails: Mapping[str, str],
) -> str:
    """
    Render the page.

    :param rows: of a manifest, in its order.
    :param written_at: with a time zone.
    :param report: where the page will be; links are relative to it.
    :param thumbnails: data URIs by the paths of pictures.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(amount=_amount)
    style, script = _asset("report.css"), _asset("report.js")
    items = [read_item(row, position, report=report, thumbnails=thumbnails) for position, row in enumerate(rows)]
    return environment.from_string(_asset("report.html.jinja")).render(
        title=title,
        written_at=written_at,
        totals=add_up(items),
        items=items,
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def _asset(name: str) -> str:
    return files("airflow_provider_vidu.report").joinpath(name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _amount(number: float) -> str:
    """Format a number of credits."""
    return f"{int(number) if number == int(number) else round(number, 2):,}"


def _credits_of(items: Sequence[Item]) -> float:
    return sum(item.credits or 0 for item in items)


def _unpriced(items: Sequence[Item]) -> int:
    return sum(item.is_billed and item.credits is None for item in items)


def _grouped(items: Sequence[Item], keys: Sequence[tuple[str, str] | None]) -> tuple[Group, ...]:
    members: dict[tuple[str, str], list[Item]] = {}
    for item, key in zip(items, keys, strict=True):
        if key is not None:
            members.setdefault(key, []).append(item)
    groups = (_group(*key, of) for key, of in members.items())
    return tuple(sorted(groups, key=lambda group: -group.count))


def _group(name: str, code: str, items: Sequence[Item]) -> Group:
    made = sum(item.state is State.MADE for item in items)
    return Group(name, code, len(items), made, _credits_of(items), _unpriced(items))
