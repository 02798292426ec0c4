"""An application that people of the sandbox let read their data, in this process."""

import base64
import hashlib

from django.test import Client

from sandbox import grants
from tests.sandbox.consent import answer_of

URI = "http://localhost:8000/connect/oura/callback"
EXT = "/oauth/v2/ext/oauth"
NEW, OLD = f"{EXT}-token", "/oauth/token"
CREDENTIALS = {"client_id": "myhealth-sandbox", "client_secret": "myhealth-sandbox-secret"}
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
EVERYTHING = " ".join(grants.SCOPES)


class Application:
    """An application of one portal, and the consent of its people."""

    def __init__(self, portal="new", credentials=CREDENTIALS, uri=URI):
        self.http = Client(enforce_csrf_checks=True)
        self.credentials, self.uri = credentials, uri
        self.page = f"{EXT}-authorize" if portal == "new" else "/oauth/authorize"
        self.tokens = NEW if portal == "new" else OLD
        self.asked = {
            "response_type": "code",
            "client_id": credentials["client_id"],
            "redirect_uri": uri,
            "state": "a-state",
            "scope": "extapi:personal extapi:daily",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    def see(self, **changed):
        return self.http.get(self.page, self.asked | changed)

    def decide(self, person="ana", granted=("personal", "daily"), decision="allow", **changed):
        form = {"person": person, "granted": granted, "decision": decision}
        return self.http.post(self.page, self.asked | form | changed)

    def code(self, **consent):
        return answer_of(self.decide(**consent)["Location"])["code"]

    def ask(self, path=None, headers=None, **form):
        return self.http.post(path or self.tokens, self.credentials | form, headers=headers)

    def exchange(self, code, **changed):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.uri}
        return self.ask(**form | {"code_verifier": VERIFIER} | changed)

    def refresh(self, token):
        return self.ask(grant_type="refresh_token", refresh_token=token)

    def connect(self, **consent):
        answer = self.exchange(self.code(**consent))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def get(self, collection, token):
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(f"/v2/usercollection/{collection}", headers=headers)

    def works(self, tokens):
        return self.get("daily_sleep", tokens["access_token"]).status_code == 200


def error_of(answer):
    return answer.status_code, answer.json()["error"]
