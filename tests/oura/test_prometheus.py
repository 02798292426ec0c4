"""The collector's metrics in a textfile and at a gateway."""

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import User
from oura.models import Connection
from oura.prometheus import ConnectionsCollector, publish
from oura.report import Problem, Report, Tally
from oura.tokens import RECONNECT
from tests.oura.answering import Reply

SUCCESS = "collector_last_successful_run_timestamp_seconds"
POINTS = 'data_points_collected_total{type="sleep"}'
ERRORS = 'collector_errors_total{data_type="sleep",error_type="unavailable"}'


class Gateway:
    """Stores pushed metrics by name and adds labels, as Prometheus' gateway does."""

    def __init__(self, *others):
        self.families, self.others = {}, others

    def __call__(self, request):
        if request.method == "GET":
            lines = [line for family in self.families.values() for line in family]
            return Reply("\n".join([*lines, *self.others, ""]).encode())
        for family in text_string_to_metric_families(request.body.decode()):
            samples = family.samples
            self.families[family.name] = [self.line(sample) for sample in samples]
        return Reply({}, 202)

    def line(self, sample):
        labels = {**sample.labels, "instance": "", "job": "collector"}
        pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
        return f"{sample.name}{{{pairs}}} {sample.value}"


def values(text):
    """Return each sample by its name and labels, without those that a gateway adds."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("job", "instance")}
            pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
            samples[sample.name + (f"{{{pairs}}}" if pairs else "")] = sample.value
    return samples


@pytest.fixture(autouse=True)
def publish_nowhere(settings):
    settings.METRICS_TEXTFILE = settings.PUSHGATEWAY_URL = ""


@pytest.fixture
def textfile(settings, tmp_path):
    settings.METRICS_TEXTFILE = str(tmp_path / "collector.prom")
    return tmp_path / "collector.prom"


@pytest.fixture
def gateway(settings, serve):
    server = serve(Gateway())
    settings.PUSHGATEWAY_URL = server.url
    return server


def gateway_values(gateway):
    return values(gateway.reply(type("Request", (), {"method": "GET"})).body.decode())


def run(now=1000.0, *, succeeds=True):
    problems = [] if succeeds else [Problem("ana", "sleep", "Away.", "unavailable")]
    tallies = {"sleep": Tally(fetched=3, created=3)}
    report = Report(tallies=tallies, problems=problems)
    publish(report, seconds=2.5, now=now, exit_code=0 if succeeds else 1)


def test_metrics_are_written_to_textfile(textfile):
    run()
    assert (
        values(textfile.read_text()).items()
        >= {
            'collector_runs_total{status="ok"}': 1,
            "collector_run_duration_seconds": 2.5,
            POINTS: 3,
            SUCCESS: 1000,
        }.items()
    )


def test_metrics_are_pushed_to_gateway(gateway):
    run(succeeds=False)
    assert (
        gateway_values(gateway).items()
        >= {
            'collector_runs_total{status="partial"}': 1,
            POINTS: 3,
            ERRORS: 1,
        }.items()
    )


def test_counters_continue_in_textfile(textfile):
    for succeeds in (True, False, True):
        run(succeeds=succeeds)
    samples = values(textfile.read_text())
    assert samples['collector_runs_total{status="ok"}'] == 2
    assert (samples[POINTS], samples[ERRORS]) == (9, 1)


def test_counters_continue_at_gateway(gateway):
    for succeeds in (True, False, True):
        run(succeeds=succeeds)
    samples = gateway_values(gateway)
    assert samples['collector_runs_total{status="ok"}'] == 2
    assert (samples[POINTS], samples[ERRORS]) == (9, 1)


def test_failed_run_keeps_last_success_in_textfile(textfile):
    run(1000)
    run(2000, succeeds=False)
    assert values(textfile.read_text())[SUCCESS] == 1000


def test_failed_run_keeps_last_success_at_gateway(gateway):
    run(1000)
    run(2000, succeeds=False)
    assert gateway_values(gateway)[SUCCESS] == 1000


def test_without_success_no_time_is_published(textfile):
    run(succeeds=False)
    assert SUCCESS not in textfile.read_text()


def test_other_jobs_at_gateway_are_ignored(gateway):
    other = 'collector_runs_total{status="ok",job="another",instance=""} 70'
    host = 'collector_runs_total{status="ok",job="collector",instance="a"} 700'
    gateway.reply.others = (other, host)
    run()
    body = gateway.requests[-1].body.decode()
    assert values(body)['collector_runs_total{status="ok"}'] == 1


@pytest.mark.parametrize(
    "text",
    [
        b'collector_runs_total{other="x"} 3\n',
        b'collector_runs_total{status="ok",other="x"} 3\n',
        b'collector_runs_total{status="ok"} -3\n',
        b'collector_runs_total{status="ok"} NaN\n',
        b'collector_runs_total{status="ok"} 3\ncollector_runs_total{status="o',
        b"\xff\xfe",
    ],
)
def test_unreadable_earlier_metrics_are_ignored(textfile, text):
    textfile.write_bytes(text)
    run()
    assert values(textfile.read_text())['collector_runs_total{status="ok"}'] == 1


def test_unwritable_textfile_does_not_stop_the_push(settings, gateway, caplog):
    settings.METRICS_TEXTFILE = "/nonexistent/collector.prom"
    run()
    assert gateway_values(gateway)[POINTS] == 3
    assert "FileNotFoundError" in caplog.text


def test_unreachable_gateway_is_a_warning(settings, textfile, caplog):
    settings.PUSHGATEWAY_URL = "http://127.0.0.1:9"
    run()
    assert values(textfile.read_text())[POINTS] == 3
    assert "ConnectionError" in caplog.text


def test_unreadable_gateway_keeps_its_last_success(gateway):
    run(1000)
    answer, gateway.reply.others = gateway.reply, ("{{{",)
    run(2000, succeeds=False)
    answer.others = ()
    assert gateway_values(gateway)[SUCCESS] == 1000


# The API's ----------------------------------------------------------------------------------------


def test_connections_are_counted_by_state(db):
    states = {
        "ana": {},
        "ben": {"problem": f"The connection can't be opened. {RECONNECT}"},
        "cem": {"ended": "refused", "problem": f"The connection was revoked. {RECONNECT}"},
    }
    for name, values in states.items():
        user = User.objects.create_user(name)
        fields = {"oura_user_id": name, "access_token": b"", "refresh_token": b""}
        Connection.objects.create(user=user, expires_at=timezone.now(), **fields, **values)
    [family] = ConnectionsCollector().collect()
    counts = {sample.labels["state"]: sample.value for sample in family.samples}
    assert counts == {"connected": 1, "lost": 1, "refused": 1, "interrupted": 0}
