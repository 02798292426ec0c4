"""`var/local.env`: what a machine of one's own needs and nobody should have to think up."""

import secrets
from pathlib import Path


def generated() -> dict[str, str]:
    return {
        "LOCAL": "on",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "INGEST_TOKENS": secrets.token_urlsafe(32),
        "CONTROL_TOKENS": secrets.token_urlsafe(32),
        "DEMO_PASSWORD": secrets.token_urlsafe(12),
        "OURA_USER_PASSWORD": secrets.token_urlsafe(12),
    }


def read(var: Path) -> dict[str, str]:
    file = var / "local.env"
    if not file.exists():
        return {}
    lines = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in lines}


def ensure(var: Path) -> dict[str, str]:
    """Add what the file lacks, change nothing that it has; return it whole."""
    held = read(var)
    whole = {**generated(), **held}
    if whole != held:
        var.mkdir(parents=True, exist_ok=True)
        part = var / "local.env.part"
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text("".join(f"{name}={value}\n" for name, value in whole.items()))
        part.replace(var / "local.env")
    return whole
