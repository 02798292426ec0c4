"""Values that no honest browser or program sends, and how tests send them."""

import re

from django.urls import URLPattern, get_resolver

from tests.scale import scaled

# As they stand in a URL: NUL and other control characters, half a character, no UTF-8 at all, dates
# and numbers out of every range, texts that are long or mean something to the database.
IN_URL = [
    "%00",
    "a%00b",
    "9999999999999999999999",
    "0000-00-00",
    "%ED%A0%80",
    "99999-99-99",
    "-1",
    "%FF%FE",
    "9" * 5_000,
    "%0D%0Ax:y",
    "",
    "9999-12-31",
    "0001-01-01",
    "%1B%7F",
    "1e999",
    "NaN",
    "null",
    "[",
    "%27%22%5C",
    "%D9%A3",
    "9223372036854775808",
    "2147483648",
    "..%2F..",
    "x" * 3_000,
    "0000-00-00%20to%2099999-99-99",
]
# As they stand in JSON.
IN_JSON = [
    rb'"\u0000"',
    rb'"\ud800"',
    b"9999999999999999999999",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b"[" * 2_000,
    b'"' + b"x" * 20_000 + b'"',
    b"9" * 5_000,
    b'"0000-00-00"',
    b'"99999-99-99T00:00:00Z"',
    b'"2026-03-01T00:00:00+99:99"',
    b"1.5",
    b"[null]",
    rb'{"\u0000": "\u0000"}',
    b"NaN",
]
# As they arrive in a header.
IN_HEADER = [
    "\x00",
    "é\xff\x80",
    ",;=\"'",
    "x" * 5_000,
    "*/*;q=\x01",
    "application/json; charset=\x00; version=é",
    '"\\000\\377"',
    "[::1",
    "%00",
    "-1",
    "bytes=9-1",
    'W/"',
    "Bearer é\xff",
    "Basic ::",
    "Bearer",
    "fe80::1%" + "a" * 300,
    "application/json; charset*=utf-8''%00",
    "application/x-www-form-urlencoded; charset*=no''%ff",
    "*/*; x*=no''%ff",
    "application/json; charset*=utf-7''+2AA-",
    "application/x-www-form-urlencoded; charset=rot13",
    "application/json; charset=idna",
    "multipart/form-data; boundary=é; charset=undefined",
    "multipart/form-data; boundary*=no''%ff",
]
HEADERS = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "X-CSRFToken",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
]
_PARAMETER = re.compile(r"<[^>]+>")


class Turns:
    """Takes turns: each call returns the next few of the values, at full scale eight times more.

    So each parameter is asked with some values, and each value is asked of some parameters.
    """

    def __init__(self, few):
        self.few = scaled(max(1, few // 2), 4 * few)
        self.at = 0

    def __call__(self, values):
        begin, self.at = self.at, self.at + min(self.few, len(values))
        return [values[index % len(values)] for index in range(begin, self.at)]


def routes(patterns=None, prefix="/"):
    """Return all addresses of the services that a URLconf names, with `<…>` for parameters."""
    found = []
    for each in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(each.pattern).lstrip("^").rstrip("$").replace("\\Z", "")
        found += [path] if isinstance(each, URLPattern) else routes(each.url_patterns, path)
    return [path for path in found if "(?P" not in path]


def filled(route, value):
    return _PARAMETER.sub(lambda _: value, route)


def has_parameter(route):
    return bool(_PARAMETER.search(route))


class Sender:
    """Sends requests with a client, and remembers those that were answered by a 5xx."""

    def __init__(self, client):
        self.client = client
        self.client.raise_request_exception = False
        self.failed = []
        self.statuses = set()

    def send(self, method, path, query="", body=b"", content_type="", **headers):
        # Like a server, it decodes the path once and leaves the query as it is.
        answer = self.client.generic(
            method, path, body, content_type, QUERY_STRING=query, headers=headers
        )
        self.statuses.add(answer.status_code)
        if answer.status_code >= 500:
            self.failed.append((method, path, query[:80], body[:80], headers))
        return answer
