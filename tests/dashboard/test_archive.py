"""The archive of a person: `GET /api/v1/export` and `manage.py export_person`."""

import csv
import hashlib
import io
import json
import stat
import threading
import zipfile
from datetime import timedelta

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Origin
from ingest.models import METRIC_MODELS, MetricSource, RejectedDocument, Revision
from metrics import SLEEP, TYPES
from myhealth import __version__
from oura.models import Connection
from tests.scale import scaled
from tests.worlds import (
    days_ago,
    document,
    fetch_completely,
    person,
    reject_document,
    store_days,
    store_documents,
    store_nights,
)

pytestmark = pytest.mark.django_db


class Archive:
    def __init__(self, content):
        self.zip = zipfile.ZipFile(io.BytesIO(content))

    def read(self, name):
        return self.zip.read(name)

    def json(self, name):
        return json.loads(self.read(name))

    def lines(self, name):
        return [json.loads(line) for line in self.read(name).splitlines()]

    def csv(self, name):
        return list(csv.DictReader(io.StringIO(self.read(name).decode(), newline="")))


def content_of(answer):
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def download(api):
    return Archive(content_of(api.get("export")))


@pytest.fixture
def nights(ana):
    days = [days_ago(n) for n in range(3)]
    store_nights(ana, days, "v2", "a ring")
    return sorted(days)


# What is in it ------------------------------------------------------------------------------------


def test_whole_archive_can_be_unpacked(ana, api, nights, tmp_path):
    path = tmp_path / "archive.zip"
    path.write_bytes(content_of(api.get("export")))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        of_types = [
            f"{name}{end}"
            for name in TYPES
            for end in (".csv", ".documents.jsonl", ".revisions.jsonl")
        ]
        general = ["README.txt", "account.json", "coverage.csv", "rejected.jsonl", "manifest.json"]
        assert sorted(archive.namelist()) == sorted([*general, *of_types])


def test_manifest_has_rows_and_hash_of_each_file(ana, api, nights):
    archive = download(api)
    manifest = archive.json("manifest.json")
    assert (manifest["format"], manifest["myhealth"]) == (1, __version__)
    assert manifest["user"] == "ana"
    assert {*manifest["files"], "manifest.json"} == {*archive.zip.namelist()}
    for name, said in manifest["files"].items():
        content = archive.read(name)
        assert hashlib.sha256(content).hexdigest() == said["sha256"]
        if name.endswith(".jsonl"):
            assert said["rows"] == len(content.splitlines())
        if name.endswith(".csv"):
            assert said["rows"] == len(archive.csv(name))


def test_readme_names_each_file_and_column(ana, api):
    text = download(api).read("README.txt").decode()
    names = ["manifest.json", "account.json", "coverage.csv", "rejected.jsonl", "sleep.csv"]
    names += [column.name for each in TYPES.values() for column in each.columns]
    assert [name for name in names if name not in text] == []


@pytest.mark.parametrize("type_", TYPES)
def test_table_is_that_of_the_api_oldest_first(ana, api, type_):
    days = ["2010-01-01", "2019-12-31", "2020-01-01", str(days_ago(-1))]
    store_days(ana, days, type_, score=81, contributors={"timing": 5, "steps": None})
    asked = api.get(type_, start=days[0], end=days[-1], format="csv").content
    header, *lines = asked.splitlines(keepends=True)
    assert download(api).read(f"{type_}.csv") == header + b"".join(reversed(lines))


def test_every_row_of_many_is_once_in_its_table(ana, api):
    count = scaled(500, 5_000)
    store_days(ana, [days_ago(n) for n in range(count)])
    stored = METRIC_MODELS["sleep"].objects.order_by("day").values_list("oura_id", "day")
    rows = download(api).csv("sleep.csv")
    assert [(row["oura_id"], row["day"]) for row in rows] == [(id, str(day)) for id, day in stored]


def test_every_document_is_there_byte_by_byte(ana, api):
    store_nights(ana, [days_ago(n) for n in range(450)], "v2", "a ring")
    lines = download(api).read("sleep.documents.jsonl").splitlines()
    stored = MetricSource.objects.order_by("day")
    assert len(lines) == 450
    for line, source in zip(lines, stored, strict=True):
        assert line.endswith(b'"source":' + orjson.dumps(source.documents) + b"}")
        assert orjson.loads(line)["day"] == str(source.day)


def test_document_says_when_it_was_fetched(ana, api):
    at = timezone.now() - timedelta(days=2)
    store_nights(ana, [days_ago(3)], at=at)
    [line] = download(api).lines("sleep.documents.jsonl")
    assert line["fetched_at"] == at.isoformat()


def test_damaged_documents_are_said_and_cost_no_others(ana, api, nights):
    MetricSource.objects.filter(day=nights[1]).update(content=b"\x00")
    lines = download(api).lines("sleep.documents.jsonl")
    assert [(line["source"] is None, line.get("damaged")) for line in lines] == [
        (False, None),
        (True, True),
        (False, None),
    ]


