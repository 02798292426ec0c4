"""The one way in: documents to rows, in one transaction a request, with few statements.

What changes is decided by `ingest.changes`. Identity is (user, day). However many documents come,
the number of SQL statements is bounded.
"""

import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from msgspec import Raw

from accounts.models import Origin, User
from ingest import fetches, rejections, revisions, runs
from ingest.changes import (
    Changes,
    CompleteRange,
    Neighbour,
    Request,
    Row,
    Stored,
    decide,
    describe_sources,
    neighbours,
)
from ingest.documents import parse_all, values_of
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    Metric,
    MetricSource,
    RejectedDocument,
    Revision,
    Run,
    unpack,
)
from ingest.people import (
    LOCK,
    account_must_exist,
    check_generation,
    lock_person,
    sqlstate,
    unknown_account,
)
from ingest.revisions import Version
from metrics import MetricType
from metrics.columns import Contributors
from myhealth.days import utc_date
from myhealth.errors import START_OVER, Invalid
from myhealth.postgresql.prepared import Rows, Statement, Transaction

_ATTEMPTS = 5
# Stronger compression takes three times as long for a sixth less.
_FAST = 1
_OTHER_OWNER = (
    "This account has the data of another Oura account, so these can't be added to it. "
    f"{START_OVER}"
)
# SQLSTATE: unique_violation, serialization_failure, deadlock_detected.
_PASSING = ("23505", "40001", "40P01")


