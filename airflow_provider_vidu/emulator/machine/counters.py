# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What the emulator counts, for tests of what a client sends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_vidu.emulator.faults import OPERATIONS


@dataclass
class Counters:
    """
    Counts since the start or the last reset.

    :param requests: requests by operation, including those that a fault struck.
    :param faults: faults that struck, by operation.
    :param submissions: tasks created.
    :param submissions_refused: create calls answered with an error.
    :param cancels_accepted: cancels that ended a task.
    :param cancels_refused: cancels answered with an error.
    :param downloads: files (or parts of files) sent from the storage.
    :param unauthorized: calls without a key, or with one that is not accepted.
    :param leaked_keys: requests to the storage that carried an ``Authorization`` header.
    :param callbacks_delivered: callbacks answered with a 2xx.
    :param callbacks_failed: callbacks that never got a 2xx.
    :param callbacks_withheld: callbacks not sent because their URL is not on this machine.
    """

    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 0))
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 0))
    submissions: int = 0
    submissions_refused: int = 0
    cancels_accepted: int = 0
    cancels_refused: int = 0
    downloads: int = 0
    unauthorized: int = 0
    leaked_keys: int = 0
    callbacks_delivered: int = 0
    callbacks_failed: int = 0
    callbacks_withheld: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the counts by name."""
        return asdict(self)

    def reset(self) -> None:
        """Set all counts to 0."""
        self.__init__()  # type: ignore[misc]
