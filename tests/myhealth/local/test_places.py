"""Root, in folders that PostgreSQL's user can or can't enter."""

import os
import shutil

import pytest

from myhealth.local import embedded, places
from tests.myhealth.local.database_users import answers, data_folder, postgres, query, using
from tests.processes import wait_until
from tests.scale import full_only

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")


def test_root_runs_server_as_another_user(new_var):
    with using(new_var):
        assert postgres(new_var).uids().real != 0
        assert data_folder(new_var) == new_var / "postgres"


@full_only
def test_root_leaves_closed_folders_closed(closed_var):
    folders = [closed_var.parent, *closed_var.parent.parents]
    before = [folder.stat().st_mode for folder in folders]
    with using(closed_var) as user:
        assert answers(user.connection)
        assert data_folder(closed_var) == places.fallback_folder(closed_var) / "postgres"
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    assert [folder.stat().st_mode for folder in folders] == before
    assert str(data_folder(closed_var)) in user.stderr
    with using(closed_var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert user.stderr == ""


@full_only
def test_deleting_closed_folder_starts_afresh(closed_var):
    with using(closed_var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    wait_until(lambda: not embedded.is_running(closed_var))
    shutil.rmtree(closed_var)
    with using(closed_var) as user:
        assert query(user.connection, "SELECT to_regclass('kept')") is None


@full_only
def test_data_move_when_folder_is_closed(var):
    with using(var) as user:
        query(user.connection, "CREATE TABLE kept AS SELECT 7 AS number")
    wait_until(lambda: not embedded.is_running(var))
    var.parent.chmod(0o700)
    with using(var) as user:
        assert query(user.connection, "SELECT number FROM kept") == 7
    assert not (var / "postgres").exists()
