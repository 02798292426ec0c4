"""Requests to our own services on this machine, which never go through a proxy."""

import requests


def get(url: str, *, timeout: float = 5) -> requests.Response:
    """Raises requests.RequestException."""
    with requests.Session() as session:
        # HTTP_PROXY and the like are for other machines.
        session.trust_env = False
        return session.get(url, timeout=timeout)


def why_not_ready(url: str) -> str:
    """Return why a service can't be used yet, or an empty text if it is ready."""
    try:
        answer = get(url)
    except requests.RequestException:
        return "it does not answer"
    if answer.ok:
        return ""
    try:
        return str(answer.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return f"it answers with status {answer.status_code}"
