# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What messages call things."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.messages import first_words, name_of_picture, what_was_asked


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/cats/tabby.png", "tabby.png"),
        (["tabby.png"], "tabby.png"),
        ("file:///data/tabby.png", "tabby.png"),
        ("s3://conn_id@bucket/cats/tabby.png", "tabby.png"),
        ("https://example.com/tabby.png?X-Amz-Signature=secret", "tabby.png"),
        ("data:image/png;base64,AAAA", "a data URI"),
        (None, ""),
        ([], ""),
    ],
)
def test_a_picture_is_called_by_its_file_name(image, name):
    assert name_of_picture(image) == name


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("The cat yawns", "The cat yawns"),
        (" The cat\n yawns ", "The cat yawns"),
        ("word " * 40, "word word word word word word word word word word word word …"),
        ("猫" * 100, "猫" * 60 + " …"),
        (None, ""),
    ],
)
def test_a_prompt_is_quoted_by_its_first_words_on_one_line(prompt, words):
    assert first_words(prompt) == words


def test_a_request_is_named_among_its_siblings():
    assert what_was_asked("viduq3-turbo", "/data/tabby.png", "The cat yawns") == (
        "Model viduq3-turbo, picture tabby.png, prompt The cat yawns."
    )
    assert what_was_asked(None, None, None) == ""
