# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""``python -m airflow_provider_vidu.report``: a report or a contact sheet from a batch's manifest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_vidu.api.errors import ViduError, ViduInputError
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.many import SILENT
from airflow_provider_vidu.report.items import picture_and_video
from airflow_provider_vidu.report.links import file_name
from airflow_provider_vidu.report.manifest import read_rows
from airflow_provider_vidu.report.thumbnails import may_be_read
from airflow_provider_vidu.report.writing import write_report

#: Rows of a contact sheet. More make a picture that few viewers open.
MAX_ROWS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what was asked for, and return the exit code."""
    options = _parser().parse_args(arguments)
    manifest: str = options.manifest
    try:
        rows = read_rows(manifest)
        output: str = options.contact_sheet or options.output or _beside(manifest)
        if output == manifest:
            raise ViduInputError(f"{output} is the manifest itself.", advice="Name another file for the result.")
        if options.contact_sheet:
            _draw(rows, output)
        else:
            write_report(output, rows, title=options.title or _title_of(manifest), log=SILENT)
    except ViduError as error:
        print(error, file=sys.stderr)
        return 1
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_vidu.report",
        description="Show each request of a batch with its video, on one HTML page that loads nothing from outside.",
    )
    parser.add_argument("manifest", help="the manifest of a batch: a path, or a URL such as s3://conn_id@bucket/key")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--output", metavar="PAGE", help="where to write the page; by default beside the manifest")
    what.add_argument(
        "--contact-sheet",
        metavar="PICTURE",
        help="instead of a page draw one picture (.png or .jpg) of each input with three frames of its video",
    )
    parser.add_argument("--title", help="heading of the page; by default the name of the manifest's folder")
    return parser


def _beside(manifest: str) -> str:
    name = file_name(manifest)
    stem = name.rpartition(".")[0] or name
    return f"{manifest.removesuffix(name)}{stem}.html"


def _title_of(manifest: str) -> str:
    local = local_path(manifest)
    path = manifest if local is None else str(local.absolute())
    return f"Videos in {file_name(path.rpartition('/')[0])}"


def _draw(rows: Sequence[dict[str, Any]], output: str) -> None:
    try:
        from airflow_provider_vidu.report.contact_sheet import make_contact_sheet
    except ImportError as error:
        raise ViduInputError(
            f"A contact sheet needs PyAV ({error}).", advice="pip install 'airflow-provider-vidu[emulator]'"
        ) from None
    if not any(may_be_read(path) for row in rows for path in picture_and_video(row)):
        raise ViduInputError(
            "No row names a picture in reach or a landed video.",
            advice="Manifests of earlier releases do not name the picture, and without output_path no video is landed.",
        )
    if len(rows) > MAX_ROWS:
        print(f"The first {MAX_ROWS} of {len(rows)} items; the report has all.", file=sys.stderr)
    try:
        make_contact_sheet(rows[:MAX_ROWS], Path(output))
    except Exception as error:
        # Stores, Pillow and PyAV have exceptions of their own.
        raise ViduInputError(f"The contact sheet cannot be drawn ({error}).", advice="Check the named file.") from error


if __name__ == "__main__":
    sys.exit(main())
