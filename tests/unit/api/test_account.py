# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""A connection's fields to an account: where the key may go, and what is refused before it goes anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_vidu.api.account import EXTRAS, Account, account_from_fields, is_loopback, unknown_extras
from airflow_provider_vidu.api.errors import ViduConfigurationError

KEY = "vda_secret_0123456789"


def account(**fields):
    return account_from_fields(**{"password": KEY, **fields})


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ({"port": 443}, {}),
        ({"host": "https://api.vidu.com:443"}, {}),
        ({"host": "relay.example", "port": 443}, {"host": "relay.example"}),
        ({"host": "http://127.0.0.1", "port": 80}, {"host": "http://127.0.0.1"}),
    ],
)
def test_a_default_port_makes_no_other_account(fields, plain):
    named, unnamed = (account_from_fields(password="k", **given) for given in (fields, plain))
    assert named.identity == unnamed.identity
    assert named.base_url == unnamed.base_url


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, "https://api.vidu.com"),
        ({"host": " "}, "https://api.vidu.com"),
        ({"host": "api.vidu.cn"}, "https://api.vidu.cn"),
        ({"host": "https://api.vidu.cn/"}, "https://api.vidu.cn"),
        ({"host": "API.Vidu.COM"}, "https://api.vidu.com"),
        ({"host": "relay.example:8443"}, "https://relay.example:8443"),
        ({"host": "relay.example", "port": 8443}, "https://relay.example:8443"),
        ({"host": "relay.example:1", "port": 2}, "https://relay.example:1"),
        ({"host": "relay.example", "schema": "HTTPS"}, "https://relay.example"),
        ({"host": "https://relay.example", "schema": "http"}, "https://relay.example"),
        ({"host": "https://relay.example/vidu/"}, "https://relay.example/vidu"),
        ({"host": "127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"host": "localhost", "port": 8080}, "http://localhost:8080"),
        ({"host": "localhost", "schema": "https"}, "https://localhost"),
        ({"host": "[::1]:8080"}, "http://[::1]:8080"),
        ({"host": "[::1]"}, "http://[::1]"),
        ({"host": "::1"}, "http://[::1]"),
        ({"host": "::1", "port": 8080}, "http://[::1]:8080"),
        ({"host": "http://::1", "port": 8080}, "http://[::1]:8080"),
        ({"host": "::1", "schema": "https", "port": 443}, "https://[::1]"),
        ({"host": "2001:db8::7"}, "https://[2001:db8::7]"),
        ({"host": "2001:DB8::7/vidu/", "port": 8443}, "https://[2001:db8::7]:8443/vidu"),
        ({"host": "https://[2001:db8::7]:8443/vidu"}, "https://[2001:db8::7]:8443/vidu"),
        ({"host": "bücher.example:8443/ü"}, "https://xn--bcher-kva.example:8443/%C3%BC"),
        ({"host": "STRASSE.straße.例え"}, "https://strasse.xn--strae-oqa.xn--r8jz45g"),
        ({"host": "http://relay.example", "extra": {"allow_http": True}}, "http://relay.example"),
        ({"host": "http://relay.example", "extra": {"allow_http": "true"}}, "http://relay.example"),
    ],
)
def test_a_host_is_read_with_and_without_scheme_and_port(fields, base_url):
    assert account(**fields).base_url == base_url


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "http://api.vidu.com"},
        {"host": "api.vidu.com", "schema": "http"},
        {"host": "http://relay.example", "extra": {"allow_http": False}},
        {"host": "http://relay.example", "extra": {"allow_http": "no"}},
        {"host": "http://127.0.0.1.evil.example"},
        {"host": "http://localhost.evil.example"},
    ],
)
def test_the_key_never_goes_over_plain_http_to_another_machine(fields):
    with pytest.raises(ViduConfigurationError, match="plain http") as caught:
        account(**fields)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "[::1",
        "::1::2",
        "::1]:8080",
        "exa℀mple",
        "relay.example:99999",
        "relay.example:abc",
        "two words",
        "tab\tbed",
        "https://",
        "https:///path",
        "ftp://relay.example",
        "https://relay.example?key=1",
        "https://relay.example#part",
        f"ü{'a' * 64}.example",
        "ü..example",
    ],
)
def test_a_host_that_is_not_one_is_a_configuration_error(host):
    with pytest.raises(ViduConfigurationError, match="host"):
        account(host=host)


