# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""
Defaults that DAG files need at parse time, and the words for yes and no. Every DAG parse loads this module, so it
imports nothing.
"""

from __future__ import annotations

#: The model of a request that names none: the fastest of the current family.
DEFAULT_MODEL = "viduq3-turbo"

#: The model of a request that names none, by endpoint; an endpoint without models has none.
DEFAULT_MODELS = {
    "img2video": DEFAULT_MODEL,
    "text2video": DEFAULT_MODEL,
    "start-end2video": DEFAULT_MODEL,
    "reference2video": DEFAULT_MODEL,
    "extend": "viduq2-turbo",
}

#: Seconds that an operator waits for one task if the DAG author sets no timeout.
DEFAULT_TIMEOUT = 24 * 3600.0
#: The same for off-peak: Vidu renders those within 48 hours, or cancels and refunds them.
DEFAULT_OFF_PEAK_TIMEOUT = 49 * 3600.0

#: Parameters that stay text, even if they look like a number or a structure.
TEXT_FIELDS = frozenset(
    {
        "prompt",
        "model",
        "resolution",
        "upscale_resolution",
        "aspect_ratio",
        "style",
        "movement_amplitude",
        "audio_type",
        "voice_id",
        "video_url",
        "video_creation_id",
        "wm_url",
        "payload",
        "callback_url",
        "output_path",
        "file_name",
        "manifest_path",
        "destination",
        "vidu_conn_id",
    }
)


_YES = frozenset({"true", "t", "1", "1.0", "yes", "y", "on"})
_NO = frozenset({"false", "f", "0", "0.0", "no", "n", "off"})


def is_yes(value: object) -> bool:
    """
    Return whether a switch is on: a boolean, or its text from a template or a connection's form.

    :param value: anything; ``true``, ``t``, ``1``, ``yes``, ``y`` and ``on`` mean yes, in any case.
    """
    return str(value).strip().lower() in _YES


def is_no(value: object) -> bool:
    """
    Return whether a switch is explicitly off; an unset one is not.

    :param value: see :func:`is_yes`; ``false``, ``f``, ``0``, ``no``, ``n`` and ``off`` mean no.
    """
    return str(value).strip().lower() in _NO
