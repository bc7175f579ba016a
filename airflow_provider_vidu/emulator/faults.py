# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Faults and quirks: what goes wrong between a client and Vidu, when a test orders it and as often as it says.

::

    vidu.faults.add("submit", Fault.drop_after_accept())              # accepted, and the reply is lost
    vidu.faults.add("poll", Fault.refuse(503, times=3))               # three outages in a row
    vidu.faults.add("poll", Fault.rate_limit(retry_after=2, after=5)) # five good answers, then a 429
    vidu.quirks.has_list = False                                      # a relay without the list

Whether a fault costs credits depends on when it strikes. "Before accept" means that the request is not acted on;
all others act on it first, so that a submission is created and charged although its client gets no confirmation.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

#: What a fault can strike. ``download`` is the storage, which shares no key with the API;
#: ``upload`` is each call of the upload tool.
OPERATIONS = ("submit", "poll", "list", "cancel", "credits", "download", "upload")

DROP_BEFORE_ACCEPT = "drop_before_accept"
DROP_AFTER_ACCEPT = "drop_after_accept"
HALF_REPLY = "half_reply"
NO_ID = "no_id"
REFUSE = "refuse"
FAIL_AFTER_ACCEPT = "fail_after_accept"
HANG = "hang"
HANG_BEFORE_ACCEPT = "hang_before_accept"
BROKEN_JSON = "broken_json"
ERROR_IN_200 = "error_in_200"
KINDS = (
    DROP_BEFORE_ACCEPT,
    DROP_AFTER_ACCEPT,
    HALF_REPLY,
    NO_ID,
    REFUSE,
    FAIL_AFTER_ACCEPT,
    HANG,
    HANG_BEFORE_ACCEPT,
    BROKEN_JSON,
    ERROR_IN_200,
)

_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "times": (int, type(None)),
    "after": (int,),
    "status": (int, type(None)),
    "reason": (str, type(None)),
    "retry_after": (int, float, str, type(None)),
    "location": (str, type(None)),
    "seconds": (int, float),
}
_HAVE_IDS = ("submit", "poll", "list")
# A year in seconds; a longer lag is a mistake, and a huge number would break the clock's arithmetic.
_LONGEST_LAG = 366 * 86_400.0
_WITH_STATUS = {REFUSE, FAIL_AFTER_ACCEPT}
_WITH_SECONDS = {HANG, HANG_BEFORE_ACCEPT}


