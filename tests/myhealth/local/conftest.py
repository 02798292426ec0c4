import tempfile
from pathlib import Path

import pytest

from tests.myhealth.local.database_users import clean_up


@pytest.fixture
def var():
    """A folder of local state that all users can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "var"
        clean_up(Path(folder) / "var")


@pytest.fixture
def closed_var(tmp_path):
    tmp_path.chmod(0o700)
    yield tmp_path / "var"
    clean_up(tmp_path / "var")
