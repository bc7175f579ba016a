# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Turn pictures and sound into the files that the emulator answers with.

Needs the extra ``airflow-provider-vidu[emulator]``.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageOps

from airflow_provider_vidu.emulator.video.first_frames import MAX_RATIO
from airflow_provider_vidu.emulator.video.soundtrack import SAMPLE_RATE
from airflow_provider_vidu.emulator.video.watermark import Watermark, place_mark

#: Frames per second of what is not made from another video.
FPS = 24
SHORTER_SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "2K": 1440, "4K": 2160, "8K": 4320}
# Behind transparent pictures: dark and light logos are both visible on it.
_BACKGROUND = (200, 200, 200)


def frame_size(width: int, height: int, resolution: str) -> tuple[int, int]:
    """Return width and height of a frame, both even: the ratio of what it shows, the resolution as its shorter side."""
    shorter = SHORTER_SIDES[resolution]
    # Only a test that has switched the check off submits a longer picture; it is cropped.
    ratio = min(max(width, height) / min(width, height), MAX_RATIO)
    longer = 2 * round(shorter * ratio / 2)
    return (longer, shorter) if width >= height else (shorter, longer)


def encode_video(
    pictures: Iterator[Image.Image],
    *,
    rate: int | Fraction = FPS,
    sound: Iterator[av.AudioFrame] | None = None,
    watermark: Watermark | None = None,
) -> bytes:
    """Return an H.264 MP4 of pictures that all have the size of the first. Equal input gives equal bytes."""
    first = next(pictures)
    frames = _frames(chain([first], pictures), first.size, watermark)
    # A file on disk, because moving the index to the front reads the file a second time by its name.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "video.mp4"
        # No limit on how long packets wait for the other stream keeps sound and pictures side by side.
        options = {"movflags": "+faststart", "fflags": "+bitexact", "max_interleave_delta": "0"}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            video = container.add_stream("libx264", rate=rate, options=_X264)
            video.width, video.height = first.size
            video.pix_fmt = "yuv420p"
            video.thread_count = 1
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if sound else None
            if audio and sound:
                for samples in sound:
                    container.mux(audio.encode(samples))
                container.mux(audio.encode(None))
            for frame in _one_ahead(frames):
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        return path.read_bytes()


def encode_sound(sound: Iterator[av.AudioFrame]) -> bytes:
    """Return a WAV file."""
    file = io.BytesIO()
    with av.open(file, "w", format="wav", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="stereo")
        for samples in sound:
            container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    return file.getvalue()


def encode_picture(picture: Image.Image, kind: str) -> bytes:
    """Return a picture as a ``JPEG`` or ``PNG`` file."""
    file = io.BytesIO()
    picture.save(file, kind, quality=88)
    return file.getvalue()


def open_picture(image: bytes) -> Image.Image:
    """Decode an image file into an upright, opaque RGB picture; ValueError if that is impossible."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.load()
            picture = ImageOps.exif_transpose(opened)
    except Exception as error:  # a decoder can raise nearly anything on damaged bytes
        raise ValueError(f"the image cannot be decoded: {error}") from error
    if picture.mode.startswith("I"):
        # A plain conversion would clip 16-bit greyscale to white.
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    background = Image.new("RGB", picture.size, _BACKGROUND)
    background.paste(picture, mask=picture.getchannel("A"))
    return background


def _frames(
    pictures: Iterator[Image.Image], size: tuple[int, int], watermark: Watermark | None
) -> Iterator[av.VideoFrame]:
    mark = place_mark(watermark, size) if watermark else None
    for number, picture in enumerate(pictures):
        if mark:
            picture = picture.copy()
            picture.paste(mark.image, mark.corner, mark.image)
        frame = av.VideoFrame.from_image(picture).reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts = number
        yield frame


def _one_ahead(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    # Taking a frame and encoding one both release the interpreter's lock. One ahead, not all: a long 1080p video does
    # not fit into memory.
    with ThreadPoolExecutor(1) as worker:
        upcoming = worker.submit(next, frames, None)
        while (frame := upcoming.result()) is not None:
            upcoming = worker.submit(next, frames, None)
            yield frame


# Quick rather than small, and the same bytes on every run.
_X264 = {
    "preset": "ultrafast",
    # What the preset leaves out and smooth skies need; together a tenth of the encoder's time.
    "x264-params": "cabac=1:aq-mode=1:deblock=0,0",
    "crf": "25",
    "g": str(2 * FPS),
    "threads": "1",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "color_range": "tv",
}
