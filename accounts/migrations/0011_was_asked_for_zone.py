"""Whether a person's browser has been asked for its time zone."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_data_generation'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='was_asked_for_zone',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Whether their browser has been asked for its time zone, or they chose one.'),
        ),
        migrations.RunSQL(
            # So far, any sign-in was taken for the first one on a page.
            'UPDATE accounts_user SET was_asked_for_zone = true WHERE last_login IS NOT NULL',
            migrations.RunSQL.noop,
        ),
    ]
