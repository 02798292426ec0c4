"""README, docs/ and deploy/ name what there is: no more, no less."""

import re
import subprocess

import pytest
import yaml
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, get_resolver, resolve

from myhealth import __version__
from myhealth.states import State
from tests.processes import ROOT

README = (ROOT / "README.md").read_text()
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
ALL = "\n".join(DOCS.values())
GLOSSARY = DOCS["docs/glossary.md"]
OUR_APPS = [config.name for config in apps.get_app_configs() if (ROOT / config.name).is_dir()]


def section(text, heading):
    return text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def table_cells(text, column=0):
    """The cells of one column of all tables in the text."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [row[column].strip() for row in rows if not row[0].startswith(("---", ":--"))]


def code(text, pattern):
    return set(re.findall(rf"`({pattern})`", text))


def sources(*folders):
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return "\n".join(path.read_text() for path in paths)


# Settings -----------------------------------------------------------------------------------------


def test_settings_are_those_in_the_table():
    settings = (ROOT / "myhealth" / "settings.py").read_text()
    readers = "text|flag|number|list|choice|url|origins|certificates|hosts"
    read = set(re.findall(rf'\b_(?:{readers})\w*\(\s*"([A-Z_]+)"', settings))
    read |= set(re.findall(r'environ\.get\("([A-Z_]+)"\)', settings))
    # Read by `make run` only.
    read |= {"DEMO_PASSWORD"}
    names = {
        name
        for cell in table_cells(section(README, "## Settings"))
        for name in code(cell, "[A-Z_]+")
    }
    assert names == read


# Routes -------------------------------------------------------------------------------------------


def routes(service):
    """The paths of a service, with {name} for each argument; the admin is one of them."""

    def walk(patterns, prefix):
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if path == "/admin/":
                yield path
            elif isinstance(pattern, URLPattern):
                yield re.sub(r"<\w+:(\w+)>", r"{\1}", path)
            else:
                yield from walk(pattern.url_patterns, path)

    return set(walk(get_resolver(f"myhealth.urls.{service}").url_patterns, "/"))


NOT_LISTED = {"/favicon.ico", "/robots.txt", "/manifest.webmanifest", "/admin/password_change/"}
# Answered before any URLConf is asked.
OF_EVERY_SERVICE = {"/health", "/health/ready", "/metrics"}
# The README has one line for the rows of all types, and words for the arguments.
SPELLINGS = {"{type_}": "{type}", "{pk}": "{id}"}


def test_chart_publishes_every_route_of_the_api():
    values = yaml.safe_load((ROOT / "deploy/helm/myhealth/values.yaml").read_text())
    exact, below = (
        {each["path"] for each in values["publicPaths"] if each["type"] == type_}
        for type_ in ("Exact", "Prefix")
    )
    unreachable = {
        path
        for path in routes("api")
        if path not in exact and f"/{path.split('/')[1]}" not in below
    }
    assert unreachable == set()


NAMES = {"api": "API (port 8000)", "processor": "processor (port 8001)"}


def listed_routes(service):
    table = README.partition(f"| route of the {NAMES[service]} |")[2].partition("\n\n")[0]
    common = code(README.partition("Both answer")[2].partition("Every error")[0], "(?:GET )?/[^`]*")
    paths = code(table, "(?:GET |POST |DELETE )?/[^`]*") | common
    return {path.split(" ")[-1] for path in paths}


@pytest.mark.parametrize("service", ["api", "processor"])
def test_routes_are_those_in_the_readme(service):
    paths = routes(service) - NOT_LISTED | OF_EVERY_SERVICE
    for ours, theirs in SPELLINGS.items():
        paths = {path.replace(ours, theirs) for path in paths}
    paths = {path for path in paths if not path.startswith("/admin/coverage/")}
    assert listed_routes(service) == paths


@pytest.mark.parametrize("service", ["api", "processor"])
def test_listed_methods_are_those_of_the_routes(service):
    urlconf = f"myhealth.urls.{service}"
    table = README.partition(f"| route of the {NAMES[service]} |")[2].partition("\n\n")[0]
    checked = 0
    for line in table.splitlines():
        method = "GET"
        for written, path in re.findall(r"`(?:(GET|POST|DELETE) )?(/\S*?)`", line.split("|")[1]):
            # A method holds for the paths after it on its line.
            method = written or method
            example = re.sub(r"{type}", "sleep", re.sub(r"{(id|user|day)}", "1", path))
            view = getattr(resolve(example, urlconf).func, "cls", None)
            if view:
                assert method.lower() in dir(view), f"{method} {path}"
                checked += 1
    assert checked >= 8


def test_coverage_pages_are_in_operations():
    assert "`/admin/coverage/`" in DOCS["docs/operations.md"]


# Commands -----------------------------------------------------------------------------------------

OWN_COMMANDS = {name for name, app in get_commands().items() if app in OUR_APPS}
# Django's own, with a check of ours.
SAME_AS_DJANGOS = {"migrate"}


def test_every_command_is_documented():
    named = set(re.findall(r"manage\.py (\w+)", ALL))
    assert named >= OWN_COMMANDS - SAME_AS_DJANGOS


def test_every_documented_command_exists():
    assert set(re.findall(r"manage\.py ([a-z_]+)", ALL)) <= get_commands().keys()


def test_options_of_collect_oura_are_those_in_the_table():
    parser = load_command_class("oura", "collect_oura").create_parser("manage.py", "collect_oura")
    djangos = load_command_class("django.core", "check").create_parser("manage.py", "check")
    options = set(parser._option_string_actions) - set(djangos._option_string_actions)
    table = section(README, "## Use").partition("### Collecting by cron")[2]
    listed = re.findall(r"`(--[a-z-]+)", "\n".join(table_cells(table)))
    assert set(listed) == {option for option in options if option.startswith("--")}


# Metrics ------------------------------------------------------------------------------------------


def test_metrics_are_those_in_operations():
    source = sources("myhealth", "ingest", "oura", "dashboard", "accounts")
    declared = set(
        re.findall(r'\b(?:Counter|Gauge|Histogram|GaugeMetricFamily)\(\s*"(\w+)"', source)
    )
    declared |= set(re.findall(r'"(collector_\w+|data_points_\w+)"', source))
    table = section(DOCS["docs/operations.md"], "## What to watch")
    listed = {re.split(r"\W", cell.strip("`"))[0] for cell in table_cells(table)}
    assert listed - {"metric"} == declared


# make ---------------------------------------------------------------------------------------------

MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_make_target_is_documented():
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) - {"help"}
    assert {name for name in targets if not re.search(rf"\bmake {name}\b(?!-)", ALL)} == set()


def test_every_documented_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", ALL)) <= targets


# Glossary -----------------------------------------------------------------------------------------


def test_glossary_has_states_with_label_and_fault():
    table = "| State |" + section(GLOSSARY, "## Whether a day is there").partition("| State |")[2]
    rows = zip(*(table_cells(table, column) for column in (0, 1, 3)), strict=True)
    expected = [
        (f"`{state.value}`", state.label, f"`{state.fault}`" if state.fault else "")
        for state in State
    ]
    assert list(rows)[1:] == expected


def terms():
    return {term.lower() for term in re.findall(r"\*\*([^*]+)\*\*", GLOSSARY)}


def test_glossary_has_what_the_admin_lists():
    listed = [model for model in admin.site._registry if model._meta.app_label in OUR_APPS]
    names = {str(model._meta.verbose_name) for model in listed}
    assert {name for name in names if name not in terms() and f"`{name}`" not in GLOSSARY} == set()


# Messages -----------------------------------------------------------------------------------------


def test_messages_to_look_up_are_in_the_code():
    text = sources("myhealth", "oura", "ingest") + MAKEFILE
    # Messages are often longer than a line of code.
    joined = re.sub(r'"\s+f?"', "", text)
    table = section(README, "## When something is wrong")
    messages = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    parts = [
        part.strip() for each in messages for part in re.split(r"…|\b\d{4}\b|\d$|\bsandbox\b", each)
    ]
    assert len(messages) >= 10
    assert [part for part in parts if part not in joined] == []


def test_make_shows_the_version():
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == f"myhealth {__version__}"
