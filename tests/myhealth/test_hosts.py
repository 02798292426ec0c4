"""Hosts and origins, as people write them in settings."""

import pytest
from django.http.request import validate_host

from myhealth import hosts


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("health.example.org", "health.example.org"),
        ("https://health.example.org", "health.example.org"),
        ("HTTP://Health.Example.org:8443/path?x=1", "health.example.org"),
        ("health.example.org:8443", "health.example.org"),
        ("health.example.org:8443/", "health.example.org"),
        ("health.example.org.", "health.example.org"),
        (".example.org", "health.example.org"),
        ("*.example.org", "health.example.org"),
        ("10.0.0.5:8000", "10.0.0.5"),
        ("[::1]", "[::1]"),
        ("[::1]:8000", "[::1]"),
        ("::1", "[::1]"),
        ("FD00:0::1", "[fd00::1]"),
        ("http://[fd00::1]:8000", "[fd00::1]"),
        ("gesundheit.bücher.example", "gesundheit.xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
    ],
)
def test_host_is_taken_for_what_is_meant(written, asked):
    assert validate_host(asked, [hosts.host(written)])


@pytest.mark.parametrize(
    "written",
    [
        *("", "a b", "health.example.org/path", "my_nas", "[::1", "[nas]", "fe80::1%eth0", "a..b"),
        *("https://", "me@health.example.org", "https://me@health.example.org", "a:b:c", "ex*mple"),
        *("nas:port", "..example.org", "[a.example", "a\u2028b"),
    ],
)
def test_host_that_no_request_can_have_is_refused(written):
    with pytest.raises(ValueError):
        hosts.host(written)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://health.example.org", "https://health.example.org"),
        ("HTTPS://Health.Example.ORG/", "https://health.example.org"),
        ("https://health.example.org:443", "https://health.example.org"),
        ("http://nas:80", "http://nas"),
        ("https://health.example.org:8443", "https://health.example.org:8443"),
        ("http://[FD00::1]:8000", "http://[fd00::1]:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.example.org", "https://*.example.org"),
    ],
)
def test_origin_is_as_browsers_send_it(written, sent):
    assert hosts.origin(written) == sent


@pytest.mark.parametrize(
    "written",
    [
        *("health.example.org", "ftp://health.example.org", "https://", "https://:8443", "null"),
        *("https://health.example.org/myhealth", "https://health.example.org?x=1", "*"),
        *("https://health.example.org#top", "https://me:word@health.example.org"),
        *("https://health.example.org:0", "https://health.example.org:99999", "https://[::1"),
    ],
)
def test_address_that_is_more_than_origin_is_refused(written):
    with pytest.raises(ValueError):
        hosts.origin(written)


@pytest.mark.parametrize(
    "written",
    ["a,b", "a, b", " a  b ", "a\nb\r\n", ",a,,b,", '["a", "b"]', "['a','b']", "\"a\" 'b'"],
)
def test_list_is_read_however_it_is_separated(written):
    assert hosts.split_words(written) == ["a", "b"]
