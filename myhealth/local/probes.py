"""Requests to our own services on this machine, which never go through a proxy."""

import requests
import urllib3

# How proxies answer when nothing listens where they pass requests on.
_NOT_PASSED_ON = (502, 503, 504)


def get(url: str, *, timeout: float = 5, token: str = "") -> requests.Response:
    """Raises requests.RequestException."""
    with requests.Session() as session:
        # HTTP_PROXY and the like are for other machines.
        session.trust_env = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return session.get(url, timeout=timeout, headers=headers)


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


def why_not_reached(address: str, port: int) -> str:
    """Return why people don't reach the pages at the public address, or an empty text if they do.

    What answers there must pass requests on to the port.

    It may have a certificate that only their devices trust. Nothing secret is sent to it.
    """
    try:
        with requests.Session() as session:
            session.trust_env = session.verify = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            answer = session.get(
                f"{address}accounts/login/",
                headers={"Accept": "text/html"},
                # Caddy tries for five seconds to reach the port.
                timeout=(3, 8),
                allow_redirects=False,
            )
    except requests.RequestException:
        return (
            f"Nothing answers at {address} on this computer. `make run` itself can't be reached by "
            "other devices: docs/phone.md says what to start in front of it."
        )
    if answer.ok:
        return ""
    is_sentence = answer.headers.get("Content-Type", "").startswith("text/plain")
    why = answer.text.strip() if is_sentence else f"It answers with status {answer.status_code}."
    if answer.status_code in _NOT_PASSED_ON:
        why += f" It must pass requests on to port {port}: is API_PORT={port} in .env?"
    return f"The pages can't be read at {address}: {why} See docs/phone.md."
