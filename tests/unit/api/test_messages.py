# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""What messages call things."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.messages import describe_request, first_words, name_of_picture


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/cats/tabby.png", "tabby.png"),
        (["tabby.png"], "tabby.png"),
        ("file:///data/tabby.png", "tabby.png"),
        ("s3://conn_id@bucket/cats/tabby.png", "tabby.png"),
        ("s3://b/PO# 1/v.png", "v.png"),
        ("s3://b/cats/tabby #1?.png", "tabby #1?.png"),
        ("gs://b/cats/tabby.png?X-Goog-Signature=secret", "tabby.png"),
        ("https://example.com/a/tabby.png#part", "tabby.png"),
        ("s3://b", ""),
        ("https://[example.com/tabby.png", "tabby.png"),
        ("/data/PO# 1/v.png", "v.png"),
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
        ("The \x1b[31mcat\u202e yawns\x07", "The \ufffdcat\ufffd yawns\ufffd"),
        (None, ""),
    ],
)
def test_a_prompt_is_quoted_by_its_first_words(prompt, words):
    assert first_words(prompt) == words


def test_a_request_is_named_among_its_siblings():
    assert describe_request("viduq3-turbo", "/data/tabby.png", "The cat yawns") == (
        "Model viduq3-turbo, picture tabby.png, prompt The cat yawns."
    )
    assert describe_request(None, None, None) == ""


def test_what_an_author_wrote_is_printed_clean():
    hostile = "a\r\nb\x1b[2J\u202ec\x9bd"
    text = describe_request(hostile, f"/data/{hostile}.png", hostile)
    assert text.isprintable()
    assert text.count("a b") == 3
