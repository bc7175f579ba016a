# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Names landed files, and checks before anything is paid for that a destination can work."""

from __future__ import annotations

import logging
import os
import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.messages import name_of_picture
from airflow_provider_vidu.api.origin import Origin
from airflow_provider_vidu.api.registry import ANY, MP4, PICTURE, Format, Kind, Produces
from airflow_provider_vidu.images import local_path
from airflow_provider_vidu.landing.publish import OBJECT_STORES, is_file_there, is_object_store

if TYPE_CHECKING:
    from airflow_provider_vidu.api.tasks import ViduTask

#: The roles of a task's files: what was paid for, and what comes with it.
MAIN, COVER, WATERMARKED = "main", "cover", "watermarked"

#: Fields of a file name's template, apart from ``labels[…]``.
NAME_FIELDS = ("task_id", "creation_id", "model", "index", "id", "image")
#: Default name of a video in a folder, without suffix.
DEFAULT_FILE_NAME = "{task_id}"

# Vidu's ids have 18 digits; a relay's may be longer.
_SHORTEST = {"task_id": "9" * 18, "creation_id": "9" * 18}
_LABEL = re.compile(r"labels\[([^\[\]]+)\]")
# Maximum bytes of one name on common file systems, and of a key in S3, GCS and Azure.
_MAX_NAME, _MAX_KEY = 255, 1024
# Maximum bytes of a whole path on Linux, without the byte that ends it.
_MAX_PATH = 4095


@dataclass(frozen=True)
class Place:
    """
    Where one file lands. Unless the DAG author wrote a suffix, only the file's first bytes show which one it gets.

    :param stem: the path without its suffix.
    :param suffix: as the DAG author wrote it; None = that of the file's format.
    :param produces: the formats that the file may have.
    """

    stem: str
    suffix: str | None
    produces: Produces

    def __str__(self) -> str:
        return self.paths[0] if len(self.paths) == 1 else self.stem

    def path(self, found: Format) -> str:
        """Return the path of a file of this format."""
        return f"{self.stem}{self.suffix or found.suffixes[0]}"

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that the file may get."""
        return tuple(dict.fromkeys(self.path(one) for one in self.produces.formats))

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats that fit: those of the kind that a written suffix names, otherwise all."""
        known = self.produces.formats
        named = {one.kind for one in known if self.suffix and self.suffix.lower() in one.suffixes}
        return tuple(one for one in known if one.kind in named) if named else known

    @property
    def kind(self) -> Kind | None:
        """The only kind that fits; None = several do."""
        kinds = {one.kind for one in self.formats}
        return kinds.pop() if len(kinds) == 1 else None

    def beside(self, word: str) -> Place:
        """Return the place of another file, beside this one."""
        return replace(self, stem=f"{self.stem}-{word}")