@dataclass(frozen=True)
class Fault:
    """
    One thing that goes wrong. The class methods build the usual ones.

    :param kind: one of :data:`KINDS`.
    :param times: how many requests it strikes; None = all until it is cleared.
    :param after: how many requests pass before the first one that it strikes.
    :param status: HTTP status, 300 to 599, of ``refuse`` and ``fail_after_accept``.
    :param reason: Vidu's reason in the body; None = what the status suggests.
    :param retry_after: the ``Retry-After`` header: seconds, or the text of a date.
    :param location: the ``Location`` header of a redirect.
    :param seconds: real seconds that ``hang`` and ``hang_before_accept`` last; no speed shortens them.
    :raises ValueError: a kind that does not exist, a value of another type, or a number out of range.
    """

    kind: str
    times: int | None = 1
    after: int = 0
    status: int | None = None
    reason: str | None = None
    retry_after: float | str | None = None
    location: str | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        for name, types in _TYPES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, types):
                raise ValueError(f"{name} cannot be a {type(value).__name__}")
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")
        if (self.times is not None and self.times < 1) or self.after < 0:
            raise ValueError(f"times must be at least 1 or None, after at least 0: {self}")
        if self.kind in _WITH_STATUS and not 300 <= (self.status or 0) <= 599:
            raise ValueError(f"{self.kind} needs a status from 300 to 599, not {self.status}")
        if self.kind in _WITH_SECONDS and not self.seconds > 0:
            raise ValueError(f"{self.kind} needs seconds above 0, not {self.seconds}")

    @classmethod
    def drop_before_accept(cls, *, times: int | None = 1, after: int = 0) -> Fault:
        """The connection is closed before the request is acted on."""
        return cls(DROP_BEFORE_ACCEPT, times, after)

    @classmethod
    def drop_after_accept(cls, *, times: int | None = 1, after: int = 0) -> Fault:
        """The request is acted on, then the connection is closed without a reply."""
        return cls(DROP_AFTER_ACCEPT, times, after)

    @classmethod
    def half_reply(cls, *, times: int | None = 1, after: int = 0) -> Fault:
        """The request is acted on; the reply announces its full length and breaks off half-way."""
        return cls(HALF_REPLY, times, after)

    @classmethod
    def no_id(cls, *, times: int | None = 1, after: int = 0) -> Fault:
        """The request is acted on, and the reply is a 200 without ids. For ``submit``, ``poll`` and ``list``."""
        return cls(NO_ID, times, after)

    @classmethod
    def refuse(
        cls,
        status: int,
        *,
        reason: str | None = None,
        retry_after: float | str | None = None,
        location: str | None = None,
        times: int | None = 1,
        after: int = 0,
    ) -> Fault:
        """Any status from 300 to 599 instead of acting on the request; a 3xx needs a ``location``."""
        return cls(REFUSE, times, after, status, reason, retry_after, location)

    @classmethod
    def fail_after_accept(
        cls, status: int = 502, *, reason: str | None = None, times: int | None = 1, after: int = 0
    ) -> Fault:
        """The request is acted on and then answered with an error status."""
        return cls(FAIL_AFTER_ACCEPT, times, after, status, reason)

    @classmethod
    def rate_limit(
        cls,
        *,
        retry_after: float | str | None = None,
        reason: str = "TooManyRequests",
        times: int | None = 1,
        after: int = 0,
    ) -> Fault:
        """429, with or without ``Retry-After``; the reason may be ``QuotaExceeded`` or ``SystemThrottling`` too."""
        return cls.refuse(429, reason=reason, retry_after=retry_after, times=times, after=after)

    @classmethod
    def hang(cls, seconds: float, *, times: int | None = 1, after: int = 0) -> Fault:
        """The request is acted on at once, and the reply comes this much later."""
        return cls(HANG, times, after, seconds=seconds)

    @classmethod
    def hang_before_accept(cls, seconds: float, *, times: int | None = 1, after: int = 0) -> Fault:
        """
        The request waits this long before it is acted on.

        It is acted on even if its client has gone by then: a submission that timed out can still arrive.
        """
        return cls(HANG_BEFORE_ACCEPT, times, after, seconds=seconds)

    @classmethod
    def broken_json(cls, *, times: int | None = 1, after: int = 0) -> Fault:
        """The request is acted on; the reply is a 200 whose JSON breaks off, at its full announced length."""
        return cls(BROKEN_JSON, times, after)

    @classmethod
    def error_in_200(cls, *, reason: str | None = None, times: int | None = 1, after: int = 0) -> Fault:
        """The request is not acted on, and a 200 brings an error's body, as some relays answer."""
        return cls(ERROR_IN_200, times, after, reason=reason)

    @property
    def acts(self) -> bool:
        """Whether the request is acted on."""
        return self.kind not in {DROP_BEFORE_ACCEPT, REFUSE, ERROR_IN_200}


