"""Plainer help texts: no column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_personal_token'),
    ]

    operations = [
        migrations.AlterField(
            model_name='failedsignin',
            name='account',
            field=models.BigIntegerField(help_text='A keyed hash of the user name that was entered; there may be no such account.'),
        ),
        migrations.AlterField(
            model_name='failedsignin',
            name='is_checked',
            field=models.BooleanField(default=False, help_text='Whether the password was found to be wrong.'),
        ),
        migrations.AlterField(
            model_name='failedsignin',
            name='is_new',
            field=models.BooleanField(help_text='Whether neither the network nor the browser was known.'),
        ),
        migrations.AlterField(
            model_name='failedsignin',
            name='source',
            field=models.CharField(help_text='The network, or the known browser.', max_length=64),
        ),
        migrations.AlterField(
            model_name='knownnetwork',
            name='at',
            field=models.DateTimeField(help_text='When someone last signed in from this network.'),
        ),
        migrations.AlterField(
            model_name='knownnetwork',
            name='token_version',
            field=models.PositiveIntegerField(help_text='The token version of the account at its last sign-in from this network.'),
        ),
        migrations.AlterField(
            model_name='tokenfamily',
            name='renewed_at',
            field=models.DateTimeField(help_text='When its tokens were last renewed.', null=True),
        ),
        migrations.AlterField(
            model_name='user',
            name='first_weekday',
            field=models.PositiveSmallIntegerField(choices=[(1, 'Monday'), (6, 'Saturday'), (7, 'Sunday')], db_default=1, default=1, help_text='Its number in ISO 8601: 1 is Monday.', verbose_name='first day of the week'),
        ),
    ]
