"""Workers and their leases: who is alive, and freeing what the dead held."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from domain.ids import new_id
from storage.ledger.coalesce import fold
from storage.ledger.records import doubt
from storage.ledger.turn import turn_lanes
from storage.processes import is_gone
from storage.sql import locking, upsert
from storage.tables import deliveries, lanes, leases, messages, sync_log, workers

CRASH_GRACE = 500_000
CRASH_SPREAD = 1_500_000


def beat(connection: Connection, worker: str, roles: str, where: tuple[str, str], lease: int, now: int) -> None:
    """Begin or renew a worker's lease; ``where`` is (host, process) of the caller, ``lease`` in microseconds."""
    statement = upsert(connection, workers).values(
        id=worker,
        roles=roles,
        host=where[0],
        process=where[1],
        started_at=now,
        seen_at=now,
        lease_until=now + lease,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"seen_at": now, "lease_until": now + lease, "roles": roles}
        )
    )


def leave(connection: Connection, worker: str, now: int) -> None:
    """End a worker's lease; what it still holds is freed as interrupted."""
    free_lanes(connection, [worker], now)
    connection.execute(delete(leases).where(leases.c.holder == worker))
    connection.execute(delete(workers).where(workers.c.id == worker))


def rescue(connection: Connection, now: int, *, alone: bool = False) -> int:
    """Free the lanes of every worker whose lease is over or whose process on this host is provably gone.

    ``alone``: the caller holds the instance lock, so every worker in the table is gone.
    """
    # Holders first: a worker that begins between the two looks must be known, or it would seem to be nobody.
    holders = set(connection.scalars(select(lanes.c.holder).where(lanes.c.holder.is_not(None)).distinct()))
    known = connection.execute(locking(connection, select(workers).order_by(workers.c.id))).all()
    dead = [row.id for row in known if alone or row.lease_until < now or is_gone(row.host, row.process)]
    orphans = holders - {row.id for row in known}
    freed = free_lanes(connection, [*dead, *orphans], now)
    for worker in dead:
        connection.execute(delete(leases).where(leases.c.holder == worker))
        connection.execute(delete(workers).where(workers.c.id == worker))
    return freed


def free_lanes(connection: Connection, holders: Sequence[str], now: int, keep: Mapping[str, int] | None = None) -> int:
    """Take lanes from their holders: their attempts count as interrupted and the next one must read back first.

    ``keep`` are lanes, by their token, that stay with their holder.
    """
    if not holders:
        return 0
    kept = keep or {}
    query = select(lanes.c.key, lanes.c.kind, lanes.c.crashes, lanes.c.holder, lanes.c.token, lanes.c.since)
    found = connection.execute(
        locking(connection, query.where(lanes.c.holder.in_(holders)).order_by(lanes.c.key))
    ).all()
    held = [lane for lane in found if kept.get(lane.key) != lane.token]
    for lane in held:
        _interrupt(connection, lane, now)
    fold(connection, [lane.key for lane in held if lane.kind == "bulk"], now)
    turn_lanes(connection, {lane.key: frozenset() for lane in held}, now)
    if held:
        connection.execute(
            update(lanes).where(lanes.c.key == bindparam("b_key")).values(crashes=bindparam("b_crashes")),
            [{"b_key": lane.key, "b_crashes": lane.crashes + 1} for lane in held],
        )
    return len(held)


def comes_back(lane: str, crashes: int) -> int:
    """After how many microseconds a lane is due again whose worker died, for the ``crashes``-th time in a row.

    Long enough for a call under way to reach its end at the shop; and lanes that were lost together come back at
    different times, so that the one that kills its worker does not take the same others with it each time.
    """
    spread = CRASH_SPREAD << max(crashes - 1, 0)
    part = int.from_bytes(hashlib.blake2b(f"{lane}/{crashes}".encode(), digest_size=4).digest()) / 2**32
    return CRASH_GRACE + int(spread * part)


def _interrupt(connection: Connection, lane: Any, now: int) -> None:
    """Mark what was in hand as unsure and write the log row its worker no longer could."""
    due = now + comes_back(lane.key, lane.crashes + 1)
    query = select(deliveries, messages.c.correlation_id, messages.c.trace_id).join(
        messages, messages.c.id == deliveries.c.message_id
    )
    query = query.where(deliveries.c.lane == lane.key, deliveries.c.state == "open").order_by(deliveries.c.seq)
    query = query.where(deliveries.c.token == lane.token) if lane.kind == "bulk" else query.limit(1)
    interrupted = connection.execute(query).all()
    doubt(connection, [row.id for row in interrupted])
    for row in interrupted:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == row.id)
            .values(unsure=True, token=None, attempts=deliveries.c.attempts + 1, code="worker_died", due_at=due)
        )
        connection.execute(insert(sync_log).values(**_interrupted_row(row, lane, now)))


def _interrupted_row(row: Any, lane: Any, now: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "account_id": row.account_id,
        "channel_id": row.channel_id,
        "delivery_id": row.id,
        "message_id": row.message_id,
        "started_at": lane.since,
        "finished_at": now,
        "job_type": row.job_type,
        "trigger": row.trigger,
        "business_key": row.business_key,
        "correlation_id": row.correlation_id,
        "trace_id": row.trace_id,
        "attempt": row.attempts + 1,
        "outcome": "Retry",
        "level": "Fatal",
        "code": "worker_died",
        "sentence": "The worker died during this attempt; the next one reads back what reached the shop.",
        "counts": {},
        "calls": [],
        "call_count": 0,
        "superseded_by": None,
        "actor": lane.holder,
    }


def hold(connection: Connection, name: str, holder: str, lease: int, now: int) -> bool:
    """Take or renew a named lease (for roles of which one at a time should work); false while another has it."""
    statement = upsert(connection, leases).values(name=name, holder=holder, until=now + lease)
    mine_or_over = (leases.c.holder == holder) | (leases.c.until < now)
    other = connection.execute(
        select(workers.c.host, workers.c.process, leases.c.holder)
        .join(leases, leases.c.holder == workers.c.id)
        .where(leases.c.name == name)
    ).first()
    if other is not None and is_gone(other.host, other.process):
        connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == other.holder))
    taken = statement.on_conflict_do_update(
        index_elements=["name"], set_={"holder": holder, "until": now + lease}, where=mine_or_over
    )
    return bool(connection.scalar(taken.returning(leases.c.holder)) == holder)