class FaultPlan:
    """The faults still to come, for each operation in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, list[Fault]] = {operation: [] for operation in OPERATIONS}

    def add(self, operation: str, *faults: Fault) -> None:
        """
        Order faults, after those ordered before.

        :param operation: one of :data:`OPERATIONS`.
        :param faults: in the order in which they strike.
        :raises ValueError: no such operation, or a fault that does not apply to it.
        """
        if not isinstance(operation, str):
            raise ValueError(f"an operation cannot be a {type(operation).__name__}")
        if operation not in OPERATIONS:
            raise ValueError(f"no operation is called {operation!r}; there are {', '.join(OPERATIONS)}")
        for fault in faults:
            if fault.kind == NO_ID and operation not in _HAVE_IDS:
                raise ValueError(f"{NO_ID} strikes {', '.join(_HAVE_IDS)} only, not {operation}")
        with self._lock:
            self._pending[operation].extend(faults)

    def take(self, operation: str) -> Fault | None:
        """
        Return the fault that strikes the next request of an operation, and count it.

        :param operation: one of :data:`OPERATIONS`.
        :return: None = this request succeeds.
        """
        with self._lock:
            pending = self._pending[operation]
            if not pending:
                return None
            fault = pending[0]
            if fault.after:
                pending[0] = replace(fault, after=fault.after - 1)
                return None
            if fault.times is not None:
                if fault.times > 1:
                    pending[0] = replace(fault, times=fault.times - 1)
                else:
                    del pending[0]
            return fault

    def clear(self, operation: str | None = None) -> None:
        """
        Drop the faults that have not struck.

        :param operation: only of this one; None = of all.
        """
        with self._lock:
            for name in OPERATIONS if operation is None else (operation,):
                self._pending[name].clear()

    def pending(self) -> dict[str, list[dict[str, Any]]]:
        """Return the faults still to come, by operation, as JSON."""
        with self._lock:
            return {name: [asdict(fault) for fault in faults] for name, faults in self._pending.items() if faults}


@dataclass
class Quirks:
    """
    How a host differs from Vidu's pages, until it is changed. The defaults are those of the pages.

    :param list_lag_seconds: real seconds until a new task shows in the list (the query has it at once).
    :param list_without_payload: list rows have no ``payload``, as on Vidu's page; False = they have it, as some hosts
        answer.
    :param list_without_err_code: the same for ``err_code``.
    :param list_ignores_paging: every page of the list is the first one, and promises a next.
    :param list_omits_ids: ids that the list leaves out when it is asked for ids; True = all of them.
    :param has_list: False = 404, as relays answer for what they do not forward.
    :param has_cancel: see ``has_list``.
    :param has_credits: see ``has_list``.
    :param lower_case_links: percent-escapes in signed links have lower-case hexadecimal digits. A client that
        normalises a URL before it sends it (urllib3, and so requests, writes them in upper case) gets a 403.
    """

    list_lag_seconds: float = 0.0
    list_without_payload: bool = True
    list_without_err_code: bool = True
    list_ignores_paging: bool = False
    list_omits_ids: bool | Collection[str] = field(default=False)
    has_list: bool = True
    has_cancel: bool = True
    has_credits: bool = True
    lower_case_links: bool = False

    def change(self, **changes: Any) -> None:
        """
        Set several quirks.

        :param changes: by the names above.
        :raises ValueError: no such quirk, or a value of another type.
        """
        known = {quirk.name for quirk in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no quirk is called {name!r}; there are {', '.join(sorted(known))}")
            is_flag = isinstance(value, bool)
            is_seconds = isinstance(value, (int, float)) and not is_flag and 0 <= value <= _LONGEST_LAG
            is_ids = isinstance(value, Collection) and not isinstance(value, (str, Mapping))
            is_ids = is_ids and all(isinstance(one, str) for one in value)
            if not (is_seconds if name == "list_lag_seconds" else is_flag or (name == "list_omits_ids" and is_ids)):
                shown = repr(value) if isinstance(value, (str, float)) else f"a {type(value).__name__}"
                raise ValueError(f"{name} cannot be {shown}")
        for name, value in changes.items():
            setattr(self, name, value)

    def omits(self, task_id: str) -> bool:
        """
        Return whether the list leaves out an id that it is asked for.

        :param task_id: Vidu's id.
        """
        return self.list_omits_ids if isinstance(self.list_omits_ids, bool) else task_id in self.list_omits_ids
