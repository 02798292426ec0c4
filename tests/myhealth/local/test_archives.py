"""Backup files, and which of them is the newest."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from myhealth.local import embedded
from myhealth.local.archives import newest_archive, stamp_statement
from myhealth.local.client import run_client
from myhealth.local.places import locate
from myhealth.local.server import EmbeddedError
from tests.myhealth.local.database_users import clean_up, copy_database, query
from tests.scale import full_only


class Dumps:
    """A folder with dumps of a database."""

    def __init__(self, var, folder):
        self.server, self.connection, self.folder = locate(var), embedded.join(var), folder

    def make(self, name, age=None, database="myhealth"):
        """Dump a database, as a machine did so long ago by its clock, or as earlier versions do."""
        unstamped = "COMMENT ON DATABASE myhealth IS NULL"
        now = datetime.now(UTC)
        query(self.connection, unstamped if age is None else stamp_statement(now - age))
        arguments = ("-Fc", "-f", str(self.folder / name), "-d", database)
        run_client(self.server, self.connection, "pg_dump", *arguments)
        return self.folder / name

    def newest(self):
        return newest_archive(self.server, self.connection, self.folder)


@pytest.fixture(scope="module")
def server_var(migrated_var):
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        var = Path(folder) / "var"
        copy_database(migrated_var, var)
        embedded.join(var)
        yield var
        clean_up(var)


@pytest.fixture
def dumps(server_var, tmp_path):
    return Dumps(server_var, tmp_path)


DAY, MOMENT = timedelta(days=1), timedelta(milliseconds=1)


def test_time_inside_decides_not_name_nor_time_of_file(dumps):
    dumps.make("zzz.dump", age=2 * DAY)
    newest = dumps.make("myhealth-20200101T000000Z.dump", age=DAY)
    os.utime(newest, (0, 0))
    assert dumps.newest().file == newest


def test_backups_of_one_second_have_an_order(dumps):
    dumps.make("b.dump", age=2 * MOMENT)
    newest = dumps.make("a.dump", age=MOMENT)
    assert dumps.newest().file == newest


EARLIER = "myhealth-20261126-003338.dump"


def test_earlier_versions_backup_has_time_of_system(dumps):
    dumps.make("b.dump", age=timedelta(minutes=1))
    newest = dumps.make(EARLIER)
    assert dumps.newest().file == newest
    age = datetime.now(UTC) - dumps.newest().made_at
    assert -timedelta(seconds=1) < age < timedelta(seconds=30)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Niue"])
def test_time_zone_of_shell_changes_no_order(dumps, monkeypatch, zone):
    dumps.make(EARLIER)
    newest = dumps.make("a.dump", age=-timedelta(seconds=5))
    monkeypatch.setenv("TZ", zone)
    assert dumps.newest().file == newest


@pytest.mark.parametrize("hours", [1, 25])
def test_dump_by_hand_may_be_newest(dumps, hours):
    dumps.make("by-hand.dump")
    dumps.make("ours.dump", age=timedelta(hours=hours))
    with pytest.raises(EmbeddedError, match=r"by-hand.dump was made by pg_dump"):
        dumps.newest()


def test_dump_by_hand_is_newest_after_two_days(dumps):
    newest = dumps.make("by-hand.dump")
    dumps.make("ours.dump", age=2 * DAY)
    assert dumps.newest().file == newest


@full_only
def test_what_a_restore_kept_is_not_newest(dumps):
    newest = dumps.make("a.dump", age=DAY)
    dumps.make("before-restore-b.dump", age=MOMENT)
    assert dumps.newest().file == newest


@pytest.mark.parametrize("content", [b"", b"not a backup", b"PGDMP\x01\x10"])
def test_unreadable_file_might_be_newest(dumps, content):
    dumps.make("whole.dump", age=DAY)
    (dumps.folder / "damaged.dump").write_bytes(content)
    with pytest.raises(EmbeddedError, match=r"damaged.dump can't be read, and may be the newest"):
        dumps.newest()


def test_folder_named_like_a_backup_is_told(dumps):
    dumps.make("whole.dump", age=DAY)
    (dumps.folder / "folder.dump").mkdir()
    with pytest.raises(EmbeddedError, match=r"folder.dump can't be read"):
        dumps.newest()


def test_newest_file_of_other_program_is_told(dumps):
    ours = dumps.make("ours.dump", age=2 * DAY)
    other = dumps.make("other.dump", database="template1")
    with pytest.raises(EmbeddedError, match=r"other.dump is the newest backup, but it is not a"):
        dumps.newest()
    other.unlink()
    assert dumps.newest().file == ours


def test_backup_from_the_future_is_told(dumps):
    dumps.make("now.dump", age=MOMENT)
    dumps.make("ahead.dump", age=-300 * DAY)
    with pytest.raises(EmbeddedError, match=r"ahead.dump was made in the future"):
        dumps.newest()


def test_empty_folder_has_no_backup(dumps):
    with pytest.raises(EmbeddedError, match="There is no backup"):
        dumps.newest()
