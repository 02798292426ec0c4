from django.db import migrations


def remember_owners(apps, schema_editor):
    """Whose data an account has is known from a connection that has been collected."""
    Connection = apps.get_model("oura", "Connection")
    Origin = apps.get_model("accounts", "Origin")
    collected = Connection.objects.exclude(collected_at=None)
    for user_id, oura_user_id in collected.values_list("user_id", "oura_user_id"):
        Origin.objects.filter(user_id=user_id, owner="").update(owner=oura_user_id)


class Migration(migrations.Migration):
    dependencies = [("oura", "0001_initial"), ("accounts", "0002_origin")]

    operations = [migrations.RunPython(remember_owners, migrations.RunPython.noop)]
