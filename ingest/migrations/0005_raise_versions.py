"""Every answer has another ETag: the columns, minutes and warnings of 0003 and 0004 are in none yet.

The counters go on from the clock, as `ingest.upsert.raise_versions` does.
"""

from django.db import migrations

_RAISE = "UPDATE metric_streams SET {}".format(
    ", ".join(
        f"{name} = greatest({name} + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
        for name in ("version", "ledger_version")
    )
)


class Migration(migrations.Migration):
    dependencies = [("ingest", "0004_warnings_and_wear")]

    operations = [migrations.RunSQL(_RAISE, migrations.RunSQL.noop)]