def test_a_key_in_the_url_is_not_repeated():
    with pytest.raises(ViduConfigurationError) as caught:
        account(host=f"https://user:{KEY}@api.vidu.com")
    assert KEY not in str(caught.value)
    assert "password" in str(caught.value)


def test_a_port_that_is_not_one_is_a_configuration_error():
    with pytest.raises(ViduConfigurationError, match="abc"):
        account(host="relay.example", port="abc")


@pytest.mark.parametrize(
    ("fields", "authorization"),
    [
        ({}, f"Token {KEY}"),
        ({"host": "api.vidu.cn"}, f"Token {KEY}"),
        ({"host": "https://API.VIDU.COM"}, f"Token {KEY}"),
        ({"host": "relay.example"}, f"Bearer {KEY}"),
        ({"host": "api.vidu.com.relay.example"}, f"Bearer {KEY}"),
        ({"host": "127.0.0.1:1"}, f"Bearer {KEY}"),
        ({"extra": {"auth_scheme": "Bearer"}}, f"Bearer {KEY}"),
        ({"host": "relay.example", "extra": {"auth_scheme": "Token"}}, f"Token {KEY}"),
        ({"extra": {"auth_scheme": ""}}, KEY),
        ({"extra": {"auth_scheme": None}}, f"Token {KEY}"),
    ],
)
def test_vidu_takes_token_and_relays_take_bearer(fields, authorization):
    assert account(**fields).authorization == authorization


@pytest.mark.parametrize("password", [None, "", "  "])
def test_no_key_is_said_before_anything_is_sent(password):
    with pytest.raises(ViduConfigurationError, match="password"):
        account_from_fields(password=password, conn_id="my_vidu")


@pytest.mark.parametrize("password", ["vda_two\nlines", "vda_one\rtwo", "vda_dots…", "vda_wíth", "vda_nul\0l"])
def test_an_unsendable_key_is_refused_and_not_repeated(password):
    with pytest.raises(ViduConfigurationError, match="API key") as caught:
        account_from_fields(password=password)
    assert "vda_" not in str(caught.value)


def test_a_scheme_that_no_header_can_carry_is_refused():
    with pytest.raises(ViduConfigurationError, match="auth_scheme"):
        account(extra={"auth_scheme": "Token\nX-Other:"})


def test_white_space_around_a_pasted_key_is_dropped():
    assert account(password=f" {KEY}\n").api_key == KEY


@pytest.mark.parametrize(
    "pasted",
    [
        f"Token {KEY}",
        f"Bearer {KEY}",
        f"bearer   {KEY}",
        f" TOKEN\t{KEY}\n",
        f"Authorization: Token {KEY}",
        f"authorization:Bearer {KEY}",
        f"Bearer: {KEY}",
        f'"Bearer {KEY}"',
        f"'Authorization: Bearer {KEY}'",
        f'"Authorization": "Bearer {KEY}"',
        f"Bearer '{KEY}'",
        f"Bearer Bearer {KEY}",
        f"Authorization: {KEY}",
        f'"{KEY}"',
    ],
)
@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_a_key_is_taken_without_the_scheme_pasted_before_it(pasted, scheme):
    made = account_from_fields(password=pasted, extra={"auth_scheme": scheme})
    assert made.authorization == f"{scheme} {KEY}".strip()
    assert made.identity == account(extra={"auth_scheme": scheme}).identity


@pytest.mark.parametrize("scheme", ["", " "])
@pytest.mark.parametrize("key", [f"Bearer {KEY}", f'"{KEY}"', f"Token: {KEY}"])
def test_without_a_scheme_the_key_is_sent_as_it_is(key, scheme):
    assert account_from_fields(password=f"{key}\n", extra={"auth_scheme": scheme}).authorization == key


@pytest.mark.parametrize("key", ["Token-1234567", "bearer_1234567", "TokenBearer", "abc Token def", "token:1234567"])
def test_a_key_that_only_looks_like_a_scheme_stays(key):
    assert account_from_fields(password=key).api_key == key


