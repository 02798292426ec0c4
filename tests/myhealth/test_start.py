"""What a process imports and how it collects garbage, since both take time and memory."""

import os
import subprocess
import sys

import pytest

from tests.myhealth.test_settings import VALID
from tests.processes import ROOT

# Each takes several megabytes, and is needed rarely or not at all.
NEVER_AT_START = {"authlib", "boto3"}
SHOW = "import gc, sys; print(gc.isenabled(), gc.get_freeze_count() > 10_000); print(*sys.modules)"


def run(*command, **environment):
    """Return what the command prints, and fail unless it succeeds."""
    result = subprocess.run(
        [sys.executable, *command],
        env={"PATH": os.environ["PATH"], **VALID, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def modules_of(*command, **environment):
    """Return the modules that are imported when the command prints SHOW."""
    garbage, modules = run(*command, **environment).splitlines()
    # It is collected, but not looked for in what stays.
    assert garbage == "True True"
    return set(modules.split())


@pytest.mark.parametrize(
    ("service", "needed", "unneeded"),
    [
        ("api", {"dashboard.views", "accounts.views", "ingest.admin", "dashboard.admin"}, set()),
        ("processor", {"ingest.views"}, {"ingest.admin", "jwt", "cryptography", "oura.client"}),
    ],
)
def test_services_import_their_views_and_little_else(service, needed, unneeded):
    modules = modules_of("-c", f"import myhealth.wsgi; {SHOW}", SERVICE=service)
    assert needed <= modules
    assert not (NEVER_AT_START | unneeded) & modules


def test_commands_import_no_pages(tmp_path):
    command = ("manage.py", "shell", "--no-imports", "-c", SHOW)
    modules = modules_of(*command, VAR_DIR=str(tmp_path), SERVICE="")
    assert "ingest.models" in modules
    assert not {*NEVER_AT_START, "ingest.admin", "rest_framework.views"} & modules


def test_admin_classes_are_imported_to_be_checked():
    code = (
        "import django; django.setup(); "
        "from django.contrib import admin; from django.core import checks; "
        "print(len(admin.site._registry)); "
        "print(checks.run_checks(tags=['admin'])); "
        "print(len(admin.site._registry) > 5)"
    )
    settings = {"SERVICE": "", "DJANGO_SETTINGS_MODULE": "myhealth.settings"}
    assert run("-c", code, **settings).splitlines() == ["0", "[]", "True"]
