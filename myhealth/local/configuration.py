"""What the environment says to `make run`: folder, ports, accounts and where data come from."""

import os
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
DEMO = "demo"
_PORTS = {"API_PORT": 8000, "PROCESSOR_PORT": 8001, "SANDBOX_PORT": 8002}


def var_dir() -> Path:
    return (BASE_DIR / (os.environ.get("VAR_DIR") or "var")).absolute()


def ports() -> dict[str, int]:
    """Return the ports of the services that will run, by setting. Exits if one is invalid."""
    wanted = {name: os.environ.get(name) or str(default) for name, default in _PORTS.items()}
    if not uses_demo():
        del wanted["SANDBOX_PORT"]
    for name, port in wanted.items():
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            sys.exit(f"{name} must be a whole number from 1 to 65535, not '{port}'.")
    numbers = {name: int(port) for name, port in wanted.items()}
    if len(set(numbers.values())) < len(numbers):
        sys.exit(f"{', '.join(wanted)} must be different.")
    return numbers


def uses_demo() -> bool:
    """Return whether demo data is collected from the sandbox, because there is no API key."""
    return not _is_set("OURA_API_KEY")


def connects_to_sandbox() -> bool:
    return uses_demo() and not _is_set("OURA_CLIENT_ID")


def _is_set(name: str) -> bool:
    """Return whether a setting or the file with it is named."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def own_account() -> str:
    """Return the name of the account for the person's own ring."""
    return os.environ.get("OURA_USER") or "me"


def source() -> str:
    """Return the settings that say where data come from, for commands beside `make run`."""
    if not uses_demo():
        return "OURA_API_KEY"
    return "the sandbox" if connects_to_sandbox() else "OURA_CLIENT_ID"


def password_of(name: str) -> str:
    """Return the password of an account as far as it is in the settings, or an empty text."""
    # Names of accounts don't depend on case.
    if name.lower() == DEMO and uses_demo():
        return os.environ.get("DEMO_PASSWORD", "")
    return os.environ.get("OURA_USER_PASSWORD", "") if name.lower() == own_account().lower() else ""


def address() -> str:
    """Return where people open the pages: behind a tunnel, only the public address works."""
    public = os.environ.get("PUBLIC_URL", "").strip().rstrip("/")
    return f"{public or 'http://localhost:' + str(ports()['API_PORT'])}/"


def url(name: str) -> str:
    return f"http://127.0.0.1:{ports()[name]}"


def sandbox_settings() -> dict[str, str]:
    """Return the settings that connect accounts to the sandbox instead of Oura."""
    sandbox = url("SANDBOX_PORT")
    discovery = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
    return {
        "OURA_API_URL": sandbox,
        "OURA_OAUTH_DISCOVERY_URL": f"{sandbox}/{discovery}",
        "OURA_CLIENT_ID": "myhealth-sandbox",
        "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
    }
