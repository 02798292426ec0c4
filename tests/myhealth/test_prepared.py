"""Transactions of prepared statements: what is committed, and what errors leave behind."""

import pytest
from django.db import DataError, OperationalError, connection, transaction

from accounts.models import User
from myhealth.postgresql import prepared as module
from myhealth.postgresql.prepared import Statement, Transaction
from tests.processes import wait_until
from tests.worlds import person

NAMES = Statement(
    "SELECT username FROM accounts_user WHERE username = ANY(%s::text[])", [["x", "y"]]
)
FAILS = Statement("SELECT 1 / %s::integer", [0])


def rename(name):
    return Statement("UPDATE accounts_user SET username = %s::text", [name])


@pytest.fixture(params=["transaction", "savepoint"], autouse=True)
def ana(request, transactional_db):
    person("ana")
    if request.param == "transaction":
        yield
    else:
        with transaction.atomic():
            yield


def names():
    return list(User.objects.values_list("username", flat=True))


def test_statements_of_one_call_see_those_before():
    with Transaction() as each:
        assert each.execute(rename("x"), NAMES, commit=True) == [[], [("x",)]]
    assert names() == ["x"]


def test_transaction_without_commit_is_rolled_back():
    with Transaction() as each:
        each.execute(rename("x"))
    assert names() == ["ana"]


@pytest.mark.parametrize("commit", [True, False])
def test_error_rolls_back_all_calls(commit):
    with pytest.raises(DataError), Transaction() as each:
        each.execute(rename("x"))
        each.execute(rename("y"), FAILS, NAMES, commit=commit)
    assert names() == ["ana"]
    test_statements_of_one_call_see_those_before()


def test_exception_of_caller_rolls_back():
    with pytest.raises(LookupError), Transaction() as each:
        each.execute(rename("x"))
        raise LookupError
    assert names() == ["ana"]


@pytest.mark.parametrize("is_first", [True, False])
def test_value_that_cannot_be_sent_is_its_own_error(is_first):
    with pytest.raises(DataError, match="NUL"), Transaction() as each:
        if not is_first:
            each.execute(rename("x"))
        each.execute(rename("y"), rename("\x00"), commit=True)
    assert names() == ["ana"]
    test_statements_of_one_call_see_those_before()


@pytest.mark.parametrize("function", ["_results", "_numbered"])
def test_interrupted_pipeline_closes_connection_and_commits_nothing(monkeypatch, function):
    """Whether it waits for the server, or has sent only a part."""

    def interrupt(argument):
        if function == "_results":
            while argument.flush():
                pass
            # What stops the server while it has not begun would stop nothing.
            wait_for_rows(
                "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'", 1
            )
        raise KeyboardInterrupt

    def wait_for_rows(sql, number):
        def is_there():
            cursor.execute(sql, [pid])
            return len(cursor.fetchall()) == number

        wait_until(is_there)

    # Statements that an earlier test has deallocated are prepared again.
    with Transaction() as each:
        each.execute(NAMES, commit=True)
    pid = connection.connection.info.backend_pid
    waiting = Statement("SELECT pg_sleep(%s::integer)::text", [60])
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            with pytest.raises(KeyboardInterrupt), Transaction() as each:
                monkeypatch.setattr(module, function, interrupt)
                each.execute(rename("x"), waiting, commit=True)
            monkeypatch.undo()
            assert connection.connection.closed
            connection.close()
            wait_for_rows("SELECT FROM pg_stat_activity WHERE pid = %s", 0)
            # Another connection, which finds no change.
            cursor.execute("SELECT FROM accounts_user WHERE username = 'x'")
            assert cursor.fetchall() == []
    finally:
        other.close()
        # Otherwise no test after one that fails here would find a connection.
        connection.close()


@pytest.mark.parametrize("prepared", [True, False])
def test_values_keep_their_types(settings, prepared):
    settings.DB_PREPARED_STATEMENTS = prepared
    sql = "SELECT %s::bigint[], %s::bytea[], %s::text[], %s::bytea, %s::jsonb::text, '5%%'"
    values = [[1, 2**40], [None, b"\x00"], ['"a,', "b"], b"\xff", '{"a": 1}']
    with Transaction() as each:
        assert each.execute(Statement(sql, values), commit=True) == [[(*values, "5%")]]


def test_deallocated_statements_are_prepared_again():
    for _ in range(2):
        if not connection.in_atomic_block:
            connection.connection.execute("DEALLOCATE ALL")
        test_statements_of_one_call_see_those_before()


def test_lost_connection_is_operational_error():
    if connection.in_atomic_block:
        return  # Django does not reconnect in a transaction.
    with Transaction() as each:
        each.execute(NAMES, commit=True)
    connection.connection.close()
    with pytest.raises(OperationalError), Transaction() as each:
        each.execute(NAMES)
    connection.close()
    assert names() == ["ana"]
