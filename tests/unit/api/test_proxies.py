# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 The airflow-provider-vidu authors
"""Which proxy leads to a host: one table for both transports."""

from __future__ import annotations

import pytest

from airflow_provider_vidu.api.errors import Fate, ViduConfigurationError
from airflow_provider_vidu.api.proxies import choose_proxy, is_bypassed, proxy_url, split_login


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("vidu.example", "", False),
        ("vidu.example", "*", True),
        ("vidu.example", "other.example, *", True),
        ("vidu.example", "vidu.example", True),
        ("VIDU.example", "Vidu.Example", True),
        ("vidu.example.", "vidu.example", True),
        ("api.vidu.example", "vidu.example", True),
        ("api.vidu.example", ".vidu.example", True),
        ("api.vidu.example", "*.vidu.example", True),
        ("api.vidu.example", "other.example .vidu.example", True),
        ("evilvidu.example", "vidu.example", False),
        ("vidu.example", "api.vidu.example", False),
        ("vidu.example", ".", False),
        ("vidu.example", "vidu.example:8443", True),
        ("vidu.example", "vidu.example:443", False),
        ("api.vidu.example", ".vidu.example:8443", True),
        ("vidu.example", "*:8443", True),
        ("vidu.example", "*:443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8443", True),
        ("10.1.2.3", "10.1.2.3:1", False),
        ("110.1.2.3", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.9/24", True),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "10.0.0.0/8", False),
        ("fd00::1", "fd00:0:0::1", True),
        ("fd00::1", "[fd00::1]", True),
        ("fd00::1", "[fd00::1]:8443", True),
        ("fd00::1", "[fd00::1]:443", False),
        ("fe80::1%eth0", "fe80::/10", True),
    ],
)
def test_no_proxy_is_read_in_all_its_forms(host, no_proxy, bypassed):
    where = f"[{host}]" if ":" in host else host
    assert is_bypassed(f"https://{where}:8443/ent/v2", no_proxy) is bypassed


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_url_without_a_port_has_the_port_of_its_scheme(scheme, port):
    assert is_bypassed(f"{scheme}://vidu.example/v.mp4", f"vidu.example:{port}")
    assert not is_bypassed(f"{scheme}://vidu.example/v.mp4", "vidu.example:8443")


@pytest.mark.parametrize(
    ("url", "proxies", "chosen"),
    [
        ("https://vidu.example", {}, None),
        ("https://vidu.example", {"https": "a", "all": "b"}, ("https", "a")),
        ("http://vidu.example", {"https": "a", "all": "b"}, ("all", "b")),
        ("http://vidu.example", {"https": "a"}, None),
        ("https://vidu.example", {"https": "", "all": "b"}, ("all", "b")),
        ("https://vidu.example", {"https": "a", "no": "vidu.example:443"}, None),
        ("http://vidu.example", {"http": "a", "no": "vidu.example:443"}, ("http", "a")),
    ],
)
def test_the_schemes_own_proxy_goes_before_the_one_for_all(url, proxies, chosen):
    assert choose_proxy(url, proxies) == chosen


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example", "http://proxy.example"),
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("user:pass@proxy.example:3128", "http://user:pass@proxy.example:3128"),
        ("[fd00::1]:3128", "http://[fd00::1]:3128"),
        (" HTTP://proxy.example:3128/ ", "http://proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example"),
        ("token@proxy.example", "http://token:@proxy.example"),
        ("http://us%40er:p@ss:w%C3%A4@proxy.example", "http://us%40er:p@ss:w%C3%A4@proxy.example"),
    ],
)
def test_a_proxy_without_a_scheme_means_http(text, url):
    assert proxy_url(text, "HTTPS_PROXY", to_https=True, python=(3, 13)) == url


@pytest.mark.parametrize(
    "text",
    ["socks5h://user:hush@proxy.example:1080", "socks4://p", "SOCKS5://p:1", "ftp://p", "//", "p:hush", "8080", "["],
)
def test_a_proxy_that_one_transport_cannot_use_is_refused_unquoted(text):
    with pytest.raises(ViduConfigurationError) as caught:
        proxy_url(text, "ALL_PROXY", to_https=False)
    assert "ALL_PROXY" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.fate is Fate.PERMANENT


@pytest.mark.parametrize(
    "login",
    ["us%3Aer:hush", ":hush", "", "user:hush%E2%82%AC", "user:hush€", "user:hush%E4", "user:1#hush", "u:1/hush"],
)
def test_an_ambiguous_proxy_login_is_refused_unquoted(login):
    with pytest.raises(ViduConfigurationError) as caught:
        proxy_url(f"http://{login}@proxy.example:3128", "HTTPS_PROXY", to_https=True)
    assert "HTTPS_PROXY" in str(caught.value)
    assert "percent-encode" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_proxy_login_moves_into_a_header():
    assert split_login("http://us%40er:p%3Aass@proxy.example:3128") == (
        "http://proxy.example:3128",
        "Basic dXNAZXI6cDphc3M=",
    )
    assert split_login("http://token:@[fd00::1]") == ("http://[fd00::1]", "Basic dG9rZW46")
    assert split_login("http://u:%C3%A4@p") == ("http://p", "Basic dTrk")
    assert split_login("https://proxy.example") == ("https://proxy.example", None)


def test_tls_inside_tls_needs_a_python_whose_event_loop_can():
    with pytest.raises(ViduConfigurationError, match=r"Python 3\.11"):
        proxy_url("https://proxy.example", "HTTPS_PROXY", to_https=True, python=(3, 10))
    assert proxy_url("https://proxy.example", "HTTPS_PROXY", to_https=False, python=(3, 10)) == "https://proxy.example"
