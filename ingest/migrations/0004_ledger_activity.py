# A table at a time: a migration that holds several while people's days come in would deadlock.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0003_ledger_sleep'),
    ]

    operations = [
        migrations.AddField(
            model_name='activitymetric',
            name='lacks',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text="Oura's collection that had nothing of the day yet, so that the row is partial.", max_length=64),
        ),
    ]
