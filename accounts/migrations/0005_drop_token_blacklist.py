"""What is left of the apps that kept refresh tokens and failed sign-ins before."""

from typing import Any

from django.db import migrations

_APP = "token_blacklist"
_DROP = f"""
DROP TABLE IF EXISTS {_APP}_blacklistedtoken, {_APP}_outstandingtoken;
DELETE FROM django_migrations WHERE app = '{_APP}';
"""


def _delete_permissions(apps: Any, _: object) -> None:
    kinds = apps.get_model("contenttypes", "ContentType").objects
    # The tables of axes were dropped with the first table that replaces them.
    kinds.filter(app_label__in=[_APP, "axes"]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_revocation"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(_DROP, migrations.RunSQL.noop),
        migrations.RunPython(_delete_permissions, migrations.RunPython.noop),
    ]
