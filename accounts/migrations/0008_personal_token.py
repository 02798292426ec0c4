"""Lasting tokens with which programs read: a table of their own."""

import accounts.models
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='PersonalToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, validators=[accounts.models.validate_printable])),
                ('digest', models.BinaryField(help_text='The SHA-256 of the token: it is random.', unique=True)),
                ('token_version', models.PositiveIntegerField(help_text="The account's, when it was created.")),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('last_used_at', models.DateField(blank=True, help_text='The date in UTC: one write a day is enough.', null=True, verbose_name='last used')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='personal_tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'name'), name='personal_token_unique')],
            },
        ),
    ]
