"""Databases of earlier versions are upgraded."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

OLD = "token_blacklist"


def migrate(name=""):
    """Migrate to this one, or to the newest."""
    executor = MigrationExecutor(connection)
    executor.migrate([("accounts", name)] if name else executor.loader.graph.leaf_nodes("accounts"))


def rows(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def before_families(transactional_db, ana):
    migrate("0004_revocation")
    rows(f"CREATE TABLE {OLD}_outstandingtoken (id int PRIMARY KEY, user_id bigint)")
    rows(f"ALTER TABLE {OLD}_outstandingtoken ADD FOREIGN KEY (user_id) REFERENCES accounts_user")
    rows(f"CREATE TABLE {OLD}_blacklistedtoken (id int REFERENCES {OLD}_outstandingtoken)")
    rows(f"INSERT INTO {OLD}_outstandingtoken VALUES (1, %s)", ana.pk)
    rows(f"INSERT INTO {OLD}_blacklistedtoken VALUES (1)")
    rows("INSERT INTO django_migrations (app, name, applied) VALUES (%s, '0001', now())", OLD)
    for app in OLD, "axes":
        kind = ContentType.objects.create(app_label=app, model="old")
        ana.user_permissions.add(Permission.objects.create(content_type=kind, codename="old"))
    migrate()


def test_nothing_is_left_of_the_old_tables_of_tokens(before_families, ana):
    assert not [name for name in connection.introspection.table_names() if name.startswith(OLD)]
    assert rows("SELECT 1 FROM django_migrations WHERE app = %s", OLD) == []


def test_nothing_is_left_of_permissions_of_former_apps(before_families, ana):
    assert not ContentType.objects.filter(app_label__in=[OLD, "axes"]).exists()
    assert ana.user_permissions.count() == 0


def test_who_has_signed_in_before_is_not_asked_again(transactional_db, ana, ben):
    migrate("0010_data_generation")
    rows("UPDATE accounts_user SET last_login = now() WHERE id = %s", ana.pk)
    migrate()
    asked = rows("SELECT username FROM accounts_user WHERE was_asked_for_zone")
    assert asked == [("ana",)]


def test_database_without_old_tables_is_upgraded(transactional_db):
    migrate("0004_revocation")
    migrate()
    assert "accounts_tokenfamily" in connection.introspection.table_names()
