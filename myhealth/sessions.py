"""Sessions in the database (Django's `SESSION_ENGINE`)."""

import re

from django.contrib.sessions.backends import db

_KEY = re.compile(r"[a-z0-9]{32}\Z")


class SessionStore(db.SessionStore):
    """Django's own, which asks the database only for keys that it can have made itself."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and _KEY.match(key))
