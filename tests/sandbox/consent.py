"""A person who agrees at the sandbox's consent page, without a browser."""

from urllib.parse import parse_qs, urlsplit

import requests

from oura.provider import SCOPES


def agree(url, person="ana", granted=SCOPES, decision="allow"):
    """Answer the page at `url`; the address that it leads back to."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    form = {**asked, "person": person, "granted": list(granted), "decision": decision}
    page = url.partition("?")[0]
    assert requests.get(url, timeout=5).status_code == 200
    answer = requests.post(page, data=form, allow_redirects=False, timeout=5)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def answer_of(location):
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
