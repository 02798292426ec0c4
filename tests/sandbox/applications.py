"""An OAuth2 application in this process, to which people of the sandbox consent."""

import base64
import hashlib

from django.test import Client

from sandbox import grants
from tests.sandbox.consent import redirect_params

URI = "http://localhost:8000/connect/oura/callback"
EXT = "/oauth/v2/ext/oauth"
NEW, OLD = f"{EXT}-token", "/oauth/token"
CREDENTIALS = {"client_id": "myhealth-sandbox", "client_secret": "myhealth-sandbox-secret"}
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
EVERYTHING = " ".join(grants.SCOPES)


class Application:
    """An application of one portal, with helpers for consent and token requests."""

    def __init__(self, portal="new", credentials=CREDENTIALS, uri=URI):
        self.http = Client(enforce_csrf_checks=True)
        self.credentials, self.uri = credentials, uri
        self.page = f"{EXT}-authorize" if portal == "new" else "/oauth/authorize"
        self.tokens = NEW if portal == "new" else OLD
        self.params = {
            "response_type": "code",
            "client_id": credentials["client_id"],
            "redirect_uri": uri,
            "state": "a-state",
            "scope": "extapi:personal extapi:daily",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    def open_consent_page(self, **changed):
        return self.http.get(self.page, self.params | changed)

    def submit_consent(
        self, person="ana", granted=("personal", "daily"), decision="allow", **changed
    ):
        form = {"person": person, "granted": granted, "decision": decision}
        return self.http.post(self.page, self.params | form | changed)

    def code(self, **consent):
        return redirect_params(self.submit_consent(**consent)["Location"])["code"]

    def post(self, path=None, headers=None, **form):
        return self.http.post(path or self.tokens, self.credentials | form, headers=headers)

    def exchange(self, code, **changed):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.uri}
        return self.post(**form | {"code_verifier": VERIFIER} | changed)

    def refresh(self, token):
        return self.post(grant_type="refresh_token", refresh_token=token)

    def connect(self, **consent):
        answer = self.exchange(self.code(**consent))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def get(self, collection, token):
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(f"/v2/usercollection/{collection}", headers=headers)

    def token_works(self, tokens):
        return self.get("daily_sleep", tokens["access_token"]).status_code == 200


def status_and_error(answer):
    return answer.status_code, answer.json()["error"]
