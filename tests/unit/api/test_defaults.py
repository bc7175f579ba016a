# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A switch means the same wherever it is read: in a request, in its estimate and in a connection."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.catalog import estimate_credits
from airflow_provider_vidu.api.defaults import is_no, is_yes
from airflow_provider_vidu.api.errors import ViduInputError
from airflow_provider_vidu.api.img2video import Img2VideoRequest

FIELDS = {"images": "https://x.example/a.png", "model": "viduq2-pro"}
YES = [True, 1, 1.0, "1", "1.0", "true", "True", " TRUE ", "t", "T", "y", "Y", "yes", "on"]
NO = [False, 0, 0.0, "0", "0.0", "false", "False", " FALSE ", "f", "F", "n", "N", "no", "off"]


@pytest.mark.parametrize("value", YES + NO, ids=repr)
def test_a_switch_is_billed_as_it_was_estimated(value):
    meant = value in YES
    request = Img2VideoRequest.of({**FIELDS, "audio": value, "is_rec": value})
    assert (request.audio, request.is_rec) == (meant, meant)
    assert estimate_credits({**FIELDS, "audio": value, "is_rec": value}) == estimate_credits(request)
    assert (is_yes(value), is_no(value)) == (meant, not meant)


@pytest.mark.parametrize("value", [2, "2", "perhaps", "tr", [True]], ids=repr)
def test_other_words_are_neither_yes_nor_no(value):
    assert not is_yes(value)
    assert not is_no(value)
    with pytest.raises(ViduInputError, match="audio"):
        Img2VideoRequest.of({**FIELDS, "audio": value})


@pytest.mark.parametrize("value", [None, "", "None"], ids=repr)
def test_a_switch_without_a_value_is_the_models_default(value):
    assert Img2VideoRequest.of({**FIELDS, "audio": value}).audio is None
