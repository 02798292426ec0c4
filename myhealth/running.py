"""The `make run` that is running on this machine: its ports, for commands beside it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Set
from pathlib import Path
from typing import Any


def read_running(var: Path) -> dict[str, Any] | None:
    """Return what the running `make run` wrote to `run.json`, or None if none is running.

    The file of one that was killed is still there, but the kernel has released its lock.
    """
    try:
        with (var / "run.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_file(var)
    except OSError:
        return None
    return None


def read_file(var: Path) -> dict[str, Any]:
    """Return the content of `run.json`, also if nothing is running; empty if there is none."""
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((var / "run.json").read_text(encoding="utf-8"))
        if isinstance(state, dict):
            return state
    return {}


def fill_environment(var: Path, given: Set[str]) -> None:
    """Lead a command that is typed by hand to the services of the running `make run`.

    Only the settings in `given`, which were typed with the command, override its ports. The
    sandbox's settings are left out if there are credentials for Oura.
    """
    state = read_running(var) or {}
    for name, port in state.get("ports", {}).items():
        if name not in given:
            os.environ[name] = str(port)
    if "address" in state:
        os.environ.setdefault("PUBLIC_URL", state["address"].rstrip("/"))
    settings = state.get("settings", {})
    has_credentials = any(map(os.environ.get, ("OURA_API_KEY", "OURA_CLIENT_ID")))
    if not (has_credentials and "OURA_CLIENT_ID" in settings):
        for name, value in settings.items():
            os.environ.setdefault(name, value)
