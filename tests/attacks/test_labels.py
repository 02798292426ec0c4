"""What strangers make up becomes no label, no log line of an error, and no memory."""

import pytest

from tests.attacks.attacking import INGEST, head, in_turn
from tests.scale import full_only, scaled

MARK = "STRANGERSWORD"
METHODS = scaled(300, 1500)
# Lines of counters and histograms for the few pairs of an endpoint and a status that are new.
FEW_LINES = 200


def lines(service):
    return len(service.metrics().splitlines())


@pytest.fixture
def grows_little(api, processor):
    """The pages of figures hold nothing of a stranger's afterwards, and are hardly longer."""
    before = {each: (lines(each), each.log.stat().st_size) for each in (api, processor)}
    yield
    for service, (count, logged) in before.items():
        page = service.metrics()
        assert MARK.lower() not in page.lower()
        assert len(page.splitlines()) - count < FEW_LINES
        assert MARK.lower() not in service.said(logged).lower()


@full_only
@pytest.mark.parametrize(
    "path", ["/auth/login", "/", "/health", "/nothing", "/admin/", "/static/a"]
)
def test_made_up_methods_are_405_and_one_label(path, api, watch, grows_little):
    with watch:
        answers = in_turn(METHODS // 6, lambda number: api.ask(f"{MARK}{number}{'A' * 2000}", path))
        watch.wait_for_samples(8)
    assert {answer.status for answer in answers} == {405}
    assert all(answer.headers["allow"] for answer in answers)
    watch.assert_held()


def test_made_up_methods_of_processor_are_405(processor, grows_little):
    paths = ["/api/v1/ingest", "/api/v1/metrics/sleep", "/nothing"]
    answers = in_turn(
        METHODS // 10,
        lambda number: processor.ask(f"{MARK}{number}", paths[number % 3], **INGEST),
    )
    assert {answer.status for answer in answers} == {405}
    assert all(answer.headers["allow"] for answer in answers)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "QUERY"])
def test_methods_of_others_are_405(method, api):
    assert api.ask(method, "/accounts/login/").status == 405


def test_made_up_addresses_are_one_label(api, processor, grows_little):
    def ask(number):
        word = f"{MARK}{number}"
        yield api.ask("GET", f"/{word}/{word}")
        yield api.ask("GET", f"/api/v1/{word}?{word}={word}")
        yield api.ask("GET", f"/admin/{word}/")
        yield api.ask("GET", f"/static/{word}.js")
        yield processor.ask("GET", f"/api/v1/metrics/{word}", **INGEST)
        yield processor.ask("GET", f"/{word}", **INGEST)

    answers = in_turn(scaled(30, 150), lambda number: [each.status for each in ask(number)])
    assert {status for each in answers for status in each} <= {302, 401, 404}


def test_made_up_hosts_are_400_and_no_label(api, processor, grows_little):
    def ask(number):
        host = {"Host": f"{MARK}{number}.example"}
        yield api.status_of(head("GET", "/", **host))
        yield api.status_of(head("GET", "/health", **host))
        yield processor.status_of(head("GET", "/api/v1/ingest", **host, **INGEST))

    answers = in_turn(scaled(20, 150), lambda number: [*ask(number)])
    assert {tuple(each) for each in answers} == {(400, 200, 400)}


def test_made_up_types_become_no_label(processor, ana, grows_little):
    def ask(number):
        body = {"type": f"{MARK}{number}", "user": f"{MARK}{number}", "data": []}
        return [
            processor.ask("POST", path, body, **INGEST).status
            for path in ("/api/v1/ingest", "/api/v1/reports", "/api/v1/runs")
        ]

    assert {status for each in in_turn(scaled(20, 100), ask) for status in each} == {400}


def test_made_up_headers_reach_no_log(api, grows_little):
    names = ("User-Agent", "Referer", "Origin", "Accept", "Cookie", "X-Request-ID", "Authorization")
    for name in names:
        answer = api.ask("GET", "/api/v1/sleep", **{name: f"{MARK} <&>"})
        assert answer.status in (400, 401, 406)
        assert api.ask("POST", "/accounts/login/", "a=b", **{name: f"{MARK} <&>"}).status < 500