@dataclass
class Outcome:
    """What became of a request's documents.

    `warnings` has the messages about each stored document of which a value could not be stored.
    `repeated` counts rejections already known, `healed` days that had been missing and came,
    `revised` days that were over and are another or none now.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    healed: int = 0
    revised: int = 0

    @property
    def stored(self) -> int:
        return self.created + self.updated + self.unchanged


def store(
    model: type[Metric],
    user_id: int,
    sent: Iterable[bytes | Raw],
    *,
    fetched_at: datetime,
    now: datetime,
    origin: str | None = None,
    owner: str | None = None,
    complete: CompleteRange | None = None,
    generation: str = "",
) -> Outcome:
    """Store documents of one type and account; what is counted is committed.

    Bad documents are kept as rejected, the others stored. With `complete` they are all that Oura
    has of that range: stored days of it that they leave out go. Raises Invalid when the account has
    data of another origin or another Oura account, or is gone. Raises DataDeleted when a generation
    was sent that is not the account's any more.
    """
    documents, rejected = parse_all(model.metric_type, sent, today=utc_date(now))
    request = Request(model.metric_type, user_id, now, documents, rejected, fetched_at, complete)
    source = (origin or "", owner or "")
    may_share = request.may_share_lock
    for attempt in range(_ATTEMPTS):
        try:
            with account_must_exist(), Transaction() as each:
                outcome = _store(
                    each, model, request, fetched_at, source, generation, shares=may_share
                )
            if outcome:
                return outcome
        except (IntegrityError, OperationalError) as error:
            # Another sender committed one of our ids or days meanwhile, or waited for us in turn:
            # look again, and it is an ordinary rejection, or change.
            if attempt == _ATTEMPTS - 1 or sqlstate(error) not in _PASSING:
                raise
        may_share = False
    raise AssertionError("unreachable")


def _store(
    transaction: Transaction,
    model: type[Metric],
    request: Request,
    fetched_at: datetime,
    sent_source: tuple[str, str],
    generation: str,
    *,
    shares: bool,
) -> Outcome | None:
    """Return the outcome; None if nothing was stored, since the lock must not be shared."""
    type_, user_id, now = request.metric_type.name, request.user_id, request.now
    _, found, rows, fetched, entries = transaction.execute(
        Statement(_SHARED_LOCK if shares else _LOCK, (f"ingest:{type_}", user_id)),
        Statement(_SELECT_ACCOUNT, (rejections.oldest_kept(now), user_id)),
        _select_rows(model, request),
        fetches.select(user_id, type_),
        rejections.select(
            user_id, type_, request.documents, request.rejected, fetched_at, request.covers, now
        ),
    )
    if not found:
        raise unknown_account()
    [(has_old_entries, origin, owner, current_generation)] = found
    check_generation(generation, current_generation)
    stored = Stored([to_row(each) for each in rows], fetches.from_rows(fetched), entries)
    decided = decide(request, stored)
    if shares and not decided.only_add_rows:
        return None
    _check_source(transaction, decided, sent_source, (origin or "", owner or ""))
    saved = complete_changes(transaction, model, decided)
    outcome = _outcome(decided, saved)
    more = [rejections.delete_old(now)] if has_old_entries else []
    if request.complete:
        counts = {name: getattr(outcome, name) for name in runs.COUNTERS_OF_DAYS}
        more.append(runs.add_to_counters(user_id, request.complete.run, now, **counts))
    transaction.execute(*apply(model, decided, saved), *more, commit=True)
    return outcome


def _outcome(decided: Changes, saved: Iterable[dict[str, Any]]) -> Outcome:
    return Outcome(
        decided.created,
        decided.updated,
        decided.unchanged,
        [{"index": each.index, "id": each.id, "errors": each.errors} for each in decided.rejected],
        # Of what was not stored, since it is older or came twice, nothing is lost.
        [
            {"index": each.index, "id": each.id, "errors": errors}
            for each in decided.fresh
            if (errors := decided.warnings.get(each.day))
        ],
        decided.rejections.repeats,
        decided.healed,
        # A row that only another mapping has changed was not revised.
        sum(each["kind"] != Revision.Kind.REMAPPED for each in saved),
    )


def delete_metrics(user_id: int) -> None:
    """Delete all that is stored of a person: rows, sources, rejected documents, origin.

    What runs that have begun still send is refused.
    """
    with transaction.atomic():
        for model in METRIC_MODELS.values():
            type_ = model.metric_type.name
            lock_person(f"ingest:{type_}", user_id)
            model.objects.of(user_id).delete()
            with Transaction() as each:
                each.execute(raise_versions(user_id, type_, rows=True, ledger=True), commit=True)
        lock_person("runs", user_id)
        for other in (MetricSource, RejectedDocument, Origin, Fetch, Revision, Run):
            other._default_manager.filter(user_id=user_id).delete()
        User.objects.filter(pk=user_id).update(data_generation=uuid.uuid4())


# Reading ------------------------------------------------------------------------------------------

# One writer at a time for a person and type, so that decisions hold until the commit. A caller that
# needs several locks takes them in the registry's order. Only requests that add a single row share
# the lock: if two add the same, one violates a unique index. Everything is read by other statements
# than the one that waits, which see what the previous writer has committed.
_LOCK = f"SELECT {LOCK}::text"
_SHARED_LOCK = _LOCK.replace("xact_lock", "xact_lock_shared")
_SELECT_ACCOUNT = f"""
    SELECT {rejections.OLD_EXIST}, o.name, o.owner, u.data_generation::text
    FROM accounts_user AS u LEFT JOIN metric_origins AS o ON o.user_id = u.id
    WHERE u.id = %s::bigint"""
_ABOUT_SOURCE = """
    '[' || s.provenance::text || ',' || coalesce(s.wear::text, 'null') || ','
        || s.warnings::text || ']'"""
# What `to_row` needs.
ROW = f"""
    m.id, m.user_id, m.oura_id, m.day, m.content_hash, m.missing_collection, m.fetched_at,
    {_ABOUT_SOURCE}"""
WITH_SOURCE = """
    LEFT JOIN metric_sources AS s ON s.user_id = m.user_id AND s.type = %s::text AND s.day = m.day
    WHERE"""
_NEIGHBOURS = f"""
    SELECT s.day, s.content, {_ABOUT_SOURCE} FROM metric_sources AS s
    WHERE s.type = %s::text AND s.user_id = %s::bigint AND s.day = ANY(%s::date[])"""


def _select_rows(model: type[Metric], request: Request) -> Statement:
    """Return the statement that reads the rows of the request's days, ids and complete range."""
    values: list[Any] = [request.metric_type.name, request.user_id]
    if len(request.documents) == 1:
        is_day, is_id = "m.day = %s::date", "m.oura_id = %s::text"
        values += [request.documents[0].day, request.documents[0].id]
    else:
        is_day, is_id = "m.day = ANY(%s::date[])", "m.oura_id = ANY(%s::text[])"
        values.append([each.day for each in request.documents])
        values.append([each.id for each in request.documents])
    sql = f"""
        SELECT {ROW} FROM {model._meta.db_table} AS m {WITH_SOURCE}
        m.user_id = %s::bigint AND {is_day} OR {is_id}"""
    if request.covers:
        sql += " OR m.user_id = %s::bigint AND m.day BETWEEN %s::date AND %s::date"
        values += [request.user_id, request.covers.start, request.covers.end]
    # How to find many rows depends on how many there are, which the first import changes.
    return Statement(sql, values, prepared=len(request.documents) == 1)


