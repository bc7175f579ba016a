# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A key leaves no trace in what is quoted of a host, in whatever form the host repeats it."""

from __future__ import annotations

import json
import time
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
    "HTML": KEY.replace("/", "&#x2F;").replace("=", "&#61;"),
    "HTML in HTML": KEY.replace("/", "&amp;#x2F;"),
    "HTML entities": "".join(f"&#{ord(one)};" for one in KEY),
    "breaks of a web page": "<br>".join(KEY[start : start + 5] for start in range(0, len(KEY), 5)),
    "other breaks of a web page": "<wbr/>".join(KEY[start : start + 5] for start in range(0, len(KEY), 5)),
    "invisible characters": "\u200b".join(KEY),
    "soft hyphens and controls": "\xad\0\x1b".join(KEY),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_key_is_found_in_every_form(form):
    for text in (form, f"No such key: {form}, sorry", f"x{form}x"):
        assert redacted(text, KEY) == text.replace(form, "***")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"no such key: {KEY[:12]}…", "no such key: ***…"),
        (f"…{KEY[-12:]} is unknown", "…*** is unknown"),
        (f"{KEY[:10]}(an image){KEY[20:]}", "***(an image)***"),
        (f"{KEY}{KEY}", "******"),
        (KEY.lower(), "***"),
        (KEY.upper(), "***"),
        ("\N{REPLACEMENT CHARACTER}".join(KEY), "***"),
    ],
    ids=["cut at its end", "cut at its start", "cut in the middle", "twice", "lower case", "upper case", "unprintable"],
)
def test_part_of_a_key_is_found(text, clean):
    assert redacted(text, KEY) == clean


def test_no_number_of_backslashes_hides_a_key():
    for count in range(1, 40):
        clean = redacted("x " + "\\" * count + f"u{ord(KEY[0]):04x}{KEY[1:12]} {KEY[12:]}", KEY)
        assert clean == "x ***"


@pytest.mark.parametrize("text", ["", "vda_911", KEY[:7] + " … " + KEY[-7:], "*** " * 50, "\\u0076" * 3, "Ärger: 50 %"])
def test_other_texts_stay_as_they_are(text):
    assert redacted(text, KEY) == text


def test_what_could_be_a_word_is_no_key():
    assert redacted("a key of kings", "key") == "a key of kings"


def _seconds(text):
    def once():
        began = time.thread_time()
        assert redacted(text, KEY) == text
        return time.thread_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize(
    "unit", ["v \n", "\\", "%", "%25", "25", "\\u0076 ", KEY[:7], " ", "&#", "&amp;", "&#1", "<br"]
)
def test_work_grows_no_faster_than_the_text(unit):
    # Eight times the text: quadratic work would be 64 times as much.
    for start in ("", "%", "\\", "&"):
        assert _seconds(start + unit * 16_000) < 24 * _seconds(start + unit * 2_000)
