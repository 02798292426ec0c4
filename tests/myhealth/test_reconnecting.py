"""PostgreSQL closes connections: the next request works, and nothing is done twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User
from myhealth.postgresql.prepared import Statement, Transaction, fetch_all
from tests.processes import database_environment
from tests.worlds import person

CONNECTIONS = 8
TERMINATE = (
    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def terminate(transactional_db):
    """Close all connections of this database, as an administrator or a restart does."""
    at = database_environment()
    with psycopg.connect(
        host=at["DB_HOST"],
        port=at["DB_PORT"],
        user=at["DB_USER"],
        password=at["DB_PASSWORD"],
        dbname=at["DB_NAME"],
    ) as administrator:
        yield lambda: administrator.execute(TERMINATE).fetchone()[0]


@pytest.fixture
def full_pool(transactional_db):
    """A pool with several connections that nobody uses."""
    together = threading.Barrier(CONNECTIONS)

    def use(number):
        connection.ensure_connection()
        together.wait(30)
        connection.close()

    connection.close()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(use, range(CONNECTIONS)))


def test_first_request_after_a_restart_works(full_pool, terminate):
    connection.close()
    assert terminate() >= CONNECTIONS
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def by_cursor():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET first_name = 'x'")


def by_fetch_all():
    fetch_all("UPDATE accounts_user SET first_name = 'x'")


def by_transaction():
    with Transaction() as each:
        each.execute(Statement("UPDATE accounts_user SET first_name = 'x'"))
        each.execute(commit=True)


@pytest.mark.parametrize("way", [by_cursor, by_fetch_all, by_transaction])
def test_connection_lost_in_a_transaction_changes_nothing(terminate, way):
    person("ana")
    with pytest.raises(OperationalError), transaction.atomic():
        by_cursor()
        terminate()
        way()
    connection.close()
    assert User.objects.get().first_name == ""
    way()
    assert User.objects.get().first_name == "x"
