# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Reads and writes the task state store: what must be in it before a POST, and what must not stop a task that is paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_vidu.api.errors import ViduError, ViduUnavailableError

if TYPE_CHECKING:
    from airflow_provider_vidu.compat import StateStore

#: An intent that was this old when its write ended is written again, in seconds: its time would be wrong.
MAX_INTENT_AGE = 10.0
#: … but not for ever.
MAX_INTENT_WRITES = 3
#: Attempts at a write that nothing depends on; the pauses between them are one and two seconds.
ATTEMPTS = 3
#: Seconds after a failure during which each such write gets a single attempt.
QUIET_SECONDS = 30.0


def read_state(store: StateStore, key: str) -> Any:
    """
    Return the value of a key, or None.

    :raises ViduUnavailableError: the store cannot be read; nothing may be submitted then.
    """
    try:
        return store.get(key)
    except Exception as error:
        raise ViduUnavailableError(
            f"The task state store cannot be read ({error}).",
            advice="This try submitted nothing. A retry reads it again.",
        ) from error


class StateWriter:
    """
    Writes to a store that may fail.

    :param clock: epoch seconds.
    :param sleep: seconds; like ``stop`` it may raise a :class:`ViduError`, to end the try.
    :param stop: called between two attempts.
    :param log: where a failed write is logged.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], None], stop: Callable[[], None], log: Any
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._stop = stop
        self._log = log
        #: When a store that has failed is waited for again, epoch seconds.
        self._wait_again_at = 0.0

    def write(self, write: Callable[[], None]) -> None:
        """
        Write what must be in the store before anything is sent.

        :raises ViduUnavailableError: it cannot be written.
        """
        try:
            write()
        except Exception as error:
            raise ViduUnavailableError(
                f"The task state store cannot be written ({error}).",
                advice="So nothing was submitted without a record in it. A retry tries again.",
            ) from error

    def write_intent(self, write: Callable[[float], None]) -> None:
        """
        Write what is about to be sent, and again if that took so long that its time would be wrong.

        :param write: is given the time of the attempt, epoch seconds.
        :raises ViduUnavailableError: it cannot be written, or not in time.
        """
        for _ in range(MAX_INTENT_WRITES):
            now = self._clock()
            write(now)
            if self._clock() - now <= MAX_INTENT_AGE:
                return
        raise ViduUnavailableError(
            f"A write to the task state store takes more than {MAX_INTENT_AGE:.0f} s.",
            advice="So nothing was submitted without a record in it. A retry tries again.",
        )

    def try_to_write(self, write: Callable[[], None], unwritten: Callable[[], str]) -> None:
        """
        Write what has already happened, in a few attempts; a store that fails does not stop the task.

        :param unwritten: returns what a person must write down if the store cannot be written.
        """
        attempts = ATTEMPTS if self._clock() >= self._wait_again_at else 1
        for attempt in range(attempts):
            if attempt and not self._wait(attempt):
                break
            try:
                write()
            except Exception as error:
                if not attempt:
                    # At once: this process may die before the next attempt.
                    self._log.error(
                        "The task state store cannot be written (%s). Write this down: %s", error, unwritten()
                    )
            else:
                self._wait_again_at = 0.0
                return
        self._wait_again_at = self._clock() + QUIET_SECONDS

    def _wait(self, seconds: float) -> bool:
        """Wait before another attempt; False = the worker must stop, and what is known must still reach the caller."""
        try:
            self._stop()
            self._sleep(seconds)
            self._stop()
        except ViduError:
            return False
        return True
