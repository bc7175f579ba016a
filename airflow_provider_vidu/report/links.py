# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Links from a report to the landed files."""

from __future__ import annotations

import os
import posixpath
from urllib.parse import quote

from airflow_provider_vidu.images import local_path


def relative_link(target: str, report: str) -> str | None:
    """
    Return the link from a report to a file, which works wherever both are opened from, or moved to together.

    :param target: the file: a local path or any ``ObjectStoragePath`` URL.
    :param report: the report, likewise. Relative paths are relative to the working directory.
    :return: None if they are in different stores.
    """
    there, here = _place_of(target), _place_of(report)
    if there is None or here is None or there[0] != here[0]:
        return None
    relative = posixpath.relpath(there[1], posixpath.dirname(here[1]))
    try:
        # Colons are quoted too, so that no name is a URL of its own.
        return quote(os.fsencode(relative))
    except UnicodeEncodeError:
        # Half a character, which no file's name has.
        return None


def file_name(path: str) -> str:
    """Return a file's name without its folder."""
    return path.rstrip("/").rpartition("/")[2] or path


def _place_of(path: str) -> tuple[str, str] | None:
    """Return the store and the absolute path in it. Two connections with the same bucket are one store."""
    try:
        local = local_path(path)
    except RuntimeError:
        # The home of a user that does not exist.
        return None
    if local is not None:
        return "", os.path.abspath(local)
    scheme, _, place = path.partition("://")
    bucket, _, key = place.partition("/")
    return f"{scheme.lower()}://{bucket.rpartition('@')[2]}", f"/{key}"
