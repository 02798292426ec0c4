"""The pipeline with an Oura that does what Oura has been seen to do, and the API's view of it."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import requests

from metrics import TYPES
from tests.processes import Pipeline
from tests.worlds import PASSWORDS

Document = dict[str, object]

COLLECTIONS = tuple(name for each in TYPES.values() for name in each.collections)
_NOT_COUNTING = ("rest", "deleted")
# The length of the sandbox's history.
_SPAN = 200


@dataclass(frozen=True)
class Truth:
    """What Oura has of the person demo before anything is odd: documents by collection and day."""

    documents: dict[str, dict[str, list[Document]]]

    def of(self, collection, day):
        return self.documents[collection].get(str(day), [])

    def one(self, collection, day):
        [document] = self.of(collection, day)
        return document

    def days(self, type_, start="", end="9999"):
        """Return the days that a type should have a row of."""
        return {
            document["day"]
            for collection in TYPES[type_].collections
            for documents in self.documents[collection].values()
            for document in documents
            if document.get("type") not in _NOT_COUNTING and start <= document["day"] <= end
        }

    def is_plain(self, day):
        """Return whether a day has one document of each kind, and all values."""
        found = [self.of(collection, day) for collection in COLLECTIONS]
        if [len(each) for each in found] != [1] * len(COLLECTIONS):
            return False
        night, activity = self.one("sleep", day), self.one("daily_activity", day)
        scored = [documents[0] for documents in found if "score" in documents[0]]
        return (
            night["type"] == "long_sleep"
            and night["lowest_heart_rate"] != 255
            and night["total_sleep_duration"] > 4 * 3600
            and activity["non_wear_time"] < 3600
            and all(document["score"] for document in scored)
            and all(all(document["contributors"].values()) for document in scored)
        )


def read_truth(url, key, today):
    """Read what Oura has before the test makes it odd: earlier tests may have changed days."""
    start = today - timedelta(_SPAN)
    headers = {"Authorization": f"Bearer {key}"}
    query = {"start_date": start.isoformat(), "end_date": str(today + timedelta(1))}
    documents = {}
    for collection in COLLECTIONS:
        answer = requests.get(
            f"{url}/v2/usercollection/{collection}", params=query, headers=headers
        ).json()
        assert answer["next_token"] is None
        by_day = documents.setdefault(collection, {})
        for document in answer["data"]:
            by_day.setdefault(document["day"], []).append(document)
    return Truth(documents)


@dataclass
class Oddities:
    """What a test has changed at Oura, to be undone after it."""

    odd: list[tuple[str, str]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)


class Strange(Pipeline):
    """The pipeline of the person demo, whose Oura is odd on request until `undo`."""

    def __init__(self, sandbox, processor, api):
        super().__init__(sandbox, processor)
        self.api = api
        self.today = date.fromisoformat(sandbox.environment["SANDBOX_TODAY"])
        self.changed = Oddities()
        self._token = ""
        self.truth = read_truth(sandbox.url, self.environment()["OURA_API_KEY"], self.today)

    def ago(self, days):
        return (self.today - timedelta(days)).isoformat()

    def plain_days(self, count, *, from_ago=3, in_a_row=1):
        """Return plain days that are over, newest first.

        The `in_a_row` - 1 days after each are plain too, and are none of the others.
        """
        days, ago = [], from_ago
        while len(days) < count:
            assert ago < _SPAN, "There are too few plain days."
            run = [self.ago(ago + each) for each in range(in_a_row)]
            if all(map(self.truth.is_plain, run)):
                days.append(run[-1])
                ago += in_a_row
            else:
                ago += 1
        return days

    def day_after(self, day, days=1):
        return (date.fromisoformat(day) + timedelta(days)).isoformat()

    # What Oura does ------------------------------------------------------------------------------

    def make_odd(self, collection, day, oddity):
        self.changed.odd.append((collection, day))
        return self.control("oddities", name="demo", type=collection, day=day, oddity=oddity)

    def remove(self, collection, day):
        self.changed.removed.append((collection, day))
        self.control("remove", name="demo", type=collection, day=day)

    def limit(self, **limits):
        self.control("limits", name="demo", **limits)

    def lift_limits(self):
        requests.delete(f"{self.sandbox.url}/_sandbox/limits")

    def be_owned_by(self, user_id):
        self.control("owner", name="demo", user_id=user_id)

    def undo(self):
        for collection, day in self.changed.odd:
            self.control("oddities", name="demo", type=collection, day=day, oddity=None)
        for collection, day in self.changed.removed:
            self.control("restore", name="demo", type=collection, day=day)
        self.changed = Oddities()
        self.lift_limits()
        self.be_owned_by(None)
        self.clear_faults()

    # What is asked and collected -----------------------------------------------------------------

    def collect_days(self, days, *types, **changed):
        """Collect from the first to the last of the days; all types without any."""
        chosen = [text for type_ in types for text in ("--type", type_)]
        return self.collect("--start", min(days), "--end", max(days), *chosen, **changed)

    def collect_counting(self, *arguments):
        """Collect; return the run, and the number of its requests apart from `personal_info`."""
        requests.delete(f"{self.sandbox.url}/_sandbox/requests")
        run = self.collect(*arguments)
        paths = requests.get(f"{self.sandbox.url}/_sandbox/requests").json()["paths"]
        return run, sum(n for path, n in paths.items() if not path.endswith("/personal_info"))

    def failed_days(self, type_="sleep"):
        """Return which of the days that Oura has something for the coverage calls failed.

        A day without documents beside one that fails looks the same, and may fail too.
        """
        ranges = self.get("coverage", start=self.ago(_SPAN), end=self.ago(0))[type_]["ranges"]
        failed = [each for each in ranges if each["state"] == "failed"]
        days = self.truth.days(type_)
        return {day for day in days for each in failed if each["from"] <= day <= each["to"]}

    # What people see -----------------------------------------------------------------------------

    def get(self, path, **query):
        return self._answer(path, query).json()

    def csv(self, type_):
        return self._answer(type_, {"start": "2010-01-01", "format": "csv"}).text

    def _answer(self, path, query):
        if not self._token:
            login = {"username": "ana", "password": PASSWORDS["ana"]}
            answer = requests.post(f"{self.api.url}/auth/login", json=login)
            self._token = answer.json()["token"]
        answer = requests.get(
            f"{self.api.url}/api/v1/{path}",
            params=query,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        assert answer.ok, answer.text
        return answer

    def shown(self, type_):
        """Return all rows of a type by day, as the API shows them."""
        return {row["day"]: row for row in self.get(type_, start="2010-01-01")}

    def state(self, day, type_="sleep"):
        """Return the state and the reason that the coverage gives for a day."""
        [only] = self.get("coverage", start=day, end=day)[type_]["ranges"]
        return only["state"], only["reason"]

    def warnings(self, day, type_="sleep"):
        return self.get(f"days/{day}")["warnings"][type_]

    def week_ending(self, day):
        """Return the summary of the seven days that have the day."""
        weeks = self.get("dashboard", weeks=20)["weekly_summaries"]
        [week] = [each for each in weeks if each["start"] <= day <= each["end"]]
        return week
