import pytest
from django.test import Client


@pytest.mark.django_db
def test_only_pages_redirect_to_public_url(settings):
    browser = Client()
    settings.PUBLIC_URL = "http://localhost:8000"
    page = browser.get("/accounts/login/?next=/", headers={"Host": "127.0.0.1:8000"})
    assert page.headers["Location"] == "http://localhost:8000/accounts/login/?next=/"
    for path in ("/health", "/api/schema/"):
        assert browser.get(path, headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert browser.get("/accounts/login/", headers={"Host": "localhost:8000"}).status_code == 200
