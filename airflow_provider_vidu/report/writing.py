# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Writes a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from airflow_provider_vidu.api.errors import ViduError, ViduLandingError
from airflow_provider_vidu.api.messages import counted
from airflow_provider_vidu.landing.publish import put_bytes
from airflow_provider_vidu.transport import timing


def write_report(path: str, rows: Sequence[Mapping[str, Any]], *, title: str, log: Any) -> None:
    """
    Write a page that shows each request of a batch with its video, in one step: no reader sees half of it.

    The page is one HTML file that loads nothing from outside. It contains small copies of the pictures, and links to
    the landed files in the same store, relative to the page: move them together.

    A report must not fail a paid batch. Whatever goes wrong raises :class:`ViduLandingError`, for which the caller
    writes a warning. A picture that cannot be read only has no thumbnail.

    :param path: where to write it: a local path or any ``ObjectStoragePath`` URL.
    :param rows: of the manifest, in the order of the requests.
    :param title: heading of the page.
    :param log: gets a line when the report is written.
    :raises ViduLandingError: it could not be written.
    """
    try:
        _write(path, rows, title)
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduLandingError(
            f"The report cannot be written to {path} ({error.message if isinstance(error, ViduError) else error}).",
            advice=(
                "No video and no manifest is missing because of it. Correct the path or free space, then write it from "
                "the manifest: python -m airflow_provider_vidu.report MANIFEST --output PATH"
            ),
        ) from error
    log.info("The report of %s is at %s.", counted(len(rows), "item"), path)


def _write(path: str, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    # They import Jinja2 and read the package's files: only a report needs that.
    from airflow_provider_vidu.report.items import pictures_of
    from airflow_provider_vidu.report.page import render_page
    from airflow_provider_vidu.report.thumbnails import make_thumbnails

    if path.endswith("/"):
        raise ValueError("that is a folder")
    page = render_page(
        rows,
        title=title,
        written_at=datetime.fromtimestamp(timing.now(), timezone.utc),
        report=path,
        thumbnails=make_thumbnails(pictures_of(rows)),
    )
    # Foreign text may have half a character, which no encoding has.
    put_bytes(page.encode(errors="replace"), path)
