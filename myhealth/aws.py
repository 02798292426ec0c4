"""Settings from AWS Secrets Manager."""

import json
import os


class SecretUnavailable(Exception):
    """The secret could not be read, or is not a JSON object of texts."""


def fill_environment(secret_id: str) -> None:
    """Set each environment variable that the secret names and the environment leaves out.

    Raises SecretUnavailable, whose text names neither the secret's content nor credentials.
    """
    # Imported here: boto3 costs every process 50 MB and most never need it.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)
    except (BotoCoreError, ClientError) as error:
        raise SecretUnavailable(
            f"AWS_SECRETS_ID: the secret can't be read ({type(error).__name__})."
        ) from None
    try:
        values = json.loads(answer["SecretString"])
        pairs = [(name, value) for name, value in values.items() if value is not None]
    except (KeyError, ValueError, AttributeError):
        raise SecretUnavailable("AWS_SECRETS_ID: the secret must be a JSON object.") from None
    wrong = [name for name, value in pairs if not isinstance(value, str | int)]
    if wrong:
        raise SecretUnavailable(f"AWS_SECRETS_ID: {', '.join(wrong)} must be a text.")
    for name, value in pairs:
        if not (os.environ.get(name) or os.environ.get(f"{name}_FILE")):
            os.environ[name] = str(value)
