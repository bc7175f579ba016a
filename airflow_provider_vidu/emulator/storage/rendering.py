# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
What each endpoint renders, from the caller's own inputs, so that a mix-up of inputs is visible at a glance.

===========  ============================================================================================
scene        what it shows
===========  ============================================================================================
``still``    a slow zoom into the picture, into a collage of several, or without any into the prompt
``fade``     each picture fades into the next
``sound``    nothing: a quiet fifth
``source``   the source video in the requested size, and a zoom into its last picture for what is added
===========  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from PIL import Image

from airflow_provider_vidu.emulator.machine.emulated_task import EmulatedTask
from airflow_provider_vidu.emulator.storage.signed_links import AUDIO, COVER, IMAGE, WATERMARKED
from airflow_provider_vidu.emulator.video.facts import VideoFacts
from airflow_provider_vidu.emulator.video.first_frames import first_frame, first_frame_size
from airflow_provider_vidu.emulator.video.reading import pictures_of, probe, sound_of
from airflow_provider_vidu.emulator.video.render import (
    FPS,
    encode_picture,
    encode_sound,
    encode_video,
    frame_size,
    open_picture,
)
from airflow_provider_vidu.emulator.video.scenes import TRAVEL, collage, fade, fit, title_card, zoom
from airflow_provider_vidu.emulator.video.soundtrack import SAMPLE_RATE, soundtrack
from airflow_provider_vidu.emulator.video.watermark import Watermark

# Of a source that is not fetched.
_UNKNOWN_SECONDS = 4.0


def render(task: EmulatedTask, file: str, source: bytes | None) -> bytes:
    """Return a file of a task; ``source`` is the video that it continues or scales, if that is at hand."""
    if file == AUDIO:
        return encode_sound(soundtrack(task.seed, round(task.request.effective_duration * SAMPLE_RATE)))
    facts = facts_of(task)
    if file == IMAGE:
        return encode_picture(fit(_still(task, facts.size), facts.size), "PNG")
    pictures = _pictures(task, facts, source)
    if file == COVER:
        return encode_picture(next(pictures), "JPEG")
    mark = None
    if file == WATERMARKED:
        mark = Watermark(image=task.fetched.get(task.request.wm_url), position=task.request.corner or 3)
    return encode_video(pictures, rate=facts.rate, sound=_sound(task, facts, source), watermark=mark)


def facts_of(task: EmulatedTask) -> VideoFacts:
    """Return the facts of a task's video, without painting it; ValueError if its source is no video."""
    request = task.request
    if request.endpoint.source is None:
        size = frame_size(*_shape(task), request.effective_resolution)
        return VideoFacts(size, Fraction(FPS), float(request.effective_duration))
    source = source_facts(task.source, request.video_url or "")
    width, height = source.size
    resolution = request.effective_resolution
    size = frame_size(width, height, resolution) if resolution else (width // 2 * 2, height // 2 * 2)
    return source._replace(size=size, seconds=source.seconds + request.effective_duration)


def source_facts(source: EmulatedTask | bytes | None, url: str = "") -> VideoFacts:
    """Return the facts of a source; ValueError if it is no video."""
    if source is None:
        return VideoFacts(first_frame_size(url), Fraction(FPS), _UNKNOWN_SECONDS)
    return probe(source) if isinstance(source, bytes) else facts_of(source)


def _shape(task: EmulatedTask) -> tuple[int, int]:
    request = task.request
    ratio = request.aspect_ratio or next(iter(request.known_model.ratios), "auto")
    if ratio != "auto":
        width, height = ratio.split(":")
        return int(width), int(height)
    named = request.pictures[:1]
    return first_frame_size(named[0], task.fetched.get(named[0])) if named else (16, 9)


def _opened(task: EmulatedTask) -> list[Image.Image]:
    # The videos among references are shown by their names.
    named = [*task.request.pictures, *(task.request.videos or ())]
    return [open_picture(first_frame(name, task.fetched.get(name))) for name in named]


def _still(task: EmulatedTask, size: tuple[int, int]) -> Image.Image:
    opened = _opened(task)
    if not opened:
        return title_card(task.request.prompt or "", size)
    return opened[0] if len(opened) == 1 else collage(opened, size)


def _pictures(task: EmulatedTask, facts: VideoFacts, source: bytes | None) -> Iterator[Image.Image]:
    request, size = task.request, facts.size
    travel = TRAVEL[request.movement_amplitude or "auto"]
    if request.endpoint.scene == "fade":
        return fade(_opened(task), size, [round(seconds * FPS) for seconds in request.segments])
    if request.endpoint.scene == "still":
        # Larger than the video, because the camera comes closer.
        still = _still(task, (size[0] * 3 // 2, size[1] * 3 // 2))
        # Into a text or a collage only half as far, so that it stays in view.
        near = travel if len(request.pictures) == 1 else travel / 2
        return zoom(still, size, facts.frames, seed=task.seed, travel=near)
    return _continued(task, facts, source, travel)


def _continued(task: EmulatedTask, facts: VideoFacts, source: bytes | None, travel: float) -> Iterator[Image.Image]:
    url, size = task.request.video_url or "", facts.size
    if source is None:
        unknown = open_picture(first_frame(url))
        count = source_facts(None, url).frames
        pictures = zoom(unknown, size, count, seed=task.seed, travel=travel)
    else:
        pictures = pictures_of(source)
    for picture in pictures:
        last = picture.resize(size, Image.Resampling.LANCZOS)
        yield last
    added = round(task.request.effective_duration * facts.rate)
    if added and (ends := _opened(task)):
        yield from fade([last, *ends], size, [added])
    elif added:
        yield from zoom(last, size, added, seed=task.seed, travel=travel)


def _sound(task: EmulatedTask, facts: VideoFacts, source: bytes | None) -> Iterator[av.AudioFrame] | None:
    if task.request.has_audio:
        return soundtrack(task.seed, int(facts.frames * SAMPLE_RATE / facts.rate))
    return None if source is None else sound_of(source)
