"""A new metric type goes everywhere by its declaration, and changes no other type's answers."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from metrics import TYPES
from myhealth.days import ONE_DAY
from oura.provider import SCOPES
from tests.invented.types import CAFFEINE, INVENTED, SNORING
from tests.invented.world import DAYS, world
from tests.scale import full_only, scaled

OURS = tuple(TYPES)
FIRST, LAST = DAYS.start, DAYS.end
SPAN = {"start": str(FIRST), "end": str(LAST)}
YEAR_AGO = str(LAST - timedelta(days=365))
# The last month that is over.
END = LAST.replace(day=1) - ONE_DAY
MONTH = {"start": str(END.replace(day=1)), "end": str(END)}


@pytest.fixture(scope="module")
def invented(database_settings):
    with world("invented", "tests.invented.settings", database_settings) as made:
        yield made


@pytest.fixture(scope="module")
def plain(database_settings):
    with world("plain", "myhealth.settings", database_settings) as made:
        yield made


@pytest.fixture(scope="module")
def ana(invented):
    person = invented.add_user("ana")
    person.report = person.collect()
    return person


@pytest.fixture(scope="module")
def ana_without(plain):
    person = plain.add_user("ana")
    person.collect()
    return person


def at_oura(person, collection):
    people = requests.get(f"{person.world.sandbox.url}/_sandbox/people").json()
    key = next(each["access_token"] for each in people if each["name"] == "demo")
    answer = requests.get(
        f"{person.world.sandbox.url}/v2/usercollection/{collection}",
        params={"start_date": str(FIRST), "end_date": str(LAST)},
        headers={"Authorization": f"Bearer {key}"},
    )
    return {each["day"]: each for each in answer.json()["data"]}


# Everywhere ---------------------------------------------------------------------------------------


def test_migration_is_one_model_and_touches_no_other_table(invented):
    done = invented.manage("makemigrations", "--check", "--dry-run")
    assert (done.returncode, done.stdout.strip()) == (0, "No changes detected")


@pytest.mark.parametrize(
    ("name", "collection"), [(t.name, t.collections[0]) for t in INVENTED.values()]
)
def test_collector_brings_every_day(ana, name, collection):
    assert set(
        ana.get_from_processor(name, **SPAN)
        and [row["day"] for row in ana.get_from_processor(name, **SPAN)]
    ) == set(at_oura(ana, collection))


def test_collector_has_nothing_to_complain_of(ana):
    assert (ana.report.returncode, ana.report.stderr) == (0, "")


def test_ledger_has_each_day_of_each_type(ana):
    ledger = ana.get_from_processor("ledger")
    assert list(ledger) == [*OURS, *INVENTED]
    assert {each["state"] for each in ledger["caffeine"]} <= {"held", "none", "not_synced"}


def test_rows_have_the_declared_columns(ana):
    row = ana.get("caffeine", **SPAN)[0]
    document = at_oura(ana, "daily_caffeine")[row["day"]]
    assert list(row) == ["oura_id", "day", *CAFFEINE.column_names, "updated_at"]
    assert {name: row[name] for name in CAFFEINE.column_names} == {
        "milligrams": document["milligrams"],
        "balance": document["body"]["balance"],
        "last_cup": document["last_cup"],
        "summary": document["summary"],
    }


def test_numbers_may_be_negative_or_decimals(ana):
    assert min(row["balance"] for row in ana.get("caffeine", **SPAN)) < 0
    sides = [row["contributors"]["side"] for row in ana.get("snoring", **SPAN)]
    assert any(side != round(side) for side in sides)


def test_contributors_of_zero_are_null(ana):
    rows = {row["day"]: row["contributors"] for row in ana.get("snoring", **SPAN)}
    assert rows == {
        day: {name: value or None for name, value in document["contributors"].items()}
        for day, document in at_oura(ana, "daily_snoring").items()
    }


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("caffeine", ["oura_id", "day", *CAFFEINE.column_names, "updated_at"]),
        (
            "snoring",
            ["oura_id", "day", "score", "start", "loudness", "contributors.back"]
            + ["contributors.side", "updated_at"],
        ),
    ],
)
def test_csv_has_the_declared_columns(ana, name, columns):
    header, *rows = csv.reader(io.StringIO(ana.get(name, format="csv", **SPAN).text))
    assert (header, len(rows)) == (columns, len(ana.get(name, **SPAN)))


def test_day_has_each_type(ana):
    day = ana.get("caffeine", **SPAN)[0]["day"]
    answer = ana.get(f"days/{day}")
    assert answer["caffeine"]["day"] == day
    assert list(answer["coverage"]) == [*OURS, *INVENTED]


def test_dashboard_has_the_declared_figures(ana):
    answer = ana.get("dashboard", weeks=1)
    week = answer["weekly_summary"]
    rows = ana.get("caffeine", start=week["start"], end=week["end"])
    assert week["total_caffeine"] == sum(row["milligrams"] for row in rows)
    assert week["caffeine_days"] == len(rows)
    assert answer["latest_snoring"]["score"] is not None


def test_summaries_have_the_declared_figures(ana):
    [month] = ana.get("summaries", by="month", **MONTH)
    rows = ana.get("caffeine", **MONTH)
    assert month["total_caffeine"] == sum(row["milligrams"] for row in rows)
    assert month["caffeine_full_days"] == month["caffeine_days"] == len(rows)
    assert month["snoring_days"] > 0


def test_page_of_weeks_has_a_table_for_each_type(ana):
    session, url = ana.browser()
    page = session.get(f"{url}/weeks/?by=month&end={END}").text
    [month] = ana.get("summaries", by="month", **MONTH)
    caffeine = page.split('id="of-caffeine"')[1].split("</section>")[0]
    assert f"{month['total_caffeine']:,}" in caffeine
    assert "Total caffeine <small>mg</small>" in caffeine
    assert f">{month['snoring_full_days']} of {END.day}" in page.split('id="of-snoring"')[1]


@pytest.mark.parametrize("service", ["api", "processor"])
def test_openapi_describes_each_type(invented, service):
    schema = requests.get(f"{getattr(invented, service).url}/api/schema/?format=json")
    text = schema.text
    assert '"loudness"' in text
    assert ("Loudness (dB)." in text) == (service == "api")
    assert '"milligrams"' in text


def test_page_of_today_has_a_card_for_each_type(ana):
    session, url = ana.browser()
    page = session.get(f"{url}/").text
    newest = ana.get("caffeine", **SPAN)[0]
    assert f"<dd>{newest['milligrams']} <span>mg</span>" in page
    assert f"<dd>{newest['summary'].capitalize()}</dd>" in page
    assert "<dt>Total caffeine</dt>" in page
    assert '<section class="card snoring">' in page
    assert ">Loudness</a></dt>" in page
    contributors = page.split('<div class="snoring">')[1].split("</section>")[0]
    assert "<h3>Snoring" in contributors
    assert "measure=snoring.contributors.side&amp;" in contributors
    # There are but two, which are shown already.
    assert "All contributors to the snoring score" not in page


def test_page_of_a_day_has_all_columns_of_each_type(ana):
    session, url = ana.browser()
    rows = {row["day"]: row for row in ana.get("snoring", **SPAN)}
    coffee = next(
        row
        for row in ana.get("caffeine", **SPAN)
        if row["balance"] < 0 and rows.get(row["day"], {}).get("contributors", {}).get("side")
    )
    snoring = rows[coffee["day"]]
    page = session.get(f"{url}/days/{coffee['day']}/").text
    for text in (
        f"{coffee['milligrams']} <span>mg</span>",
        f"−{-coffee['balance']}",
        coffee["last_cup"][11:16],
        coffee["summary"].capitalize(),
        f"{snoring['loudness']:.1f} <span>dB</span>",
    ):
        assert f"<dd>{text} <small>" in page or f"<dd>{text}</dd>" in page
    assert f"{snoring['contributors']['side']:.0f}</dd>" in page
    assert "measure=snoring.contributors.side&amp;period=90d" in page
    assert "Score" not in page.split('id="caffeine"')[1].split("</section>")[0]


def test_page_of_a_night_has_each_type_of_the_night(ana):
    session, url = ana.browser()
    row = next(row for row in ana.get("snoring", **SPAN) if row["loudness"])
    page = session.get(f"{url}/nights/{row['day']}/").text
    assert f"<dd>{row['loudness']:.1f} <span>dB</span>" in page
    assert "measure=snoring.loudness&amp;period=90d" in page
    assert "caffeine" not in page


def test_calendar_has_the_values_of_each_type(ana):
    session, url = ana.browser()
    for name, column, unit in (("caffeine", "milligrams", " mg"), ("snoring", "score", "")):
        row = ana.get(name, **SPAN)[0]
        address = f"{url}/calendar/?type={name}&month={row['day'][:7]}"
        assert f"<small>{row[column]}{unit}</small>" in session.get(address).text


def test_admin_has_rows_and_columns_of_each_type(ana):
    session, url = ana.browser()
    for name, columns in (("caffeine", "Milligrams"), ("snoring", "Loudness")):
        listing = session.get(f"{url}/admin/invented/{name}metric/").text
        path = listing.split(f'href="/admin/invented/{name}metric/')[-1].split('"')[0]
        assert path.endswith("/change/")
        page = session.get(f"{url}/admin/invented/{name}metric/{path}")
        assert (page.status_code, columns in page.text) == (200, True)


def test_admin_accounts_for_days_of_each_type(ana):
    session, url = ana.browser()
    listing = session.get(f"{url}/admin/coverage/").text
    path = listing.split('href="/admin/coverage/')[-1].split('"')[0]
    page = session.get(f"{url}/admin/coverage/{path}").text
    assert ">Caffeine<" in page
    assert ">Snoring<" in page


def test_rederive_makes_the_same_rows(ana):
    done = ana.world.manage("rederive", "--type", "caffeine", "snoring", "--output", "json")
    assert '"changed":0,"removed":0,"marked":0,"refused":0' in done.stdout


def test_archive_has_files_of_each_type(ana):
    url = f"{ana.world.api.url}/api/v1/export"
    answer = requests.get(url, headers={"Authorization": f"Bearer {ana.access}"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for name, metric_type in INVENTED.items():
            days = {row["day"] for row in ana.get(name, start=YEAR_AGO, end=str(LAST))}
            text = archive.read(f"{name}.csv").decode()
            assert {row["day"] for row in csv.DictReader(io.StringIO(text))} == days
            documents = archive.read(f"{name}.documents.jsonl").splitlines()
            sources = [json.loads(line)["source"] for line in documents]
            assert [list(each) for each in sources] == [list(metric_type.collections)] * len(days)


def test_bad_column_is_named(ana):
    bad = {"id": "bad", "day": str(LAST), "last_cup": "noon", "summary": "x" * 17}
    answer = ana.post_to_processor("ingest", type="caffeine", data=bad)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) >= {"summary"}


# No other type ------------------------------------------------------------------------------------


def of_ours(person):
    """Every state, answer and figure of our own types."""
    dashboard = person.get("dashboard", weeks=12)
    weeks = dashboard["weekly_summaries"] + person.get("summaries", start=YEAR_AGO)
    weeks = [ours_of(week) for week in weeks]
    run = person.post_to_processor("runs").json()["missing"]
    return {
        "rows": {name: without_times(person.get(name, **SPAN)) for name in OURS},
        "csv": {name: [line.rsplit(",", 1)[0] for line in lines(person, name)] for name in OURS},
        "states": ours_of(person.get("coverage", start=YEAR_AGO, end=str(LAST))),
        "ledger": {
            name: [
                {key: each[key] for key in ("from", "to", "state", "why", "times")}
                for each in ranges
            ]
            for name, ranges in ours_of(person.get_from_processor("ledger")).items()
        },
        "held": ours_of(person.get_from_processor("coverage")),
        "missing": ours_of(run),
        "weeks": [{**week, "coverage": counts(ours_of(week["coverage"]))} for week in weeks],
        "latest": {name: without_times([dashboard[f"latest_{name}"]])[0] for name in OURS},
        "coverage": counts(ours_of(dashboard["coverage"])),
        "marks": person.get("marks"),
    }


def lines(person, name):
    return person.get(name, format="csv", **SPAN).text.splitlines()


def ours_of(answer):
    """Without what an answer has of the invented types."""
    own = {figure.name for each in INVENTED.values() for figure in each.figures}
    own |= {*INVENTED, *(f"{name}{days}_days" for name in INVENTED for days in ("", "_full"))}
    return {name: value for name, value in answer.items() if name not in own}


def without_times(rows):
    return [{**row, "updated_at": ""} for row in rows]


def counts(coverage):
    return {name: {**each, "newest_sync": ""} for name, each in coverage.items()}


@full_only
def test_answers_are_those_of_a_world_without_new_types(ana, ana_without):
    assert of_ours(ana) == of_ours(ana_without)


days = st.integers(0, 80).map(lambda n: LAST - timedelta(days=n))
spans = st.tuples(days, days).map(sorted)
names = st.sampled_from(list(INVENTED))
events = st.one_of(
    st.tuples(st.just("full"), names, spans),
    st.tuples(st.just("empty"), names, spans),
    st.tuples(st.just("forbidden"), names, spans),
    st.tuples(st.just("unavailable"), names, spans),
    st.tuples(st.just("rejected"), names, spans),
)


def days_before_last(start, end):
    return {"start": str(LAST - timedelta(days=start)), "end": str(LAST - timedelta(days=end))}


@pytest.fixture(scope="module")
def eventful(invented):
    """Somebody with held, missing, refused and failed days of our own types."""
    person = invented.add_user("eventful")
    assert person.collect("--type", *OURS, of="femi").returncode == 0
    read = days_before_last(41, 37)
    for name in OURS:
        assert person.post_to_processor("ingest", type=name, data=[], read=read).ok
    person.post_to_processor(
        "reports",
        type="sleep",
        kind="unavailable",
        ranges=[days_before_last(111, 92)],
    )
    return person


def happen(person, what, name, start, end):
    """One event in the life of an invented type."""
    span = {"start": str(start), "end": str(end)}
    stored = [
        {"id": f"{name} {start + timedelta(days=n)}", "day": str(start + timedelta(days=n))}
        for n in range((end - start).days + 1)
    ]
    now = datetime.now(UTC).isoformat()
    match what:
        case "full":
            answer = person.post_to_processor(
                "ingest", type=name, data=stored, read=span, fetched_at=now
            )
        case "empty":
            answer = person.post_to_processor(
                "ingest", type=name, data=[], read=span, fetched_at=now
            )
        case "rejected":
            bad = [{**each, "unheard_of": 1} for each in stored[:5]]
            answer = person.post_to_processor(
                "ingest", type=name, data=[*bad, *stored[5:]], read=span
            )
            assert answer.status_code in (201, 400)
            return
        case kind:
            answer = person.post_to_processor("reports", type=name, kind=kind, ranges=[span])
    assert answer.ok, answer.text


@settings(max_examples=scaled(5, 20), suppress_health_check=list(HealthCheck))
@given(st.lists(events, min_size=1, max_size=4))
@example([("full", "snoring", (FIRST, LAST)), ("unavailable", "snoring", (FIRST, LAST))])
def test_whatever_becomes_of_new_types_ours_stay(eventful, happenings):
    before = of_ours(eventful)
    for what, name, (start, end) in happenings:
        happen(eventful, what, name, start, end)
    assert of_ours(eventful) == before


# Its own scope ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ben(invented):
    """He has not granted what snoring needs."""
    person = invented.add_user("ben")
    person.connect(granted=[scope for scope in SCOPES if scope != SNORING.scope])
    person.first = person.collect_connected()
    return person


@full_only
def test_ungranted_scope_costs_its_own_type_only(ben):
    states = {
        name: {each["state"] for each in days}
        for name, days in ben.get_from_processor("ledger").items()
    }
    for name, each in (TYPES | INVENTED).items():
        if each.scope == SNORING.scope:
            assert states[name] == {"no_permission"}
        else:
            assert "held" in states[name]
            assert "no_permission" not in states[name]


def test_ungranted_scope_is_reported_and_fails_no_run(ben):
    assert (
        f"snoring: known problem: The scope '{SNORING.scope}' was not granted" in ben.first.stdout
    )
    assert (ben.first.returncode, ben.collect_connected().returncode) == (0, 0)


def test_consent_asks_for_every_scope(invented):
    done = invented.manage("shell", "-c", "from oura.provider import SCOPES; print(*SCOPES)")
    every = list(dict.fromkeys((*SCOPES, SNORING.scope)))
    assert done.stdout.split()[-len(every) :] == every
