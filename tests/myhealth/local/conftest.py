import tempfile
from pathlib import Path

import pytest

from myhealth.local import embedded
from tests.myhealth.local.database_users import add_account, clean_up, copy_database


@pytest.fixture
def new_var():
    """A folder of local state that all users can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "var"
        clean_up(Path(folder) / "var")


@pytest.fixture(scope="session")
def used_var():
    """A folder of local state with a database that has been used before, and is stopped."""
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        embedded.join(Path(folder) / "var")
        embedded.leave(Path(folder) / "var")
        yield Path(folder) / "var"


@pytest.fixture
def var(new_var, used_var):
    copy_database(used_var, new_var)
    return new_var


@pytest.fixture
def closed_var(tmp_path):
    tmp_path.chmod(0o700)
    yield tmp_path / "var"
    clean_up(tmp_path / "var")


@pytest.fixture
def filled(new_var, migrated_var):
    """A folder of local state whose database has its tables, and an account."""
    copy_database(migrated_var, new_var)
    connection = embedded.join(new_var)
    add_account(connection, "ana")
    return new_var, connection
