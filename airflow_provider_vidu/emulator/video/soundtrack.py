# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sound of the emulator's videos: a quiet fifth, whose note the seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import cast

import av
from av.filter import Graph

SAMPLE_RATE = 48_000
# In Hz, low enough for a pad and high enough for a laptop's loudspeaker.
_NOTES = (130.81, 146.83, 155.56, 174.61, 196.00)


def soundtrack(seed: int, samples: int) -> Iterator[av.AudioFrame]:
    """Make stereo sound of so many samples a channel that fades in and out."""
    note = random.Random(seed).choice(_NOTES)
    channel = f"0.06*sin(2*PI*{note}*t)+0.04*sin(2*PI*{1.5 * note}*t)"
    duration = samples / SAMPLE_RATE
    fade = min(0.6, duration / 4)
    graph = Graph()
    graph.link_nodes(
        graph.add("aevalsrc", f"exprs={channel}|{channel}:s={SAMPLE_RATE}:c=stereo:n=1024:d={duration + 1}"),
        graph.add("atrim", f"end_sample={samples}"),
        graph.add("afade", f"t=in:d={fade}"),
        graph.add("afade", f"t=out:st={duration - fade}:d={fade}"),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("abuffersink"),
    ).configure()
    while True:
        try:
            frame = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return
        yield cast(av.AudioFrame, frame)
