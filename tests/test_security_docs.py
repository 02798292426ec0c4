"""docs/security.md judges each requirement of OWASP's ASVS once, and names tests that exist."""

import re
from collections import Counter

import pytest

from tests.processes import ROOT

REQUIREMENTS = [
    number
    for line in (ROOT / "tests/asvs.txt").read_text().splitlines()
    if not line.startswith("#")
    for number in line.split()
]
SECURITY = (ROOT / "docs/security.md").read_text()
TABLE = SECURITY.partition("\n| chapter | requirements | state |")[2].splitlines()[2:]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE]
STATES = {"met", "not met", "not applicable"}


def expand(text):
    """Yield the numbers of a cell; 1.2.6–8 is short for 1.2.6, 1.2.7 and 1.2.8."""
    for part in text.split(", "):
        section, first, last = re.fullmatch(r"(\d+\.\d+)\.(\d+)(?:–(\d+))?", part).groups()
        for number in range(int(first), int(last or first) + 1):
            yield f"{section}.{number}"


def named_tests(text):
    """Yield the tests that a text names, as file and function; some are in the file before."""
    file = None
    for path, name in re.findall(r"`(tests/[\w/.]+)?::(\w+)`", text):
        file = path or file
        yield file, name


def functions(file):
    return set(re.findall(r"(?m)^def (test_\w+)\(", (ROOT / file).read_text()))


def test_every_requirement_is_judged_once():
    assert Counter(number for row in ROWS for number in expand(row[1])) == Counter(REQUIREMENTS)


def test_requirements_stand_in_their_chapter():
    chapter = None
    for name, numbers, *_ in ROWS:
        chapter = name.split(" ")[0] if name else chapter
        assert {f"V{number.split('.')[0]}" for number in expand(numbers)} == {chapter}


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_judgement_has_tests_or_reason(row):
    _, _, state, reason = row
    assert state in STATES
    assert reason
    if state == "met":
        assert [*named_tests(reason)] or reason.startswith("no test: ")


def test_named_tests_exist():
    named = [each for row in ROWS for each in named_tests(row[3])]
    assert len(named) > 100
    assert [(file, name) for file, name in named if name not in functions(file)] == []


def test_tests_are_named_with_their_functions():
    assert re.findall(r"`tests/[\w/.]+`", SECURITY) == []


def test_data_file_has_both_levels():
    assert len(REQUIREMENTS) == len(set(REQUIREMENTS)) == 253


def test_readme_links_both_documents():
    readme = (ROOT / "README.md").read_text()
    assert "(docs/security.md)" in readme and "(SECURITY.md)" in readme
