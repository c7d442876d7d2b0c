"""Turning lanes: after their deliveries moved, each lane follows its new head, or goes when it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from storage.ledger.rows import NEVER_DUE
from storage.sql import chunks
from storage.tables import deliveries, lanes


def turn_lanes(connection: Connection, freed: Mapping[str, frozenset[str]], now: int) -> list[str]:
    """Give each lane the state its open deliveries ask for; the caller holds the lanes' row locks.

    ``freed`` maps each lane to the job types its holder would go on with: lanes whose head is due and of such a
    job are returned instead of freed, to be taken again in the same transaction.
    """
    heads = _heads(connection, list(freed))
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
        changes.append({"b_key": lane, "b_state": state, "b_due": due, "b_job": job})
    if changes:
        connection.execute(
            update(lanes)
            .where(lanes.c.key == bindparam("b_key"))
            .values(
                state=bindparam("b_state"),
                due_at=bindparam("b_due"),
                job_type=bindparam("b_job"),
                holder=None,
                crashes=0,
                since=now,
            ),
            changes,
        )
    empty = [lane for lane in freed if lane not in heads]
    for part in chunks(empty):
        connection.execute(delete(lanes).where(lanes.c.key.in_(part)))
    return keep


def _heads(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
    """(job type, due instant) of each lane that still has open deliveries.

    A FIFO lane follows its first delivery, a bulk lane whichever of its deliveries is due first.
    """
    found: dict[str, tuple[str, int]] = {}
    for part in chunks(keys):
        first = (
            select(
                deliveries.c.lane,
                func.min(deliveries.c.seq).label("seq"),
                func.min(deliveries.c.due_at).label("soonest"),
            )
            .where(deliveries.c.lane.in_(part), deliveries.c.state == "open")
            .group_by(deliveries.c.lane)
            .subquery()
        )
        query = (
            select(deliveries.c.lane, deliveries.c.job_type, deliveries.c.due_at, first.c.soonest, lanes.c.kind)
            .join(first, (first.c.lane == deliveries.c.lane) & (first.c.seq == deliveries.c.seq))
            .join(lanes, lanes.c.key == deliveries.c.lane)
            .where(deliveries.c.state == "open")
        )
        for lane, job, due, soonest, kind in connection.execute(query):
            found[lane] = (job, soonest if kind == "bulk" else due)
    return found
