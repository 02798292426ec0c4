"""The sandbox as a process: a public client of Oura's API, and faults over a socket."""

from concurrent.futures import ThreadPoolExecutor

import oura_ring
import pytest
import requests

from tests.processes import PATIENCE, Service, wait_until


@pytest.fixture(scope="module")
def server():
    service = Service("sandbox", {"SANDBOX_DAYS": "60", "SANDBOX_TODAY": "2026-11-20"}).start()
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def unimpaired(request):
    if "server" in request.fixturenames:
        url = request.getfixturevalue("server").url
        requests.delete(f"{url}/_sandbox/faults")


@pytest.fixture(scope="module")
def token(server):
    return requests.get(f"{server.url}/_sandbox/people").json()[0]["access_token"]


@pytest.fixture
def client(server, token, monkeypatch):
    # The public client has no parameter for the address.
    monkeypatch.setattr(oura_ring, "API_URL", server.url)
    with oura_ring.OuraClient(token) as client:
        yield client


def get(server, token, path, **options):
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    url = f"{server.url}/v2/usercollection/{path}"
    timeout = options.pop("timeout", PATIENCE)
    return requests.get(url, headers=headers, timeout=timeout, params=options)


def fault(server, name, **more):
    body = {"fault": name, **more}
    assert requests.post(f"{server.url}/_sandbox/faults", json=body).ok


NAMES = [
    "daily_activity",
    "daily_readiness",
    "daily_sleep",
    "daily_spo2",
    "daily_stress",
    "enhanced_tag",
    "rest_mode_period",
    "sessions",
    "sleep_periods",
    "sleep_time",
    "workouts",
]


@pytest.mark.parametrize("name", NAMES)
def test_public_client_reads_every_list(client, name):
    results = getattr(client, f"get_{name}")("2026-10-01", "2026-11-20")
    assert isinstance(results, list)
    assert results or name in ("rest_mode_period",)


def test_public_client_reads_personal_info(client):
    assert client.get_personal_info()["email"] == "demo@example.org"


def test_public_client_reads_rings(client):
    assert client.get_ring_configuration()[0]["hardware_type"] == "gen3"


def test_public_client_reads_single_document(client):
    [first, *_] = client.get_daily_sleep("2026-11-01", "2026-11-10")
    assert client.get_daily_sleep(document_id=first["id"]) == first


def test_public_client_reads_several_pages(client):
    results = client.get_heart_rate("2026-11-01 00:00:00+00:00", "2026-11-05 00:00:00+00:00")
    assert len(results) > 1000


def test_truncated_body_breaks_the_connection(server, token):
    fault(server, "truncated")
    # The server may break off before it has sent anything.
    broken = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    with pytest.raises(broken):
        get(server, token, "sleep", start_date="2026-10-01")
    assert get(server, token, "sleep").ok


def test_timeout_does_not_block_other_requests(server, token):
    fault(server, "timeout", path="sleep")
    with pytest.raises(requests.exceptions.ReadTimeout):
        get(server, token, "sleep", timeout=0.3)
    assert get(server, token, "daily_sleep").ok


def test_timeouts_leave_threads_for_the_controls(server, token):
    fault(server, "timeout", times=20)

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(get, server, token, "sleep") for _ in range(10)]
        wait_until(lambda: sum(each.done() for each in asked) == 6)
        # Four are held, and none of the others; this one is served.
        assert requests.delete(f"{server.url}/_sandbox/faults").json() == {"cleared": 1}
        assert [each.result().status_code for each in asked] == [504] * 10
    assert get(server, token, "sleep").ok


def test_simultaneous_requests_get_the_same_response(server, token):
    def read(_):
        return get(server, token, "sleep", start_date="2026-09-25", end_date="2026-11-21").content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read, range(32)))) == 1


def test_simultaneous_requests_share_a_fault_exactly(server, token):
    fault(server, "rate_limit", times=10)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: get(server, token, "sleep").status_code, range(30)))
    assert (codes.count(429), codes.count(200)) == (10, 20)
