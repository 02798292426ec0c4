# A table at a time: a migration that holds several while people's days come in would deadlock.

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0006_ledger_sources'),
    ]

    operations = [
        migrations.AddField(
            model_name='stream',
            name='ledger_version',
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text='Raised when more is known of what was asked.'),
        ),
        migrations.AlterField(
            model_name='stream',
            name='version',
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text='Raised when a row changes.'),
        ),
    ]
