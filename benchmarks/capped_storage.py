# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A storage host in a separate process that serves one large file at a limited speed.

``python -m benchmarks.capped_storage SIZE RATE`` is that process; it stops when its standard input ends.
:class:`CappedStorage` starts it.
"""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
import time
from typing import Any

#: Bytes sent at once.
PIECE = 256 * 1024

_HEAD = b"\0\0\0\x0cftypisom\0\0\0\x08moov"


class CappedStorage:
    """A running host, with a file of so many bytes and so many bytes a second. Use it as a context manager."""

    def __init__(self, size: int, rate: float) -> None:
        self._command = [sys.executable, "-m", "benchmarks.capped_storage", str(size), str(rate)]
        self.url = ""

    def __enter__(self) -> CappedStorage:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self._process.wait()
            raise RuntimeError("the storage host did not start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class _Host(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, size: int, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.size = size
        self.rate = rate
        self.content = memoryview(os.urandom(PIECE))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Host

    def do_GET(self) -> None:
        host = self.server
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(host.size))
        self.send_header("ETag", '"one-file"')
        self.end_headers()
        self.close_connection = True
        # Its length has 64 bits: a box of more than 4 GB needs them.
        head = _HEAD + b"\0\0\0\x01mdat" + (host.size - len(_HEAD)).to_bytes(8, "big")
        self.wfile.write(head)
        sent, began = len(head), time.perf_counter()
        while sent < host.size:
            ahead = sent / host.rate - (time.perf_counter() - began)
            if ahead > 0:
                time.sleep(ahead)
            piece = host.content[: min(PIECE, host.size - sent)]
            self.connection.sendall(piece)
            sent += len(piece)

    def log_message(self, *arguments: Any) -> None:
        pass


def main(size: int, rate: float) -> None:
    """Serve until the standard input ends."""
    host = _Host(size, rate)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{host.server_address[1]}/video.mp4", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
