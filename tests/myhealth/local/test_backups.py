"""Backups and restores of real servers."""

import dataclasses
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cryptography.fernet import Fernet

from myhealth.local import backups, embedded, local_env
from myhealth.local.archives import stamp_statement
from myhealth.local.client import run_client
from myhealth.local.places import locate
from myhealth.local.server import EmbeddedError
from tests.environment import clean_settings
from tests.myhealth.local.database_users import answers, connect, query, using
from tests.processes import wait_until

COUNT = "SELECT count(*) FROM accounts_user"


@pytest.fixture
def filled(new_var, migrated_var, monkeypatch):
    """A folder of local state whose database has its tables, and how to connect to it."""
    clean_settings(monkeypatch)
    local_env.ensure(migrated_var)
    shutil.copy(migrated_var / "local.env", new_var.parent)
    from tests.myhealth.local.database_users import copy_database

    copy_database(migrated_var, new_var)
    for line in (new_var.parent / "local.env").read_text().splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    return new_var, embedded.join(new_var)


def add_account(connection, name):
    query(
        connection,
        "INSERT INTO accounts_user (username, password, is_superuser, is_staff, is_active,"
        " first_name, last_name, email, date_joined, time_zone, token_version)"
        f" VALUES ('{name}', 'x', false, false, true, '', '', '', now(), 'UTC', 0)",
    )


def names(connection):
    with connect(connection, autocommit=True) as opened:
        return [name for (name,) in opened.execute("SELECT username FROM accounts_user ORDER BY 1")]


def restamped(connection, var, file, moment):
    """Make a backup at another time of the clock."""
    server = locate(var)
    query(connection, stamp_statement(moment))
    run_client(server, connection, "pg_dump", "-Fc", "-f", str(file), "-d", "myhealth")
    return file