ODD = {
    "line\nbreaks\r\u2028\x85": "\n\r\n",
    "big": 123456789012345678,
    "decimals": [1.0, -0.0, 1e300, 5e-324],
    "empty": {},
    "text": '"\\\t"\x7f 😴',
}


def test_odd_documents_stay_as_they_are(ana, api):
    night = {"id": "a", "day": str(days_ago(1)), "score": 80, "source": {"daily_sleep": [ODD]}}
    store_documents(ana, [night])
    [line] = download(api).read("sleep.documents.jsonl").split(b"\n")[:-1]
    source = orjson.dumps({"daily_sleep": [ODD]}, option=orjson.OPT_SORT_KEYS)
    assert line.endswith(b'"source":' + source + b"}")


def test_row_without_documents_has_no_line(ana, api):
    store_days(ana, [days_ago(1)], score=80)
    archive = download(api)
    assert (len(archive.csv("sleep.csv")), archive.lines("sleep.documents.jsonl")) == (1, [])


def test_every_revision_is_there_with_when_and_why(ana, api):
    # Days that are not over may still change, without revisions.
    days = [days_ago(n) for n in range(3, 303)]
    for average in (50, 60, 70):
        store_nights(ana, days, average_hrv=average)
    lines = download(api).lines("sleep.revisions.jsonl")
    stored = Revision.objects.order_by("day", "replaced_at", "pk")
    assert len(lines) == 600
    for line, revision in zip(lines, stored, strict=True):
        assert line["day"] == str(revision.day)
        assert line["replaced_at"] == revision.replaced_at.isoformat()
        assert (line["kind"], line["changes"]) == ("changed", revision.changes)
        assert (line["values"], line["source"]) == (revision.values, revision.documents)


def test_revision_of_unchanged_documents_has_no_source(ana, api):
    days = [days_ago(3)]
    store_nights(ana, days)
    store_nights(ana, days, mapping=lambda *each: {**SLEEP.map(*each), "score": 1})
    [line] = download(api).lines("sleep.revisions.jsonl")
    assert (line["kind"], line["source"]) == ("remapped", None)
    assert "damaged" not in line


def test_rejected_documents_are_there_as_sent(ana, api):
    for n in range(3):
        reject_document(ana, days_ago(n), "activity", note="ä\n\u2028")
    lines = download(api).lines("rejected.jsonl")
    stored = RejectedDocument.objects.order_by("first_seen", "pk")
    assert [(line["day"], line["content"], line["errors"]) for line in lines] == [
        (each.day, each.content, each.errors) for each in stored
    ]
    assert {line["type"] for line in lines} == {"activity"}


def test_coverage_is_that_of_the_api(ana, api):
    store_days(ana, [days_ago(n) for n in (1, 2, 5)])
    fetch_completely(ana, days_ago(10), days_ago(0))
    span = {"start": "2010-01-01", "end": str(days_ago(-1))}
    answer = api.get("coverage", **span).json()
    assert download(api).csv("coverage.csv") == [
        {"type": type_, **{name: value or "" for name, value in each.items()}}
        for type_, of_type in answer.items()
        for each in of_type["ranges"]
    ]


def test_account_has_profile_preferences_and_connection_without_secrets(ana, api):
    ana.email, ana.time_zone = "ana@example.org", "Asia/Tokyo"
    ana.save()
    Origin.objects.create(user=ana, name="oura", owner="owner")
    Connection.objects.create(
        user=ana,
        oura_user_id="owner",
        origin="oura",
        access_token=b"secret",
        refresh_token=b"secret",
        expires_at=timezone.now(),
        scopes=["daily"],
        token_url="https://example.org/token",
    )
    archive = download(api)
    account = archive.json("account.json")
    assert (account["user"], account["email"]) == ("ana", "ana@example.org")
    assert account["preferences"]["time_zone"] == "Asia/Tokyo"
    assert account["origin"] == {"name": "oura", "owner": "owner"}
    assert account["oura_connection"]["scopes"] == ["daily"]
    names = str([*account, *account["oura_connection"]])
    assert not any(word in names for word in ("token", "password", "lease"))
    assert b"secret" not in archive.read("account.json")
    assert ana.password.encode() not in archive.read("account.json")


def test_new_account_has_an_archive_without_entries(ana, api):
    archive = download(api)
    assert archive.csv("sleep.csv") == archive.lines("sleep.documents.jsonl") == []
    assert archive.json("account.json")["oura_connection"] is None
    rows = {name: each["rows"] for name, each in archive.json("manifest.json")["files"].items()}
    kept = ("account.json", "coverage.csv")
    assert [name for name, count in rows.items() if count and name not in kept] == []


def test_archive_has_nothing_of_other_people(ana, ben, api):
    for each in (ben, person("ana2", password_of="ana")):
        for average in (50, 60):
            store_nights(each, [days_ago(3)], average_hrv=average)
        reject_document(each, days_ago(2))
    archive = download(api)
    rows = {name: each["rows"] for name, each in archive.json("manifest.json")["files"].items()}
    assert {count for name, count in rows.items() if "sleep" in name or "rejected" in name} == {0}
    assert not any(b"ben" in archive.read(name) for name in archive.zip.namelist())


