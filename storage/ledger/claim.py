"""Claiming: a worker takes lanes that are due and gets the deliveries at their heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, FromClause, Row, Text, bindparam, select, true, update

from broker.ledger import Claim, Delivery, Shares
from domain.states import LaneKind
from storage.bulk import BulkUpdate, Fixed, Statement, as_json, values_of, word
from storage.ledger.due import due, due_in_turn, due_suspect
from storage.ledger.rows import delivery_query, to_delivery
from storage.tables import deliveries, lanes, messages

BULK_LIMIT = 2000
"""Deliveries of a bulk lane taken at once."""


def claim(
    connection: Connection,
    worker: str,
    job_types: Sequence[str],
    most: int,
    skip: Sequence[str],
    now: int,
    *,
    shares: Shares | None = None,
) -> list[Claim]:
    """Take up to ``most`` due lanes, oldest due first; with ``shares``, or channels in ``skip``, the channels in turn.
    A lane somebody holds is never taken.
    """
    suspect = due_suspect(connection, worker, job_types, skip, now)
    most -= len(suspect)
    if skip or shares is not None:
        keys = due_in_turn(connection, job_types, most, skip, now, shares or Shares(most))
    else:
        keys = due(connection, job_types, most, now)
    return take(connection, worker, [*suspect, *keys], now)


def take(connection: Connection, worker: str, keys: Sequence[str], now: int) -> list[Claim]:
    """Make ``worker`` the holder of lanes that the caller found free (or holds already) in this transaction; the claims
    stand in the order of ``keys``.
    """
    if not keys:
        return []
    chosen, place = as_json(keys), {key: at for at, key in enumerate(keys)}
    taken = sorted(_TAKE.run(connection, values=chosen, worker=worker, now=now), key=lambda lane: place[lane.key])
    fifo = as_json([lane.key for lane in taken if lane.kind == "fifo"])
    heads = {row["lane"]: to_delivery(row) for row in _HEADS.run(connection, values=fifo).mappings()}
    claims = []
    for lane in taken:
        if lane.kind == "fifo":
            members = [heads[lane.key]] if lane.key in heads else []
        else:
            members = _bulk_members(connection, lane, now)
        claims.append(
            Claim(
                lane.key,
                LaneKind(lane.kind),
                lane.token,
                lane.channel_id,
                lane.job_type,
                lane.crashes,
                tuple(members),
            )
        )
    return claims


def _take(dialect: str) -> Statement:
    given = values_of(dialect)
    statement = update(lanes).where(lanes.c.key.in_(select(given.c.value)))
    now = bindparam("now", type_=BigInteger)
    statement = statement.values(state="running", holder=bindparam("worker"), token=lanes.c.token + 1, since=now)
    return statement.returning(
        lanes.c.key, lanes.c.kind, lanes.c.token, lanes.c.channel_id, lanes.c.job_type, lanes.c.crashes, lanes.c.due_at
    )


def _heads(dialect: str) -> Statement:
    given = values_of(dialect)
    if dialect == "postgresql":
        return _heads_one_by_one(given)
    other = deliveries.alias("other")
    first = select(other.c.id).where(other.c.lane == given.c.value, other.c.state == word("open"))
    first = first.order_by(other.c.seq).limit(1).correlate(given)
    return delivery_query().join(given, deliveries.c.id == first.scalar_subquery())


def _heads_one_by_one(given: FromClause) -> Statement:
    """With a limit in each step, so that PostgreSQL looks up row by row: while it knows little of a table, it would
    rather read all of it.
    """
    mine = (deliveries.c.lane == given.c.value) & (deliveries.c.state == word("open"))
    first = select(deliveries).where(mine).order_by(deliveries.c.seq).limit(1).correlate(given).lateral("head")
    parts = (messages.c.body, messages.c.correlation_id, messages.c.trace_id)
    told = select(*parts).where(messages.c.id == first.c.message_id).limit(1).correlate(first).lateral("told")
    return select(first, told).select_from(given.join(first, true()).join(told, true()))


_TAKE, _HEADS = Fixed(_take), Fixed(_heads)
_MARK = BulkUpdate(
    {"b_id": Text(), "b_token": BigInteger()},
    lambda value: update(deliveries).where(deliveries.c.id == value("b_id")).values(token=value("b_token")),
)


def _bulk_members(connection: Connection, lane: Row[Any], now: int) -> list[Delivery]:
    due = max(now, lane.due_at)
    # What is new only waits for others to come along, not for its own time.
    ready = (deliveries.c.due_at <= due) | ((deliveries.c.cause == "") & (deliveries.c.attempts == 0))
    query = delivery_query().where(deliveries.c.lane == lane.key, deliveries.c.state == "open", ready)
    members = [
        to_delivery(row) for row in connection.execute(query.order_by(deliveries.c.seq).limit(BULK_LIMIT)).mappings()
    ]
    _MARK.run(connection, [{"b_id": delivery.id, "b_token": lane.token} for delivery in members])
    return members
