# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Moves a whole file to its destination in one step, and reads the files that are there.

fsspec publishes a file even if it is closed after an exception. So nothing is written straight to its destination: an
object store gets one upload of a whole file, every other store a rename.
"""

from __future__ import annotations

import hashlib
import inspect
import mimetypes
import os
import posixpath
import re
import stat
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_vidu.api.errors import ViduLandingError
from airflow_provider_vidu.images import local_path

#: Stores that publish an object whole or not at all, and whose paths start with a bucket or container.
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "wasb", "wasbs", "oss"})
# Other names of one store.
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs", "wasb": "abfs", "wasbs": "abfs"}
_CHUNK = 1024 * 1024
# By default s3fs reads files below 100 MB at once and larger ones in ten parts of 50 MB; memory holds each part in
# progress about twice.
_UPLOAD_OPTIONS = {"s3": {"chunksize": 5 * _CHUNK, "max_concurrency": 4}, "gs": {"chunksize": 5 * _CHUNK}}


@dataclass(frozen=True)
class FileHash:
    """
    Size in bytes and hashes (hexadecimal) of a file.
    """

    size: int
    md5: str
    sha256: str


def identity_of(target: str) -> str:
    """
    Return what all spellings of a file's path have in common: links and dots followed, without a connection.

    :param target: a local path or any ``ObjectStoragePath`` URL.
    :raises ValueError: it is no path.
    """
    if "\0" in target:
        raise ValueError("it contains a NUL character")
    # fsspec has another name for local files.
    local = local_path(re.sub(r"^local://", "file://", target))
    if local is not None:
        # A link at the path itself is replaced by what lands there.
        return os.path.join(os.path.realpath(local.parent), local.name)
    scheme, _, place = target.partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    host, slash, path = place.partition("/")
    # In an object's key, dots are characters as any other.
    path = path if scheme in OBJECT_STORES else posixpath.normpath(path)
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


class ClaimedPaths:
    """The paths of a batch's files, by the numbers of their items; all spellings of a path are one."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}

    def claim(self, number: int, paths: Iterable[str]) -> tuple[str, int] | None:
        """
        Claim the paths of an item's files, all or none.

        :return: a path that another item has, and the number of that item; None = they are now this item's.
        :raises ValueError: one is no path.
        """
        files = {identity_of(path): path for path in paths}
        taken = next((file for file in files if file in self._items), None)
        if taken is not None:
            return files[taken], self._items[taken]
        self._items.update(dict.fromkeys(files, number))
        return None


def size_of(target: str) -> int | None:
    """
    Return the size of the file at a destination, in bytes.

    :param target: a local path or any ``ObjectStoragePath`` URL of a file.
    :return: None if there is no file, or if that is unknown.
    """
    local = local_path(target)
    try:
        if local is not None:
            return local.stat().st_size if local.is_file() else None
        store, path = _open_store(target)
        store.invalidate_cache()
        found = store.info(path)
        return int(found["size"]) if found.get("type") == "file" else None
    except Exception:
        # Stores raise exceptions of their own. After any of them the file is fetched again.
        return None


def is_file_there(target: str) -> bool | None:
    """
    Check whether there is a file at a destination; None = the store does not say.

    :param target: see :func:`size_of`.
    """
    local = local_path(target)
    try:
        if local is not None:
            return local.is_file()
        store, path = _open_store(target)
        store.invalidate_cache()
        return bool(store.info(path).get("type") == "file")
    except FileNotFoundError:
        return False
    except Exception:
        # Stores raise exceptions of their own, also for keys that this worker may not read.
        return None


def open_existing(target: str) -> IO[bytes]:
    """Open the file at a destination for reading."""
    local = local_path(target)
    if local is not None:
        return local.open("rb")
    store, path = _open_store(target)
    opened: IO[bytes] = store.open(path, "rb")
    return opened


def hash_file(file: IO[bytes]) -> FileHash:
    """Hash a file, reading it to its end in constant memory."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        md5.update(chunk)
        sha256.update(chunk)
        size += len(chunk)
    return FileHash(size, md5.hexdigest(), sha256.hexdigest())


def put_file(part: Path, target: str, local: Path | None) -> None:
    """
    Move or upload a whole local file to its destination in one step.

    :param part: the file, for an object store with the suffix of what it is; for a local destination it is renamed.
    :param target: the destination.
    :param local: the destination as a local path on the file's own disk; None = an object store.
    :raises ViduLandingError: the uploaded file has another size.
    """
    if local is not None:
        part.chmod(_mode_of_new_files(local.parent))
        os.replace(part, local)
        return
    store, path = _open_store(target)
    size = part.stat().st_size
    if is_object_store(store):
        # Stores guess the media type from the part's suffix. Python knows this one from 3.13 on.
        mimetypes.add_type("image/webp", ".webp")
        store.put_file(str(part), path, **_upload_options(store))
    else:
        # A file server (sftp, smb …) shows a file while it grows.
        beside = f"{path.rpartition('/')[0]}/.vidu-{uuid.uuid4().hex}.part"
        try:
            store.makedirs(path.rpartition("/")[0], exist_ok=True)
            store.put_file(str(part), beside)
            store.mv(beside, path)
        except BaseException:
            if store.exists(beside):
                store.rm_file(beside)
            raise
    store.invalidate_cache()
    try:
        stored = int(store.info(path)["size"])
    except FileNotFoundError:
        raise
    except Exception:
        if is_object_store(store):
            # Permission to write does not include permission to look, and the store has confirmed the upload.
            return
        raise
    if stored != size:
        raise ViduLandingError(f"After the upload {target} has {stored} of {size} bytes.")


def put_bytes(content: bytes, target: str) -> None:
    """
    Write a file of this process to its destination in one step, so that no reader sees half of it.

    :param target: a local path or any ``ObjectStoragePath`` URL.
    :raises Exception: an error of the store.
    """
    local = local_path(target)
    folder = local.parent if local is not None else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    # A store guesses the media type from the suffix.
    suffix = Path(target).suffix if local is None else ".part"
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".vidu-", suffix=suffix, delete=False) as file:
        part = Path(file.name)
    try:
        part.write_bytes(content)
        put_file(part, target, local)
    finally:
        part.unlink(missing_ok=True)


def _mode_of_new_files(folder: Path) -> int:
    """Return the mode of a new file in a folder. Files of mkstemp are private; landed files are not."""
    # Python can only read the umask by setting it, for every thread of the process. Creating a file shows it safely.
    probe = folder / f".vidu-{uuid.uuid4().hex}.mode"
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        probe.unlink()


def is_object_store(store: Any) -> bool:
    return not OBJECT_STORES.isdisjoint(_protocols(store))


def _protocols(store: Any) -> tuple[str, ...]:
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def _upload_options(store: Any) -> dict[str, int]:
    # An older release of a store's library would pass unknown options on to the store, which rejects them.
    taken = inspect.signature(getattr(store, "_put_file", store.put_file)).parameters
    options = _UPLOAD_OPTIONS.get(_protocols(store)[0], {})
    return {name: value for name, value in options.items() if name in taken}


def _open_store(target: str) -> tuple[Any, str]:
    from airflow.sdk import ObjectStoragePath

    remote = ObjectStoragePath(target)
    return remote.fs, remote.path
