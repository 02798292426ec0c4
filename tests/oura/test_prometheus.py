"""The collector's figures in a textfile and at a gateway."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oura.prometheus import publish
from oura.report import Problem, Report, Tally
from tests.oura.answering import Reply

SUCCESS = "collector_last_successful_run_timestamp_seconds"
POINTS = 'data_points_collected_total{type="sleep"}'
ERRORS = 'collector_errors_total{data_type="sleep",error_type="unavailable"}'


class Gateway:
    """Keeps what is pushed as Prometheus' own does: by name, with the labels that it adds."""

    def __init__(self, *others):
        self.families, self.others = {}, others

    def __call__(self, asked):
        if asked.method == "GET":
            lines = [line for family in self.families.values() for line in family]
            return Reply("\n".join([*lines, *self.others, ""]).encode())
        for family in text_string_to_metric_families(asked.body.decode()):
            samples = family.samples
            self.families[family.name] = [self.line(sample) for sample in samples]
        return Reply({}, 202)

    def line(self, sample):
        labels = {**sample.labels, "instance": "", "job": "collector"}
        pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
        return f"{sample.name}{{{pairs}}} {sample.value}"


def values(text):
    """Each sample by its name and labels, without those that a gateway adds."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("job", "instance")}
            pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
            found[sample.name + (f"{{{pairs}}}" if pairs else "")] = sample.value
    return found


@pytest.fixture(autouse=True)
def nowhere(settings):
    settings.METRICS_TEXTFILE = settings.PUSHGATEWAY_URL = ""


@pytest.fixture
def textfile(settings, tmp_path):
    settings.METRICS_TEXTFILE = str(tmp_path / "collector.prom")
    return tmp_path / "collector.prom"


@pytest.fixture
def gateway(settings, serve):
    """A gateway, and what it shows."""
    made = serve(Gateway())
    settings.PUSHGATEWAY_URL = made.url
    return made


def shown(gateway):
    return values(gateway.reply(type("Asked", (), {"method": "GET"})).body.decode())


def run(now=1000.0, *, well=True):
    problems = [] if well else [Problem("ana", "sleep", "Away.", "unavailable")]
    tallies = {"sleep": Tally(fetched=3, created=3)}
    report = Report(tallies=tallies, problems=problems)
    publish(report, seconds=2.5, now=now, exit_code=0 if well else 1)


def test_a_runs_figures_are_written(textfile):
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


def test_a_runs_figures_are_pushed(gateway):
    run(well=False)
    assert (
        shown(gateway).items()
        >= {
            'collector_runs_total{status="partial"}': 1,
            POINTS: 3,
            ERRORS: 1,
        }.items()
    )


def test_counters_in_a_textfile_count_on(textfile):
    for well in (True, False, True):
        run(well=well)
    found = values(textfile.read_text())
    assert found['collector_runs_total{status="ok"}'] == 2
    assert (found[POINTS], found[ERRORS]) == (9, 1)


def test_counters_at_a_gateway_count_on(gateway):
    for well in (True, False, True):
        run(well=well)
    found = shown(gateway)
    assert found['collector_runs_total{status="ok"}'] == 2
    assert (found[POINTS], found[ERRORS]) == (9, 1)


def test_a_failed_run_keeps_the_last_success_in_a_textfile(textfile):
    run(1000)
    run(2000, well=False)
    assert values(textfile.read_text())[SUCCESS] == 1000


def test_a_failed_run_keeps_the_last_success_at_a_gateway(gateway):
    run(1000)
    run(2000, well=False)
    assert shown(gateway)[SUCCESS] == 1000


def test_without_a_success_none_is_told(textfile):
    run(well=False)
    assert SUCCESS not in textfile.read_text()


def test_other_programs_figures_at_a_gateway_are_not_ours(gateway):
    other = 'collector_runs_total{status="ok",job="another",instance=""} 70'
    host = 'collector_runs_total{status="ok",job="collector",instance="a"} 700'
    gateway.reply.others = (other, host)
    run()
    body = gateway.asked[-1].body.decode()
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
def test_earlier_figures_that_cant_be_read_count_as_none(textfile, text):
    textfile.write_bytes(text)
    run()
    assert values(textfile.read_text())['collector_runs_total{status="ok"}'] == 1


def test_a_place_that_takes_no_figures_is_a_warning_and_the_other_gets_them(
    settings, gateway, caplog
):
    settings.METRICS_TEXTFILE = "/nonexistent/collector.prom"
    run()
    assert shown(gateway)[POINTS] == 3
    assert "FileNotFoundError" in caplog.text


def test_a_gateway_that_is_away_is_a_warning(settings, textfile, caplog):
    settings.PUSHGATEWAY_URL = "http://127.0.0.1:9"
    run()
    assert values(textfile.read_text())[POINTS] == 3
    assert "URLError" in caplog.text


def test_a_gateway_that_shows_nothing_still_keeps_its_last_success(gateway):
    run(1000)
    answer, gateway.reply.others = gateway.reply, ("{{{",)
    run(2000, well=False)
    answer.others = ()
    assert shown(gateway)[SUCCESS] == 1000
