# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Read the video that a task continues, scales or gives a voice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.reformatter import Colorspace
from PIL import Image

from airflow_provider_vidu.emulator.video.facts import VideoFacts

# Named, because older PyAV does not read them from the file.
_COLOURS = {"src_colorspace": Colorspace.ITU709, "dst_colorspace": Colorspace.ITU601}


def probe(video: bytes) -> VideoFacts:
    """Return the facts of a video file; ValueError if it is none."""
    try:
        with av.open(io.BytesIO(video)) as container:
            stream = container.streams.video[0]
            length = (stream.duration or 0) * (stream.time_base or 0) or (container.duration or 0) / av.time_base
            return VideoFacts((stream.width, stream.height), Fraction(stream.average_rate or 0), float(length))
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ValueError(f"the video cannot be read: {error}") from error


def pictures_of(video: bytes) -> Iterator[Image.Image]:
    """Decode the pictures of a video file."""
    with av.open(io.BytesIO(video)) as container:
        for frame in container.decode(video=0):
            yield frame.reformat(format="rgb24", **_COLOURS).to_image()


def sound_of(video: bytes) -> Iterator[av.AudioFrame] | None:
    """Decode the sound of a video file; None if it has none."""
    container = av.open(io.BytesIO(video), "r")
    return container.decode(audio=0) if container.streams.audio else None
