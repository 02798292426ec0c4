import pytest

from tests.conftest import QuickHasher


@pytest.fixture
def while_hashing(monkeypatch):
    """Return a function that sets what happens elsewhere while the next password is checked."""
    verify = QuickHasher.verify

    def set_action(action):
        def verify_once(self, *arguments):
            monkeypatch.setattr(QuickHasher, "verify", verify)
            action()
            return verify(self, *arguments)

        monkeypatch.setattr(QuickHasher, "verify", verify_once)

    return set_action
