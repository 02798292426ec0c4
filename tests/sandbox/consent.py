"""Consent at the sandbox's page, without a browser."""

from urllib.parse import parse_qs, urlsplit

import requests

from oura.provider import SCOPES


def agree(url, person="ana", granted=SCOPES, decision="allow"):
    """Submit the consent page at `url`. Return the address that it redirects to."""
    consent = {"person": person, "granted": list(granted), "decision": decision}
    page = url.partition("?")[0]
    assert requests.get(url).status_code == 200
    answer = requests.post(page, data=redirect_params(url) | consent, allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def redirect_params(location):
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
