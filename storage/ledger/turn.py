"""Turning lanes: after their deliveries moved, each lane follows its new head, or goes when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, case, delete, func, null, select, update

from storage.bulk import BulkUpdate, Fixed, Statement, as_json, values_of, word
from storage.ledger.rows import NEVER_DUE
from storage.tables import deliveries, lanes


def turn_lanes(connection: Connection, freed: Mapping[str, frozenset[str]], now: int) -> list[str]:
    """Give each lane the state its open deliveries ask for; the caller holds the lanes' row locks.

    ``freed`` maps each lane to the job types its holder would go on with: lanes whose head is due and of such a
    job are returned instead of freed, to be taken again in the same transaction.
    """
    heads = {lane: (job, due) for lane, job, due in _FIRST.run(connection, values=as_json(list(freed)))}
    keep: list[str] = []
    changes: list[dict[str, Any]] = []
    for lane, go_on in freed.items():
        head = heads.get(lane)
        if head is None:
            continue
        job, due = head
        if due <= now and job in go_on:
            keep.append(lane)
        state = "ready" if due <= now else "parked" if due >= NEVER_DUE else "waiting"
        changes.append({"b_key": lane, "b_state": state, "b_due": due, "b_job": job, "b_now": now})
    _TURN.run(connection, changes)
    drop_lanes(connection, [lane for lane in freed if lane not in heads])
    return keep


def drop_lanes(connection: Connection, keys: Sequence[str]) -> None:
    """Remove lanes in which nothing is open any more; the caller holds their row locks."""
    if keys:
        _DROP.run(connection, values=as_json(keys))


def _drop(dialect: str) -> Statement:
    return delete(lanes).where(lanes.c.key.in_(select(values_of(dialect).c.value)))


def _first(dialect: str) -> Statement:
    """(lane, job type, due instant) of each lane that still has open deliveries.

    A FIFO lane follows its first delivery, a bulk lane whichever of its deliveries is due first.
    """
    given = values_of(dialect)
    others = deliveries.alias("others")
    mine = (others.c.lane == given.c.value) & (others.c.state == word("open"))
    head = select(others.c.id).where(mine).order_by(others.c.seq).limit(1).correlate(given).scalar_subquery()
    soonest = select(func.min(others.c.due_at)).where(mine).correlate(given).scalar_subquery()
    due = case((lanes.c.kind == "bulk", soonest), else_=deliveries.c.due_at)
    query = select(deliveries.c.lane, deliveries.c.job_type, due).select_from(given)
    return query.join(deliveries, deliveries.c.id == head).join(lanes, lanes.c.key == given.c.value)


_DROP, _FIRST = Fixed(_drop), Fixed(_first)
_TURN = BulkUpdate(
    {"b_key": Text(), "b_state": Text(), "b_due": BigInteger(), "b_job": Text(), "b_now": BigInteger()},
    lambda value: (
        update(lanes)
        .where(lanes.c.key == value("b_key"))
        .values(
            state=value("b_state"),
            due_at=value("b_due"),
            job_type=value("b_job"),
            holder=null(),
            crashes=0,
            since=value("b_now"),
        )
    ),
)
