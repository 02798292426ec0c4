"""Helpers of the sandbox's tests: a client with a token, and the names of collections."""

import datetime
import json

from django.test import Client

from sandbox.faults import faults, request_counts
from sandbox.people import named_people
from sandbox.store import documents_between, reset

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


def reset_sandbox(settings, days=400):
    settings.ROOT_URLCONF = "sandbox.urls"
    settings.SANDBOX_SEED = SEED
    settings.SANDBOX_DAYS = days
    settings.SANDBOX_TODAY = TODAY
    settings.SANDBOX_PAGE_SIZE = 1000
    reset()
    faults.clear()
    request_counts.clear()


def day(text):
    return datetime.date.fromisoformat(text)


class Oura:
    """A client of the sandbox with one person's token, in this process."""

    def __init__(self, name="demo"):
        self.http = Client(enforce_csrf_checks=True)
        self.authorization = {"Authorization": f"Bearer {named_people(SEED)[name].access_token}"}

    def get(self, path, headers=None, **query):
        headers = {**self.authorization, **(headers or {})}
        return self.http.get(f"/v2/usercollection/{path}", query, headers=headers)

    def list(self, path, **query):
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()["data"]

    def days(self, path, start, end):
        return [item["day"] for item in self.list(path, start_date=start, end_date=end)]

    def between(self, path, start, end):
        """Return the documents from start to end, for any rule for the end of a range."""
        after = day(end) + datetime.timedelta(days=2)
        documents = self.list(path, start_date=start, end_date=after.isoformat())
        return [document for document in documents if start <= document["day"] <= end]

    def control(self, path, /, method="POST", **body):
        return self.http.generic(
            method, f"/_sandbox/{path}", json.dumps(body), content_type="application/json"
        )


def day_with(collection):
    documents = documents_between("demo", collection, datetime.date(2026, 1, 1), TODAY)
    return documents[len(documents) // 2]["day"]


def documents_on(collection, on):
    return documents_between("demo", collection, *[datetime.date.fromisoformat(on)] * 2)


def recompute(demo, collection, on, **more):
    answer = demo.control("recompute", name="demo", type=collection, day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()
