"""Broken HTTP and random bytes: never a 500, nothing kept, and the next request is answered."""

import random

import pytest

from tests.attacks.attacking import INGEST, bearer, head, in_turn
from tests.scale import scaled

# Of each kind.
COUNT = scaled(20, 500)
# Workers may grow a little while they meet new code.
MOST_GROWTH = 40_000_000
ROUTES = {
    "api": (
        "GET /",
        "GET /account/",
        "GET /accounts/login/",
        "POST /accounts/login/",
        "POST /account/",
        "GET /admin/",
        "POST /admin/login/",
        "GET /api/v1/sleep",
        "GET /api/v1/dashboard",
        "GET /api/v1/days/2026-03-01",
        "POST /auth/login",
        "POST /auth/refresh",
        "POST /auth/logout",
        "GET /connect/oura/callback",
        "GET /static/myhealth/icon.svg",
        "GET /api/docs/",
        "GET /health",
        "GET /metrics",
    ),
    "processor": (
        "POST /api/v1/ingest",
        "POST /api/v1/reports",
        "POST /api/v1/runs",
        "GET /api/v1/metrics/sleep",
        "GET /api/v1/metrics/ledger",
        "DELETE /api/v1/people/ana",
        "POST /api/v1/rejected/1/retry",
        "GET /health/ready",
    ),
}
HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "Transfer-Encoding",
    "X-CSRFToken",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Request-ID",
)
PIECES = (
    *(b"\0", b"\\000", b"%00", b"%", b"%zz", b"\xed\xa0\x80", b"%ED%A0%80", b"\xff\xfe", b"\xc3("),
    *(b"'", b'"', b"\\", b";", b"=", b",", b"..", b"/", b"//", b"?", b"#", b"&", b"[", b"{", b"\t"),
    *(b"-1", b"0", b"99999999999999999999", b"1e999", b"NaN", b"null", b"true", b"0000-00-00"),
    *(b"Bearer ", b"Basic ", b"text/csv", b"application/json", b"multipart/form-data; boundary="),
    *(b"charset=utf-7", b"gzip", b"chunked", b"bytes=0-", b"W/", b"*", b"*/*", b"q=", b"fe80::1%"),
    *(
        b"127.0.0.1",
        b"[::1",
        b":",
        b"a" * 300,
        "ß界🎈".encode(),
        b"=?utf-8?b?AA==?=",
        b"{{",
        b"<b>",
    ),
)
# Long enough for the key of a session, or a CSRF token.
LONG = (b"\\000bcdefghijklmnop", b"\\377bcdefghijklmnop", b"a" * 32, b"a" * 64, b".eJwV:1a:b")
COOKIES = (b"sessionid", b"__Host-sessionid", b"csrftoken", b"__Host-csrftoken", b"messages")


def junk(chance, most=6):
    """Return bytes of which some mean something to a parser; without line ends."""
    pieces = [
        chance.choice(PIECES) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 9))
        for _ in range(chance.randint(1, most))
    ]
    return b"".join(pieces).replace(b"\n", b"").replace(b"\r", b"")


def in_header(chance, most=6):
    """Return junk that servers mostly let through: few take control characters in headers."""
    found = junk(chance, most)
    if chance.random() < 0.85:
        return bytes(byte for byte in found if 32 <= byte < 127)
    return found


def request(method, path, headers=(), body=b""):
    """Return the bytes of a request; names and values of headers are bytes."""
    lines = head(method, path)[:-2]
    for name, value in headers:
        lines += name + b": " + value + b"\r\n"
    if body or method == "POST":
        lines += b"Content-Length: %d\r\n" % len(body)
    return lines + b"\r\n" + body


# Each returns the bytes of one request to the route.


