# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Draws what a table cannot show: distributions, single runs, and what happens over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import format_value, percentile

_OURS = "#5b3fd6"
_OTHERS = ("#d9822b", "#8a8f98", "#3a9188")
_QUIET = "#5f6570"

#: The same figures give the same bytes.
_STYLE = {
    "svg.hashsalt": "benchmarks",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _QUIET,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def draw(row: str, series: Mapping[str, Any], file: Path) -> None:
    """Draw a row's picture from its series, as an SVG."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        _DRAWN[row](series).savefig(file, metadata={"Date": None}, bbox_inches="tight")


def _colors(ways: Sequence[str]) -> dict[str, str]:
    others = iter(_OTHERS)
    return {way: _OURS if way.startswith(("ours", "Img2Video")) else next(others, _OTHERS[-1]) for way in ways}


def _figure(width: float, height: float, columns: int = 1, **grid: Any) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **grid)
    return figure, list(axes[0])


def _bars(axes: Axes, values: Mapping[str, float], unit: str = "") -> None:
    colors = _colors(list(values))
    positions = range(len(values) - 1, -1, -1)
    axes.barh(list(positions), list(values.values()), color=[colors[way] for way in values], height=0.62)
    axes.set_yticks(list(positions), list(values))
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1.16 * max(values.values()))
    for position, value in zip(positions, values.values(), strict=True):
        axes.annotate(
            format_value(value, unit),
            (value, position),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="black",
        )


def _waits(series: Mapping[str, Any]) -> Figure:
    figure, (left, right) = _figure(10, 3.2, 2)
    _bars(left, series["requests"])
    left.set_title("Requests a wait")
    left.set_xlabel("requests")
    colors = _colors(list(series["latencies"]))
    # Where two ways lie on each other, their widths show both.
    for (way, latencies), width in zip(series["latencies"].items(), (1.8, 3.6, 1.4), strict=False):
        shares = range(101)
        right.step(
            [percentile(latencies, share / 100) for share in shares],
            shares,
            where="post",
            color=colors[way],
            linewidth=width,
            label=way,
        )
    right.set_title("Waits reported within …")
    right.set_xlabel("seconds after the task has finished")
    right.set_ylabel("% of waits")
    right.set_xlim(left=0)
    right.set_ylim(0, 101)
    right.legend(loc="lower right")
    return figure


def _forty(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(8, 2.6)
    walls = {way: percentile(series["walls"][way], 0.5) for way in series["walls"]}
    _bars(axes, walls, "s")
    for position, way in zip(range(len(walls) - 1, -1, -1), walls, strict=True):
        runs = series["walls"][way]
        axes.plot(runs, [position - 0.4] * len(runs), "|", color="black", markersize=7, clip_on=False)
    axes.axvline(series["longest"], color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"longest single generation, {format_value(series['longest'], 's')}",
        (series["longest"], 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 2),
        textcoords="offset points",
        color=_QUIET,
        fontsize=9,
    )
    axes.set_title("Forty images, from the request until the last task finishes\n")
    axes.set_xlabel("seconds; bars: medians, ticks: single runs")
    return figure


def _outages(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(9, 2.8)
    seconds, rates = [at for at, _ in series["rate"]], [rate for _, rate in series["rate"]]
    axes.fill_between(seconds, rates, step="post", color=_OURS, linewidth=0)
    for name, begin, finish in series["troubles"]:
        axes.axvspan(begin, finish, color="#f4d9c6", zorder=0, linewidth=0)
        axes.annotate(
            name,
            ((begin + finish) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color="#a2541d",
        )
    axes.set_xlim(0, max(seconds, default=1) + 1)
    axes.set_ylim(bottom=0)
    axes.set_title("Requests that the local Vidu counted in each second\n")
    axes.set_xlabel("seconds since the first wait")
    axes.set_ylabel("requests/s")
    return figure


_DRAWN: dict[str, Callable[[Mapping[str, Any]], Figure]] = {"waits": _waits, "forty": _forty, "outages": _outages}
