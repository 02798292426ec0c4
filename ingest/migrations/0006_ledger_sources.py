# A table at a time: a migration that holds several while people's days come in would deadlock.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0005_ledger_readiness'),
    ]

    operations = [
        migrations.AddField(
            model_name='metricsource',
            name='traits',
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, help_text="By what the day was measured: the algorithm's version, the ring."),
        ),
    ]
