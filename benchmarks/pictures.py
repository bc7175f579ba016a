# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Draws what a table cannot show: distributions, and what happens over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import Result, percentile, told

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


def draw(result: Result, folder: Path) -> list[tuple[str, str]]:
    """
    Draw a row's pictures.

    :param result: with its series.
    :param folder: where the files go.
    :return: of each: (file name, what it shows).
    """
    if result.reason or result.row not in _DRAWN:
        return []
    act, shown = _DRAWN[result.row]
    name = f"benchmarks_{result.row}.svg"
    with mpl.rc_context(_STYLE):
        figure = act(result.series)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / name, metadata={"Date": None}, bbox_inches="tight")
    return [(name, shown)]


def _colors(ways: Sequence[str]) -> dict[str, str]:
    others = iter(_OTHERS)
    return {way: _OURS if way.startswith(("ours", "Img2Video")) else next(others, _OTHERS[-1]) for way in ways}


def _figure(width: float, height: float, columns: int = 1, **grid: Any) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False, **grid)
    return figure, list(axes[0])


def _bars(axes: Axes, values: Mapping[str, float], unit: str = "", *, alike: bool = False) -> None:
    # Where no other part of the picture tells the others apart by colour, they need none.
    colors = {way: _OURS if way == "ours" else _OTHERS[1] for way in values} if alike else _colors(list(values))
    positions = range(len(values) - 1, -1, -1)
    axes.barh(list(positions), list(values.values()), color=[colors[way] for way in values], height=0.62)
    axes.set_yticks(list(positions), list(values))
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1.16 * max(values.values()))
    for position, value in zip(positions, values.values(), strict=True):
        axes.annotate(
            told(value, unit), (value, position), xytext=(4, 0), textcoords="offset points", va="center", color="black"
        )


def _waits(series: Mapping[str, Any]) -> Figure:
    figure, (left, right) = _figure(10, 3.2, 2)
    _bars(left, series["requests"])
    left.set_title("Requests a wait")
    left.set_xlabel("requests")
    colors = _colors(list(series["latencies"]))
    # Ways that lie on each other are seen through their widths.
    for (way, latencies), width in zip(series["latencies"].items(), (1.8, 3.6, 1.4), strict=False):
        shares = [100 * (number + 1) / len(latencies) for number in range(len(latencies))]
        right.step(latencies, shares, where="post", color=colors[way], linewidth=width, label=way)
    right.set_title("Waits told of within …")
    right.set_xlabel("seconds after the task's end")
    right.set_ylabel("% of waits")
    right.set_xlim(left=0)
    right.set_ylim(0, 101)
    right.legend(loc="lower right")
    return figure


def _queue(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(7, 1.8)
    _bars(axes, series["requests"])
    axes.set_title("Requests a task, through a queue of 100 minutes")
    axes.set_xlabel("requests")
    return figure


def _forty(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(8, 2.6)
    walls = {way: percentile(series["walls"][way], 0.5) for way in series["order"]}
    _bars(axes, walls, "s")
    for position, way in zip(range(len(walls) - 1, -1, -1), walls, strict=True):
        runs = series["walls"][way]
        axes.plot(runs, [position - 0.4] * len(runs), "|", color="black", markersize=7, clip_on=False)
    axes.axvline(series["longest"], color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"longest single generation, {told(series['longest'], 's')}",
        (series["longest"], 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 2),
        textcoords="offset points",
        color=_QUIET,
        fontsize=9,
    )
    axes.set_title("Forty images, from the request to the last task's end\n")
    axes.set_xlabel("seconds; bars: medians, ticks: single runs")
    return figure


def _outages(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(9, 2.8)
    seconds, rates = [at for at, _ in series["rate"]], [rate for _, rate in series["rate"]]
    axes.bar([at + 0.5 for at in seconds], rates, width=1.0, color=_OURS)
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


def _soak(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(8, 2.4)
    axes.plot(
        [at / 60 for at, _ in series["memory"]], [size for _, size in series["memory"]], color=_OURS, linewidth=1.6
    )
    axes.axvline(series["settled"] / 60, color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_title("Resident memory of the process with all waits; dashed: where flat begins")
    axes.set_xlabel("minutes since the last trigger's start")
    axes.set_ylabel("MB")
    return figure


def _lag(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(7, 2.8)
    for (count, lags), color in zip(series["lags"].items(), (_OURS, _OTHERS[0]), strict=False):
        shares = [100 * (1 - number / len(lags)) for number in range(len(lags))]
        axes.step(
            [max(lag, 0.01) for lag in lags], shares, where="post", color=color, linewidth=1.8, label=f"{count} waits"
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.1, 100)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, position: told(value))
    axes.axhline(1, color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_title("How often the loop woke its probe later than …")
    axes.set_xlabel("ms (logarithmic)")
    axes.set_ylabel("% of probes (log.); dashed: 1 %")
    axes.legend(loc="upper right")
    return figure


def _completions(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(7, 2.6)
    for (way, delays), color in zip(series["delays"].items(), (_OTHERS[0], _OURS, _OTHERS[1]), strict=False):
        ranked = sorted(delays)
        shares = [100 * (number + 1) / len(ranked) for number in range(len(ranked))]
        axes.step(ranked, shares, where="post", color=color, linewidth=1.8, label=way)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 101)
    axes.set_title("Tasks in success within …")
    axes.set_xlabel("seconds after the trigger's event")
    axes.set_ylabel("% of tasks")
    axes.legend(loc="lower right")
    return figure


def _imports(series: Mapping[str, Any]) -> Figure:
    figure, (axes,) = _figure(7, 2.2)
    _bars(axes, dict(sorted(series["times"].items(), key=lambda item: item[1])), "ms", alike=True)
    axes.set_title("Import of operator, sensor and trigger, on top of airflow.sdk")
    axes.set_xlabel("ms, median of cold processes")
    return figure


def _landing(series: Mapping[str, Any]) -> Figure:
    figure, (left, right) = _figure(10, 1.9, 2)
    _bars(left, {way: percentile(rates, 0.5) for way, rates in series["rates"].items()}, "MB/s")
    for position, rates in zip(range(len(series["rates"]) - 1, -1, -1), series["rates"].values(), strict=True):
        left.plot(rates, [position - 0.4] * len(rates), "|", color="black", markersize=7, clip_on=False)
    left.set_title(f"A video of 1 GB from a host that gives {told(series['cap'] / 1e6, 'MB/s')}")
    left.set_xlabel("MB/s; bars: medians, ticks: single runs")
    _bars(right, {way: percentile(beyond, 0.5) for way, beyond in series["memory"].items()}, "MB")
    right.set_title("Resident memory beyond idle")
    right.set_xlabel("MB, at the most; median")
    return figure


_DRAWN: dict[str, tuple[Callable[[Mapping[str, Any]], Figure], str]] = {
    "waits": (_waits, "Requests a wait, and how many waits were told of within how many seconds"),
    "waits_without_list": (_waits, "The same at a host without the list"),
    "queue": (_queue, "Requests a task through the queue"),
    "lag": (_lag, "How late the event loop woke its probe"),
    "completions": (_completions, "From trigger event to task success"),
    "forty": (_forty, "Wall time of the ways, with single runs"),
    "landing": (_landing, "Throughput beside curl, and resident memory beyond idle"),
    "imports": (_imports, "Import times"),
    "outages": (_outages, "Requests a second through a 429 storm and an outage"),
    "soak": (_soak, "Resident memory over ten minutes"),
}
