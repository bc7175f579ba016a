# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The sound of the emulator's videos: a quiet, seeded chord."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import cast

import av
from av.filter import Graph

SAMPLE_RATE = 48_000
FADE = 0.6
# Root notes in Hz, low enough for a pad and high enough for a laptop's loudspeaker.
ROOTS = (130.81, 146.83, 155.56, 174.61, 196.00)
# Root, fifth, octave and a colour above it, as multiples of the root: all consonant with each other.
CHORDS = ((1, 1.5, 2, 2.5), (1, 1.5, 2, 2.25), (1, 1.5, 2, 3), (1, 1.2, 1.5, 2))


def soundtrack(seed: int, samples: int) -> Iterator[av.AudioFrame]:
    """Make a soft stereo chord that swells slowly and fades in and out.

    :param seed: any integer; the same seed sounds the same.
    :param samples: length in samples per channel, at 48 000 samples a second.
    :return: the frames, 1024 samples each (the last may be shorter), ready for an AAC encoder.
    """
    chance = random.Random(seed)
    root = chance.choice(ROOTS)
    chord = chance.choice(CHORDS)
    channels = "|".join(voice(chance, root, chord) for _ in range(2))
    duration = samples / SAMPLE_RATE
    fade = min(FADE, duration / 4)
    graph = Graph()
    graph.link_nodes(
        graph.add("aevalsrc", f"exprs={channels}:s={SAMPLE_RATE}:c=stereo:n=1024:d={duration + 1}"),
        graph.add("atrim", f"end_sample={samples}"),
        graph.add("afade", f"t=in:d={fade}:curve=hsin"),
        graph.add("afade", f"t=out:st={duration - fade}:d={fade}:curve=hsin"),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("abuffersink"),
    ).configure()
    while True:
        try:
            frame = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            return
        yield cast(av.AudioFrame, frame)


def voice(chance: random.Random, root: float, chord: tuple[float, ...]) -> str:
    """Write one channel of the chord as an expression for the filter that computes it.

    :param chance: where detuning, phases and swells come from.
    :param root: frequency of the lowest note in Hz.
    :param chord: the notes as multiples of the root.
    :return: the expression, a function of the time ``t`` in seconds.
    """
    notes = []
    for multiple in chord:
        # A slight detuning between the ears makes the chord wide instead of a dial tone.
        frequency = root * multiple * (1 + chance.uniform(-0.0012, 0.0012))
        loudness = 0.05 / multiple
        phase = chance.uniform(0, 2 * math.pi)
        swell = f"(0.7+0.3*sin({2 * math.pi * chance.uniform(0.1, 0.3):.6f}*t+{phase:.6f}))"
        notes.append(f"{loudness:.6f}*{swell}*sin({2 * math.pi * frequency:.6f}*t+{phase:.6f})")
    return "+".join(notes)
