"""Requests to other services, which depend on no proxies or certificates of the environment."""

import requests


def direct_session() -> requests.Session:
    """Return a session that ignores the environment: its proxies, certificates and .netrc."""
    session = requests.Session()
    session.trust_env = False
    return session