# The route ----------------------------------------------------------------------------------------


def test_answer_is_a_file_that_nobody_keeps(ana, api):
    answer = api.get("export")
    content_of(answer)
    headers = answer.headers
    assert headers["Content-Type"] == "application/zip"
    name = f"myhealth_{ana.today()}.zip"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Cache-Control"] == "no-store"
    assert "ETag" not in headers


@pytest.mark.parametrize("kind", ["application/zip", "application/octet-stream"])
def test_client_chooses_what_the_file_is_called(ana, api, kind):
    answer = api.get("export", headers={"Accept": kind})
    assert answer.headers["Content-Type"] == kind
    Archive(content_of(answer))


def test_browser_gets_the_file_uncompressed(ana, signed_in, nights):
    headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip"}
    answer = signed_in.get("/api/v1/export", headers=headers)
    assert "Content-Encoding" not in answer.headers
    assert len(Archive(content_of(answer)).csv("sleep.csv")) == 3


def test_account_page_offers_the_download(ana, signed_in):
    page = signed_in.get("/account/").content.decode()
    assert '<a href="/api/v1/export">Download my data</a>' in page


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [("?start=2026-01-01", "*/*", 400), ("?format=json", "*/*", 400), ("", "text/csv", 406)],
)
def test_errors_are_json(ana, api, query, accept, status):
    headers = {"Authorization": f"Bearer {api.access}", "Accept": accept}
    answer = api.client.get(f"/api/v1/export{query}", headers=headers)
    assert (answer.status_code, set(answer.json())) == (status, {"detail", "code", "errors"})


def test_head_makes_no_archive(ana, api):
    headers = {"Authorization": f"Bearer {api.access}"}
    answer = api.client.head("/api/v1/export", headers=headers)
    assert (answer.status_code, answer.streaming) == (200, False)


# The database -------------------------------------------------------------------------------------


@pytest.fixture
def committed(transactional_db, ana):
    # More than one part of the archive, however well it can be compressed.
    noise = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(2_000)]
    documents = [
        {**document(days_ago(n), f"ana {n}", score=80), "source": {"noise": noise, "n": n}}
        for n in range(8)
    ]
    store_documents(ana, documents)
    return ana


def test_archive_is_of_one_moment(committed, api):
    parts = iter(api.get("export").streaming_content)
    begun = next(parts)
    in_a_thread(lambda: store_days(committed, [days_ago(20)], "readiness", score=1))
    archive = Archive(begun + b"".join(parts))
    assert len(archive.lines("sleep.documents.jsonl")) == 8
    assert archive.csv("readiness.csv") == []


def in_a_thread(work):
    found = []

    def run():
        try:
            found.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_person_downloads_one_archive_at_a_time(committed, api):
    first = api.get("export")
    next(iter(first.streaming_content))
    second = in_a_thread(lambda: api.get("export"))
    assert second.status_code == 429
    assert second.json()["code"] == "export_running"
    first.close()
    content_of(api.get("export"))


def test_archive_that_breaks_off_is_not_whole(committed, api):
    answer = api.get("export")
    parts = iter(answer.streaming_content)
    sent = [next(parts)]
    in_a_thread(end_other_connections)
    sent.extend(parts)
    answer.close()
    with pytest.raises(zipfile.BadZipFile):
        Archive(b"".join(sent))


def end_other_connections():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )


# The command --------------------------------------------------------------------------------------


def test_command_writes_what_the_route_sends(ana, api, nights, tmp_path):
    path = tmp_path / "ana.zip"
    call_command("export_person", "ana", str(path))
    written, sent = Archive(path.read_bytes()), download(api)
    names = [name for name in sent.zip.namelist() if name != "manifest.json"]
    assert {name: written.read(name) for name in names} == {name: sent.read(name) for name in names}


def test_command_writes_a_private_file(ana, tmp_path):
    path = tmp_path / "ana.zip"
    path.write_text("an older one")
    path.chmod(0o644)
    call_command("export_person", "ana", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["ana.zip"]


def test_command_that_fails_leaves_the_old_file(committed, tmp_path, monkeypatch):
    path = tmp_path / "ana.zip"
    path.write_text("an older one")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE rejected_documents RENAME TO elsewhere")
    try:
        with pytest.raises(Exception, match="rejected_documents"):
            call_command("export_person", "ana", str(path))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO rejected_documents")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [
        ("ana.zip", "an older one")
    ]


def test_command_writes_to_standard_output(ana, nights, capsysbinary):
    call_command("export_person", "ana", "-")
    assert len(Archive(capsysbinary.readouterr().out).csv("sleep.csv")) == 3


def test_command_refuses_an_unknown_account(db, tmp_path):
    with pytest.raises(CommandError, match="no account") as raised:
        call_command("export_person", "nobody", str(tmp_path / "nobody.zip"))
    assert (raised.value.returncode, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize("name", ["", "nowhere/ana.zip"])
def test_file_that_cannot_be_written_is_a_sentence(ana, tmp_path, name):
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_person", "ana", str(tmp_path / name))