def to_row(row: Sequence[Any]) -> Row:
    return Row._make((*row[:-1], row[-1] and orjson.loads(row[-1]), None))


@cache
def columns(metric_type: MetricType) -> str:
    """Return the columns that `values_from` needs."""
    jsons = {each.name for each in metric_type.columns if isinstance(each.kind, Contributors)}
    names = ("oura_id", *metric_type.column_names)
    return ", ".join(f'm."{name}"' + ("::text" if name in jsons else "") for name in names)


def values_from(metric_type: MetricType, columns: Sequence[Any]) -> dict[str, Any]:
    """Return the columns by name, with the id as `oura_id`."""
    values = dict(zip(("oura_id", *metric_type.column_names), columns, strict=True))
    if values.get("contributors") is not None:
        values["contributors"] = orjson.loads(values["contributors"])
    return values


def complete_changes(
    transaction: Transaction, model: type[Metric], decided: Changes
) -> list[dict[str, Any]]:
    """Complete the changes by what else is stored of days that change; return their revisions."""
    request, metric_type = decided.request, model.metric_type
    around, versions, sources = neighbours(decided), Rows(), Rows()
    if decided.replaced or around:
        sql = f"""
            SELECT m.day, m.content_hash, m.fetched_at, s.content, {columns(metric_type)}
            FROM {model._meta.db_table} AS m {WITH_SOURCE}
            m.user_id = %s::bigint AND m.day = ANY(%s::date[])"""
        person = (metric_type.name, request.user_id)
        versions, sources = transaction.execute(
            Statement(sql, (*person, [*decided.replaced]), prepared=False),
            Statement(_NEIGHBOURS, (*person, [*around]), prepared=False),
        )
    describe_sources(decided, _neighbours(metric_type, sources))
    saved = []
    for day, content_hash, fetched_at, content, *row in versions:
        document = decided.replaced[day]
        kind = Revision.Kind.CHANGED if document else Revision.Kind.REMOVED
        if request.fetched_at is None:
            kind = Revision.Kind.REMAPPED
        version = Version(day, content_hash, fetched_at, values_from(metric_type, row), content)
        if revision := revisions.revision(metric_type, version, document, kind):
            saved.append(revision)
    return saved


def _neighbours(metric_type: MetricType, sources: Rows) -> Iterator[Neighbour]:
    for day, content, about_source in sources:
        documents = unpack(content)
        # Of a damaged one, the warnings stay.
        if documents is not None:
            spans = metric_type.spans_of(documents) if isinstance(documents, dict) else []
            yield Neighbour(day, spans, orjson.loads(about_source))


def _check_source(
    transaction: Transaction, decided: Changes, sent: tuple[str, str], known: tuple[str, str]
) -> None:
    """Raise Invalid if origin and owner that were sent are others than the account's.

    The first data that are stored fix the origin. The first owner that comes with data, or with a
    complete range, is the account's.
    """
    (origin, owner), is_complete = sent, decided.request.complete is not None
    is_stored = decided.created + decided.updated + decided.unchanged > 0
    first_origin = origin if is_stored or (owner and is_complete) else ""
    first_owner = owner if is_stored or is_complete else ""
    if (first_origin and not known[0]) or (first_owner and not known[1]):
        # Another type's writer may be doing so as well: then this one waits, and is second.
        values = (decided.request.user_id, first_origin, first_owner)
        [[(known_origin, known_owner)]] = transaction.execute(Statement(_FIX_ORIGIN, values))
        known = (known_origin, known_owner)
    if origin and known[0] not in ("", origin):
        text = f"This account has {known[0]} data, so {origin} data can't be added to it."
        raise Invalid({"origin": [text]}, code="other_origin")
    if owner and known[1] not in ("", owner):
        raise Invalid({"owner": [_OTHER_OWNER]}, code="other_owner")


