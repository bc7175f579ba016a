# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Reads a manifest for a report, and says what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.images import path_to_read

_WHAT = "A manifest is what a batch operator writes to its manifest_path: JSON Lines, one object per line."


def parse_rows(content: bytes) -> list[Any]:
    """
    Parse a manifest: JSON Lines.

    :raises ValueError: it is not a text, or a line is not JSON.
    """
    rows = []
    # Not splitlines(): a prompt may have other separators, which JSON does not escape.
    for number, line in enumerate(content.decode("utf-8-sig").split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is not JSON: {error}") from None
    return rows


def read_rows(path: str) -> list[dict[str, Any]]:
    """
    Read the rows of a manifest, of this release or an earlier one.

    :param path: a local path or any ``ObjectStoragePath`` URL.
    :raises ViduInputError: it is missing, unreadable or empty, or no manifest.
    """
    try:
        content: bytes = path_to_read(path).read_bytes()
    except FileNotFoundError:
        raise ViduInputError(f"There is no manifest at {path}.", advice="Check the path.") from None
    except IsADirectoryError:
        raise ViduInputError(f"{path} is a folder.", advice="Name the manifest in it.") from None
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduInputError(
            f"{path} cannot be read ({error}).", advice="Check the path and its connection."
        ) from error
    try:
        rows = parse_rows(content)
    except UnicodeDecodeError:
        raise ViduInputError(f"{path} is not a text.", advice=_WHAT) from None
    except ValueError as error:
        raise ViduInputError(f"{path} is not a manifest ({error}).", advice=_WHAT) from None
    if not rows:
        raise ViduInputError(f"{path} has no rows.", advice="The batch had no requests, or the file is another one.")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not row.keys() & {"task_id", "state", "files", "error"}:
            raise ViduInputError(f"Row {number} of {path} is not the record of a request.", advice=_WHAT)
    return rows
