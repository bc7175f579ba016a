# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Helpers for the tests of request models: pictures, refusals, and the JSON types of Vidu's pages."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.images import EncodedImage, encode_image
from airflow_provider_vidu.api.registry import Endpoint

URL = "https://pictures.example/cat.png?sig=a%2Fb"


def picture(width: int = 64, height: int = 48) -> EncodedImage:
    """Return an encoded picture of a size."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return encode_image(file.getvalue())


def refusal(endpoint: Endpoint, fields: dict[str, Any]) -> str:
    """Return the message with which an endpoint refuses a request; fail if it accepts the request."""
    with pytest.raises(ViduInputError) as caught:
        endpoint.request.of(fields)
    text = str(caught.value)
    assert "Nothing was sent to Vidu and nothing is billed." in text
    assert "base64," not in text
    assert len(text) < 500
    return text


def has_shape(value: Any, shape: Any) -> bool:
    """
    Return whether a JSON value has the types of a page.

    :param shape: a type; a list with the shape of every item; a dict with the shapes of the allowed fields.
    """
    if isinstance(shape, list):
        return type(value) is list and all(has_shape(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        return type(value) is dict and all(name in shape and has_shape(value[name], shape[name]) for name in value)
    return type(value) is shape


def sent(wire: dict[str, Any]) -> dict[str, Any]:
    """Return a request as it arrives at Vidu."""
    arrived: dict[str, Any] = json.loads(json.dumps(wire, allow_nan=False))
    return arrived
