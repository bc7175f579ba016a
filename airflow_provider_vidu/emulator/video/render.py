# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Turns a submitted image into the video the emulator answers with.

A real H.264 MP4 rendered from the caller's own picture: a pipeline tried offline shows each result next
to its input, and a mix-up of inputs is seen at a glance. Needs the extra
``airflow-provider-vidu[emulator]``.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image, ImageOps

from airflow_provider_vidu.emulator.video.motion import CameraMove
from airflow_provider_vidu.emulator.video.pictures import Planes, open_picture, to_frame, to_planes
from airflow_provider_vidu.emulator.video.soundtrack import SAMPLE_RATE, soundtrack
from airflow_provider_vidu.emulator.video.watermark import Stamp, Watermark, even

__all__ = ["RenderRequest", "RenderedVideo", "Watermark", "frame_size", "render_cover", "render_video"]

FPS = 24
SHORTER_SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "2K": 1440, "4K": 2160}
# The API takes pictures from 1:4 to 4:1. A longer one (a test that switched the check off) is cropped.
LONGEST_RATIO = 4


@dataclass(frozen=True)
class RenderRequest:
    """What decides a video. Equal requests give equal bytes on the same machine.

    :param image: the bytes of the first frame, a PNG, JPEG or WebP file.
    :param duration: length in seconds, more than 0.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``.
    :param seed: any integer; decides the camera move and the sound.
    :param movement_amplitude: ``auto``, ``small``, ``medium`` or ``large``.
    :param audio: whether the video has a sound track.
    """

    image: bytes
    duration: float
    resolution: str
    seed: int
    movement_amplitude: str = "auto"
    audio: bool = False


@dataclass(frozen=True)
class RenderedVideo:
    """A finished video.

    :param video: the bytes of the MP4 file.
    :param width: width in pixels.
    :param height: height in pixels.
    :param fps: frames per second.
    :param duration: length in seconds: a whole number of frames, hence up to half a frame off the request.
    """

    video: bytes
    width: int
    height: int
    fps: int
    duration: float


def frame_size(image_width: int, image_height: int, resolution: str) -> tuple[int, int]:
    """Choose the size of the video: the picture's ratio at the resolution's size.

    :param image_width: width of the submitted image in pixels.
    :param image_height: height of the submitted image in pixels.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``: the length of the shorter side.
    :return: width and height in pixels, both even, at most four times as long as wide.
    :raises ValueError: if the resolution is unknown.
    """
    if resolution not in SHORTER_SIDES:
        raise ValueError(f"resolution must be one of {', '.join(SHORTER_SIDES)}, not {resolution!r}")
    shorter = SHORTER_SIDES[resolution]
    ratio = max(image_width, image_height) / min(image_width, image_height)
    longer = even(shorter * min(ratio, LONGEST_RATIO))
    return (longer, shorter) if image_width >= image_height else (shorter, longer)


