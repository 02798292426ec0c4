from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0005_raise_versions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(model_name="fetch", name="fetch_by_person"),
        migrations.AddIndex(
            model_name="fetch",
            index=models.Index(fields=["user", "type", "end"], name="fetch_by_person_and_end"),
        ),
        migrations.AddIndex(
            model_name="fetch",
            index=models.Index(
                fields=["user", "type", "asked_at"],
                condition=models.Q(complete=True),
                name="fetch_last_complete",
            ),
        ),
    ]
