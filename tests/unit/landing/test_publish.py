# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A destination shows a whole file or none."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_vidu.api.errors import ViduLandingError
from airflow_provider_vidu.landing import publish
from airflow_provider_vidu.landing.publish import put_file


class Server(MemoryFileSystem):
    """A file server: unfinished files are visible."""

    protocol = "fileserver"
    store: dict = {}
    pseudo_dirs = [""]

    def put_file(self, lpath, rpath, **options):
        self.seen.append(rpath)
        super().put_file(lpath, rpath)
        if self.breaks:
            raise ConnectionResetError("the server is gone")


@pytest.fixture
def server(monkeypatch):
    fsspec.register_implementation("fileserver", Server, clobber=True)
    server = Server()
    server.seen, server.breaks = [], False
    monkeypatch.setattr(publish, "_open_store", lambda target: (server, target.removeprefix("fileserver:/")))
    yield server
    Server.store.clear()


def test_file_server_never_shows_half_a_file(server, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"whole")
    put_file(part, "fileserver://out/77.mp4", None)
    assert server.cat("/out/77.mp4") == b"whole"
    assert server.seen != ["/out/77.mp4"]
    assert server.find("/") == ["/out/77.mp4"]


def test_file_server_shows_no_broken_upload(server, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(b"whole")
    server.breaks = True
    with pytest.raises(ConnectionResetError):
        put_file(part, "fileserver://out/77.mp4", None)
    assert server.find("/") == []


def test_upload_that_lost_bytes_fails(server, tmp_path, monkeypatch):
    part = tmp_path / "part"
    part.write_bytes(b"whole")
    monkeypatch.setattr(Server, "info", lambda self, path, **options: {"size": 3, "type": "file"})
    with pytest.raises(ViduLandingError, match="has 3 of 5 bytes"):
        put_file(part, "fileserver://out/77.mp4", None)


def test_landed_files_have_the_umask_without_setting_it(tmp_path, monkeypatch):
    part, plain = tmp_path / "part", tmp_path / "plain"
    part.write_bytes(b"x")
    part.chmod(0o600)
    plain.touch()
    monkeypatch.setattr("os.umask", lambda mask: pytest.fail("the umask is every thread's"))
    put_file(part, str(tmp_path / "v.mp4"), tmp_path / "v.mp4")
    assert (tmp_path / "v.mp4").stat().st_mode == plain.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "v.mp4"]
