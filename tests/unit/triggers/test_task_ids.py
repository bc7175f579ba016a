# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Thousands of ids are packed into one short text and unpacked unchanged."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.triggers.task_ids import packed, unpacked


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.text(min_size=1).filter(str.strip)))
def test_ids_of_any_text_come_back_in_their_order(ids):
    text = packed(ids)
    assert unpacked(text) == ids
    assert text.isascii()


def test_a_thousand_ids_are_a_few_bytes_each():
    chance = random.Random(1)
    ids = [str(902581991298326528 + chance.randrange(10**12)) for _ in range(1000)]
    assert len(packed(ids)) < 10 * len(ids)


@pytest.mark.parametrize("text", ["", "902581991298326528", "not packed at all"])
def test_unpacking_other_text_gives_none(text):
    with pytest.raises(ValueError, match="Not packed task ids"):
        unpacked(text)
