import pytest

from myhealth.handler import Request
from oura.models import Connection
from tests.ingest.admin.pages import failed, fetched, ran, revised
from tests.worlds import days_ago, reject_document, store_days


@pytest.fixture(autouse=True)
def our_requests(monkeypatch):
    """Let Django's test client make requests as our WSGI application does."""
    monkeypatch.setattr("django.test.client.WSGIRequest", Request)


@pytest.fixture
def rows(ana):
    """A row or more in every list of the admin."""
    for type_ in ("sleep", "activity", "readiness"):
        store_days(ana, [days_ago(3)], type_)
    reject_document(ana, days_ago(2))
    ran(ana)
    fetched(ana)
    failed(ana)
    revised(ana)
    Connection.objects.create(
        user=ana,
        oura_user_id="x",
        access_token=b"",
        refresh_token=b"",
        expires_at="2026-03-01T00:00:00Z",
        token_url="http://localhost/",
    )