_FIX_ORIGIN = """
    INSERT INTO metric_origins AS o (user_id, name, owner)
    VALUES (%s::bigint, %s::text, %s::text)
    ON CONFLICT (user_id) DO UPDATE SET
        name = coalesce(nullif(o.name, ''), EXCLUDED.name),
        owner = coalesce(nullif(o.owner, ''), EXCLUDED.owner)
    RETURNING name, owner"""


# Writing ------------------------------------------------------------------------------------------


def apply(
    model: type[Metric], decided: Changes, saved: Sequence[dict[str, Any]]
) -> Iterator[Statement]:
    """Yield the statements that make the changes, and save revisions."""
    request = decided.request
    user_id, type_, table = request.user_id, request.metric_type.name, model._meta.db_table
    if saved:
        yield revisions.save(user_id, type_, saved, request.now)
    if decided.removed:
        yield _sql(f"DELETE FROM {table} WHERE {_DAYS_OF_USER}", user_id, [*decided.removed])
    if decided.written:
        yield _upsert(model, decided)
    yield from _write_sources(decided)
    if decided.refetched:
        sql = f"UPDATE {table} SET fetched_at = greatest(fetched_at, %s::timestamptz)"
        yield _sql(f"{sql} WHERE id = ANY(%s::bigint[])", request.fetched_at, decided.refetched)
    if decided.marked:
        ids, hashes, missing = map(list, zip(*decided.marked, strict=True))
        yield Statement(_MARK.format(table=table), (ids, hashes, missing), prepared=False)
    if decided.fetches is not None:
        yield from fetches.replacing(user_id, type_, decided.recorded, decided.fetches)
    if request.fetched_at is not None:
        yield from rejections.statements(
            decided.rejections, user_id, type_, fetched_at=request.fetched_at, now=request.now
        )
    if decided.changes_rows or decided.changes_ledger:
        yield raise_versions(
            user_id, type_, rows=decided.changes_rows, ledger=decided.changes_ledger
        )


def _sql(sql: str, *values: Any) -> Statement:
    return Statement(sql, values)


_DAYS_OF_USER = "user_id = %s::bigint AND day = ANY(%s::date[])"
_MARK = """
    UPDATE {table} AS m
    SET content_hash = u.content_hash, missing_collection = u.missing_collection
    FROM unnest(%s::bigint[], %s::bytea[], %s::text[]) AS u(id, content_hash, missing_collection)
    WHERE m.id = u.id"""
_DELETE_SOURCES = f"DELETE FROM metric_sources WHERE type = %s::text AND {_DAYS_OF_USER}"
_SAVE_SOURCES = """
    INSERT INTO metric_sources (user_id, type, day, provenance, wear, warnings, content)
    SELECT %s::bigint, %s::text, u.*
    FROM ROWS FROM (
        json_to_recordset(%s::json) AS (day date, provenance jsonb, wear jsonb, warnings jsonb),
        unnest(%s::bytea[])) AS u
    ON CONFLICT (user_id, type, day) DO UPDATE SET content = EXCLUDED.content,
        provenance = EXCLUDED.provenance, wear = EXCLUDED.wear, warnings = EXCLUDED.warnings"""
_DESCRIBE_SOURCES = """
    UPDATE metric_sources AS s
    SET provenance = u.provenance, wear = u.wear, warnings = u.warnings
    FROM json_to_recordset(%s::json) AS u(day date, provenance jsonb, wear jsonb, warnings jsonb)
    WHERE s.user_id = %s::bigint AND s.type = %s::text AND s.day = u.day"""


def _upsert(model: type[Metric], decided: Changes) -> Statement:
    """Return the statement that writes rows. Without a fetch, they keep when they were fetched."""
    request, written = decided.request, decided.written
    is_fetched = request.fetched_at is not None
    sql = _upsert_sql(model, len(written) == 1, decided.updated > 0, is_fetched)
    common = (request.user_id, request.now, request.now, request.fetched_at or request.now)
    if len(written) == 1:
        values = values_of(request.metric_type, written[0])
        if "contributors" in values:
            values["contributors"] = orjson.dumps(values["contributors"]).decode()
        known = (written[0].day, written[0].content_hash, written[0].missing_collection)
        return _sql(sql, *common, *known, *values.values())
    rows = b",".join(
        # A content is a JSON object, which is never empty.
        b'%b,"content_hash":"\\\\x%b","missing_collection":"%b"}'
        % (each.content[:-1], each.content_hash.hex().encode(), each.missing_collection.encode())
        for each in written
    )
    return _sql(sql, *common, f"[{rows.decode()}]")


