# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Functions that need an endpoint, bound to image to video, for tests that work with any endpoint."""

from __future__ import annotations

from functools import partial
from typing import Any

from airflow_provider_vidu import images
from airflow_provider_vidu.api.img2video import ENDPOINT
from airflow_provider_vidu.submission import record
from airflow_provider_vidu.submission.batch import identity, requests

reading_of = partial(identity.reading_of, endpoint=ENDPOINT)
fingerprint = partial(record.fingerprint, endpoint=ENDPOINT)
wire_of = partial(images.wire_of, endpoint=ENDPOINT)


def read_requests(*arguments: Any, **options: Any) -> list[requests.BatchRequest]:
    """Read requests; raise if one cannot be read."""
    read = requests.read_requests(*arguments, **{"endpoint": ENDPOINT, **options})
    requests.raise_problems(read)
    return read
