# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Reads a manifest for a report, and says what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.images import path_to_read

_WHAT = "A manifest is what a batch operator writes to its manifest_path: JSON Lines, one object per line."


def read_rows(path: str) -> list[dict[str, Any]]:
    """
    Read the rows of a manifest, of this release or an earlier one.

    :param path: a local path or any ``ObjectStoragePath`` URL.
    :raises ViduInputError: it is missing, unreadable or empty, or no manifest.
    """
    try:
        text: str = path_to_read(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ViduInputError(f"There is no manifest at {path}.", advice="Check the path.") from None
    except IsADirectoryError:
        raise ViduInputError(f"{path} is a folder.", advice="Name the manifest in it.") from None
    except UnicodeDecodeError:
        raise ViduInputError(f"{path} is not a text.", advice=_WHAT) from None
    except Exception as error:
        # Each store has its own exceptions.
        raise ViduInputError(
            f"{path} cannot be read ({error}).", advice="Check the path and its connection."
        ) from error
    # Not splitlines(): a prompt may have other separators, which JSON does not escape.
    rows = [_read_row(path, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not rows:
        raise ViduInputError(f"{path} has no rows.", advice="The batch had no requests, or the file is another one.")
    return rows


def _read_row(path: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ViduInputError(f"Line {number} of {path} is not JSON ({error}).", advice=_WHAT) from None
    if not isinstance(row, dict) or not row.keys() & {"task_id", "state", "files", "error"}:
        raise ViduInputError(f"Line {number} of {path} is not the record of a request.", advice=_WHAT)
    return row
