"""Secrets for local use: generated once, stored in `var/local.env`, read by the settings."""

import base64
import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from myhealth import env_file
from myhealth.local.configuration import DEMO
from myhealth.local.files import make_folder, write_private
from myhealth.local.server import explained

# Without characters that look alike, since people type passwords from the terminal.
_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def _generate_password() -> str:
    return "-".join("".join(secrets.choice(_CHARACTERS) for _ in range(4)) for _ in range(4))


def is_generated(password: str) -> bool:
    return bool(re.fullmatch(rf"[{_CHARACTERS}]{{4}}(-[{_CHARACTERS}]{{4}}){{3}}", password))


def reset_option(name: str) -> list[str]:
    """Return the option of `ensure_user` for an account's password in the settings.

    One that a person chose for the demo is always its password. A generated one is not: the
    account's owner may have changed it since.
    """
    password = os.environ.get("DEMO_PASSWORD", "") if name == DEMO else ""
    is_chosen = bool(password) and not is_generated(password)
    return ["--reset"] if is_chosen else []


GENERATED: dict[str, Callable[[], str]] = {
    "LOCAL": lambda: "on",
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "JWT_SECRET": lambda: secrets.token_urlsafe(50),
    "INGEST_TOKENS": lambda: secrets.token_urlsafe(32),
    "CONTROL_TOKENS": lambda: secrets.token_urlsafe(32),
    "TOKEN_ENCRYPTION_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "DEMO_PASSWORD": _generate_password,
    "OURA_USER_PASSWORD": _generate_password,
}


def ensure(var: Path) -> None:
    """Add missing settings to `var/local.env`, and leave the others as they are.

    Raises EmbeddedError.
    """
    path = var / "local.env"
    text = ""
    with explained(var):
        with contextlib.suppress(FileNotFoundError):
            text = env_file.decode(path.read_bytes())
        if not env_file.is_decoded(text):
            # The settings say which line can't be read.
            return
        # Settings without a value are generated, too.
        lines = [line for line in text.splitlines() if not _is_empty(line)]
        present, _ = env_file.parse("\n".join(lines))
        missing = [f"{name}={make()}" for name, make in GENERATED.items() if name not in present]
        if missing:
            make_folder(var)
            write_private(path, "".join(f"{line}\n" for line in [*lines, *missing]))


def _is_empty(line: str) -> bool:
    """Return whether a line sets one of these settings to nothing."""
    settings, _ = env_file.parse(line)
    return any(name in GENERATED and not value for name, value in settings.items())
