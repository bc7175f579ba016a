# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a row has measured, what was hoped for, and the page that tells both. Pure: nothing is measured here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

REACHED = "reached"
MISSED = "**not reached**"


class NotMeasured(Exception):
    """A row, or a part of one, that cannot be measured here and now; the text says why."""


@dataclass(frozen=True)
class Target:
    """
    One figure and what it should be.

    :param what: in words, for example ``requests, against one poller a trigger``.
    :param measured: the figure; None = not measured.
    :param limit: what it should be at the most, or at the least.
    :param unit: ``share`` (of another figure, told as 1/n), or what follows the number.
    :param below: the limit itself is too much.
    :param reason: why it was not measured.
    :param at_least: more is better.
    """

    what: str
    measured: float | None
    limit: float
    unit: str = ""
    below: bool = False
    reason: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether it is as hoped for; None = not measured."""
        if self.measured is None or math.isnan(self.measured):
            return None
        if self.at_least:
            return self.measured >= self.limit
        return self.measured < self.limit if self.below else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """The last word of its line."""
        if self.reached is None:
            return f"not measured: {self.reason or 'no figure'}"
        return REACHED if self.reached else MISSED

    @property
    def wanted(self) -> str:
        """The limit with its sign."""
        return f"{'≥' if self.at_least else '<' if self.below else '≤'} {told(self.limit, self.unit)}"


#: Instead of a time where a row has no figures yet.
NEVER = "never"


@dataclass(frozen=True)
class Table:
    """
    Figures side by side.

    :param header: a word a column; the first column says whose figures a line has.
    :param lines: already told as text.
    """

    header: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Result:
    """
    What one row has given.

    :param row: its name, as in ``ONLY=``.
    :param title: what it measures.
    :param taken_at: date and time, ISO 8601, UTC.
    :param machine: see :func:`benchmarks.machine.describe`.
    :param seconds: how long it took.
    :param quick: whether it ran in small sizes, whose figures are for trying out.
    :param targets: figures with what was hoped for.
    :param table: all figures.
    :param notes: sentences that a reader needs to read the figures right.
    :param series: what is drawn.
    :param reason: why nothing was measured; empty = something was.
    """

    row: str
    title: str
    taken_at: str
    machine: Mapping[str, str]
    seconds: float = 0.0
    quick: bool = False
    targets: Sequence[Target] = field(default_factory=list)
    table: Table | None = None
    notes: Sequence[str] = field(default_factory=list)
    series: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """
        Read a result back.

        :param text: of :meth:`to_json`.
        """
        told_fields = json.loads(text)
        table = told_fields.pop("table")
        targets = [Target(**target) for target in told_fields.pop("targets")]
        return cls(**told_fields, targets=targets, table=Table(**table) if table else None)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """
    Return ours in terms of theirs; None where one of them is missing or nothing can be said.

    :param ours: a figure.
    :param theirs: the same of others.
    """
    if ours is None or theirs is None or theirs <= 0:
        return None
    return ours / theirs


def percentile(values: Iterable[float], share: float) -> float:
    """
    Return the value below which a share of the values lies: the nearest rank, no value made up between two.

    :param values: at least one, else not a number.
    :param share: 0 to 1.
    """
    ranked = sorted(values)
    if not ranked:
        return math.nan
    return ranked[min(len(ranked) - 1, max(0, math.ceil(share * len(ranked)) - 1))]


def told(value: float | None, unit: str = "") -> str:
    """
    Tell a figure as text, in three digits.

    :param value: None or not a number is told as a dash.
    :param unit: see :class:`Target`.
    """
    if value is None or math.isnan(value):
        return "–"
    if unit == "share":
        if 0 < value < 1:
            return f"1/{_digits(1 / value)}"
        unit = "×"
    space = " " if unit else ""
    return f"{_digits(value)}{space}{unit}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """
    Tell the median of several runs with their range.

    :param values: one a run.
    :param unit: see :class:`Target`.
    """
    if not values:
        return told(None)
    if len(values) == 1:
        return told(values[0], unit)
    space = " " if unit else ""
    return (
        f"{_digits(percentile(values, 0.5))} ({_digits(min(values))} to {_digits(max(values))}){space}{unit}".rstrip()
    )


def markdown(results: Sequence[Result], pictures: Mapping[str, Sequence[tuple[str, str]]], command: str) -> str:
    """
    Write the page.

    :param results: in the order of the page.
    :param pictures: of each row: (path, what it shows).
    :param command: how everything is measured anew.
    """
    lines = ["# Benchmarks", "", *_opening(results, command), ""]
    lines += ["| row | figure | measured | target | |", "|---|---|---|---|---|"]
    for result in results:
        lines += _summary(result)
    missed = [
        f"- `{result.row}`: {target.what} is {told(target.measured, target.unit)}, the target is {target.wanted}."
        for result in results
        for target in result.targets
        if target.reached is False
    ]
    missing = [f"- `{result.row}`: not measured, {result.reason}" for result in results if result.reason]
    missing += [
        f"- `{result.row}`: {target.what} was not measured, {target.reason or 'there is no figure'}"
        for result in results
        for target in result.targets
        if target.reached is None
    ]
    lines += ["", "## What is not reached", "", *((missed + missing) or ["Everything that was measured is."])]
    for result in results:
        lines += _section(result, pictures.get(result.row, ()), _differs(result, results))
    return "\n".join(lines) + "\n"


def _opening(results: Sequence[Result], command: str) -> list[str]:
    lines = [
        f"Written by `{command}`; `ONLY=` with names of rows (comma-separated) measures those anew and "
        "keeps the others' last figures, `QUICK=1` tries everything out in small sizes without touching this page. "
        "Targets are shown here and asserted nowhere: a suite that measures time fails on busy machines.",
        "",
        "Everything runs on one machine against the provider's own local Vidu, which has a process of its own: CPU and "
        "memory are those of the measured process alone. Wake latency is the time from a task's real end at the local "
        "Vidu to the event of its trigger. Compared ways run one after another in one run, on the same tasks.",
    ]
    if results:
        machine = ", ".join(f"{name}: {value}" for name, value in results[0].machine.items())
        lines += ["", f"Machine: {machine}."]
    return lines


def _differs(result: Result, results: Sequence[Result]) -> bool:
    return dict(result.machine) != dict(results[0].machine)


def _summary(result: Result) -> list[str]:
    name = f"[{result.row}](#{result.row})"
    if result.reason:
        return [f"| {name} | {result.title} | – | – | not measured: {_cell(result.reason)} |"]
    return [
        f"| {name if number == 0 else ''} | {_cell(target.what)} | {told(target.measured, target.unit)} "
        f"| {target.wanted} | {_cell(target.verdict)} |"
        for number, target in enumerate(result.targets)
    ]


def _section(result: Result, pictures: Sequence[tuple[str, str]], differs: bool) -> list[str]:
    lines = ["", f"## {result.row}", "", f"{result.title[:1].upper()}{result.title[1:]}.", ""]
    if result.reason:
        lines += [f"Not measured: {result.reason}", ""]
    if result.table is not None:
        lines += [
            "| " + " | ".join(result.table.header) + " |",
            "|" + "---|" * len(result.table.header),
            *("| " + " | ".join(map(_cell, line)) + " |" for line in result.table.lines),
            "",
        ]
    lines += [f"- {note}" for note in result.notes]
    if result.notes:
        lines.append("")
    for path, shown in pictures:
        lines += [f"![{shown}]({path})", ""]
    machine = ""
    if differs:
        machine = " Another machine than above: " + ", ".join(f"{k}: {v}" for k, v in result.machine.items()) + "."
    quick = " Small sizes, for trying out." if result.quick else ""
    if result.taken_at != NEVER:
        lines.append(f"Taken {result.taken_at}, in {result.seconds:.0f} s.{quick}{machine}")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, places)
    if abs(rounded) >= 10_000:
        return f"{rounded:,.0f}".replace(",", " ")
    text = f"{rounded:.{min(places, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
