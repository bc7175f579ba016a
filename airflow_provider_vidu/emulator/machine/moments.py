# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Moments as Vidu writes them: ids that contain the time of creation, and RFC 3339 with nine fractional digits.

A task id is a snowflake: the milliseconds since an epoch in 2019 in its upper bits, a number in the lower 22. The
epoch is fitted to ids whose time of creation is known. Ids had 18 digits until September 2026 and have 19 since.
"""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone

#: Milliseconds from the Unix epoch to the epoch of the ids.
ID_EPOCH_MILLISECONDS = 1_551_671_515_127
_NUMBER_BITS = 22
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Snowflakes:
    """Makes ids that ascend and never repeat, even if the clock stops or steps back."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._last = 0

    def next(self, nanoseconds: int) -> str:
        """Return the next id, of a task created at these nanoseconds since the Unix epoch."""
        milliseconds = nanoseconds // 1_000_000 - ID_EPOCH_MILLISECONDS
        fresh = (milliseconds << _NUMBER_BITS) | self._chance.getrandbits(_NUMBER_BITS - 2)
        self._last = max(fresh, self._last + 1)
        return str(self._last)


def rfc3339(nanoseconds: int) -> str:
    """Return nanoseconds since the Unix epoch in UTC, as in ``2026-01-20T04:01:53.504648743Z``."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def read_rfc3339(text: str) -> float:
    """
    Return the epoch seconds of an RFC 3339 moment, with any number of fractional digits.

    :raises ValueError: it is not one.
    """
    # A plus sign that a client did not escape arrives as a space.
    match = _RFC3339.fullmatch(re.sub(r" (\d\d:\d\d)$", r"+\1", text.strip()))
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, time_of_day, fraction, offset = match.groups()
    zone = "+00:00" if offset in {"Z", "z"} else offset
    moment = datetime.fromisoformat(f"{day}T{time_of_day}{zone}")
    return (moment + timedelta(seconds=float(fraction or 0))).timestamp()
