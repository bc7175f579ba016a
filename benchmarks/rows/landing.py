# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A large video from a host of limited speed, onto a disk and into an object store: how fast, and with what memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.capped_storage import CappedStorage
from benchmarks.one_download import Download, download
from benchmarks.report import NotMeasured, Table, Target, percentile, spread
from benchmarks.rows import Measured

OURS = "ours"
CURL = "curl"
SYNCED = "curl, and its file synced"
STORE = "ours, into an object store"
#: Bytes a second that the host sends.
RATE = 200e6

_MEGABYTE = 2**20
_BUCKET = "videos"
_KEYS = {"login": "benchmark", "password": "benchmark"}


def measure(*, quick: bool) -> Measured:
    """Fetch the same file with ours and with curl, in turn; a smaller one, and once, if quick."""
    if shutil.which("curl") is None:
        raise NotMeasured("there is no curl on this machine")
    size, times = (200_000_000, 1) if quick else (1_000_000_000, 5)
    ours: list[Download] = []
    stored: list[Download] = []
    curl: list[float] = []
    synced: list[float] = []
    with CappedStorage(size, RATE) as storage, tempfile.TemporaryDirectory(prefix="videos-benchmark-") as folder:
        for _ in range(times):
            for times_of, seconds in zip((curl, synced), _by_curl(storage.url, Path(folder)), strict=True):
                times_of.append(seconds)
            ours.append(_onto_the_disk(storage.url, Path(folder), size))
        with _object_store() as environment:
            for number in range(1 if quick else 3):
                stored.append(download(storage.url, f"s3://benchmark@{_BUCKET}/{number}.mp4", environment))
    taken = {CURL: curl, SYNCED: synced, OURS: [done.seconds for done in ours]}
    rates = {way: [size / seconds / 1e6 for seconds in each] for way, each in taken.items()}
    share = percentile(rates[OURS], 0.5) / percentile(rates[CURL], 0.5)
    targets = [
        Target("throughput of ours / of curl", share, 0.9, "×", at_least=True),
        Target("resident memory beyond idle, at worst", max(map(_beyond, ours)), 64.0, "MB"),
        Target("resident memory beyond idle, into an object store, at worst", max(map(_beyond, stored)), 64.0, "MB"),
    ]
    lines = [
        [way, spread(rates.get(way, []), "MB/s"), *_line(done)]
        for way, done in ((CURL, []), (SYNCED, []), (OURS, ours), (STORE, stored))
    ]
    notes = [
        f"{size / 1e6:.0f} MB over HTTP from a host in a separate process that sends {RATE / 1e6:.0f} MB a second. "
        "Ours is `ViduHook.download` in a fresh process: hashed, checked and synced to disk, which curl leaves to the "
        "system. Curl is timed from start to exit, ours without the start of Python and Airflow. "
        f"Each ran {times} times, in turn.",
        "Memory is the process's highest resident memory, sampled a hundred times a second, less that when everything "
        "was loaded and nothing fetched.",
        "The object store is moto's S3 server. Throughput would be that server's own, so it is not shown. The store "
        "receives the file in parts of 5 MB, four at a time.",
    ]
    return Measured(
        targets,
        Table(["way", "throughput", "resident at idle", "at most, beyond idle", "CPU"], lines),
        notes,
    )


def _by_curl(url: str, folder: Path) -> tuple[float, float]:
    """Return the seconds until curl has exited, and until its file is on the disk."""
    file = folder / "curl.mp4"
    began = time.perf_counter()
    subprocess.run(["curl", "--silent", "--show-error", "--output", file, url], check=True)
    seconds = time.perf_counter() - began
    with file.open("rb") as written:
        os.fsync(written.fileno())
    synced = time.perf_counter() - began
    file.unlink()
    os.sync()
    return seconds, synced


def _onto_the_disk(url: str, folder: Path, size: int) -> Download:
    file = folder / "ours.mp4"
    done = download(url, str(file))
    if file.stat().st_size != size:
        raise RuntimeError(f"{file.stat().st_size} of {size} bytes landed")
    file.unlink()
    os.sync()
    return done


def _beyond(done: Download) -> float:
    return (done.most - done.idle) / _MEGABYTE


def _line(done: list[Download]) -> list[str]:
    return [
        spread([each.idle / _MEGABYTE for each in done], "MB"),
        spread([_beyond(each) for each in done], "MB"),
        spread([each.cpu for each in done], "s"),
    ]


@contextmanager
def _object_store() -> Generator[dict[str, str], None, None]:
    """Run a store, and yield the environment that connects to it."""
    import boto3

    # Its objects are larger than what it keeps in memory.
    with tempfile.TemporaryDirectory(prefix="store-benchmark-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": folder},
        )
        try:
            url = f"http://127.0.0.1:{_port_of(process)}"
            client = boto3.client(
                "s3",
                endpoint_url=url,
                region_name="us-east-1",
                aws_access_key_id=_KEYS["login"],
                aws_secret_access_key=_KEYS["password"],
            )
            client.create_bucket(Bucket=_BUCKET)
            extra = {"endpoint_url": url, "region_name": "us-east-1"}
            yield {"AIRFLOW_CONN_BENCHMARK": json.dumps({"conn_type": "aws", **_KEYS, "extra": extra})}
        finally:
            process.kill()
            process.wait()


def _port_of(process: subprocess.Popen[bytes]) -> int:
    watched = psutil.Process(process.pid)
    for _ in range(600):
        listening = [found for found in watched.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
        if listening:
            return int(listening[0].laddr.port)
        time.sleep(0.1)
    raise RuntimeError("the object store did not start")
