"""Root in folders that are open and closed to the user that PostgreSQL runs as."""

import os
import shutil

import pytest

from myhealth.local import embedded, places
from tests.myhealth.local.using import answers, data_of, eventually, postgres, query, using

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")


def test_root_runs_it_as_somebody_else(var):
    with using(var):
        assert postgres(var).uids().real != 0
        assert data_of(var) == var / "postgres"


def test_root_in_a_closed_folder_opens_none(closed_var):
    folders = [closed_var.parent, *closed_var.parent.parents]
    before = [folder.stat().st_mode for folder in folders]
    with using(closed_var) as user:
        assert answers(user.connection)
        assert data_of(closed_var) == places.fallback_folder(closed_var) / "postgres"
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    assert [folder.stat().st_mode for folder in folders] == before
    assert str(data_of(closed_var)) in user.said
    with using(closed_var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert user.said == ""


def test_deleting_a_closed_folder_is_a_fresh_start(closed_var):
    with using(closed_var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.is_running(closed_var))
    shutil.rmtree(closed_var)
    with using(closed_var) as user:
        assert query(user.connection, "SELECT to_regclass('kept')") is None


def test_data_follow_when_a_folder_is_closed(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    eventually(lambda: not embedded.is_running(var))
    var.parent.chmod(0o700)
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert not (var / "postgres").exists()
