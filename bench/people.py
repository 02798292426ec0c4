"""Accounts, their tokens and documents, and copies of a person's days in the tables.

Copies are made by SQL from rows that the processor itself has stored, so that nothing here has to
know what the columns mean.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
import orjson

from bench.database import Database

TEN_YEARS = 3653
TYPES = ("sleep", "activity", "readiness")
# What belongs to an account, not to its days.
# (axes, token_blacklist: of a version that is measured beside.)
_NOT_COPIED = ("accounts_", "auth_", "axes_", "django_", "oura_", "token_blacklist_")
# Days that documents are written for, of one person: a multiple of the largest request.
SPAN = 5000
FIRST_WRITTEN = date(2011, 1, 1)
# So many people are written to in turn, as collectors would.
_WRITERS = 50
_COLUMNS: dict[str, dict[str, Any]] = {
    "sleep": {
        "duration": 27000,
        "time_in_bed": 30000,
        "deep_sleep_duration": 5400,
        "light_sleep_duration": 14400,
        "rem_sleep_duration": 6200,
        "awake_time": 3000,
        "latency": 600,
        "efficiency": 88,
        "average_heart_rate": 56.5,
        "lowest_heart_rate": 48,
        "average_hrv": 61,
        "average_breath": 14.25,
        "contributors": {"deep_sleep": 90, "efficiency": 88, "latency": 70, "timing": 95},
    },
    "activity": {
        "active_calories": 400,
        "total_calories": 2400,
        "steps": 9000,
        "high_activity_minutes": 12,
        "medium_activity_minutes": 50,
        "low_activity_minutes": 200,
        "contributors": {"meet_daily_targets": 80, "move_every_hour": 95, "stay_active": 70},
    },
    "readiness": {
        "temperature_deviation": -0.12,
        "contributors": {"activity_balance": 80, "resting_heart_rate": 90, "sleep_balance": 75},
    },
}


@dataclass(frozen=True)
class Person:
    id: int
    name: str


def today() -> date:
    return datetime.now(UTC).date()


def document(type_: str, id_: str, day: date, number: int) -> dict[str, Any]:
    """Return a document as the collector sends it, with all columns and without a source."""
    document = {"id": id_, "day": day.isoformat(), "score": 40 + number % 60, **_COLUMNS[type_]}
    if type_ == "sleep":
        document["duration"] = 20000 + number % 9000
        document["bedtime_start"] = f"{day}T00:10:00+01:00"
        document["bedtime_end"] = f"{day}T08:10:00+01:00"
    return document


def document_columns(type_: str) -> list[str]:
    """Return the names of the columns of a table that hold such a document."""
    return ["oura_id" if name == "id" else name for name in document(type_, "", today(), 0)]


def written(type_: str, id_: str, number: int, first: date = FIRST_WRITTEN) -> dict[str, Any]:
    """Return the document of one of the `SPAN` days that requests write, from `first` on."""
    return document(type_, id_, first + timedelta(number), number)


def history(person: str, days: int) -> Iterator[dict[str, Any]]:
    """Yield the bodies of the requests that store a person's last `days` days of all types."""
    size, last = 1000, today()
    for type_ in TYPES:
        for first in range(0, days, size):
            numbers = range(first, min(first + size, days))
            dates = [last - timedelta(days=number) for number in numbers]
            yield {
                "type": type_,
                "user": person,
                "read": {"start": str(dates[-1]), "end": str(dates[0])},
                "data": [
                    document(type_, f"{person} {type_} {day}", day, number)
                    for day, number in zip(dates, numbers, strict=True)
                ],
            }


def create_like(database: Database, model: str, names: Iterable[str]) -> list[Person]:
    """Create accounts that are copies of another one, but for their names, signed in once."""
    columns = [name for name in _columns(database, "accounts_user") if name != "id"]
    chosen = ["u.name" if name == "username" else f"held.{name}" for name in columns]
    created = database.rows(
        f"INSERT INTO accounts_user ({', '.join(columns)}) SELECT {', '.join(chosen)} "
        "FROM accounts_user AS held CROSS JOIN unnest(%s::text[]) AS u(name) "
        "WHERE held.username = %s RETURNING id, username",
        list(names),
        model,
    )
    ids = [id_ for id_, _ in created]
    # The id of a family is the account's, so that tokens can be made without asking for it. A
    # version that is measured beside may have none.
    if _columns(database, "accounts_tokenfamily"):
        database.rows(
            "INSERT INTO accounts_tokenfamily (id, user_id, signed_in_at, current, expires_at) "
            "SELECT lpad(to_hex(u.id), 32, '0')::uuid, u.id, now(), gen_random_uuid(), "
            "now() + interval '90 days' FROM unnest(%s::bigint[]) AS u(id) RETURNING 1",
            ids,
        )
    return [Person(*row) for row in created]


