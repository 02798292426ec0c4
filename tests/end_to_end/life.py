"""A person's life in the sandbox under a simulated clock, and what should be known of it.

Collector, processor and sandbox speak HTTP as ever, in one process, since they share the clock. The
truth is the sandbox's: each day's documents at any time since, as they were at Oura then.
"""

import uuid
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import django.conf
import time_machine

from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Fetch
from metrics import TYPES
from myhealth.days import ONE_DAY, Days
from oura.accounts import KeyAccount
from oura.client import OuraClient
from oura.collector import Collector
from oura.plan import CollectOptions
from oura.processor import Processor
from oura.report import Report
from oura.retries import RetryTime
from sandbox import grants, limits, nights, oddities, store
from sandbox.days import in_drawer
from sandbox.faults import Fault, faults, request_counts
from sandbox.people import named_people
from tests.processes import TOKEN

SEED, NAME = "a-life", "femi"
MORNING = time(9, tzinfo=UTC)
COLLECTIONS = [name for each in TYPES.values() for name in each.collections]
FAULTS = ["server_error", "malformed", "rate_limit", "unauthorized", "forbidden"]
# As many as bring down every try of one request, and fewer.
TIMES = [1, 3, 5, 12]
# Oddities after which the row is that of the true documents, some of them without odd values.
SAME_ROW = {
    "repeated", "repeated_changed", "two_documents", "unknown", "float", "short_offset", "blank",
    "nine_digits", "twin", "nested", "overlapping", "other_ring", "poison", "nan",
}  # fmt: skip
SAME_NIGHT = {"null_type", "absent_type", "new_type"}
ODD_VALUES = {"beyond_64_bit", "out_of_range", "wrong_kind", "zeros", "offsetless"}
ODD_WEAR = {"off_in_night", "off_in_morning", "short_day", "no_classes"}
# These make the row another one: what of these documents the mapping makes is in its own tests.
OTHER_ROW = {
    "all_rest", "all_deleted", "fragment", "as_deleted_copy", "under_two_days", "off_all_day",
}  # fmt: skip
UNREADABLE = {"poison", "nan"}
RANGES = [None, 14, 30, 60]


@dataclass(frozen=True)
class AtOura:
    """What Oura has of a day: the metric document, the true one, and how the day is odd."""

    document: Any
    true: Any
    kinds: frozenset[str]


class Killed(BaseException):
    """The collector's process is gone; nothing of ours may catch it."""


class Dying:
    """Ends the collector before its n-th request to anybody, or after the answer came."""

    def __init__(self, requests_left, after=False):
        self.left, self.after = requests_left, after

    def __call__(self, send):
        self.left -= 1
        if self.left <= 0 and not self.after:
            raise Killed
        answer = send()
        if self.left <= 0:
            answer.close()
            raise Killed
        return answer


@dataclass(frozen=True)
class Account(KeyAccount):
    """The person's account at the sandbox in this process; its client dies with `dying`."""

    url: str
    dying: Any

    def client(self, waiting):
        made = OuraClient(self.url, self.key, timeout=60, retry_time=waiting)
        die(made.session, self.dying)
        return made


def die(session, dying):
    """Let each request of a session pass through `dying`, if there is one."""
    if dying:
        send = session.send
        session.send = lambda *given, **named: dying(lambda: send(*given, **named))