@dataclass(frozen=True)
class Wanted:
    """
    Which files of a task to land, and where.

    :param destination: a file name, which ends in a suffix of what the task delivers (``.mp4``, ``.mov``, ``.m4v``), or
        a folder (anything else); a local path or any ``ObjectStoragePath`` URL.
    :param file_name: template of the file's name in the folder, see :func:`file_name_of`; None = ``{task_id}``. A
        destination that is a file's name wins over it.
    :param cover: the still picture too.
    :param watermarked: the watermarked copy too, where the task has one.
    :param origin: what the template may name of the request.
    :param produces: what the task delivers.
    """

    destination: str
    file_name: str | None = None
    cover: bool = False
    watermarked: bool = False
    origin: Origin = field(default_factory=Origin)
    produces: Produces = MP4

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles to land, the main one first: it counts most, although a cover's link expires earlier."""
        return (MAIN, *((COVER,) if self.cover else ()), *((WATERMARKED,) if self.watermarked else ()))

    def check(self, named: str = "output_path", *, model: str | None = None) -> None:
        """
        Reject a name or destination that cannot work, before anything is paid for.

        :param named: the destination's parameter, for messages.
        :param model: the requested model, whose name may make the file's too long; None = unknown.
        :raises ViduInputError: see :func:`check_destination` and :func:`file_name_of`.
        """
        values = self._likely_values(model)
        name = file_name_of(self._template, values, self.produces)
        check_destination(self.destination, named, name=name, produces=self.produces)
        self.check_name(named, model=model)
        for path in self._place(values).paths:
            if (local := local_path(path)) is not None and local.is_dir():
                raise ViduInputError(f"{named} {path} is a folder. Add a slash at its end to land the file in it.")

    def check_name(self, named: str = "output_path", *, model: str | None = None) -> None:
        """
        Reject a name that cannot work; for the parameters see :meth:`check`. No destination is looked up.

        :raises ViduInputError: see :func:`file_name_of` and :func:`check_lengths`.
        """
        values = self._likely_values(model)
        if self._is_folder:
            _check_kind(self._template, "file_name", self.produces)
        # A second file of the task has a longer name.
        for number in (0,) if self._names_creations else (0, 1):
            for path in (path for role in self.roles for path in self._place(values, role, number).paths):
                check_lengths(path, named)

    def _likely_values(self, model: str | None) -> dict[str, Any]:
        return {**_SHORTEST, "model": model or "model", **names_of(self.origin)}

    def likely_paths(self, number: int) -> list[str]:
        """
        Return the paths of a request's first files, to find requests of a batch that would share one.

        :param number: gives the request ids that no other request has. All models have one name.
        :raises ViduInputError: see :func:`file_name_of`.
        """
        values = self._likely_values(None) | dict.fromkeys(_SHORTEST, f"{number:018d}")
        return [path for role in self.roles for path in self._place(values, role).paths]

    def is_landed(self, task: ViduTask) -> bool | None:
        """
        Check whether what a task delivers is at its destination; None = unknown.

        :param task: in ``success``.
        """
        named = _fields_of(self._template)
        is_unnamed = ("model" in named and not task.model) or ("creation_id" in named and not task.creations)
        if self._is_folder and is_unnamed:
            return None
        found = {_is_landed_at(self.place(task, MAIN, number)) for number in range(task.video_count)}
        return False if False in found else None if None in found else True

    def place(self, task: ViduTask, role: str = MAIN, number: int = 0) -> Place:
        """
        Return where a file of a task is to land; cover and watermarked copy land beside the main file.

        :param task: in ``success``.
        :param role: see :attr:`roles`.
        :param number: of the main file among those of the task, from 0. The second one's name ends in ``-2``, unless
            the template names the creation.
        :raises ViduInputError: the template gives no valid name.
        """
        creation = task.results[number] if task.results else None
        own_id = creation.id if creation else None
        values: dict[str, Any] = {
            "task_id": task.task_id,
            "creation_id": own_id or task.task_id,
            "model": task.model or "unknown-model",
            **names_of(self.origin),
        }
        return self._place(values, role, 0 if own_id and self._names_creations else number)

    def _place(self, values: Mapping[str, Any], role: str = MAIN, number: int = 0) -> Place:
        stem, suffix = self._split(values)
        place = Place(stem, suffix, self.produces)
        if number:
            place = place.beside(str(number + 1))
        if role == COVER:
            return replace(place.beside("cover"), suffix=None, produces=PICTURE)
        return place.beside("watermarked") if role == WATERMARKED else place

    def _split(self, values: Mapping[str, Any]) -> tuple[str, str | None]:
        """Return the main file's path without its suffix, and the suffix that the DAG author wrote."""
        text = os.fspath(self.destination).strip()
        if not self._is_folder:
            return os.path.splitext(text)
        name = file_name_of(self._template, values, self.produces)
        return f"{text.rstrip('/')}/{name}", _suffix_of(self._template, self.produces)

    @property
    def _template(self) -> str:
        return self.file_name or DEFAULT_FILE_NAME

    @property
    def _is_folder(self) -> bool:
        return _is_folder(self.destination, self.produces)

    @property
    def _names_creations(self) -> bool:
        return self._is_folder and "creation_id" in _fields_of(self._template)


def _is_landed_at(place: Place) -> bool | None:
    found = {is_file_there(path) for path in place.paths}
    return True if True in found else None if None in found else False


def names_of(origin: Origin) -> dict[str, Any]:
    """Return what a template may name of a request, as far as it has it; ``image`` is its picture's name."""
    stem = PurePosixPath(name_of_picture(origin.image)).stem
    values = {"index": origin.index, "id": origin.id, "image": stem or None}
    return {**{name: value for name, value in values.items() if value is not None}, "labels": origin.labels}