@pytest.mark.parametrize("pasted", ["Token ", "Bearer", "Authorization: token", "Bearer:", '""', "Authorization:"])
def test_a_scheme_without_a_key_is_no_key(pasted):
    with pytest.raises(ViduConfigurationError, match="no API key"):
        account_from_fields(password=pasted)


def test_the_key_is_in_no_representation():
    made = account(extra={"proxy": "http://user:pass@proxy.example"})
    for text in (repr(made), str(made), f"{made}"):
        assert KEY not in text
        assert "pass" not in text


def test_a_message_names_the_connection():
    with pytest.raises(ViduConfigurationError, match="my_vidu"):
        account_from_fields(password="", conn_id="my_vidu")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, ("/ent/v2/{endpoint}", "/ent/v2/tasks/{task_id}/creations", "/ent/v2/tasks")),
        ({"api_prefix": "/vidu/ent/v2/"}, ("/vidu/ent/v2/{endpoint}", "/vidu/ent/v2/tasks/{task_id}/creations", None)),
        ({"api_prefix": "/"}, ("/{endpoint}", "/tasks/{task_id}/creations", "/tasks")),
        ({"api_prefix": ""}, ("/ent/v2/{endpoint}", "/ent/v2/tasks/{task_id}/creations", "/ent/v2/tasks")),
        ({"api_prefix": " "}, ("/ent/v2/{endpoint}", "/ent/v2/tasks/{task_id}/creations", "/ent/v2/tasks")),
        ({"api_prefix": None}, ("/ent/v2/{endpoint}", "/ent/v2/tasks/{task_id}/creations", "/ent/v2/tasks")),
        ({"task_path": "task/{task_id}/creations"}, ("/ent/v2/{endpoint}", "/ent/v2/task/{task_id}/creations", None)),
        (
            {"create_path": "/v1/videos", "task_path": "/v1/status?task_id={task_id}"},
            ("/v1/videos", "/v1/status?task_id={task_id}", "/ent/v2/tasks"),
        ),
    ],
)
def test_every_path_of_a_relay_can_be_set(extra, expected):
    made = account(host="relay.example", extra=extra)
    create, task, listed = expected
    assert (made.create_path, made.task_path) == (create, task)
    if listed:
        assert made.list_path == listed


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, "/tools/v2/files/uploads"),
        ("/vidu/ent/v2", "/vidu/tools/v2/files/uploads"),
        ("router/v1/vidu/ent/v2/", "/router/v1/vidu/tools/v2/files/uploads"),
        ("/", "/tools/v2/files/uploads"),
        ("/v1/video", "/tools/v2/files/uploads"),
    ],
)
def test_upload_tool_is_beside_the_api(prefix, expected):
    assert account(host="relay.example", extra={"api_prefix": prefix}).uploads_path == expected


def test_null_says_that_a_host_lacks_an_endpoint():
    made = account(extra={"cancel_path": None, "list_path": None, "credits_path": None})
    assert (made.cancel_path, made.list_path, made.credits_path) == (None, None, None)


@pytest.mark.parametrize("null", ["null", "NULL", " null ", "None", "none"])
def test_null_of_a_uri_is_null(null):
    names = ("cancel_path", "list_path", "credits_path", "timeout", "api_prefix", "auth_scheme", "verify", "proxy")
    assert account(extra=dict.fromkeys(names, null)) == account(extra=dict.fromkeys(names))


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, []),
        ({"timeout": 5, "list_path": None, "task_url": "", "verify": False}, []),
        ({"time_out": 5}, ["time_out (timeout?)"]),
        ({"Timeout": 5}, ["Timeout (timeout?)"]),
        ({"x-url": "x", "lists_path": 1}, ["x-url", "lists_path (list_path?)"]),
        (
            {"base_url": "x", "Base-URL": "x", "api_key": "x"},
            ["base_url (host?)", "Base-URL (host?)", "api_key (password?)"],
        ),
        ({"ca_path": "x", "list_url": "x"}, ["ca_path", "list_url"]),
        ({"extra__vidu__timeout": 5}, ["extra__vidu__timeout (timeout?)"]),
    ],
)
def test_an_unknown_extra_is_named_with_the_nearest_known_one(extra, said):
    assert unknown_extras(extra) == said


