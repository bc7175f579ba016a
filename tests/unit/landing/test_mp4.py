# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The facts of a landed MP4 match a real decoder's, and a truncated file is never taken for whole."""

from __future__ import annotations

import io
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import pytest

from airflow_provider_vidu.api import registry
from airflow_provider_vidu.landing.mp4 import BrokenOff, VideoFacts, check_whole, video_facts

HEAD = b"\0\0\0\x0cftypisom\0\0\0\x08moov"
MP4 = HEAD + (8 + 256 * 40).to_bytes(4, "big") + b"mdat" + bytes(range(256)) * 40


def encoded(width: int, height: int, rate: Fraction | int, frames: int, **options: str) -> bytes:
    """An MP4 of a real encoder, which reads its file again to put the header first."""
    with tempfile.TemporaryDirectory() as folder, av.open(f"{folder}/video.mp4", "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame(width, height, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.close()
        return Path(f"{folder}/video.mp4").read_bytes()


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["header last", "header first"])
@pytest.mark.parametrize(
    ("width", "height", "rate", "frames"),
    [(320, 180, 24, 48), (180, 320, 30, 10), (64, 64, Fraction(30000, 1001), 90)],
)
def test_facts_match_the_encoder(width, height, rate, frames, options):
    video = encoded(width, height, rate, frames, **options)
    facts = video_facts(io.BytesIO(video), len(video))
    assert (facts.width, facts.height) == (width, height)
    assert facts.fps == pytest.approx(float(rate), abs=0.01)
    assert facts.duration == pytest.approx(frames / float(rate), abs=0.05)
    check_whole(io.BytesIO(video), len(video))


def test_sound_track_has_no_picture_facts():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48_000)
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 48, 32, "yuv420p"
        silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        silence.sample_rate, silence.pts, silence.time_base = 48_000, 0, Fraction(1, 48_000)
        silence.planes[0].update(bytes(silence.planes[0].buffer_size))
        container.mux(sound.encode(silence))
        for number in range(25):
            frame = av.VideoFrame(48, 32, "yuv420p")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(sound.encode())
        container.mux(picture.encode())
    facts = video_facts(file, len(file.getvalue()))
    assert (facts.width, facts.height, facts.fps) == (48, 32, 25.0)


def test_unreadable_header_only_loses_the_facts():
    video = bytearray(encoded(64, 64, 25, 25, movflags="faststart"))
    assert video_facts(io.BytesIO(MP4), len(MP4)) == VideoFacts()
    begin = video.find(b"moov")
    length = int.from_bytes(video[begin - 4 : begin], "big")
    for place in range(begin, begin + length - 8):
        # Whatever byte is wrong: facts, or none, and an end.
        broken = bytearray(video)
        broken[place] = 0xFF
        video_facts(io.BytesIO(bytes(broken)), len(broken))


@pytest.mark.parametrize("kept", [len(MP4) - 1, len(MP4) // 2, 24, 20, 16, 13, 12, 9])
def test_truncated_video_is_not_whole(kept):
    with pytest.raises(BrokenOff, match="is truncated"):
        check_whole(io.BytesIO(MP4[:kept]), kept)


@pytest.mark.parametrize(
    "boxes",
    [
        MP4,
        HEAD + b"\0\0\0\0mdat" + b"to the end",
        HEAD + b"\0\0\0\1mdat" + (26).to_bytes(8, "big") + b"0123456789",
    ],
    ids=["32 bits", "to the end", "64 bits"],
)
def test_a_whole_one_is(boxes):
    assert registry.MP4.format_of(boxes)
    check_whole(io.BytesIO(boxes), len(boxes))


@pytest.mark.parametrize(
    "behind",
    [b"\n" * 12, b"\0" * 20, b"Some text at the end", b"</body></html>", b"\xff" * 9, b"\0\0\0\4abcd", b"\0\0\0\1abcd"],
)
def test_stray_bytes_after_the_last_box_are_ignored(behind):
    for boxes in (MP4 + behind, MP4 + b"\0\0\0\x08free" + behind):
        check_whole(io.BytesIO(boxes), len(boxes))
    for cut in (MP4[:20] + behind, MP4[:12] + behind):
        with pytest.raises(BrokenOff):
            check_whole(io.BytesIO(cut), len(cut))


@pytest.mark.parametrize("name", [b"moof", b"mdat", b"moov", b"free", b"uuid", b"mfra", b"sidx", b"udta"])
def test_truncated_last_box_is_not_ignored(name):
    for length in (b"\0\0\1\0", b"\0\0\0\1"):
        cut = MP4 + length + name + bytes(9)
        with pytest.raises(BrokenOff):
            check_whole(io.BytesIO(cut), len(cut))
