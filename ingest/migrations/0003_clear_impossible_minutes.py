"""Minutes of a day that no day has are removed, since the table will refuse them.

Where Oura still has them, the day is stored again without them in the next run, with a warning.
"""

from django.db import migrations

_COLUMNS = (
    "high_activity_minutes",
    "medium_activity_minutes",
    "low_activity_minutes",
    "sedentary_minutes",
    "resting_minutes",
)
_CLEAR = "UPDATE activity_metrics SET {} WHERE {}".format(
    ", ".join(f"{name} = CASE WHEN {name} <= 3000 THEN {name} END" for name in _COLUMNS),
    " OR ".join(f"{name} > 3000" for name in _COLUMNS),
)


class Migration(migrations.Migration):
    dependencies = [("ingest", "0002_move_origin")]

    operations = [migrations.RunSQL(_CLEAR, migrations.RunSQL.noop)]