def odd_request_line(chance, method, path):
    method, path, version = method.encode(), path.encode(), b"HTTP/1.1"
    place = chance.randrange(5)
    if place == 0:
        method = chance.choice([junk(chance), b"", b" ", method.lower(), b"\x16\x03\x01"])
    elif place == 1:
        path += b"/" + junk(chance)
    elif place == 2:
        path += b"?" + junk(chance) + b"=" + junk(chance)
    elif place == 3:
        version = chance.choice([b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 x", b"", junk(chance)])
    else:
        path = chance.choice([b"*", b"", b"http://[", b"//" + path, junk(chance), path + b"\0"])
    rest = request("GET", "/").partition(b"\r\n")[2]
    return b"%s %s %s\r\n%s" % (method, path, version, rest)


def odd_query(chance, method, path):
    names = ("start", "end", "fields", "format", "weeks", "user", "next", "state", "code", "q", "a")
    pairs = [f"{chance.choice(names)}={percent(junk(chance))}" for _ in range(chance.randint(1, 4))]
    return request(method, f"{path}?{'&'.join(pairs)}", allowed(path))


def percent(value):
    return "".join(f"%{byte:02X}" for byte in value)


def odd_path(chance, method, path):
    parts = path.split("/")
    parts[chance.randrange(1, len(parts))] = percent(junk(chance))
    return request(method, "/".join(parts), allowed(path))


def odd_headers(chance, method, path):
    names = chance.sample(HEADERS, chance.randint(1, 4))
    headers = [(name.encode(), in_header(chance)) for name in names]
    if chance.random() < 0.2:
        headers.append((in_header(chance), in_header(chance)))
    # Two of a name, too.
    return request(method, path, [*headers, *headers[:1]])


def odd_cookies(chance, method, path):
    pairs = [
        chance.choice([b'%s="%s%s"', b"%s=%s%s"])
        % (chance.choice(COOKIES), in_header(chance, 2), chance.choice(LONG))
        for _ in range(chance.randint(1, 4))
    ]
    return request(method, path, [(b"Cookie", b"; ".join(pairs))])


def odd_token(chance, method, path):
    return request(method, path, [(b"Authorization", b"Bearer " + in_header(chance))])


def odd_body(chance, method, path):
    kinds = (
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=b",
        b"text/plain",
        junk(chance),
    )
    body = chance.choice(
        [
            junk(chance, 40),
            b'{"username":"%s","password":"%s"}' % (junk(chance), junk(chance)),
            b'{"refresh":"%s","type":"sleep","data":[{"id":"%s"}]}' % (junk(chance), junk(chance)),
            b'{"username":"\\ud800","password":"\\u0000"}',
            b'{"type":"sleep","user":"ana","data":{"id":"\\u0000","day":"%s"}}' % junk(chance),
            b"[" * chance.randint(1, 5000),
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--b--'
            % (junk(chance), junk(chance)),
            b"username=%s&password=%s" % (junk(chance), junk(chance)),
        ]
    )
    headers = [(b"Content-Type", chance.choice(kinds)), *allowed(path)]
    return request("POST" if method == "GET" else method, path, headers, body)


def broken_framing(chance, method, path):
    whole = request("POST", path, [(b"Content-Type", b"application/json")], b'{"a":1}')
    return chance.choice(
        [
            whole[: chance.randint(1, len(whole))],
            whole.replace(b"\r\n", b"\n"),
            whole.replace(b"\r\n", b"\r"),
            whole.replace(b"Content-Length: 7", b"Content-Length: -7"),
            whole.replace(b"Content-Length: 7", b"Content-Length: 7\r\nContent-Length: 8"),
            whole.replace(b"Content-Length: 7", b"Content-Length: 99999999999999999999"),
            whole.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked"),
            whole.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked\r\nContent-Length: 7"),
            whole.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked") + b"\r\nZZ\r\n",
            whole.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n" + b"A: b\r\n" * 500),
            whole.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nA: " + b"b" * 100_000 + b"\r\n"),
            whole.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n folded\r\n"),
            whole.replace(b": ", b" : "),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
            chance.randbytes(chance.randint(1, 2000)),
            whole + whole + whole,
        ]
    )


KINDS = (
    odd_request_line,
    odd_query,
    odd_path,
    odd_headers,
    odd_cookies,
    odd_token,
    odd_body,
    broken_framing,
)


def allowed(path):
    """Return the credentials with which a program's route looks at more of the request."""
    if path.startswith(("/api/v1/ingest", "/api/v1/r", "/api/v1/metrics")):
        return [(b"Authorization", INGEST["Authorization"].encode())]
    return []


def send(service, sent):
    """Return the requests that were answered with a 500."""
    # For a broken request, the server may wait for the rest.
    statuses = in_turn(len(sent), lambda number: service.status_of(sent[number], 0.5), 8)
    assert any(statuses)
    return [request for request, status in zip(sent, statuses, strict=True) if status == 500]


@pytest.fixture
def unharmed(api, processor):
    """The services answer as before, are as small, and have logged no error."""
    services = (api, processor)
    before = [(max(each.memory()), each.log.stat().st_size) for each in services]
    yield
    for service, (memory, logged) in zip(services, before, strict=True):
        assert [service.ask("GET", "/health").status for _ in range(4)] == [200] * 4
        assert service.errors(logged) == []
        assert max(service.memory()) - memory < MOST_GROWTH


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ROUTES)
def test_odd_requests_are_no_500(name, kind, api, processor, ana, unharmed):
    chance = random.Random(f"{name} {kind.__name__}")
    service = {"api": api, "processor": processor}[name]
    routes = [route.split() for route in ROUTES[name]]
    sent = [kind(chance, *routes[number % len(routes)]) for number in range(COUNT)]
    assert send(service, sent) == []


def test_odd_cookies_of_signed_in_person_are_no_500(api, ana, browse, unharmed):
    chance = random.Random(5)
    browser = browse(ana)
    own = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()
    pages = ("/", "/account/", "/api/v1/sleep", "/admin/", "/accounts/login/")
    sent = [
        request(
            "GET",
            chance.choice(pages),
            [(b"Cookie", own + b'; messages="%s"; %s' % (in_header(chance), in_header(chance)))],
        )
        for _ in range(COUNT)
    ]
    assert send(api, sent) == []


def test_odd_parameters_of_signed_in_person_are_no_500(api, ana, log_in, unharmed):
    chance = random.Random(6)
    access = [(b"Authorization", bearer(log_in(ana)["access"])["Authorization"].encode())]
    routes = ("sleep", "activity", "readiness", "dashboard", "coverage", "marks", "days/2026-03-01")
    routes += ("types", "", "series/met", "nights/2026-03-01", "trends", "summaries", "export")
    names = ("start", "end", "fields", "format", "weeks", "user", "every")
    names += ("measures", "period", "by")
    sent = []
    for _ in range(COUNT):
        query = "&".join(f"{chance.choice(names)}={percent(junk(chance))}" for _ in range(2))
        path = f"/api/v1/{chance.choice(routes)}"
        sent.append(request("GET", f"{path}?{query}", access))
        sent.append(request("GET", f"{path}/{percent(junk(chance))}", access))
    assert send(api, sent) == []
