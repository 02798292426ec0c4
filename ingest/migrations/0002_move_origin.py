from django.db import migrations


class Migration(migrations.Migration):
    """The model of the table metric_origins moves to accounts; the table stays as it is."""

    dependencies = [("ingest", "0001_initial"), ("accounts", "0002_origin")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Origin")]),
    ]