@cache
def _upsert_sql(model: type[Metric], is_single: bool, has_updates: bool, is_fetched: bool) -> str:
    names = (
        "day",
        "content_hash",
        "missing_collection",
        "oura_id",
        *model.metric_type.column_names,
    )
    types = {
        connection.ops.quote_name(name): str(model._meta.get_field(name).db_type(connection))
        for name in names
    }
    columns = ", ".join(types)
    common = "%s::bigint, %s::timestamptz, %s::timestamptz, %s::timestamptz"
    if is_single:
        # Twice as fast as the other.
        rows = f"VALUES ({common}, {', '.join(f'%s::{type_}' for type_ in types.values())})"
    else:
        # Ordered by id: two people's senders that meet in the unique index wait in one order.
        record = ", ".join(f"{name} {type_}" for name, type_ in types.items())
        rows = f"""SELECT {common}, {columns}
            FROM json_to_recordset(%s::json) AS r({record}) ORDER BY oura_id"""
    sql = f"""INSERT INTO {model._meta.db_table}
        (user_id, created_at, updated_at, fetched_at, {columns}) {rows}"""
    if not has_updates:
        return sql
    changed = [*types, "updated_at", *(["fetched_at"] if is_fetched else [])]
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in changed)
    return f"{sql} ON CONFLICT (user_id, day) DO UPDATE SET {updates}"


def _write_sources(decided: Changes) -> Iterator[Statement]:
    request = decided.request
    user_id, type_ = request.user_id, request.metric_type.name
    gone = {day for day in decided.removed if decided.before[day].about_source is not None}
    # Rows that are derived again keep their sources.
    written = decided.written if request.fetched_at is not None else []
    for each in written:
        row = decided.before.get(each.day)
        if each.source is None and row and row.about_source is not None:
            gone.add(each.day)
    if gone:
        yield Statement(_DELETE_SOURCES, (type_, user_id, [*gone]))
    new = [each for each in written if each.source is not None]
    if new:
        rows = [
            _about_source(each.day, each.provenance, each.wear, decided.warnings[each.day])
            for each in new
        ]
        contents = [zlib.compress(each.source, _FAST) for each in new if each.source]
        yield Statement(_SAVE_SOURCES, (user_id, type_, orjson.dumps(rows).decode(), contents))
    if decided.about_sources:
        rows = [_about_source(day, *each) for day, each in decided.about_sources.items()]
        values = (orjson.dumps(rows).decode(), user_id, type_)
        yield Statement(_DESCRIBE_SOURCES, values, prepared=False)


def _about_source(day: date, provenance: Any, wear: Any, warnings: Any) -> dict[str, Any]:
    return {"day": day, "provenance": provenance, "wear": wear, "warnings": warnings}


def raise_versions(
    user_id: int, type_: str, *, rows: bool = False, ledger: bool = False
) -> Statement:
    """Count on from the clock: neither deleting a person nor restoring a backup repeats one."""
    return Statement(_RAISE_VERSIONS, (user_id, type_, rows, ledger))


_RAISE_VERSIONS = """
    INSERT INTO metric_streams AS s (user_id, type, version, ledger_version)
    SELECT u.user_id, u.type, u.rows::int * u.clock, u.ledger::int * u.clock
    FROM (SELECT %s::bigint AS user_id, %s::text AS type, %s::boolean AS rows,
        %s::boolean AS ledger, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock
    ) AS u
    ON CONFLICT (user_id, type) DO UPDATE SET
        version = CASE EXCLUDED.version WHEN 0 THEN s.version
            ELSE greatest(s.version + 1, EXCLUDED.version) END,
        ledger_version = CASE EXCLUDED.ledger_version WHEN 0 THEN s.ledger_version
            ELSE greatest(s.ledger_version + 1, EXCLUDED.ledger_version) END"""