def render_video(request: RenderRequest, *, watermark: Watermark | None = None) -> RenderedVideo:
    """Render a video that begins with the submitted image and moves from there.

    :param request: the image and what to make of it.
    :param watermark: a mark to lay over every frame; none by default.
    :return: the video, which plays in browsers and common players.
    :raises ValueError: if the image cannot be decoded or a value is out of its limits.
    """
    if not request.duration > 0:
        raise ValueError(f"duration must be more than 0 seconds, not {request.duration!r}")
    picture = open_picture(request.image)
    width, height = frame_size(*picture.size, request.resolution)
    move = CameraMove(request.seed, request.movement_amplitude, request.duration)
    stamp = Stamp(watermark, width, height) if watermark else None
    frame_count = max(1, round(request.duration * FPS))
    # Even the closest view has more pixels than the frame: shrinking looks the same at every fraction of a
    # pixel, while a view at its own size would pulse between sharp and soft as it moves.
    scale = 1.25 * move.closest
    source = ImageOps.fit(picture, (even(width * scale), even(height * scale)), Image.Resampling.LANCZOS)
    frames = film(to_planes(source), (width, height), move, frame_count, stamp)
    sound = soundtrack(request.seed, frame_count * SAMPLE_RATE // FPS) if request.audio else None
    return RenderedVideo(encode(frames, (width, height), sound), width, height, FPS, frame_count / FPS)


def render_cover(image: bytes, resolution: str) -> bytes:
    """Make the cover of a video: its first frame.

    :param image: the bytes of the submitted image.
    :param resolution: ``360p``, ``540p``, ``720p``, ``1080p``, ``2K`` or ``4K``.
    :return: the bytes of a JPEG file in the size of the video.
    :raises ValueError: if the image cannot be decoded or the resolution is unknown.
    """
    picture = open_picture(image)
    cover = ImageOps.fit(picture, frame_size(*picture.size, resolution), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    cover.save(file, "JPEG", quality=88)
    return file.getvalue()


def film(
    source: Planes, size: tuple[int, int], move: CameraMove, frame_count: int, stamp: Stamp | None
) -> Iterator[av.VideoFrame]:
    """Take the frames of the video one by one.

    The camera works on the planes of the encoder's own pixel format and with fractions of a pixel: half
    the work of filming in RGB, and none of the jitter of whole-pixel steps.

    :param source: the planes of the picture, somewhat larger than the frames.
    :param size: width and height of the frames in pixels.
    :param move: where the camera looks.
    :param frame_count: how many frames to take.
    :param stamp: the watermark to put on each of them, if any.
    :return: the frames, numbered from 0.
    """
    width, height = size
    for number in range(frame_count):
        view = move.view(number / max(1, frame_count - 1))
        planes = Planes(
            crop(source.luma, view, (width, height)),
            crop(source.blue, view, (width // 2, height // 2)),
            crop(source.red, view, (width // 2, height // 2)),
        )
        if stamp:
            stamp.apply(planes)
        frame = to_frame(planes)
        frame.pts = number
        yield frame


def crop(plane: Image.Image, view: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    """Cut a view out of a plane and shrink it to the size of the frame.

    :param plane: the plane of the whole picture.
    :param view: left, top, right and bottom as shares (0.0 to 1.0) of the plane.
    :param size: width and height of the result in pixels.
    :return: the view in the wished size.
    """
    left, top, right, bottom = view
    box = (left * plane.width, top * plane.height, right * plane.width, bottom * plane.height)
    return plane.resize(size, Image.Resampling.HAMMING, box)


def encode(
    frames: Iterator[av.VideoFrame],
    size: tuple[int, int],
    sound: Iterator[av.AudioFrame] | None,
) -> bytes:
    """Encode frames and sound to an MP4 file that can start to play before it is fully loaded.

    :param frames: the pictures, in ``yuv420p``.
    :param size: their width and height in pixels.
    :param sound: the sound track, or none for a silent video.
    :return: the bytes of the file.
    """
    # A file on disk, because moving the index to the front reads the file a second time by its name.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "video.mp4"
        # No limit on how long packets wait for the other stream keeps sound and pictures side by side.
        options = {"movflags": "+faststart", "fflags": "+bitexact", "max_interleave_delta": "0"}
        with av.open(str(path), "w", format="mp4", options=options) as container:
            video = container.add_stream("libx264", rate=FPS, options=x264_options())
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.thread_count = 1
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if sound else None
            if sound and audio:
                audio.bit_rate = 96_000
                for samples in sound:
                    container.mux(audio.encode(samples))
                container.mux(audio.encode(None))
            for frame in one_ahead(frames):
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        return path.read_bytes()


def one_ahead(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Take each frame while the one before it is being encoded.

    Both release the interpreter's lock, so a second core nearly halves the time. One ahead, not all: a
    long 1080p video does not fit into memory.

    :param frames: the frames.
    :return: the same frames in the same order.
    """
    with ThreadPoolExecutor(1) as worker:
        upcoming = worker.submit(next, frames, None)
        while (frame := upcoming.result()) is not None:
            upcoming = worker.submit(next, frames, None)
            yield frame


def x264_options() -> dict[str, str]:
    """Options of the video encoder: quick rather than small, and the same bytes on every run.

    :return: option names and values as the encoder takes them.
    """
    return {
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