def file_name_of(template: str, values: Mapping[str, Any], produces: Produces = MP4) -> str:
    """
    Return a file's name within the destination's folder, without its suffix.

    :param template: for example ``{model}/{task_id}`` or ``{index:05d}``; a suffix such as ``.mp4`` is allowed. It may
        contain subfolders. The values cannot: characters other than letters and digits of any script and ``._=+-``
        become ``_``.
    :param values: of the fields ``task_id``, ``creation_id`` and ``model``, and those of :func:`names_of`.
    :param produces: what the task delivers.
    :raises ViduInputError: the template has a field that the request does not have, or leads out of the folder.
    """
    named = {name: value for name, value in values.items() if name != "labels"}
    known = {**named, **{f"labels[{name}]": str(value) for name, value in values.get("labels", {}).items()}}
    try:
        pieces = list(string.Formatter().parse(template))
        fields = [(field, form) for _, field, form, _ in pieces if field is not None]
        lacking = [field for field, _ in fields if field not in known]
        if unknown := sorted({repr(field) for field in lacking if field not in NAME_FIELDS and not _is_label(field)}):
            raise ViduInputError(
                f"file_name {template!r} has unknown fields {', '.join(unknown)}; use {', '.join(named)} or a label, "
                "such as {labels[sku]}."
            )
        if lacking:
            raise ViduInputError(f"file_name {template!r}: this request has no {_noun_of(lacking[0])}.")
        if any(form for field, form in fields if field != "index"):
            # A format may cut names short; two videos with one name would overwrite each other.
            raise ViduInputError(f"file_name {template!r}: only index takes a format, such as {{index:05d}}.")
        name = "".join(
            text if field is None else text + _formatted(known[field], form or "", conversion)
            for text, field, form, conversion in pieces
        )
    except ViduInputError:
        raise
    except ValueError as error:
        raise ViduInputError(f"file_name {template!r} is not a valid template ({error}).") from None
    if (suffix := _suffix_of(name, produces)) is not None:
        name = name.removesuffix(suffix)
    parts = name.split("/")
    if any(not part.strip() or part.startswith(".") for part in parts) or re.search(r"[\\\x00-\x1f:*?\"<>|]", name):
        if ":" in name:
            raise ViduInputError(
                f"file_name {template!r} would be {name!r}, and a name must not contain a colon. The template "
                "variables ts and run_id contain colons. Use {{ dag_run.run_after | ts_nodash }}, which every run has."
            )
        raise ViduInputError(
            f"file_name {template!r} would be {name!r}, which is not a valid name in the destination's folder."
        )
    return name


def _noun_of(field: str) -> str:
    label = _LABEL.fullmatch(field)
    return f"label {label[1]!r}" if label else {"image": "picture with a name"}.get(field, field)


def _safe(value: str) -> str:
    """Return a value as part of a file name: an id such as ``..`` must not lead out of the folder or fail."""
    # One accented letter may be written in two ways.
    characters = (one if _is_safe(one) else "/" for one in unicodedata.normalize("NFC", value))
    return re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), re.sub(r"/+", "_", "".join(characters))) or "_"


def _formatted(value: Any, form: str, conversion: str | None) -> str:
    text = format(string.Formatter().convert_field(value, conversion), form)
    # What a format adds to an index is the DAG author's own text, like the rest of the template.
    return text if isinstance(value, int) else _safe(text)


def _is_safe(character: str) -> bool:
    # The vowel signs of many scripts are marks, not letters.
    return character in "._=+-" or character.isalnum() or unicodedata.category(character).startswith("M")


def video_path(destination: str, name: str, produces: Produces = MP4) -> str:
    """
    Return the usual path of what a task delivers.

    :param destination: see :class:`Wanted`.
    :param name: the file name inside a folder, without suffix.
    :param produces: what the task delivers.
    """
    text = os.fspath(destination).strip()
    return f"{text.rstrip('/')}/{name}{produces.suffixes[0]}" if _is_folder(text, produces) else text


def check_lengths(target: str, named: str = "output_path") -> None:
    """
    Reject a path that is too long, before anything is paid for.

    :param target: the video's path.
    :param named: the destination's parameter, for the message.
    :raises ViduInputError: a local name has more than 255 bytes, or an object's key more than 1024.
    """
    local = local_path(target)
    if local is None:
        # In an object's URL ? and # belong to the key.
        size = len(target.partition("://")[2].partition("/")[2].encode())
        if _is_object_url(target) and size > _MAX_KEY:
            raise ViduInputError(f"{named}: the key of {target[:80]}… has {size} bytes; the limit is {_MAX_KEY}.")
        return
    if (size := len(os.fsencode(local))) > _MAX_PATH:
        raise ViduInputError(f"{named}: the path {target[:80]}… has {size} bytes; the limit is {_MAX_PATH}.")
    for part in local.parts:
        if (size := len(os.fsencode(part))) > _MAX_NAME:
            raise ViduInputError(
                f"{named}, file_name: the name {part[:40]}…{part[-20:]} has {size} bytes; the limit is {_MAX_NAME}. "
                "A character outside ASCII has 2 to 4 bytes."
            )


