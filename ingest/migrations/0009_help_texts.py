"""Plainer help texts: no column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0008_names'),
    ]

    operations = [
        migrations.AlterField(
            model_name='activitymetric',
            name='active_calories',
            field=models.PositiveIntegerField(blank=True, help_text='Energy used for activity (kcal).', null=True),
        ),
        migrations.AlterField(
            model_name='activitymetric',
            name='contributors',
            field=models.JSONField(blank=True, default=dict, help_text="Oura's contributors to the score; each is a number or null."),
        ),
        migrations.AlterField(
            model_name='activitymetric',
            name='day',
            field=models.DateField(help_text="Oura's date for the day, without a time zone."),
        ),
        migrations.AlterField(
            model_name='fetch',
            name='alike',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Number of the last failed fetches in a row with the same reason.'),
        ),
        migrations.AlterField(
            model_name='fetch',
            name='since',
            field=models.DateTimeField(help_text='When the first fetch that failed for this reason was made.', null=True, verbose_name='failing since'),
        ),
        migrations.AlterField(
            model_name='metricsource',
            name='wear',
            field=models.JSONField(help_text="When the ring was off: `start`, and ranges of minutes counted from it; null if the documents don't say.", null=True),
        ),
        migrations.AlterField(
            model_name='readinessmetric',
            name='contributors',
            field=models.JSONField(blank=True, default=dict, help_text="Oura's contributors to the score; each is a number or null."),
        ),
        migrations.AlterField(
            model_name='readinessmetric',
            name='day',
            field=models.DateField(help_text="Oura's date for the day, without a time zone."),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='awake_time',
            field=models.PositiveIntegerField(blank=True, help_text='Time awake in bed, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='contributors',
            field=models.JSONField(blank=True, default=dict, help_text="Oura's contributors to the score; each is a number or null."),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='day',
            field=models.DateField(help_text="Oura's date for the day, without a time zone."),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='deep_sleep_duration',
            field=models.PositiveIntegerField(blank=True, help_text='Deep sleep, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='duration',
            field=models.PositiveIntegerField(blank=True, help_text='Time asleep, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='light_sleep_duration',
            field=models.PositiveIntegerField(blank=True, help_text='Light sleep, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='rem_sleep_duration',
            field=models.PositiveIntegerField(blank=True, help_text='REM sleep, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
        migrations.AlterField(
            model_name='sleepmetric',
            name='time_in_bed',
            field=models.PositiveIntegerField(blank=True, help_text='Time in bed, summed over all sleep periods except rest; periods that overlap count once (s).', null=True),
        ),
    ]
