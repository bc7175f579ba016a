# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Credits: what was reserved, charged and refunded, entry by entry.

A create reserves the price, a success charges it, a failure of any kind (cancelled and expired included) refunds
it. That is how Vidu's pages describe it: failed tasks are not billed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RESERVED = "reserved"
CHARGED = "charged"
REFUNDED = "refunded"
#: The account of every key, unless the emulator has several.
DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True)
class LedgerEntry:
    """
    One line of the ledger.

    :param at: epoch seconds.
    :param account: its credits change.
    :param task_id: for which task.
    :param kind: ``reserved``, ``charged`` or ``refunded``.
    :param credits: their number.
    """

    at: float
    account: str
    task_id: str
    kind: str
    credits: int


class Ledger:
    """
    The credits of all accounts.

    :param opening_balance: credits of every account at the start.
    """

    def __init__(self, opening_balance: int) -> None:
        self._opening_balance = opening_balance
        self._entries: list[LedgerEntry] = []
        self._spent: dict[str, int] = {}

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """Every entry, oldest first."""
        return tuple(self._entries)

    @property
    def reserved(self) -> int:
        """Credits reserved for unfinished tasks."""
        return self._sum(RESERVED) - self._sum(CHARGED) - self._sum(REFUNDED)

    @property
    def charged(self) -> int:
        """Credits paid for tasks that succeeded."""
        return self._sum(CHARGED)

    @property
    def refunded(self) -> int:
        """Credits refunded for tasks that failed or were cancelled."""
        return self._sum(REFUNDED)

    def balance(self, account: str = DEFAULT_ACCOUNT) -> int:
        """
        Return the credits that an account has left, without reserved ones.

        :param account: its name; ``default`` unless the emulator has several.
        """
        return self._opening_balance - self._spent.get(account, 0)

    def of_task(self, task_id: str) -> dict[str, int]:
        """
        Return the sums of one task.

        :param task_id: Vidu's id.
        :return: ``{reserved, charged, refunded}``, credits.
        """
        sums = dict.fromkeys((RESERVED, CHARGED, REFUNDED), 0)
        for entry in self.entries:
            if entry.task_id == task_id:
                sums[entry.kind] += entry.credits
        return sums

    def as_json(self) -> dict[str, Any]:
        """Return sums, sums by task and entries, for ``GET /emulator/ledger``."""
        by_task: dict[str, dict[str, int]] = {}
        for entry in self.entries:
            sums = by_task.setdefault(entry.task_id, dict.fromkeys((RESERVED, CHARGED, REFUNDED), 0))
            sums[entry.kind] += entry.credits
        return {
            "reserved": self.reserved,
            "charged": self.charged,
            "refunded": self.refunded,
            "balance": {account: self.balance(account) for account in sorted({*self._spent, DEFAULT_ACCOUNT})},
            "tasks": by_task,
            "entries": [vars(entry) for entry in self.entries],
        }

    def reserve(self, at: float, account: str, task_id: str, credits: int) -> None:
        """Reserve the price of a new task."""
        self._write(at, account, task_id, RESERVED, credits, credits)

    def charge(self, at: float, account: str, task_id: str, credits: int) -> None:
        """Make a reservation final."""
        self._write(at, account, task_id, CHARGED, credits, 0)

    def refund(self, at: float, account: str, task_id: str, credits: int) -> None:
        """Return a reservation."""
        self._write(at, account, task_id, REFUNDED, credits, -credits)

    def _write(self, at: float, account: str, task_id: str, kind: str, credits: int, spent: int) -> None:
        self._entries.append(LedgerEntry(at, account, task_id, kind, credits))
        self._spent[account] = self._spent.get(account, 0) + spent

    def _sum(self, kind: str) -> int:
        return sum(entry.credits for entry in self.entries if entry.kind == kind)
