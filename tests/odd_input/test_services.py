"""Whatever is sent to the services' routes, no answer is a 500."""

import pytest
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.tokens import issue_tokens
from tests.odd_input.values import (
    HEADERS,
    IN_HEADER,
    IN_JSON,
    IN_URL,
    Sender,
    Turns,
    filled,
    has_parameter,
    routes,
)
from tests.worlds import days_ago, reject_document, store_days

pytestmark = pytest.mark.django_db(transaction=True)
PARAMETERS = ["start", "end", "fields", "weeks", "format", "user", "next", "code", "state", "iss"]
LISTS = ["sleep", "dashboard", "coverage", "marks"]
FIELDS = {
    "/api/v1/ingest": {
        "type": b'"sleep"',
        "user": b'"ana"',
        "data": b"[]",
        "fetched_at": b"null",
        "origin": b'"sandbox"',
        "owner": b"null",
        "read": b'{"start": "2026-03-01", "end": "2026-03-02", "pages": 1, "documents": 1}',
    },
    "/api/v1/reports": {
        "type": b'"sleep"',
        "user": b'"ana"',
        "ranges": b'[{"start": "2026-03-01", "end": "2026-03-02"}]',
        "kind": b'"unavailable"',
        "status": b"500",
        "collection": b'"sleep"',
        "page": b"1",
        "asked_at": b"null",
    },
    "/api/v1/runs": {"user": b'"ana"'},
    "/auth/login": {"username": b'"ana"', "password": b'"x"'},
    "/auth/refresh": {"refresh": b'"x"'},
    "/auth/logout": {"refresh": b'"x"'},
}
