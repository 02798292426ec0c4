"""Which settings are secret, which process needs each of them, and the files that hold them."""

import os
import sys
from pathlib import Path

from myhealth import env_file

# The services and the commands of `manage.py` that need each secret setting.
_NEEDED_BY = {
    "DB_PASSWORD": None,
    "SECRET_KEY": {"api", "processor", "reset_password"},
    "SECRET_KEY_FALLBACKS": {"api"},
    "JWT_SECRET": {"api"},
    "INGEST_TOKENS": {"processor", "collect_oura"},
    "CONTROL_TOKENS": {"api", "processor", "delete_person"},
    "METRICS_TOKEN": {"api", "processor"},
    "EMAIL_URL": {"api"},
    "OURA_API_KEY": {"collect_oura"},
    "OURA_CLIENT_ID": {"api", "collect_oura", "connect_oura", "delete_person"},
    "OURA_CLIENT_SECRET": {"api", "collect_oura", "connect_oura", "delete_person"},
    # It may have a password.
    "OURA_PROXY": {"api", "collect_oura", "connect_oura", "delete_person"},
    "TOKEN_ENCRYPTION_KEYS": {
        "api",
        "check_token_keys",
        "collect_oura",
        "connect_oura",
        "delete_person",
        "rotate_token_keys",
    },
}
SECRETS = frozenset(_NEEDED_BY)
# What a service does not read, but may have been given.
_OTHER_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "DEMO_PASSWORD",
    "OURA_USER_PASSWORD",
)
# For a collector without a database, which collects with OURA_API_KEY alone.
_WITHOUT_DATABASE = {"INGEST_TOKENS", "OURA_API_KEY", "OURA_PROXY"}


def needed_secrets() -> set[str]:
    """Return the secret settings that this service or command needs."""
    process = os.environ.get("SERVICE") or "".join(sys.argv[1:2])
    if process == "collect_oura" and not os.environ.get("DB_HOST"):
        return _WITHOUT_DATABASE
    return {name for name, who in _NEEDED_BY.items() if who is None or process in who}


def forget_secrets() -> None:
    """Remove secrets from the environment, which the server puts into every request's `META`."""
    for name in (*SECRETS, *_OTHER_SECRETS):
        os.environ.pop(name, None)


def read_env_file(path: Path, *, warns: bool = True) -> list[str]:
    """Set the environment variables that are in a file and not yet set, if there is a file.

    Returns what can't be read in it, without its text. With `warns`, warns of a file with secrets
    that other users of this machine can read.
    """
    values, problems = env_file.read(path)
    added = values.keys() - os.environ.keys()
    for name in added:
        try:
            os.environ[name] = values[name]
        except UnicodeEncodeError:
            problems.append(
                f"{path}: {name} has a character that this terminal's locale does not have; "
                "set LC_ALL=C.UTF-8 before you start."
            )
    if warns and SECRETS & added and path.stat().st_mode & 0o077:
        sys.stderr.write(f"Other users can read the secrets in {path}. Run: chmod 600 {path}\n")
    return problems


def describe(problems: list[str]) -> str:
    """Return the message that stops the start."""
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return f"myhealth can't start. Fix these settings:\n{lines}"


def exit_if(problems: list[str]) -> None:
    """Exit with the message if there are problems, before other processes could repeat it."""
    if problems:
        sys.stderr.write(f"{describe(problems)}\n")
        sys.exit(2)
