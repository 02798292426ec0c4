"""Commands beside a running `make run`: collect, show a password, open the page."""

import os
import subprocess
import sys
import webbrowser
from typing import Any

import requests

from myhealth.local import probes
from myhealth.local.collecting import collect_on_terminal
from myhealth.local.configuration import (
    BASE_DIR,
    DEMO,
    connects_to_sandbox,
    own_account,
    password_of,
    source,
    url,
    var_dir,
)
from myhealth.running import read_running


def run(name: str, *options: str) -> int:
    """Run a command on the running `make run`, and return its exit code. Exits if none runs."""
    state = read_running(var_dir())
    if state is None:
        sys.exit("myhealth is not running: start it with `make run`.")
    if not {"ports", "address", "source"} <= state.keys():
        sys.exit(
            f"This user can't read {var_dir() / 'run.json'}: run this as the user who "
            "started `make run`."
        )
    # It may have been given them on its command line.
    os.environ.update({setting: str(port) for setting, port in state["ports"].items()})
    os.environ.setdefault("PUBLIC_URL", state["address"].rstrip("/"))
    if name == "open":
        return _open(state["address"])
    if name == "password":
        return _show_password("".join(options))
    return _collect(state, *options)


def _collect(state: dict[str, Any], *options: str) -> int:
    if source() != state["source"]:
        sys.exit(
            f"The running myhealth collects with {state['source']}, but this command would "
            f"collect with {source()}: put the settings into .env, and restart `make run`."
        )
    try:
        probes.get(f"{url('PROCESSOR_PORT')}/health")
        return collect_on_terminal(*options)
    except requests.RequestException:
        sys.exit("myhealth is still starting: try again when it says that it is ready.")


def _open(address: str) -> int:
    sys.stdout.write(f"{address}\n")
    has_display = any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))
    if sys.platform == "darwin" or has_display:
        webbrowser.open(address)
    return 0


def _show_password(name: str) -> int:
    name = name or (DEMO if connects_to_sandbox() else own_account())
    password = password_of(name)
    if password and _is_valid(name, password):
        sys.stdout.write(f"user {name}, password {password}\n")
        return 0
    command = [sys.executable, "manage.py", "reset_password", name]
    made = subprocess.run(
        command, cwd=BASE_DIR, capture_output=True, encoding="utf-8", errors="replace"
    )
    if made.returncode:
        sys.exit(made.stderr.strip().removeprefix("CommandError: "))
    sys.stdout.write(
        f"The password of {name} was chosen by a person, so it can't be shown. Set a new one with "
        f"this link:\n{made.stdout}"
    )
    return 0


def _is_valid(name: str, password: str) -> bool:
    """Return whether it is the password of the account, by the database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.filter(username__iexact=name).first()
    return bool(user and user.check_password(password))