def test_every_extra_of_the_docs_and_the_form_is_known():
    from airflow_provider_vidu.provider_info import get_provider_info

    assert unknown_extras(get_provider_info()["connection-types"][0]["conn-fields"]) == []
    page = (Path(__file__).parents[3] / "docs" / "connection.md").read_text()
    rows = [line for line in page.split("## The fields")[1].split("## ")[0].splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} & set(EXTRAS)
    assert named == set(EXTRAS)


@pytest.mark.parametrize("name", ["create_path", "task_path"])
def test_a_host_without_create_or_query_is_refused(name):
    with pytest.raises(ViduConfigurationError, match=name):
        account(extra={name: None})


@pytest.mark.parametrize("name", ["task_path", "cancel_path"])
def test_a_path_that_forgets_the_task_id_is_refused(name):
    with pytest.raises(ViduConfigurationError, match=r"\{task_id\}"):
        account(extra={name: "/tasks/{id}/creations"})


@pytest.mark.parametrize(
    ("extra", "timeout", "settle"),
    [
        ({}, 60, 60),
        ({"timeout": 5, "settle_seconds": 0}, 5, 0),
        ({"timeout": "7.5", "settle_seconds": "90"}, 7.5, 90),
        ({"timeout": "", "settle_seconds": None}, 60, 60),
    ],
)
def test_times_are_read_as_numbers_and_as_form_text(extra, timeout, settle):
    made = account(extra=extra)
    assert (made.timeout, made.settle_seconds) == (timeout, settle)


@pytest.mark.parametrize("value", ["soon", "nan", float("nan"), "inf", -1, 0, "0", [60], {"s": 1}, True])
def test_a_timeout_that_is_not_a_time_is_refused(value):
    with pytest.raises(ViduConfigurationError, match="timeout"):
        account(extra={"timeout": value})


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        (None, True),
        ("", True),
        (True, True),
        ("true", True),
        (False, False),
        ("False", False),
        ("0", False),
        (0, False),
        ("off", False),
        (" No ", False),
        ("ON", True),
        ("yes", True),
        # What is no word for either is never a reason to verify nothing.
        (2, "2"),
        ("/etc/ssl/relay.pem", "/etc/ssl/relay.pem"),
    ],
)
def test_tls_is_verified_unless_the_connection_says_otherwise(value, verify):
    assert account(extra={"verify": value}).verify == verify


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("vidu.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("api.vidu.com", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host, expected):
    assert is_loopback(host) is expected


def test_the_identity_depends_on_host_and_key():
    mine = account()
    assert mine.identity == account().identity
    assert len({mine.identity, account(host="api.vidu.cn").identity, account(password="other").identity}) == 3
    assert KEY not in mine.identity
    assert len(mine.identity) == 16


def test_the_plain_account_is_vidus_own_host():
    assert Account(api_key="k").authorization == "Token k"
    assert not Account().is_loopback


@settings(max_examples=80, deadline=None, database=None)
@given(
    host=st.none() | st.text(max_size=20) | st.sampled_from(["[", "http://[", "a:b", "//", "https://@", "\ud800"]),
    schema=st.none() | st.text(max_size=5),
    port=st.none() | st.integers(),
    password=st.none() | st.text(max_size=10),
    extra=st.dictionaries(
        st.sampled_from(["auth_scheme", "api_prefix", "create_path", "task_path", "timeout", "verify", "allow_http"]),
        st.none() | st.booleans() | st.floats() | st.text(max_size=10) | st.lists(st.integers(), max_size=2),
    ),
)
def test_no_connection_raises_anything_but_our_own_error(host, schema, port, password, extra):
    try:
        made = account_from_fields(host=host, schema=schema, port=port, password=password, extra=extra)
    except ViduConfigurationError:
        return
    assert made.api_key
    assert made.timeout > 0
    made.authorization.encode("latin-1")


@pytest.mark.parametrize("host", ["https://api.vidu.com/ent/v2", "https://api.vidu.com/ent/v2/", "api.vidu.com/ent/v2"])
def test_a_host_with_the_prefix_does_not_get_it_twice(host):
    account = account_from_fields(host=host, password="k")
    assert account.base_url + account.list_path == "https://api.vidu.com/ent/v2/tasks"
