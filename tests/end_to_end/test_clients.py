"""Python clients that openapi-python-client generates from the OpenAPI documents."""

import importlib
import subprocess
import sys

import pytest

from accounts.tokens import issue_tokens
from metrics import TYPES
from tests.processes import TOKEN
from tests.scale import full_only
from tests.worlds import days_ago, store_days

pytestmark = full_only


def generate(service, folder, name):
    """Generate the client of a service as the package `name`; any warning fails."""
    (folder / "settings.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    command += ["--url", f"{service.url}/api/schema/", "--config", "settings.yml"]
    command += ["--meta", "none", "--output-path", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


class Client:
    """A generated client that is signed in."""

    def __init__(self, package, url, token):
        self.package, self.url, self.token = package, url, token

    def __call__(self, route, *arguments, **query):
        function = importlib.import_module(f"{self.package}.api.{route}").sync
        connected = importlib.import_module(f"{self.package}.client").AuthenticatedClient
        with connected(self.url, self.token, raise_on_unexpected_status=True) as client:
            return function(*arguments, client=client, **query)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("clients")
    sys.path.insert(0, str(made))
    yield made
    sys.path.remove(str(made))


@pytest.fixture(scope="module")
def package(api_process, folder):
    generate(api_process, folder, "api_client")
    return "api_client"


@pytest.fixture
def client(package, api_process, transactional_db, ana):
    store_days(ana, [days_ago(2), days_ago(1)], score=81, contributors={"latency": 70})
    store_days(ana, [days_ago(1)], "activity", steps=9000)
    return Client(package, api_process.url, issue_tokens(ana)["access"])


def test_client_reads_rows(client):
    rows = client("days.sleep_list", start=days_ago(1))
    assert [(row.day, row.score) for row in rows] == [(days_ago(1), 81)]
    assert rows[0].contributors["latency"] == 70


def test_client_reads_named_columns(client):
    [row] = client("days.sleep_list", start=days_ago(1), fields="day,score")
    assert row.to_dict() == {"day": str(days_ago(1)), "score": 81}


def test_client_reads_a_day(client):
    day = client("days.day", days_ago(1))
    assert (day.sleep.score, day.activity.steps, day.readiness) == (81, 9000, None)
    assert day.coverage.sleep.state == "held"


def store_stages(user):
    """Store a night of ten minutes: five awake, five of light sleep."""
    start, end = (f"{days_ago(3)}T0{hour}:00+02:00" for hour in ("6:50", "7:00"))
    sample = {"interval": 300, "items": [55.0, None], "timestamp": start}
    night = {"type": "long_sleep", "bedtime_start": start, "bedtime_end": end}
    night |= {"sleep_phase_5_min": "42", "heart_rate": sample, "latency": 90}
    store_days(user, [days_ago(3)], source={"sleep": [night]})
    return start


def test_client_reads_a_night(client, ana):
    start = store_stages(ana)
    night = client("days.night", days_ago(3))
    [period] = night.periods
    assert (period.main, period.latency, period.id) == (True, 90, None)
    assert [stage for _, stage in period.stages] == ["awake", "light"]
    assert [value for _, value in period.heart_rate] == [55.0]
    assert period.heart_rate[0][0].isoformat() == start.replace(":50+", ":50:00+")
    assert (night.previous, night.next_) == (None, days_ago(2))


def test_client_reads_a_series(client, ana):
    store_stages(ana)
    stages = client("days.series", "sleep_stage")
    assert [value for _, value in stages.points] == ["awake", "light"]
    every = importlib.import_module(f"{client.package}.models").Every("1d")
    days = client("days.series", "night_heart_rate", every=every).points
    assert [day[1:] for day in days] == [[55, 55, 55, 1]]


def test_client_reads_the_dashboard(client):
    dashboard = client("summaries.dashboard", weeks=2)
    assert dashboard.latest_sleep.day == days_ago(1)
    assert dashboard.latest_readiness is None
    assert len(dashboard.weekly_summaries) == 2


def test_client_reads_summaries(client):
    [week] = client("summaries.summaries", start=days_ago(1), end=days_ago(1))
    assert week.sleep_full_days == week.sleep_days >= 1
    assert week.avg_sleep_score == 81


def test_client_reads_trends(client):
    names = ["sleep.score", "activity.steps"]
    measures = client("summaries.trends", measures=",".join(names)).measures
    assert measures["sleep.score"].points == [[days_ago(2), 81.0], [days_ago(1), 81.0]]
    assert measures["activity.steps"].period.days == 1


def test_client_reads_coverage_and_marks(client):
    coverage = client("days.coverage", start=days_ago(1), end=days_ago(1))
    assert [each.state.value for each in coverage.sleep.ranges] == ["held"]
    assert client("days.marks") == []


def test_client_reads_the_types(client):
    types = client("overview.types")
    assert [each.name.value for each in types] == list(TYPES)
    assert (types[0].last_day, types[0].granted) == (days_ago(1), None)


def test_client_lists_the_routes(client, api_process):
    routes = client("overview.routes")
    assert routes["sleep"] == f"{api_process.url}/api/v1/sleep"


def test_client_has_errors_as_objects(client):
    error = client("days.sleep_list", start=days_ago(1), end=days_ago(2))
    assert (type(error).__name__, error.code) == ("Error", "invalid")


def test_client_of_the_processor_reads_rows(client, processor_process, folder):
    generate(processor_process, folder, "processor_client")
    of_processor = Client("processor_client", processor_process.url, TOKEN)
    rows = of_processor("metrics.metrics_list", "sleep", user="ana")
    assert [row.day for row in rows] == [days_ago(1), days_ago(2)]