def copy_days(database: Database, model: Person, people: Iterable[Person], days: int) -> None:
    """Give the people copies of the last `days` days of another person."""
    ids = [person.id for person in people]
    first = today() - timedelta(days=days)
    with database.connect() as connection:
        # Without the checks of foreign keys, which hold.
        connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        for table in _tables_of_people(database):
            columns = [name for name in _columns(database, table) if name != "id"]
            own = {"user_id": "u.id", "oura_id": "u.id || ' ' || held.oura_id"}
            chosen = [own.get(name, f"held.{name}") for name in columns]
            of_days = " AND held.day::text >= %(first)s::text" if "day" in columns else ""
            statement = (
                f"INSERT INTO {table} ({_quoted(columns)}) SELECT {', '.join(chosen)} "
                f"FROM {table} AS held CROSS JOIN unnest(%(ids)s::bigint[]) AS u(id) "
                f"WHERE held.user_id = %(model)s{of_days}"
            )
            connection.execute(statement.encode(), {"ids": ids, "model": model.id, "first": first})
    database.settle()


def raise_versions(database: Database, person: Person | None = None) -> None:
    """Outdate every answer that a service may keep ready, or those of one person."""
    columns = [name for name in _columns(database, "metric_streams") if name.endswith("version")]
    if columns:
        changes = ", ".join(f"{name} = {name} + 1" for name in columns)
        of_person = f" WHERE user_id = {person.id}" if person else ""
        database.run(f"UPDATE metric_streams SET {changes}{of_person}")


def _tables_of_people(database: Database) -> list[str]:
    tables = database.rows(
        "SELECT table_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name = 'user_id' ORDER BY table_name"
    )
    return [name for (name,) in tables if not name.startswith(_NOT_COPIED)]


def _columns(database: Database, table: str) -> list[str]:
    rows = database.rows(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        table,
    )
    return [name for (name,) in rows]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class Tokens:
    """Access tokens like one that a login brought, for anybody created like it, each one new."""

    def __init__(self, token: str, secret: str) -> None:
        self.secret = secret
        self.claims = jwt.decode(token, options={"verify_signature": False})

    def new(self, person: Person) -> str:
        now, held = int(time.time()), self.claims
        changed = {
            "user_id": type(held["user_id"])(person.id),
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + held["exp"] - held["iat"],
        }
        if "family" in held and str(person.id) != str(held["user_id"]):
            changed["family"] = str(uuid.UUID(int=person.id))
        return jwt.encode({**held, **changed}, self.secret, algorithm="HS256")


class Writing:
    """New documents for days that no request was about: some people in turn, `size` days each."""

    def __init__(
        self,
        create: Callable[[list[str]], list[Person]],
        size: int,
        first: date = FIRST_WRITTEN,
    ) -> None:
        self.create, self.size, self.first = create, size, first
        self.sent = 0
        self.people: list[Person] = []
        self.stamp = uuid.uuid4().hex[:8]

    def bodies(self, count: int) -> list[bytes]:
        """Return the bodies of the next `count` requests."""
        numbers = range(self.sent, self.sent + count)
        self.sent += count
        return [self._body(number) for number in numbers]

    def _body(self, number: int) -> bytes:
        writer, block = turn(number, SPAN // self.size)
        while writer >= len(self.people):
            numbers = range(len(self.people), len(self.people) + _WRITERS)
            self.people += self.create([f"writer-{self.stamp}-{each}" for each in numbers])
        days = range(block * self.size, (block + 1) * self.size)
        data = [written("sleep", f"{self.stamp}-{writer}-{day}", day, self.first) for day in days]
        return dumps(
            {
                "type": "sleep",
                "user": self.people[writer].name,
                "data": data if self.size > 1 else data[0],
            }
        )


def turn(number: int, blocks: int) -> tuple[int, int]:
    """Return whose turn a request is, and which of that person's `blocks`."""
    lap, place = divmod(number, _WRITERS)
    group, block = divmod(lap, blocks)
    return group * _WRITERS + place, block


def dumps(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body)
