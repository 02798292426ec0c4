import pytest

from myhealth.handler import Request


@pytest.fixture(autouse=True)
def our_requests(monkeypatch):
    """Let Django's test client make requests as our WSGI application does."""
    monkeypatch.setattr("django.test.client.WSGIRequest", Request)
