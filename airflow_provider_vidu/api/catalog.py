# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Estimate what a generation costs, from the dated price rows in ``catalog_rows``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_vidu.api.catalog_rows import MODELS, MODELS_OF, PRICES_AS_OF
from airflow_provider_vidu.api.catalog_types import Model, Price, Row, credits_at
from airflow_provider_vidu.api.defaults import DEFAULT_MODELS, is_yes
from airflow_provider_vidu.api.rendered_fields import request_fields

__all__ = [
    "MODELS",
    "MODELS_OF",
    "PRICES_AS_OF",
    "RECOMMENDED_PROMPT_CREDITS",
    "Model",
    "Price",
    "Row",
    "credits_of",
    "estimate_credits",
    "find_model",
]

#: What the recommended prompt (``is_rec``) costs on top of every task, in credits.
RECOMMENDED_PROMPT_CREDITS = 10


def find_model(endpoint: str | None, model: str | None) -> Model | None:
    """Return what the catalogue says of a model on an endpoint (None = on the first that has it); None = nothing."""
    names = MODELS_OF if endpoint is None else [endpoint]
    return next((known for name in names if (known := MODELS_OF.get(name, {}).get(model or ""))), None)


def estimate_credits(request: Any, *, endpoint: str = "img2video") -> int | None:
    """
    Estimate the price of a request from the dated price rows of this catalogue.

    :param request: a request of the endpoint, such as an ``Img2VideoRequest``, or its fields by their API names, before
        or after rendering (numbers and booleans may be text); the images are not read.
    :param endpoint: the last part of its create path.
    :return: credits, or None if this catalogue has no price: it never guesses. The prices are those of the day
        ``PRICES_AS_OF``.
    """

    rendered = request_fields(request) if isinstance(request, Mapping) else None

    def given(name: str) -> Any:
        value = getattr(request, name, None) if rendered is None else rendered.get(name)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    try:
        duration = None if given("duration") is None else int(given("duration"))
    except (TypeError, ValueError):
        return None
    resolution, audio = given("resolution"), given("audio")
    return credits_of(
        str(given("model") or DEFAULT_MODELS.get(endpoint)),
        duration,
        None if resolution is None else str(resolution),
        audio=None if audio is None else is_yes(audio),
        off_peak=is_yes(given("off_peak")),
        is_rec=is_yes(given("is_rec")),
        endpoint=endpoint,
    )


def credits_of(
    model: str,
    duration: int | None,
    resolution: str | None,
    *,
    audio: bool | None = None,
    off_peak: bool = False,
    is_rec: bool = False,
    endpoint: str = "img2video",
) -> int | None:
    """
    Return the price of a generation from the price rows.

    :param model: the model's name.
    :param duration: seconds; None = the model's default.
    :param resolution: as Vidu spells it, ``720p`` or ``2K``; None = the model's default at that duration.
    :param audio: sound costs 15 credits more with the q2 family; None = the model's default.
    :param off_peak: off-peak costs half, rounded up for each second.
    :param is_rec: the recommended prompt costs 10 credits more.
    :param endpoint: the last part of the create path.
    :return: credits, or None if this catalogue has no price: it never guesses.
    """
    known = find_model(endpoint, model)
    if known is None:
        return None
    seconds = known.default_duration if duration is None else duration
    row = known.row(seconds)
    if row is None:
        return None
    rendered = row.default_resolution if resolution is None else resolution
    price = known.prices.get((seconds, rendered), known.prices.get(rendered)) if rendered in row.resolutions else None
    # At 0 seconds Vidu chooses the duration, and with it the price.
    if price is None or seconds < 1:
        return None
    credits = credits_at(price, seconds, off_peak=off_peak)
    has_audio = known.audio_default if audio is None else audio
    return credits + (known.audio_credits if has_audio else 0) + (RECOMMENDED_PROMPT_CREDITS if is_rec else 0)
