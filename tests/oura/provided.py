"""The sandbox as a provider of OAuth2, as tests ask it."""

import requests

from oura import provider
from tests.sandbox.consent import agree, redirect_params

DISCOVERY = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"


class Provider:
    """The sandbox as a provider of OAuth2, and its controls."""

    def __init__(self, service):
        self.url = service.url

    def settings(self):
        """Return the settings that lead our own processes to it."""
        return {
            "OURA_API_URL": self.url,
            "OURA_OAUTH_DISCOVERY_URL": f"{self.url}/{DISCOVERY}",
            "OURA_CLIENT_ID": "myhealth-sandbox",
            "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
        }

    def control(self, path, /, **body):
        response = requests.post(f"{self.url}/_sandbox/{path}", json=body)
        assert response.ok, response.text
        return response.json()

    def request_count(self, path="/oauth/v2/ext/oauth-token"):
        """Return how many requests the path has had."""
        requested = requests.get(f"{self.url}/_sandbox/requests").json()
        return requested["paths"].get(path, 0)

    def get(self, collection, token):
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/v2/usercollection/{collection}"
        return requests.get(url, headers=headers)

    def code(self, verifier="v" * 50, **consent):
        """Return a code for our application, as the callback gets it."""
        uri = "http://localhost:8000/connect/oura/callback"
        url = provider.consent_url(uri, "a-state", verifier)
        return redirect_params(agree(url, **consent))["code"]
