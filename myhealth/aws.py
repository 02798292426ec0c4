"""Settings from AWS Secrets Manager."""

import json
import os

from myhealth.secret_settings import SECRETS, needed_secrets


class SecretUnavailable(Exception):
    """The secret can't be read, or is not a JSON object of strings and integers."""


def fill_environment(secret_id: str) -> set[str]:
    """Set the variables that this process needs, are in the secret, and are not yet set.

    Returns the names in the secret that are no secret settings, which no process takes from it.
    Raises SecretUnavailable; its message contains neither the secret's content nor credentials.
    """
    # Imported here: boto3 costs a process 50 MB, and most processes don't need it.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        response = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)
    except (BotoCoreError, ClientError) as error:
        raise SecretUnavailable(
            f"AWS_SECRETS_ID: the secret can't be read ({type(error).__name__})."
        ) from None
    try:
        values = json.loads(response["SecretString"])
        pairs = [(name, value) for name, value in values.items() if value is not None]
    except (KeyError, ValueError, AttributeError):
        raise SecretUnavailable("AWS_SECRETS_ID: the secret must be a JSON object.") from None
    needed = needed_secrets()
    taken = [(name, value) for name, value in pairs if name in needed]
    wrong = [name for name, value in taken if not isinstance(value, str | int)]
    if wrong:
        raise SecretUnavailable(f"AWS_SECRETS_ID: {', '.join(wrong)} must be a string.")
    for name, value in taken:
        if not (os.environ.get(name) or os.environ.get(f"{name}_FILE")):
            os.environ[name] = str(value)
    return set(values) - SECRETS
