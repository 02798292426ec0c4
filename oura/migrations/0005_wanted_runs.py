"""Runs that people ask for whose data come with a token of the server."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('oura', '0004_help_texts'),
    ]

    operations = [
        migrations.CreateModel(
            name='WantedRun',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='wanted_run', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('at', models.DateTimeField(help_text='When the person asked for it.')),
                ('is_taken', models.BooleanField(default=False, help_text='Whether the run has begun.')),
            ],
            options={
                'db_table': 'oura_wanted_runs',
            },
        ),
    ]
