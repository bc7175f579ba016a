# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The settings of an emulated Vidu."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Settings:
    """
    How an emulated Vidu behaves. Durations are seconds at Vidu's own pace; ``speed`` divides them all.

    :param concurrency: tasks that an account has in processing at once; 0 = no task ever leaves the queue.
    :param speed: how many times faster than Vidu; above 0. Times of day stay real, only durations shrink.
    :param seed: of everything that is random. Equal seeds and equal submissions give equal outcomes.
    :param api_keys: the keys that are accepted, all of one account; a mapping gives each key's account. None =
        every key that is not empty.
    :param credits: of each account at the start.
    :param processing_seconds: real seconds of every processing, whatever the speed; None = by model,
        duration and resolution.
    :param created_seconds: how long a task stays ``created``.
    :param off_peak_seconds: the minimum that an off-peak task queues.
    :param reject_unknown_fields: refuse a submission with fields that Vidu's page does not have.
    """

    concurrency: int = 5
    speed: float = 1.0
    seed: int = 0
    api_keys: Collection[str] | Mapping[str, str] | None = None
    credits: int = 100_000
    processing_seconds: float | None = None
    created_seconds: float = 0.5
    off_peak_seconds: float = 1800.0
    reject_unknown_fields: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.speed < inf or self.concurrency < 0 or self.credits < 0:
            raise ValueError("speed must be above 0, concurrency and credits at least 0")
        if min(self.processing_seconds or 0, self.created_seconds, self.off_peak_seconds) < 0:
            raise ValueError("seconds must be at least 0")
        if self.api_keys is not None and (not self.api_keys or isinstance(self.api_keys, str)):
            raise ValueError("api_keys must be a collection of keys, or None to accept every key")
