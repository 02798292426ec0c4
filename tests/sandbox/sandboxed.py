"""What the tests of the sandbox share: a client with a token, and the collections' names."""

import datetime
import json

from django.test import Client

from sandbox.faults import faults, requests
from sandbox.people import people
from sandbox.store import documents, forget

SEED = "myhealth"
TODAY = datetime.date(2026, 11, 20)
DAILY = [
    "daily_activity",
    "daily_cardiovascular_age",
    "daily_readiness",
    "daily_resilience",
    "daily_sleep",
    "daily_spo2",
    "daily_stress",
    "sleep_time",
]
DATED = [*DAILY, "enhanced_tag", "rest_mode_period", "session", "sleep", "tag", "vO2_max"]
DATED += ["workout"]
SERIES = ["heartrate", "ring_battery_level"]
LISTS = [*DATED, *SERIES, "ring_configuration"]


def start_afresh(settings, days=400):
    settings.ROOT_URLCONF = "sandbox.urls"
    settings.SANDBOX_SEED = SEED
    settings.SANDBOX_DAYS = days
    settings.SANDBOX_TODAY = TODAY
    settings.SANDBOX_PAGE_SIZE = 1000
    forget()
    faults.clear()
    requests.clear()


def day(text):
    return datetime.date.fromisoformat(text)


class Oura:
    """One person's client of the sandbox, in this process."""

    def __init__(self, name="demo"):
        self.http = Client(enforce_csrf_checks=True)
        self.authorization = {"Authorization": f"Bearer {people(SEED)[name].access_token}"}

    def get(self, path, headers=None, **query):
        headers = {**self.authorization, **(headers or {})}
        return self.http.get(f"/v2/usercollection/{path}", query, headers=headers)

    def list(self, path, **query):
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()["data"]

    def days(self, path, start, end):
        return [each["day"] for each in self.list(path, start_date=start, end_date=end)]

    def between(self, path, start, end):
        """All of the days, whatever the collection's rule for the end of a range."""
        after = day(end) + datetime.timedelta(days=2)
        found = self.list(path, start_date=start, end_date=after.isoformat())
        return [each for each in found if start <= each["day"] <= end]

    def control(self, path, /, method="POST", **body):
        return self.http.generic(
            method, f"/_sandbox/{path}", json.dumps(body), content_type="application/json"
        )


def day_with(collection):
    found = documents("demo", collection, datetime.date(2026, 1, 1), TODAY)
    return found[len(found) // 2]["day"]


def held(collection, on):
    return documents("demo", collection, *[datetime.date.fromisoformat(on)] * 2)


def recompute(demo, collection, on, **more):
    answer = demo.control("recompute", name="demo", type=collection, day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()
