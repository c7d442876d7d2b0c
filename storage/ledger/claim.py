"""Claiming: a worker takes lanes that are due and gets the deliveries at their heads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from broker.ledger import Claim, Delivery
from domain.states import LaneKind
from storage.ledger.rows import delivery_query, to_delivery
from storage.sql import chunks, locking
from storage.tables import deliveries, lanes

CLOCKS_APART = 2_000_000
"""How far the clocks of relay and worker may differ, in microseconds."""
BULK_LIMIT = 2000
"""Deliveries of a bulk lane taken at once."""


def claim(
    connection: Connection,
    worker: str,
    job_types: Sequence[str],
    most: int,
    named: Sequence[str] | None,
    skip: Sequence[str],
    now: int,
) -> list[Claim]:
    """Take up to ``most`` due lanes, oldest due first; a lane somebody holds is never taken.

    A named lane was found due by the relay, whose clock may be a little ahead of this worker's.
    """
    query = select(lanes.c.key).where(lanes.c.job_type.in_(job_types))
    if skip:
        query = query.where(lanes.c.channel_id.not_in(skip))
    if named is None:
        query = query.where(lanes.c.state.in_(("ready", "waiting")), lanes.c.due_at <= now)
        query = query.order_by(lanes.c.due_at).limit(most)
    else:
        told = (lanes.c.state == "queued") | (
            lanes.c.state.in_(("ready", "waiting")) & (lanes.c.due_at <= now + CLOCKS_APART)
        )
        query = query.where(lanes.c.key.in_(named), told).order_by(lanes.c.key)
    # A named lane that is locked for a moment must be waited for: its reference is acknowledged when it is not claimed.
    wanted = list(connection.scalars(locking(connection, query, skip_locked=named is None)))
    return take(connection, worker, wanted, now)


def take(connection: Connection, worker: str, keys: Sequence[str], now: int) -> list[Claim]:
    """Make ``worker`` the holder of lanes that the caller found free (or holds already) in this transaction."""
    taken: list[Row[Any]] = []
    for part in chunks(keys):
        statement = update(lanes).where(lanes.c.key.in_(part))
        statement = statement.values(state="running", holder=worker, token=lanes.c.token + 1, since=now)
        taken += connection.execute(statement.returning(lanes)).all()
    heads = _fifo_heads(connection, [lane.key for lane in taken if lane.kind == "fifo"])
    claims = []
    for lane in taken:
        members = heads[lane.key] if lane.kind == "fifo" else _bulk_members(connection, lane, now)
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


def _fifo_heads(connection: Connection, keys: Sequence[str]) -> dict[str, list[Delivery]]:
    heads: dict[str, list[Delivery]] = defaultdict(list)
    for part in chunks(keys):
        first = (
            select(deliveries.c.lane, func.min(deliveries.c.seq).label("seq"))
            .where(deliveries.c.lane.in_(part), deliveries.c.state == "open")
            .group_by(deliveries.c.lane)
            .subquery()
        )
        query = delivery_query().join(first, (first.c.lane == deliveries.c.lane) & (first.c.seq == deliveries.c.seq))
        for row in connection.execute(query.where(deliveries.c.state == "open")).mappings():
            heads[row["lane"]].append(to_delivery(row))
    return heads


def _bulk_members(connection: Connection, lane: Row[Any], now: int) -> list[Delivery]:
    due = max(now, lane.due_at)
    query = delivery_query().where(
        deliveries.c.lane == lane.key, deliveries.c.state == "open", deliveries.c.due_at <= due
    )
    members = [
        to_delivery(row) for row in connection.execute(query.order_by(deliveries.c.seq).limit(BULK_LIMIT)).mappings()
    ]
    if members:
        connection.execute(
            update(deliveries).where(deliveries.c.id == bindparam("b_id")).values(token=lane.token),
            [{"b_id": delivery.id} for delivery in members],
        )
    return members
