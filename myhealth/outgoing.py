"""Requests to other services: the environment decides neither where they go nor whom they trust."""

import requests


def direct_session() -> requests.Session:
    """Return a session that ignores the environment: its proxies, certificates and .netrc."""
    session = requests.Session()
    session.trust_env = False
    return session
