"""Plainer help texts: no column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('oura', '0003_ask_for_runs'),
    ]

    operations = [
        migrations.AlterField(
            model_name='connection',
            name='unanswered',
            field=models.BooleanField(default=False, editable=False, help_text='A renewal was requested, but no answer was stored.'),
        ),
    ]
