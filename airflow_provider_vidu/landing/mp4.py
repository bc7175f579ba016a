# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Read from an MP4's boxes (ISO 14496-12) whether the file is whole, its duration, its size and its frame rate.

A codec library could do this, but those that know width and frame rate include a decoder of 30 MB and more. Seven
numbers at fixed places are enough. Nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

#: Maximum size of a movie header that is read, in bytes. An hour of video has one of about 4 MB.
MAX_HEADER_BYTES = 64 * 1024 * 1024

_NEEDED = frozenset({b"moov", b"mdat"})
# Boxes at a file's outermost level. Anything else at the end may be text that an uploader left behind.
_OUTERMOST = frozenset(
    b"emsg free ftyp mdat meco meta mfra moof moov pdin pnot prft sidx skip ssix styp udta uuid wide".split()
)
_INNER = frozenset({b"trak", b"mdia", b"minf", b"stbl"})


class BrokenOff(ValueError):
    """The MP4 ends before its boxes do."""


@dataclass(frozen=True)
class VideoFacts:
    """
    Facts about a video or picture; None if the file has none, or has it in an unknown form.

    :param duration: seconds.
    :param width: pixels.
    :param height: pixels.
    :param fps: frames per second, on average.
    """

    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


def check_whole(file: IO[bytes], size: int) -> None:
    """
    Check by the outermost boxes that an MP4 is whole: by their sizes, and that movie header and media are among them.

    The length of a transfer is not enough: a host may announce the length of a truncated file, or none.

    :param file: open for reading; starts with ``ftyp``.
    :param size: its length in bytes.
    :raises BrokenOff: a box reaches beyond the end of the file, or a box is missing.
    """
    offset = 0
    names: set[bytes] = set()
    while offset < size:
        file.seek(offset)
        header = file.read(16)
        _, length = _box(header, size - offset)
        if len(header) < 8 or length < 8 or offset + length > size:
            if names >= _NEEDED and header[4:8] not in _OUTERMOST:
                # Stray bytes after all the necessary boxes: players ignore them.
                return
            raise BrokenOff(f"The MP4 of {size} bytes is truncated.")
        names.add(header[4:8])
        offset += length
    if not names >= _NEEDED:
        raise BrokenOff(f"The MP4 of {size} bytes is truncated: it has no {min(_NEEDED - names).decode()} box.")


def video_facts(file: IO[bytes], size: int) -> VideoFacts:
    """
    Read the facts of an MP4's first video track.

    A fact that cannot be read is None and never an error: the video itself may be fine.
    """
    try:
        movie = _movie(file, size)
        return VideoFacts() if movie is None else _facts(movie)
    except (struct.error, IndexError, KeyError, RecursionError):
        return VideoFacts()


def _box(header: bytes, left: int) -> tuple[int, int]:
    """Return the lengths of a box's head and of the whole box; a length of 0 means the rest of the file."""
    length = int.from_bytes(header[:4], "big")
    if length == 1:
        return 16, int.from_bytes(header[8:16], "big")
    return 8, length or left


def _movie(file: IO[bytes], size: int) -> bytes | None:
    offset = 0
    while offset + 8 <= size:
        file.seek(offset)
        header = file.read(16)
        head, length = _box(header, size - offset)
        if header[4:8] == b"moov":
            if length > MAX_HEADER_BYTES:
                return None
            file.seek(offset + head)
            return file.read(length - head)
        if length < head:
            return None
        offset += length
    return None


def _facts(movie: bytes) -> VideoFacts:
    duration = None
    width = height = fps = None
    for name, body in _boxes(movie):
        if name == b"mvhd":
            duration = _duration(body)
        if name != b"trak" or width is not None:
            continue
        track = dict(_all_boxes(body))
        if track.get(b"hdlr", b"")[8:12] != b"vide":
            continue
        # The track's header ends with width and height, each with 16 bits before and 16 after the point.
        wide, high = struct.unpack(">II", track[b"tkhd"][-8:])
        width, height = wide >> 16, high >> 16
        duration = duration or _duration(track[b"mdhd"])
        fps = _rate(track[b"stts"], _time_scale(track[b"mdhd"]))
    return VideoFacts(duration, width or None, height or None, fps)


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + 8 <= len(body):
        header = body[offset : offset + 16]
        head, length = _box(header, len(body) - offset)
        if length < head:
            return
        yield header[4:8], body[offset + head : offset + length]
        offset += length


def _all_boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    for name, inside in _boxes(body):
        yield name, inside
        if name in _INNER:
            yield from _all_boxes(inside)


def _duration(header: bytes) -> float | None:
    # mvhd and mdhd both start with version, flags, two dates, time scale, duration; 64 bits in version 1.
    scale, length = struct.unpack_from(">IQ", header, 20) if header[0] else struct.unpack_from(">II", header, 12)
    unknown = 2**64 - 1 if header[0] else 2**32 - 1
    return round(length / scale, 3) if scale and length and length != unknown else None


def _time_scale(header: bytes) -> int:
    scale: int = struct.unpack_from(">I", header, 20 if header[0] else 12)[0]
    return scale


def _rate(times: bytes, scale: int) -> float | None:
    # stts: pairs of a number of frames and how long each of them is shown.
    count = struct.unpack_from(">I", times, 4)[0] if len(times) >= 8 else 0
    pairs = struct.iter_unpack(">II", times[8 : 8 + 8 * count])
    frames = shown = 0
    for number, length in pairs:
        frames += number
        shown += number * length
    return round(frames * scale / shown, 3) if frames and shown else None
