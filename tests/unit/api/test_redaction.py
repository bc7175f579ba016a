# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A key leaves no trace in what is quoted of a host, in whatever form the host repeats it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from airflow_provider_vidu.api.redaction import redacted

KEY = "vda_911/Secret+key=0123456789.abc"


def _percent(text):
    return "".join(f"%{ord(one):02x}" for one in text)


def _json(text):
    return json.dumps(text)[1:-1]


FORMS = {
    "as it is": KEY,
    "line break": f"{KEY[:9]}\n{KEY[9:]}",
    "CR LF and blanks": f"{KEY[:9]}\r\n    {KEY[9:]}",
    "two breaks": f"{KEY[:9]}\n{KEY[9:20]}\t{KEY[20:]}",
    "a blank after each": " ".join(KEY),
    "JSON": _json(KEY),
    "line break in JSON": _json(f"{KEY[:9]}\n{KEY[9:]}"),
    "JSON in JSON": _json(_json(f"{KEY[:9]}\n{KEY[9:]}")),
    "escaped slash": KEY.replace("/", "\\/"),
    "JSON escapes": "".join(f"\\u{ord(one):04X}" for one in KEY),
    "some JSON escapes": KEY.replace("S", "\\u0053").replace("+", "\\u002b"),
    "JSON escapes in JSON": _json("".join(f"\\u{ord(one):04x}" for one in KEY)),
    "quoted for a URL": quote(KEY, safe=""),
    "percent-encoded": _percent(KEY),
    "percent-encoded twice": quote(_percent(KEY), safe=""),
    "percent-encoded break": f"{KEY[:9]}%0D%0A{KEY[9:]}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_found_in_every_form(form):
    for text in (form, f"No such key: {form}, sorry", f"x{form}x"):
        assert redacted(text, KEY) == text.replace(form, "***")
        assert redacted(text.encode(), KEY) == redacted(text, KEY).encode()


@pytest.mark.parametrize("text", ["", "vda_911", KEY[:-1], KEY.upper(), "*** " * 50, "\\u0076" * 3])
def test_other_texts_stay_as_they_are(text):
    assert redacted(text, KEY) == text


def test_what_could_be_a_word_is_no_key():
    assert redacted("a key of kings", "key") == "a key of kings"


def test_a_hostile_text_is_searched_in_linear_time():
    for text in ("v \n" * 50_000, "\\" * 50_000, "%25" * 50_000, KEY[:-1] * 2_000, f"{KEY[:5]}{' ' * 50_000}"):
        assert redacted(text, KEY) == text
