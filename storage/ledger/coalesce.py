"""Coalescing: in a bulk lane newer values absorb older ones, so that one open delivery per key is left to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from domain.ids import new_id
from domain.stock import is_newer
from storage.bulk import BulkInsert, BulkUpdate, Fixed, Statement, as_json, looked_up, rows_of, values_of, word
from storage.sql import chunks
from storage.tables import deliveries, messages, sync_log

_COLUMNS = (
    deliveries.c.id, deliveries.c.lane, deliveries.c.coalesce_key, deliveries.c.version, deliveries.c.event_time,
    deliveries.c.token, deliveries.c.message_id, deliveries.c.account_id, deliveries.c.channel_id,
    deliveries.c.job_type, deliveries.c.business_key, deliveries.c.trigger, deliveries.c.seq,
)  # fmt: skip

Row = dict[str, Any]
LOG = BulkInsert(sync_log, [each.name for each in sync_log.columns])


_SUPERSEDE = BulkUpdate(
    {"b_id": Text(), "b_winner": Text(), "b_sentence": Text(), "b_now": BigInteger()},
    lambda value: (
        update(deliveries)
        .where(deliveries.c.id == value("b_id"), deliveries.c.state == "open")
        .values(
            state="superseded",
            cause="",
            code="superseded",
            superseded_by=value("b_winner"),
            sentence=value("b_sentence"),
            settled_at=value("b_now"),
        )
    ),
)


def coalesce(connection: Connection, lane: str, newcomers: Sequence[Row], now: int, *, was_empty: bool) -> list[Row]:
    """Keep one open delivery per coalescing key: the newest. What it absorbs names it, and is returned.

    What runs at this moment can absorb but not be absorbed.
    """
    newest: dict[str, Row] = {}
    lost: list[tuple[Row, str]] = []
    if not was_empty:
        newest = _newest_open(connection, lane, sorted({row["coalesce_key"] for row in newcomers}))
    for row in newcomers:
        key = row["coalesce_key"]
        other = newest.get(key)
        if other is None:
            newest[key] = row
        elif is_newer(_age(row), _age(other)):
            newest[key] = row
            if other.get("token") is None:
                lost.append((other, row["id"]))
        else:
            lost.append((row, other["id"]))
    return _absorb(connection, lost, now)


def fold(connection: Connection, lanes: Sequence[str], now: int) -> None:
    """Coalesce what came back into these bulk lanes: a failed, interrupted or replayed value may have become the older
    one of two."""
    shared: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for part in chunks(lanes):
        crowded = (
            select(deliveries.c.lane, deliveries.c.coalesce_key)
            .where(deliveries.c.lane.in_(part), deliveries.c.state == "open", deliveries.c.coalesce_key.is_not(None))
            .group_by(deliveries.c.lane, deliveries.c.coalesce_key)
            .having(func.count() > 1)
        )
        query = select(*_COLUMNS).where(
            deliveries.c.state == "open", tuple_(deliveries.c.lane, deliveries.c.coalesce_key).in_(crowded)
        )
        for row in connection.execute(query.order_by(deliveries.c.seq)).mappings():
            shared[row["lane"], row["coalesce_key"]].append({**row, "stored": True})
    lost = []
    for rows in shared.values():
        winner = _newest(rows)
        lost += [(row, winner["id"]) for row in rows if row is not winner and row["token"] is None]
    log_ended(connection, _absorb(connection, lost, now), now)


def _age(row: Row) -> tuple[int | None, int]:
    return row["version"], row["event_time"]


def _newest(rows: Sequence[Row]) -> Row:
    winner = rows[0]
    for row in rows[1:]:
        if is_newer(_age(row), _age(winner)):
            winner = row
    return winner


def _newest_open(connection: Connection, lane: str, keys: Sequence[str]) -> dict[str, Row]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in _OPEN.run(connection, values=as_json(keys), lane=lane).mappings():
        found[row["coalesce_key"]].append({**row, "stored": True})
    return {key: _newest(sorted(rows, key=itemgetter("seq"))) for key, rows in found.items()}


def _open(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (deliveries.c.lane == bindparam("lane")) & (deliveries.c.state == word("open"))
    mine &= deliveries.c.coalesce_key == given.c.value
    return looked_up(dialect, given, deliveries, mine, _COLUMNS)


_OPEN = Fixed(_open)


def _absorb(connection: Connection, lost: Sequence[tuple[Row, str]], now: int) -> list[Row]:
    stored = []
    for row, winner in lost:
        row.update(
            state="superseded",
            code="superseded",
            superseded_by=winner,
            settled_at=now,
            sentence=f"A newer value took its place (delivery {winner}).",
        )
        if row.get("stored"):
            stored.append({"b_id": row["id"], "b_winner": winner, "b_sentence": row["sentence"], "b_now": now})
    _SUPERSEDE.run(connection, stored)
    return [row for row, _ in lost]


def _ended(dialect: str) -> Statement:
    """The log rows of deliveries that ended without an attempt, made of what their own rows and messages say."""
    given = rows_of(dialect, {"log_id": Text(), "delivery_id": Text()})
    joined = deliveries.join(messages, messages.c.id == deliveries.c.message_id)
    superseded = deliveries.c.state == word("superseded")
    now = bindparam("now", type_=BigInteger)
    nothing = {"{}": word("{}"), "[]": word("[]")}
    if dialect == "postgresql":
        nothing = {text: cast(value, JSON) for text, value in nothing.items()}
    made: dict[str, ColumnElement[Any]] = {
        **{name: deliveries.c[name] for name in _OF_DELIVERY},
        "correlation_id": messages.c.correlation_id,
        "trace_id": messages.c.trace_id,
        "delivery_id": deliveries.c.id,
        "started_at": now,
        "finished_at": now,
        "attempt": literal_column("0"),
        "outcome": case((superseded, word("Superseded")), else_=word("Skipped")),
        "level": case((superseded, word("Info")), else_=word("Warning")),
        "counts": nothing["{}"],
        "calls": nothing["[]"],
        "call_count": literal_column("0"),
        "actor": word("towpath"),
    }
    made = {"id": given.c.log_id, **made}
    columns = [value.label(name) for name, value in made.items()]
    found = looked_up(dialect, given, joined, deliveries.c.id == given.c.delivery_id, columns)
    return insert(sync_log).from_select(list(made), found)


_OF_DELIVERY = (
    "account_id", "channel_id", "message_id", "job_type", "trigger", "business_key", "code", "sentence", "superseded_by"
)  # fmt: skip
_ENDED = Fixed(_ended)


def log_ended(connection: Connection, rows: Sequence[Row], now: int) -> None:
    """One log row for each of these deliveries, which ended without an attempt: the log tells of every event."""
    if rows:
        _ENDED.run(connection, rows=as_json([{"log_id": new_id(), "delivery_id": row["id"]} for row in rows]), now=now)