def is_shared(destination: Any, file_name: Any, produces: Produces = MP4) -> bool:
    """
    Check whether all mapped instances would land at one path, and overwrite each other.

    :param destination: before rendering: a template may differ from instance to instance.
    :param file_name: before rendering.
    :param produces: what the task delivers.
    """
    if not isinstance(destination, str) or _is_template(destination):
        return False
    if not _is_folder(destination, produces):
        return True
    if not isinstance(file_name, str) or _is_template(file_name):
        return False
    fields = _fields_of(file_name)
    # Instances that are mapped over their pictures or labels have names of their own.
    return fields.isdisjoint({"task_id", "creation_id", "image"}) and not any(map(_is_label, fields))


def _is_label(field: str | None) -> bool:
    return _LABEL.fullmatch(field or "") is not None


def _fields_of(template: str) -> set[str | None]:
    """Return the fields of a file name's template."""
    return {field for _, field, _, _ in string.Formatter().parse(template)}


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _is_object_url(target: str) -> bool:
    return urlsplit(target).scheme.lower() in OBJECT_STORES


def check_destination(
    destination: Any, named: str = "output_path", *, name: str = "video", produces: Produces = MP4
) -> None:
    """
    Reject a destination that cannot be written to, before anything is paid for.

    Only certain failures are rejected: a bucket that allows writing but not reading passes.

    :param destination: see :class:`Wanted`.
    :param named: the parameter, for the message.
    :param name: the file's name in a folder; it may contain subfolders.
    :param produces: what the task delivers.
    :raises ViduInputError: it is not a path or URL, names a file of another kind, has a file system without an
        installed provider, is below a file or an unwritable folder of this machine, or is in a bucket that does not
        exist.
    """
    if not isinstance(destination, (str, os.PathLike)) or not os.fspath(destination).strip():
        raise ViduInputError(f"{named} must be a path or a URL, got {destination!r}.")
    _check_kind(os.fspath(destination).strip(), named, produces)
    target = video_path(os.fspath(destination), name, produces)
    if target.startswith("file:/") and not target.startswith("file://"):
        raise ViduInputError(f"{named} {destination} is neither a path nor a URL: write file://{target[5:]}")
    try:
        local = local_path(target)
        if "\0" in target:
            raise ValueError("it contains a NUL character")
        os.fsencode(target)
    except (ValueError, RuntimeError) as error:
        # A surrogate, or the home of a user that does not exist.
        raise ViduInputError(f"{named} {destination!r} is not a valid path ({error}).") from None
    if local is not None:
        # is_dir() is also False if a folder above may not be entered.
        existing = next(folder for folder in local.absolute().parents if os.path.lexists(folder))
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            why = "is not writable for this worker" if existing.is_dir() else "is not a folder"
            raise ViduInputError(f"{named} {destination} cannot be used: {existing} {why}.")
        return
    from airflow.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(target)
        store = path.fs
    except (ValueError, ImportError) as error:
        raise ViduInputError(
            f"{named} {destination} cannot be opened ({error}). Install the Airflow provider of its file system, "
            f"with its extra (for s3: apache-airflow-providers-amazon[s3fs])."
        ) from error
    if is_object_store(store):
        bucket = path.path.lstrip("/").partition("/")[0]
        try:
            store.info(bucket)
        except FileNotFoundError:
            raise ViduInputError(f"{named} {destination} cannot be used: there is no bucket {bucket}.") from None
        except PermissionError:
            # Permission to write does not include permission to look: the upload shows whether it works.
            return
        except Exception as error:
            logging.getLogger(__name__).warning(
                "%s %s cannot be checked now (%s). The request is submitted anyway, and the video stays at Vidu until "
                "it can be landed.",
                named,
                destination,
                error,
            )


def _is_folder(destination: str, produces: Produces) -> bool:
    return _suffix_of(os.fspath(destination).strip(), produces) is None


def names_media(path: str) -> bool:
    """Check whether a path has the name of something that could be landed."""
    return _suffix_of(path, ANY) is not None


def _suffix_of(name: str, produces: Produces) -> str | None:
    """Return the suffix of a file's name; None = it names no file that the task could deliver."""
    suffix = PurePosixPath(name.rpartition("/")[2]).suffix
    return suffix if suffix.lower() in produces.suffixes else None


def _check_kind(name: str, named: str, produces: Produces) -> None:
    """Reject the name of a file that the task does not deliver, such as a sound's for a video."""
    other = _suffix_of(name, ANY)
    if other is not None and _suffix_of(name, produces) is None:
        *some, last = produces.suffixes
        raise ViduInputError(
            f"{named} {name} ends in {other}, but what is landed is {produces.name}. Use a name that ends in "
            f"{', '.join(some)} or {last}, or a folder (with a slash at its end)."
        )
