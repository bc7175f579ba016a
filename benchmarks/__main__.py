# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``make bench``: measures the rows, keeps each one's last figures, writes the page and draws the pictures."""

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
from benchmarks.report import NEVER, NotMeasured, Result, markdown, told

ROOT = Path(__file__).resolve().parent.parent
#: Where each row's last figures stand …
KEPT = ROOT / "benchmarks" / "figures"
#: … and everything of quick runs.
QUICK = ROOT / ".cache" / "bench"


@dataclass(frozen=True)
class Row:
    """
    One thing that is measured.

    :param name: as in ``ONLY=``.
    :param title: what it is.
    :param module: under ``benchmarks.rows``.
    :param function: in it.
    """

    name: str
    title: str
    module: str
    function: str = "measure"


#: In the order of the page. What is quick to measure comes first where nothing else decides.
ROWS = (
    Row("waits", "1000 waits of about 20 s, against one poller a trigger", "waits"),
    Row("queue", "a queue of 1000 tasks, 5 at a time, 30 s each", "queue"),
    Row("waits_without_list", "the 1000 waits at a host without the list", "waits", "measure_without_list"),
    Row("queue_without_list", "the queue at a host without the list", "queue", "measure_without_list"),
    Row("lag", "event loop and memory with 1000 and 10 000 waits", "loop", "measure_lag"),
    Row("completions", "200 completions at once, in a real triggerer", "completions"),
    Row("forty", "40 images through a real Airflow, in four ways", "images", "measure_forty"),
    Row("thousand", "1000 images in one task instance of a real Airflow", "images", "measure_thousand"),
    Row("landing", "a video of 1 GB from a host that gives away 200 MB a second", "landing"),
    Row("imports", "import of operator, sensor and trigger, against other providers", "imports"),
    Row("outages", "a storm of 429 and an outage of a minute", "outages"),
    Row("soak", "10 000 waits for ten minutes", "loop", "measure_soak"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure and tell.

    :param arguments: the command line; None = the process's.
    :return: exit code: 1 where a row broke. A target that is not reached is no error.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"rows, comma-separated: {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small sizes; the page in docs is left alone")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from the last figures")
    options = parser.parse_args(arguments)
    wanted = [name for name in options.only.split(",") if name]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    kept = QUICK if options.quick else KEPT
    kept.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / ".cache" / "bench-airflow"))
    broken = False
    if not options.page:
        for row in ROWS:
            if not wanted or row.name in wanted:
                broken |= not _measure(row, kept, quick=options.quick)
    _write(kept, QUICK if options.quick else ROOT / "docs")
    return int(broken)


def _measure(row: Row, kept: Path, *, quick: bool) -> bool:
    print(f"{row.name}: {row.title} …", flush=True)
    began = time.monotonic()
    reason, measured, well = "", None, True
    try:
        measured = getattr(importlib.import_module(f"benchmarks.rows.{row.module}"), row.function)(quick=quick)
    except NotMeasured as error:
        reason = str(error)
    except Exception as error:
        # The others are worth measuring all the same.
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
        **(vars(measured) if measured else {}),
    )
    (kept / f"{row.name}.json").write_text(result.to_json())
    for target in result.targets:
        print(f"  {target.what}: {told(target.measured, target.unit)}, target {target.wanted}: {target.verdict}")
    print(f"  {f'not measured: {reason}; ' if reason else ''}{result.seconds:.0f} s", flush=True)
    return well


def _write(kept: Path, folder: Path) -> None:
    from benchmarks.pictures import draw

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
        result.row: [(f"img/{name}", shown) for name, shown in draw(result, folder / "img")] for result in results
    }
    page = folder / "benchmarks.md"
    page.write_text(markdown(results, pictures, "make bench"))
    print(f"{page.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    sys.exit(main())