class Life:
    def __init__(self, url, settings, user, born=date(2024, 1, 1)):
        self.url, self.user, self.born = url, user, born
        settings.SANDBOX_SEED = SEED
        settings.SANDBOX_PAGE_SIZE = 1000
        # Each setting by the fixture nests one deeper; the last of them is changed in place.
        settings.SANDBOX_TODAY, settings.SANDBOX_DAYS = born, 1
        self.person = named_people(SEED)[NAME]
        self.begin()

    def begin(self):
        """The day before the first, with a sandbox in which nothing has happened."""
        self.today = self.born - ONE_DAY
        # Per type and day: when it became what.
        self.truth = defaultdict(list)
        self.hours = timedelta(0)
        store.reset()
        faults.clear()
        grants.state.lapsed.clear()
        request_counts.clear()

    # What happens ----------------------------------------------------------------------------

    @property
    def now(self):
        return datetime.combine(self.today, MORNING) + self.hours

    def wake(self):
        """The next morning: one more day is there."""
        self.today += ONE_DAY
        self.hours = timedelta(0)
        django.conf.settings.SANDBOX_TODAY = self.today
        django.conf.settings.SANDBOX_DAYS = (self.today - self.born).days + 1
        self.changed(self.today)

    def changed(self, day):
        """Look again at what Oura has of the day."""
        for type_ in TYPES:
            found = self.at_oura(type_, day)
            history = self.truth[type_, day]
            if not history or history[-1][1] != found:
                history.append((self.now, found))

    def at_oura(self, type_, day):
        metric_type = TYPES[type_]
        raws = {
            name: store.raw_documents(self.person, name, day) for name in metric_type.collections
        }
        documents = {name: list(map(oddities.decode, each)) for name, each in raws.items()}
        true = {
            name: store.true_documents(NAME, name, day) if self.born <= day <= self.today else []
            for name in metric_type.collections
        }
        kinds = {store.oddity_on(self.person, name, day) for name in metric_type.collections}
        before = {store.oddity_on(self.person, name, day - ONE_DAY) for name in ("sleep",)}
        if type_ == "sleep" and before == {"under_two_days"}:
            kinds |= before
        return AtOura(
            metric_type.map(
                day.isoformat(), {n: last_copies(each) for n, each in documents.items()}
            ),
            metric_type.map(day.isoformat(), true),
            frozenset(kinds - {None}),
        )

    def change(self, what, collection, day, **more):
        """Recompute, remove or restore; nothing where there is nothing."""
        try:
            getattr(store, what)(NAME, collection, day, **more)
        except (store.NotFound, ValueError):
            return
        self.changed(day)

    def odd(self, collection, day, kind):
        """Make a day odd, or, with None, as it was; nothing where that does not suit it."""
        try:
            store.set_oddity(NAME, collection, day, kind)
        except (store.NotFound, ValueError):
            return
        for each in (day, day + ONE_DAY):
            if each <= self.today:
                self.changed(each)

    def limit(self, max_days, status=400):
        limits.set_limits(NAME, limits.Limits(1000, max_days=max_days, status=status))

    def nap(self, day, kind):
        self.alter(store.set_nap, day, kind)

    def delete_periods(self, day, deleted):
        self.alter(store.set_periods_deleted, day, deleted=deleted)

    def alter(self, control, day, *more, **named):
        try:
            control(NAME, day, *more, **named)
        except (store.NotFound, ValueError):
            return
        self.changed(day)

    def fault(self, kind, times, path=None):
        faults.add(Fault(kind, times, path, None, 0))

    def calm(self):
        """Nothing fails any more."""
        faults.clear()
        grants.state.lapsed.clear()
        limits.clear_limits(NAME)
        for collection in COLLECTIONS:
            for day, kind in store.odd_days(self.person, collection).items():
                if kind in UNREADABLE:
                    self.odd(collection, day, None)

    def lapse(self):
        grants.state.lapsed.add(NAME)

    def collect(self, dying=None, **wish):
        """One run of the collector; whatever it meets, it never raises but when it is killed."""
        self.hours += timedelta(minutes=20)
        with time_machine.travel(self.now, tick=False):
            report = self._collect(dying, CollectOptions(**wish))
        # What happens next happens later.
        self.hours += timedelta(minutes=1)
        return report

    def _collect(self, dying, wish):
        waiting = RetryTime(lambda _: None, seconds=10_000)
        report = Report()
        account = Account(self.user.username, self.person.access_token, self.url, dying)
        with Processor(
            self.url,
            TOKEN,
            user=self.user.username,
            origin="sandbox",
            request_id=uuid.uuid4().hex,
            retry_time=waiting,
        ) as processor:
            die(processor.session, dying)
            try:
                Collector(account, processor, wish, report).collect(list(TYPES), waiting)
            except Killed:
                return None
        return report

    def restore_all(self):
        for collection in COLLECTIONS:
            day = self.born
            while day <= self.today:
                self.change("restore", collection, day)
                day += ONE_DAY

    def held(self):
        return {type_: set(self.rows(type_)) for type_ in TYPES}

    def there(self):
        """The days that Oura has now."""
        return {
            type_: {
                day
                for (name, day), each in self.truth.items()
                if name == type_ and each[-1][1].document
            }
            for type_ in TYPES
        }

    # What should be known --------------------------------------------------------------------

    def was(self, type_, day, moment):
        """What Oura had of the day at a moment."""
        history = self.truth[type_, day]
        index = bisect_right(history, moment, key=lambda each: each[0]) - 1
        return history[index][1] if index >= 0 else AtOura(None, None, frozenset())

    def ledger(self):
        return {
            type_: {day: each for each in ranges for day in each}
            for type_, ranges in ledger(
                self.user.pk, self.born, self.today, today=self.today
            ).items()
        }

    def rows(self, type_):
        names = ("day", "oura_id", "fetched_at", "created_at", *TYPES[type_].column_names)
        rows = METRIC_MODELS[type_].objects.of(self.user.pk)
        return {row["day"]: row for row in rows.values(*names)}

    def check(self):
        """The ledger says of every day what the sandbox knows to be true."""
        told = self.ledger()
        rows = {type_: self.rows(type_) for type_ in TYPES}
        asked = {
            (each.type, day): each.asked_at
            for each in Fetch.objects.filter(user=self.user, complete=True)
            for day in each.days.clamped(self.born, self.today) or ()
        }
        self.failed = list(Fetch.objects.filter(user=self.user, complete=False))
        days = list(Days(self.born, self.today))
        for type_ in TYPES:
            assert list(told[type_]) == days
            for day in days:
                self.check_day(type_, day, told[type_][day], rows, asked)

    def check_day(self, type_, day, found, rows, asked):
        row, moment = rows[type_].get(day), asked.get((type_, day))
        where = (type_, str(day), found, moment)
        if row:
            read_at = row["fetched_at"]
            then = self.was(type_, day, max(read_at, moment) if moment else read_at)
            assert then.document, where
            assert self.differences(type_, row, then) == {}, (where, then.kinds)
            if then.kinds & ODD_VALUES:
                assert found.state in ("partial", "held"), where
                return
            document = then.document
            lacking = TYPES[type_].missing_collection(document, document["source"])
            if type_ == "sleep":
                nothing = document["source"]["daily_sleep"] is None or document["duration"] is None
                assert bool(lacking) == nothing, where
            assert found.state == ("partial" if lacking else "held"), where
            return
        if moment:
            assert self.was(type_, day, moment).document is None, where
        assert found.state in self.possible(type_, day, rows, asked), where

    def differences(self, type_, row, then):
        """The columns in which the row is not the true one, or, of some days, its documents'."""
        document = then.document if then.kinds & (OTHER_ROW | ODD_WEAR) else then.true
        free = {"main_type"} if then.kinds & SAME_NIGHT else set()
        pairs = {name: (row[name], document[name]) for name in TYPES[type_].column_names}
        pairs["contributors"] = (row["contributors"], document["contributors"] or {})
        pairs["id"] = (row["oura_id"], document["id"])
        may_lack = bool(then.kinds & ODD_VALUES)
        return {
            name: pair
            for name, pair in pairs.items()
            if name not in free and not self.same_value(*pair, may_lack)
        }

    def same_value(self, stored, true, may_lack):
        if isinstance(true, dict):
            return all(self.same_value(stored.get(name), true[name], may_lack) for name in true)
        return stored == true or (may_lack and stored is None) or same_moment(stored, true)

    def possible(self, type_, day, rows, asked):
        """The states that a day without a row can be in: most often just one."""
        moment = asked.get((type_, day))
        failed = self.failures(type_, day, moment)
        if moment is None:
            return failed or {"not_asked"}
        over = over_at(day)
        later = min((each for each in rows[type_] if each > day), default=None)
        if moment < over:
            return failed or {"not_synced"}
        if later is None:
            # Where there was never anything, or the ring's own word, two weeks are enough.
            patient = moment >= over + timedelta(days=14)
            never = {"none"} if patient and not rows[type_] else set()
            word = {"not_worn"} if patient and TYPES[type_].of_night else set()
            return (failed or {"not_synced"}) | never | word
        if rows[type_][later]["created_at"] > moment + timedelta(minutes=15):
            return failed or {"not_synced"}
        return self.settled(type_, day, rows, asked)

    def failures(self, type_, day, since):
        """What later failures come to."""
        return {
            "no_permission" if each.kind in ("unauthorized", "forbidden") else "failed"
            for each in self.failed
            if each.type == type_ and each.start <= day <= each.end
            if since is None or each.asked_at > since
        }

    def worn(self, day):
        return nights.night(self.person, day).worn

    def settled(self, type_, day, rows, asked):
        if day < min(rows[type_]):
            return {"none"}
        if any(
            each.kinds & (ODD_WEAR | {"off_all_day"})
            for ago in range(2)
            for _, each in self.truth["activity", day - timedelta(ago)]
        ):
            # What the activity says of the ring is made up.
            return {"not_worn", "none"}
        always = [name for name, each in TYPES.items() if each.on_every_worn_day]
        if all(day not in rows[each] for each in always):
            known = [asked.get((each, day)) for each in always]
            if all(moment and moment >= over_at(day) for moment in known):
                return {"not_worn"}
        if not TYPES[type_].of_night:
            return {"none"}
        if not self.worn(day):
            return {"not_worn", "none"}
        if not self.worn(day - ONE_DAY) and not self.worn(day + ONE_DAY):
            # The two nights around it look like one without the ring, from what Oura tells of days.
            return {"not_worn", "none"}
        return {"not_worn", "none"} if in_drawer(self.person, day) else {"none"}


def last_copies(documents):
    return list({each["id"]: each for each in documents}.values())


def same_moment(stored, true):
    try:
        return datetime.fromisoformat(stored) == datetime.fromisoformat(true)
    except (TypeError, ValueError):
        return False


def over_at(day):
    """The contract's: when a day is over everywhere."""
    return datetime.combine(day + ONE_DAY, time(16), UTC)
