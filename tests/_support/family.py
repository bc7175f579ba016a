# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""The operator of each endpoint, for tests that work with any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_vidu.operators.base import ViduSingleOperator
from airflow_provider_vidu.operators.extend import ExtendVideoOperator
from airflow_provider_vidu.operators.generate import ViduGenerateOperator
from airflow_provider_vidu.operators.img2video import Img2VideoOperator
from airflow_provider_vidu.operators.reference2video import Reference2VideoOperator
from airflow_provider_vidu.operators.start_end2video import StartEnd2VideoOperator
from airflow_provider_vidu.operators.text2video import Text2VideoOperator
from airflow_provider_vidu.operators.upscale import UpscaleVideoOperator

#: The operators that have an endpoint of their own, by its name.
OPERATORS: dict[str, type[ViduSingleOperator]] = {
    str(operator.endpoint): operator
    for operator in (
        Img2VideoOperator,
        Text2VideoOperator,
        StartEnd2VideoOperator,
        Reference2VideoOperator,
        ExtendVideoOperator,
        UpscaleVideoOperator,
    )
}


def operator_of(endpoint: str, fields: Mapping[str, Any], **settings: Any) -> ViduSingleOperator:
    """Return the operator of a request: the endpoint's own, or else the one for any endpoint."""
    if endpoint in OPERATORS:
        return OPERATORS[endpoint](**fields, **settings)
    return ViduGenerateOperator(endpoint=endpoint, request=fields, **settings)
