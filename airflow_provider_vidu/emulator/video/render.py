# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Render the video that the emulator answers with, from the caller's own picture.

A real H.264 MP4 that zooms slowly into the picture, so that a mix-up of inputs is visible at a glance.
Needs the extra ``airflow-provider-vidu[emulator]``.
"""

from __future__ import annotations

import io
import math
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageOps

from airflow_provider_vidu.emulator.video.first_frames import MAX_RATIO
from airflow_provider_vidu.emulator.video.soundtrack import SAMPLE_RATE, soundtrack
from airflow_provider_vidu.emulator.video.watermark import Watermark, place_mark

FPS = 24
SHORTER_SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "2K": 1440, "4K": 2160}
#: How far the camera zooms in, as a share of the picture's size.
TRAVEL = {"auto": 0.16, "small": 0.08, "medium": 0.2, "large": 0.32}
# Behind transparent pictures: dark and light logos are both visible on it.
_BACKGROUND = (200, 200, 200)


@dataclass(frozen=True)
class RenderRequest:
    """What decides a video. Equal requests give equal bytes on the same machine."""

    image: bytes
    #: Seconds.
    duration: float
    resolution: str
    #: Decides the direction of the zoom, and the note of the sound.
    seed: int
    movement_amplitude: str = "auto"
    audio: bool = False


@dataclass(frozen=True)
class RenderedVideo:
    """A finished video. Its duration is a whole number of frames: up to half a frame off the request."""

    video: bytes
    width: int
    height: int
    fps: int
    duration: float


def frame_size(image_width: int, image_height: int, resolution: str) -> tuple[int, int]:
    """Return width and height of a video, both even: the picture's ratio, with the resolution as its shorter side."""
    shorter = SHORTER_SIDES[resolution]
    # Only a test that has switched the check off submits a longer picture; it is cropped.
    ratio = min(max(image_width, image_height) / min(image_width, image_height), MAX_RATIO)
    longer = 2 * round(shorter * ratio / 2)
    return (longer, shorter) if image_width >= image_height else (shorter, longer)


def render_video(request: RenderRequest, *, watermark: Watermark | None = None) -> RenderedVideo:
    """Render a video that starts with the submitted picture; ValueError if the picture cannot be decoded."""
    picture = open_picture(request.image)
    size = frame_size(*picture.size, request.resolution)
    count = max(1, round(request.duration * FPS))
    frames = _frames(picture, size, count, request, watermark)
    sound = soundtrack(request.seed, count * SAMPLE_RATE // FPS) if request.audio else None
    return RenderedVideo(_encode(frames, size, sound), *size, FPS, count / FPS)


def render_cover(image: bytes, resolution: str) -> bytes:
    """Return the first frame of a video as a JPEG file; ValueError if the picture cannot be decoded."""
    picture = open_picture(image)
    size = frame_size(*picture.size, resolution)
    file = io.BytesIO()
    ImageOps.fit(picture, size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=88)
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
    picture: Image.Image, size: tuple[int, int], count: int, request: RenderRequest, watermark: Watermark | None
) -> Iterator[av.VideoFrame]:
    travel = TRAVEL[request.movement_amplitude]
    # Even the closest view has more pixels than the frame: a view at its own size would pulse between sharp and soft.
    scale = 1.25 * (1 + travel)
    source = ImageOps.fit(picture, (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.LANCZOS)
    angle = random.Random(request.seed).uniform(0, math.tau)
    goal = 0.5 + 0.5 * math.cos(angle), 0.5 + 0.5 * math.sin(angle)
    mark = place_mark(watermark, size) if watermark else None
    for number in range(count):
        # The submitted picture is the first frame, whole: that is what image-to-video means.
        side = 1 / (1 + travel * number / max(1, count - 1))
        left, top = ((1 - side) * share for share in goal)
        right, bottom = min(left + side, 1.0), min(top + side, 1.0)
        box = (left * source.width, top * source.height, right * source.width, bottom * source.height)
        view = source.resize(size, Image.Resampling.HAMMING, box)
        if mark:
            view.paste(mark.image, mark.corner, mark.image)
        frame = av.VideoFrame.from_image(view).reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts = number
        yield frame


def _encode(frames: Iterator[av.VideoFrame], size: tuple[int, int], sound: Iterator[av.AudioFrame] | None) -> bytes:
    # A file on disk, because moving the index to the front reads the file a second time by its name.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "video.mp4"
        # No limit on how long packets wait for the other stream keeps sound and pictures side by side.
        options = {"movflags": "+faststart", "fflags": "+bitexact", "max_interleave_delta": "0"}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            video = container.add_stream("libx264", rate=FPS, options=_X264)
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.thread_count = 1
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if sound else None
            if sound and audio:
                for samples in sound:
                    container.mux(audio.encode(samples))
                container.mux(audio.encode(None))
            for frame in _one_ahead(frames):
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        return path.read_bytes()


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
