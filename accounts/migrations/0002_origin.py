import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """The table metric_origins, which `ingest` created, and its new column."""

    dependencies = [("accounts", "0001_initial"), ("ingest", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Origin",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="origin",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "name",
                            models.CharField(
                                choices=[("oura", "Oura"), ("sandbox", "Sandbox")], max_length=16
                            ),
                        ),
                    ],
                    options={"db_table": "metric_origins"},
                ),
            ]
        ),
        migrations.AddField(
            model_name="origin",
            name="owner",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The Oura account's own user id; empty if it is not known.",
                max_length=128,
            ),
        ),
    ]
