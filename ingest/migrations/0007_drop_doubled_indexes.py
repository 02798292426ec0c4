"""Drop the indexes of users that the first column of another index doubles."""

from django.conf import settings
from django.db import migrations, models

_RELATED_NAMES = {
    "activitymetric": "%(class)ss",
    "fetch": "fetches",
    "metricsource": "+",
    "readinessmetric": "%(class)ss",
    "rejecteddocument": "rejected",
    "revision": "revisions",
    "sleepmetric": "%(class)ss",
    "stream": "streams",
}


class Migration(migrations.Migration):
    dependencies = [("ingest", "0006_index_fetches_by_end")]

    operations = [
        migrations.AlterField(
            model_name=model_name,
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=models.CASCADE,
                related_name=related_name,
                to=settings.AUTH_USER_MODEL,
            ),
        )
        for model_name, related_name in _RELATED_NAMES.items()
    ]
