"""Names of tests are short, and tests use only the public names of what they test."""

import ast

from tests.processes import ROOT
from tests.test_architecture import ALLOWED

MAX_WORDS = 10


def trees():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def is_ours(module):
    return (module or "").partition(".")[0] in ALLOWED


def private_names(tree):
    """Yield the private names of our packages that the code imports, or reads from a module."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_ours(node.module):
            modules.update(alias.asname or alias.name for alias in node.names)
            yield from (
                alias.name
                for alias in node.names
                if alias.name.startswith("_") and not alias.name.startswith("__")
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            is_private = node.attr.startswith("_") and node.attr not in ("_meta", "_replace")
            if is_private and not node.attr.startswith("__") and node.value.id in modules:
                yield f"{node.value.id}.{node.attr}"


def test_names_of_tests_have_at_most_ten_words():
    names = [
        f"{path}: {node.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if len(node.name.split("_")) - 1 > MAX_WORDS
    ]
    assert names == []


def test_tests_use_no_private_names():
    assert [f"{path}: {name}" for path, tree in trees() for name in private_names(tree)] == []


def test_private_name_is_found():
    source = "from ingest import ledger\nfrom ingest.ledger import _Judge\nledger._not_asked()"
    assert list(private_names(ast.parse(source))) == ["_Judge", "ledger._not_asked"]
