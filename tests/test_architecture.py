"""Dependencies between packages: in imports, in strings and in templates."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

# The other packages that each package may depend on.
ALLOWED = {
    "myhealth": {"metrics"},
    "metrics": set(),
    "accounts": {"myhealth"},
    "ingest": {"myhealth", "metrics", "accounts"},
    "oura": {"myhealth", "metrics", "accounts"},
    "dashboard": {"myhealth", "metrics", "accounts", "ingest", "oura"},
    "sandbox": {"myhealth", "metrics"},
    # It measures from outside: by HTTP, settings, commands and tables.
    "bench": {"myhealth"},
}
# Django requires that settings and URLconfs name the apps in strings.
MAY_NAME_APPS = re.compile(r"myhealth/(settings|urls/\w+)\.py")
DOTTED = re.compile(rf"({'|'.join(ALLOWED)})(\.\w+)+")
TEMPLATE = re.compile(r"{%-?\s*(?:extends|include)\s+[\"'](\w+)/")
# All that declarations of metrics may import.
PURE = {*sys.stdlib_module_names, "metrics"}
# The image lacks myhealth.local; the database backend works without it.
MAY_USE_LOCAL = ("myhealth/local/", "myhealth/postgresql/base.py", "bench/")
PAGE = re.compile(r"(\w+)/[\w/]+\.html")
BY_NAME = {"import_string", "import_module", "__import__"}


def find_references(tree):
    """Yield each module that is named in imports and strings, its line, and if it is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from ((alias.name, node.lineno, True) for alias in names)
            case ast.ImportFrom(module=module) if module:
                yield module, node.lineno, True
            case ast.Constant(value=str(text)) if DOTTED.fullmatch(text):
                yield text, node.lineno, False
            case ast.Constant(value=str(text)) if match := PAGE.fullmatch(text):
                yield match[1], node.lineno, False
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in BY_NAME:
                yield name, node.lineno, True


def violations(path, source):
    package = path.partition("/")[0]
    messages = []
    for module, line, is_import in find_references(ast.parse(source)):
        first = module.partition(".")[0]
        foreign = first in ALLOWED and first != package and first not in ALLOWED[package]
        if not is_import and MAY_NAME_APPS.fullmatch(path):
            continue
        if foreign or (is_import and first in BY_NAME):
            messages.append(f"{path}:{line} names {module}")
        elif package == "metrics" and is_import and first not in PURE:
            messages.append(f"{path}:{line} is not pure: {module}")
        elif module.startswith("myhealth.local") and not path.startswith(MAY_USE_LOCAL):
            messages.append(f"{path}:{line} needs {module}, which no image has")
    return messages


def sources():
    return [path for name in ALLOWED for path in sorted((ROOT / name).rglob("*.py"))]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package):
    paths = [path.relative_to(ROOT) for path in sources() if ROOT / package in path.parents]
    assert paths
    assert [
        each for path in paths for each in violations(path.as_posix(), (ROOT / path).read_text())
    ] == []


def test_templates_use_own_and_shared_ones():
    wrong = []
    for name in ALLOWED:
        for path in sorted((ROOT / name).rglob("*.html")):
            used = {*TEMPLATE.findall(path.read_text())} & ALLOWED.keys()
            wrong += [f"{path.relative_to(ROOT)}: {each}" for each in used - {name, "myhealth"}]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("oura/x.py", "from ingest.upsert import store"),
        ("ingest/x.py", "import oura.client"),
        ("ingest/x.py", "def f():\n    from oura import client"),
        ("ingest/x.py", "MAPPING = 'oura.mapping.sleep'"),
        ("ingest/x.py", "models.ForeignKey('oura.Connection')"),
        ("accounts/x.py", "from metrics import TYPES"),
        ("oura/x.py", "import sandbox"),
        ("dashboard/x.py", "from sandbox.store import documents"),
        ("ingest/x.py", "from dashboard import coverage"),
        ("myhealth/x.py", "from ingest import models"),
        ("myhealth/urls/api.py", "from ingest import models"),
        ("oura/x.py", "import_string(path)"),
        ("oura/x.py", "importlib.import_module(path)"),
        ("oura/x.py", "render(request, 'dashboard/today.html')"),
        ("myhealth/health.py", "from myhealth.local import embedded"),
        ("metrics/x.py", "from django.db import models"),
        ("metrics/x.py", "import requests"),
        ("metrics/x.py", "from myhealth.days import FIRST_DAY"),
    ],
)
def test_forbidden_import_is_found(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("myhealth/urls/api.py", "include('dashboard.urls')"),
        ("myhealth/settings.py", "AUTH_USER_MODEL = 'accounts.User'"),
        ("ingest/x.py", "structlog.get_logger('ingest.views')"),
        ("dashboard/x.py", "from ingest.models import Metric"),
        ("oura/x.py", "render(request, 'oura/register.html')"),
        ("myhealth/postgresql/base.py", "from myhealth.local import embedded"),
        ("metrics/x.py", "from dataclasses import dataclass"),
    ],
)
def test_allowed_import_is_not_found(path, source):
    assert violations(path, source) == []


def test_every_package_is_checked():
    packages = {path.parent.name for path in Path(ROOT).glob("*/__init__.py")} - {"tests"}
    assert packages == ALLOWED.keys()
