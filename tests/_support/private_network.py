# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
A public storage host beside a private network, as a program for ``unshare --map-root-user --net --mount``.

There this process is the internet: names come from a hosts file, addresses are on the loopback interface, and every
address has a TLS server with a certificate that is believed. Prints what became of each link, and who was visited.
"""

from __future__ import annotations

import fcntl
import http.server
import json
import logging
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import trustme

from _support.storage_host import MP4, Client
from airflow_provider_vidu.api.account import Account
from airflow_provider_vidu.api.errors import ViduLandingError
from airflow_provider_vidu.landing.land import land

PUBLIC = "93.184.216.34"
PRIVATE = ("10.0.0.5", "169.254.169.254", "127.0.0.1")
NAMES = {"api.example": PUBLIC, "storage.example": PUBLIC, "internal.example": PRIVATE[0]}

_SIOCSIFADDR, _SIOCSIFFLAGS = 0x8916, 0x8914
_UP_AND_RUNNING = 0x41


def give_addresses(folder: Path) -> None:
    """Add every address to the loopback interface, and the names to the hosts file."""
    with socket.socket() as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", _UP_AND_RUNNING, b""))
        for number, address in enumerate((PUBLIC, *PRIVATE[:2])):
            named = struct.pack("16sHH4s8s", f"lo:{number}".encode(), socket.AF_INET, 0, socket.inet_aton(address), b"")
            fcntl.ioctl(control, _SIOCSIFADDR, named)
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in NAMES.items()))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


class Host(http.server.ThreadingHTTPServer):
    """A server that sends the same file to everyone, or redirects to the URL in the path."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__((address, 443), _Handler)
        self.visits: list[str] = []
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def verify_request(self, request: Any, client_address: Any) -> bool:
        # A connection is a visit, even without a request on it.
        self.visits.append(client_address[0])
        return True


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _, _, elsewhere = self.path.partition("?to=")
        self.send_response(307 if elsewhere else 200)
        if elsewhere:
            self.send_header("Location", elsewhere)
        self.send_header("Content-Length", str(0 if elsewhere else len(MP4)))
        self.end_headers()
        self.wfile.write(b"" if elsewhere else MP4)

    def log_message(self, *arguments: Any) -> None:
        pass


def main(folder: Path) -> None:
    give_addresses(folder)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES, PUBLIC, *PRIVATE).configure_cert(context)
    hosts = {address: Host(address, context) for address in (PUBLIC, *PRIVATE)}
    account = Account(base_url="https://api.example", api_key="key", verify=str(folder / "authority.pem"))
    outcomes: dict[str, Any] = {}
    for link in sys.argv[2:]:
        (folder / "videos").mkdir(exist_ok=True)
        with Client(link) as client:
            client.account = account
            try:
                landed = land(client, client.task, f"{folder}/videos/", log=logging.getLogger("private"))
                outcomes[link] = "landed" if Path(landed["path"]).read_bytes() == MP4 else "another file"
                os.remove(landed["path"])
            except ViduLandingError as error:
                outcomes[link] = str(error)
        assert not os.listdir(folder / "videos")
    visits = {address: len(host.visits) for address, host in hosts.items()}
    print(json.dumps({"links": outcomes, "visits": visits}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
