"""Drop the indexes of users that the first column of another index doubles.

By SQL, since Django would also make each foreign key anew, and read all rows for that.
"""

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
_TABLES = (
    "activity_metrics",
    "fetches",
    "metric_revisions",
    "metric_sources",
    "metric_streams",
    "readiness_metrics",
    "rejected_documents",
    "sleep_metrics",
)
_DROP_INDEX_OF_USER = """
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN
            SELECT index.indexrelid::regclass::text
            FROM pg_index AS index JOIN pg_attribute AS column_
                ON column_.attrelid = index.indrelid AND column_.attnum = index.indkey[0]
            WHERE index.indrelid = '{table}'::regclass AND column_.attname = 'user_id'
                AND index.indnatts = 1 AND NOT index.indisunique AND index.indpred IS NULL
        LOOP
            EXECUTE 'DROP INDEX ' || name;
        END LOOP;
    END $$"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0006_index_fetches_by_end")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    _DROP_INDEX_OF_USER.format(table=table), migrations.RunSQL.noop
                )
                for table in _TABLES
            ],
            state_operations=[
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
            ],
        )
    ]
