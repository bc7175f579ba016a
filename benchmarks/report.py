# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What a row has measured, its targets, and the page that shows both. Pure: nothing is measured here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

REACHED = "reached"
MISSED = "**not reached**"


class NotMeasured(Exception):
    """A row, or a part of one, that cannot be measured here and now; the text says why."""


@dataclass(frozen=True)
class Target:
    """One figure and what it should be."""

    what: str
    #: None = not measured, for the reason below.
    measured: float | None
    limit: float
    #: ``share`` (of another figure, shown as 1/n), or what follows the number.
    unit: str = ""
    #: The limit itself is too much.
    below: bool = False
    reason: str = ""
    #: The limit is a minimum.
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None = not measured."""
        if self.measured is None or math.isnan(self.measured):
            return None
        if self.at_least:
            return self.measured >= self.limit
        return self.measured < self.limit if self.below else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """The last cell of its line."""
        if self.reached is None:
            return f"not measured: {self.reason or 'no figure'}"
        return REACHED if self.reached else MISSED

    @property
    def wanted(self) -> str:
        """The limit with its sign."""
        return f"{'≥' if self.at_least else '<' if self.below else '≤'} {format_value(self.limit, self.unit)}"


#: Instead of a time where a row has no figures yet.
NEVER = "never"


@dataclass(frozen=True)
class Table:
    """Figures side by side, as text. The first column says whose figures a line has."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Result:
    """What the page shows of one row, and all that is kept of it."""

    row: str
    title: str
    #: Date and time, UTC.
    taken_at: str
    machine: Mapping[str, str]
    #: How long the measuring took.
    seconds: float = 0.0
    #: Measured in small sizes, for trying out.
    quick: bool = False
    targets: Sequence[Target] = field(default_factory=list)
    table: Table | None = None
    notes: Sequence[str] = field(default_factory=list)
    #: Why nothing was measured; empty = something was.
    reason: str = ""

    def to_json(self) -> str:
        """Return all of it as JSON, a field a line."""
        fields = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in asdict(self).items())
        return "{\n" + ",\n".join(fields) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a result back."""
        fields = json.loads(text)
        table = fields.pop("table")
        targets = [Target(**target) for target in fields.pop("targets")]
        return cls(**fields, targets=targets, table=Table(**table) if table else None)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return ours as a multiple of theirs; None where one of them is missing or theirs is 0."""
    if ours is None or theirs is None or theirs <= 0:
        return None
    return ours / theirs


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value at a share (0 to 1) of the ranked values, never one between two; NaN where there are none."""
    ranked = sorted(values)
    if not ranked:
        return math.nan
    return ranked[min(len(ranked) - 1, max(0, math.ceil(share * len(ranked)) - 1))]


def format_value(value: float | None, unit: str = "") -> str:
    """Return a figure as text, in three digits; a dash where there is none. Units are those of :class:`Target`."""
    if value is None or math.isnan(value):
        return "–"
    if unit == "share":
        if 0 < value < 1:
            return f"1/{_digits(1 / value)}"
        unit = "×"
    space = " " if unit else ""
    return f"{_digits(value)}{space}{unit}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """Return the median of several runs with their range, as text."""
    if not values:
        return format_value(None)
    if len(values) == 1:
        return format_value(values[0], unit)
    space = " " if unit else ""
    return (
        f"{_digits(percentile(values, 0.5))} ({_digits(min(values))} to {_digits(max(values))}){space}{unit}".rstrip()
    )


def markdown(results: Sequence[Result], pictures: Mapping[str, tuple[str, str]], command: str) -> str:
    """Return the page: its rows in order, with the pictures (path, what it shows) of some of them."""
    lines = ["# Benchmarks", "", *_opening(results, command), ""]
    lines += ["| row | figure | measured | target | |", "|---|---|---|---|---|"]
    for result in results:
        lines += _summary(result)
    missed = [
        f"- `{result.row}`: {target.what} is {format_value(target.measured, target.unit)}, the target is "
        f"{target.wanted}."
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
        lines += _section(result, pictures.get(result.row), _differs(result, results))
    return "\n".join(lines) + "\n"


def _opening(results: Sequence[Result], command: str) -> list[str]:
    lines = [
        f"Written by `{command}`. `ONLY=` with names of rows (comma-separated) measures those again and keeps the "
        "others' last figures; `QUICK=1` tries everything in small sizes and leaves this page alone. Targets are shown "
        "here and asserted nowhere: a suite that measures time fails on busy machines.",
        "",
        "Everything runs on one machine against the provider's own local Vidu, which has a process of its own: CPU and "
        "memory are those of the measured process alone. Wake latency is the time from when a task finishes at the "
        "local Vidu to its trigger's event. The ways that are compared run one after another, on the same tasks.",
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
        f"| {name if number == 0 else ''} | {_cell(target.what)} | {format_value(target.measured, target.unit)} "
        f"| {target.wanted} | {_cell(target.verdict)} |"
        for number, target in enumerate(result.targets)
    ]


def _section(result: Result, picture: tuple[str, str] | None, differs: bool) -> list[str]:
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
    if picture and not result.reason:
        path, shown = picture
        lines += [f"![{shown}]({path})", ""]
    machine = ""
    if differs:
        machine = " On another machine than above: " + ", ".join(f"{k}: {v}" for k, v in result.machine.items()) + "."
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
