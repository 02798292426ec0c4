"""Connections through a pooler that refuses or drops the options of a connection."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from myhealth.postgresql.prepared import Statement, Transaction, fetch_all
from tests.poolers import Options, needs_pgbouncer, pgbouncer
from tests.processes import database_environment

LIMIT = "SELECT current_setting('statement_timeout')"


@contextlib.contextmanager
def connected_to(settings, **changes):
    """Let this process connect with other settings."""
    before = dict(connection.settings_dict)
    settings.EMBEDDED_DATABASE = False
    _change(changes)
    try:
        yield
    finally:
        _change(before)


def _change(changes):
    connection.close()
    connection.close_pool()
    connection.settings_dict.update(changes)


@pytest.fixture(params=["refuses", "drops", pytest.param("PgBouncer", marks=needs_pgbouncer)])
def pooler(request, transactional_db, settings):
    settings.STATEMENT_SECONDS = 30
    direct = database_environment()
    with contextlib.ExitStack() as stack:
        if request.param == "PgBouncer":
            pooled = stack.enter_context(pgbouncer(direct))
            address = pooled["DB_HOST"], pooled["DB_PORT"]
        else:
            options = Options(
                direct["DB_HOST"], direct["DB_PORT"], refuse=request.param == "refuses"
            )
            stack.callback(options.close)
            address = options.host, options.port
        stack.enter_context(connected_to(settings, HOST=address[0], PORT=address[1]))
        yield request.param


def by_cursor():
    with connection.cursor() as cursor:
        cursor.execute(LIMIT)
        return cursor.fetchone()[0]


def by_fetch_all():
    return fetch_all(LIMIT)[0][0]


def by_transaction():
    with Transaction() as each:
        [[row]] = each.execute(Statement(LIMIT), commit=True)
        return row[0]


WAYS = [by_cursor, by_fetch_all, by_transaction]


@pytest.mark.parametrize("way", WAYS)
def test_statement_of_service_has_its_limit(pooler, way):
    assert way() == "30s"


@pytest.mark.parametrize("way", WAYS)
def test_statement_in_transaction_of_service_has_its_limit(pooler, way):
    with transaction.atomic():
        assert way() == "30s"


def test_transaction_of_command_has_no_limit(pooler, settings):
    settings.STATEMENT_SECONDS = 0
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION statement_timeout = '1s'")
    with transaction.atomic():
        assert by_cursor() == "0"


@pytest.mark.parametrize("way", WAYS)
def test_limit_leaves_nothing_in_the_session(pooler, way, settings):
    way()
    settings.STATEMENT_SECONDS = 0
    assert by_cursor() == "0"


@pytest.mark.parametrize("way", WAYS)
def test_no_statement_is_prepared_behind_a_pooler(pooler, way):
    way()
    assert fetch_all("SELECT count(*) FROM pg_prepared_statements") == [(0,)]


def test_statements_are_prepared_if_the_settings_say_so(pooler, settings):
    settings.DB_PREPARED_STATEMENTS = True
    with transaction.atomic():
        by_fetch_all()
        assert fetch_all("SELECT count(*) > 0 FROM pg_prepared_statements") == [(True,)]


def test_pooler_refuses_options_only_once(transactional_db, settings):
    direct = database_environment()
    options = Options(direct["DB_HOST"], direct["DB_PORT"], refuse=True)
    with connected_to(settings, HOST=options.host, PORT=options.port):
        by_cursor()
        refused = options.refused
        connection.close()
        connection.close_pool()
        by_cursor()
    options.close()
    assert options.refused == refused


@pytest.mark.django_db
def test_direct_connection_is_limited_without_statements(settings, django_assert_num_queries):
    with django_assert_num_queries(1):
        by_cursor()
    assert fetch_all("SHOW plan_cache_mode") == [("force_generic_plan",)]


@pytest.mark.skipif("not __import__('shutil').which('pgbouncer')")
@pytest.mark.parametrize("pooler", ["PgBouncer"], indirect=True)
def test_threads_share_connections_of_pgbouncer(pooler):
    def work(number):
        try:
            return [way() for way in WAYS for _ in range(10)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(work, range(8)))
    assert found == [["30s"] * 30] * 8
