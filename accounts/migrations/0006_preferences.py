"""How pages show values to a person: units, clock and first day of the week."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_drop_token_blacklist'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='clock_hours',
            field=models.PositiveSmallIntegerField(choices=[(24, '24 hours (23:05)'), (12, '12 hours (11:05 PM)')], db_default=24, default=24, verbose_name='times of day'),
        ),
        migrations.AddField(
            model_name='user',
            name='distance_unit',
            field=models.CharField(choices=[('km', 'kilometres (km)'), ('mi', 'miles (mi)')], db_default='km', default='km', max_length=2, verbose_name='distances'),
        ),
        migrations.AddField(
            model_name='user',
            name='first_weekday',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Monday'), (6, 'Saturday'), (7, 'Sunday')], db_default=1, default=1, help_text='By its number in ISO 8601: 1 is Monday.', verbose_name='first day of the week'),
        ),
        migrations.AddField(
            model_name='user',
            name='temperature_unit',
            field=models.CharField(choices=[('°C', 'degrees Celsius (°C)'), ('°F', 'degrees Fahrenheit (°F)')], db_default='°C', default='°C', max_length=2, verbose_name='temperatures'),
        ),
    ]
