# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``make bench``: measures the rows, keeps the last figures of each, writes the page and draws the pictures."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.report import NEVER, NotMeasured, Result, format_value, markdown

ROOT = Path(__file__).resolve().parent.parent
#: Where the last figures of each row are …
KEPT = ROOT / "benchmarks" / "figures"
#: … and everything of quick runs.
QUICK = ROOT / ".cache" / "bench"


@dataclass(frozen=True)
class Row:
    """One thing that is measured, by a function of a module under ``benchmarks.rows``."""

    #: As in ``ONLY=``.
    name: str
    title: str
    module: str
    function: str = "measure"
    #: What its picture shows; empty = it has none, because its table says it all.
    picture: str = ""


#: In the order of the page. What is quick to measure comes first where nothing else decides.
ROWS = (
    Row(
        "waits",
        "1000 waits of about 20 s, against one poller a trigger",
        "waits",
        picture="Requests a wait, and how many waits were reported within how many seconds",
    ),
    Row("queue", "a queue of 1000 tasks, 5 at a time, 30 s each", "queue"),
    Row("waits_without_list", "the 1000 waits at a host without the list", "waits", "measure_without_list"),
    Row("queue_without_list", "the queue at a host without the list", "queue", "measure_without_list"),
    Row("lag", "event loop and memory with 1000 and 10 000 waits", "loop", "measure_lag"),
    Row("completions", "200 completions at once, in a real triggerer", "completions"),
    Row(
        "forty",
        "40 images through a real Airflow, in four ways",
        "images",
        "measure_forty",
        picture="Wall time of the ways, with single runs",
    ),
    Row("thousand", "1000 images in one task instance of a real Airflow", "images", "measure_thousand"),
    Row("landing", "a video of 1 GB from a host that sends 200 MB a second", "landing"),
    Row("imports", "import of operator, sensor and trigger, against other providers", "imports"),
    Row(
        "outages",
        "a storm of 429 and an outage of a minute",
        "outages",
        picture="Requests a second through a 429 storm and an outage",
    ),
    Row("soak", "10 000 waits for ten minutes", "loop", "measure_soak"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report. The exit code is 1 where a row broke; a target that is not reached is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"rows, comma-separated: {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes; leaves the page in docs alone")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from the last figures")
    options = parser.parse_args(arguments)
    wanted = [name for name in options.only.split(",") if name]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    kept, folder = (QUICK, QUICK) if options.quick else (KEPT, ROOT / "docs")
    kept.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / ".cache" / "bench-airflow"))
    broken = False
    if not options.page:
        for row in ROWS:
            if not wanted or row.name in wanted:
                broken |= not _measure(row, kept, folder, quick=options.quick)
    target = folder / "benchmarks.md"
    target.write_text(page(kept, folder))
    print(f"{target.relative_to(ROOT)} is written.")
    return int(broken)


def _measure(row: Row, kept: Path, folder: Path, *, quick: bool) -> bool:
    print(f"{row.name}: {row.title} …", flush=True)
    began = time.monotonic()
    reason, measured, well = "", None, True
    try:
        measured = getattr(importlib.import_module(f"benchmarks.rows.{row.module}"), row.function)(quick=quick)
    except NotMeasured as error:
        reason = str(error)
    except Exception as error:
        # The other rows are still worth measuring.
        traceback.print_exc()
        reason, well = f"{type(error).__name__}: {str(error)[:300]}", False
    result = Result(
        row=row.name,
        title=row.title,
        taken_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        machine=describe(),
        seconds=time.monotonic() - began,
        quick=quick,
        reason=reason,
        **(measured.kept if measured else {}),
    )
    if measured and row.picture:
        from benchmarks.pictures import draw

        draw(row.name, measured.series, folder / _picture(row))
    (kept / f"{row.name}.json").write_text(result.to_json())
    for target in result.targets:
        print(
            f"  {target.what}: {format_value(target.measured, target.unit)}, target {target.wanted}: {target.verdict}"
        )
    print(f"  {f'not measured: {reason}; ' if reason else ''}{result.seconds:.0f} s", flush=True)
    return well


def page(kept: Path, folder: Path) -> str:
    """Return the page as the figures that are kept give it, with the pictures that its folder has."""
    results = []
    for row in ROWS:
        file = kept / f"{row.name}.json"
        if file.is_file():
            results.append(Result.from_json(file.read_text()))
        else:
            results.append(
                Result(row.name, row.title, NEVER, describe(), reason=f"run make bench ONLY={row.name} for it")
            )
    pictures = {
        row.name: (_picture(row), row.picture) for row in ROWS if row.picture and (folder / _picture(row)).is_file()
    }
    return markdown(results, pictures, "make bench")


def _picture(row: Row) -> str:
    return f"img/benchmarks_{row.name}.svg"


if __name__ == "__main__":
    sys.exit(main())
