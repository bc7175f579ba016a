# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Limit the time of one blocking HTTP request and its reply."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any


class Exchange:
    """
    A request and its reply, cut off at a deadline.

    A socket's timeout starts again with every byte, so a reply that arrives byte by byte would never time out.

    :param seconds: until the deadline.
    :param may_go_on: called at the deadline; True = the exchange gets the same time once more.
    """

    def __init__(self, seconds: float, may_go_on: Callable[[], bool] = lambda: False) -> None:
        self.is_over = False
        #: Address of the connected host; with a proxy, the proxy's address.
        self.address: str | None = None
        self._seconds = seconds
        self._may_go_on = may_go_on
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = self._new_timer()

    def __enter__(self) -> Exchange:
        self._outer = _current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        _current.reset(self._outer)
        with self._lock:
            self._timer.cancel()
            self._forget()

    def watch(self, connected: Any) -> None:
        """Cut off this socket at the deadline, also if TLS wraps it in another object."""
        with self._lock:
            self._forget()
            self._socket = socket.socket(fileno=os.dup(connected.fileno()))
            with suppress(OSError):
                self.address = str(self._socket.getpeername()[0])
            if self.is_over:
                self._shut_down()

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - time.monotonic()

    def timeout(self) -> TimeoutError:
        """Return the error of an exchange that was cut off."""
        return TimeoutError(f"timed out after {self._seconds:g} s")

    def _new_timer(self) -> threading.Timer:
        self._deadline = time.monotonic() + self._seconds
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        return timer

    def _end(self) -> None:
        with self._lock:
            if self._may_go_on():
                self._timer = self._new_timer()
                self._timer.start()
                return
            self.is_over = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


#: This thread's exchange, to which new connections belong.
_current: ContextVar[Exchange] = ContextVar("vidu_exchange")


def current_exchange() -> Exchange:
    """Return the exchange that this thread is in."""
    return _current.get()
