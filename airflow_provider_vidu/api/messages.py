# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What messages about many have in common."""

from __future__ import annotations

from collections.abc import Iterable

#: Items or tasks that a message names.
MAX_NAMED = 20


def some_of(named: Iterable[object]) -> str:
    """
    Return a few names for a message.

    :param named: any number; told as text.
    """
    names = [str(one) for one in named]
    return ", ".join(names[:MAX_NAMED]) + (" …" if len(names) > MAX_NAMED else "")
