"""The generation of a person's data; PostgreSQL gives each account its own."""

import uuid

import django.contrib.postgres.functions
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_help_texts'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='data_generation',
            field=models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), default=uuid.uuid4, editable=False, help_text="Replaced when this person's data are deleted, so that no run adds older ones."),
        ),
    ]
