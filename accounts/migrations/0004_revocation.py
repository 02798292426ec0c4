"""Families of refresh tokens, names that can be part of an address, and the version of tokens.

The trigger is right however the row is written. Nobody can lower the version, so no write of an old
row makes revoked tokens valid again. A new hash of the same password, which the code announces by a
setting of the transaction, revokes nothing.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.models

_CREATE = """
CREATE FUNCTION accounts_revoke_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.token_version = greatest(NEW.token_version, OLD.token_version);
    IF (
        NEW.password <> OLD.password
        AND current_setting('myhealth.same_password', true) IS DISTINCT FROM 'on'
    ) OR (OLD.is_active AND NOT NEW.is_active) THEN
        NEW.token_version = greatest(NEW.token_version, OLD.token_version + 1);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER accounts_revoke_tokens BEFORE UPDATE ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION accounts_revoke_tokens();
"""
_DROP = """
DROP TRIGGER accounts_revoke_tokens ON accounts_user;
DROP FUNCTION accounts_revoke_tokens;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_failed_sign_ins")]

    operations = [
        migrations.RunSQL(_CREATE, _DROP),
        migrations.CreateModel(
            name="TokenFamily",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("signed_in_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "renewed_at",
                    models.DateTimeField(
                        help_text="When its tokens were, the last time.", null=True
                    ),
                ),
                (
                    "current",
                    models.UUIDField(help_text="The id of the refresh token that is valid now."),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_families",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="user",
            name="username",
            field=models.CharField(
                error_messages={"unique": "A user with that username already exists."},
                help_text=(
                    "Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only."
                ),
                max_length=150,
                unique=True,
                validators=[accounts.models.NameValidator()],
            ),
        ),
    ]
