"""Lining up: each new delivery gets its place in its lane, and newer values absorb older ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, text, update

from domain.ids import new_id
from domain.jobs import Place
from domain.states import LaneKind
from domain.stock import is_newer
from storage.sql import chunks, upsert
from storage.tables import deliveries, lanes, messages, sync_log


@dataclass(slots=True)
class Newcomer:
    """A delivery row on its way into a lane; ticks skip a lane whose last run still goes on."""

    row: dict[str, Any]
    place: Place
    skip_when_busy: bool = False


def line_up(connection: Connection, newcomers: Sequence[Newcomer], now: int) -> Counter[str]:
    """Insert the deliveries behind those already in their lanes; how many will run, by message id.

    Locking the lane rows in key order keeps concurrent admissions of one lane one after the other, and free of
    deadlocks among themselves.
    """
    by_lane: dict[str, list[Newcomer]] = defaultdict(list)
    for newcomer in newcomers:
        by_lane[newcomer.place.lane].append(newcomer)
    ends = _extend_lanes(connection, by_lane, now)
    logged: list[dict[str, Any]] = []
    for lane, members in by_lane.items():
        end, was_empty = ends[lane]
        for at, newcomer in enumerate(members, start=end - len(members) + 1):
            newcomer.row["seq"] = at
        if members[0].place.kind is LaneKind.BULK:
            logged += _coalesce(connection, lane, members, now, was_empty=was_empty)
        else:
            logged += _skip_overlaps(members, now, was_empty=was_empty)
    if newcomers:
        connection.execute(insert(deliveries), [newcomer.row for newcomer in newcomers])
    if logged:
        _log_absorbed(connection, logged, now)
    return Counter(newcomer.row["message_id"] for newcomer in newcomers if newcomer.row["state"] == "open")


def _extend_lanes(connection: Connection, by_lane: dict[str, list[Newcomer]], now: int) -> dict[str, tuple[int, bool]]:
    """Make or lengthen the lanes; the last given sequence number of each, and whether the lane is new."""
    rows = [
        {
            "key": lane,
            "kind": str(members[0].place.kind),
            "channel_id": members[0].row["channel_id"],
            "job_type": members[0].row["job_type"],
            "state": "ready",
            "due_at": now,
            "next_seq": len(members),
            "since": now,
        }
        for lane, members in sorted(by_lane.items())
    ]
    if not rows:
        return {}
    statement = upsert(connection, lanes)
    # Written out, because a statement that runs for many rows at once takes no further parameters.
    idle_bulk = text("lanes.kind = 'bulk' AND lanes.state IN ('waiting', 'parked')")
    extended = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "next_seq": lanes.c.next_seq + statement.excluded.next_seq,
            "state": case((idle_bulk, text("'ready'")), else_=lanes.c.state),
            "due_at": case((idle_bulk, statement.excluded.due_at), else_=lanes.c.due_at),
            "since": case((idle_bulk, statement.excluded.since), else_=lanes.c.since),
        },
    )
    returned = connection.execute(extended.returning(lanes.c.key, lanes.c.next_seq), rows)
    return {key: (end, end == len(by_lane[key])) for key, end in returned}


def _skip_overlaps(members: Sequence[Newcomer], now: int, *, was_empty: bool) -> list[dict[str, Any]]:
    skipped = []
    for at, newcomer in enumerate(members):
        if newcomer.skip_when_busy and (at or not was_empty):
            newcomer.row.update(
                state="skipped",
                code="overlap",
                settled_at=now,
                sentence="The previous run still goes on; this tick was skipped.",
            )
            skipped.append(newcomer.row)
    return skipped


def _coalesce(
    connection: Connection, lane: str, members: Sequence[Newcomer], now: int, *, was_empty: bool
) -> list[dict[str, Any]]:
    """Keep one open delivery per coalescing key: the newest. What it absorbs names it."""
    newest: dict[str, dict[str, Any]] = {}
    lost: list[tuple[dict[str, Any], str]] = []
    if not was_empty:
        newest = _open_values(connection, lane, sorted({member.place.coalesce_key or "" for member in members}))
    for newcomer in members:
        row, key = newcomer.row, newcomer.place.coalesce_key or ""
        other = newest.get(key)
        if other is None:
            newest[key] = row
        elif is_newer((row["version"], row["event_time"]), (other["version"], other["event_time"])):
            newest[key] = row
            if not other.get("running"):
                lost.append((other, row["id"]))
        else:
            lost.append((row, other["id"]))
    return _absorb(connection, lost, newest, now)


def _open_values(connection: Connection, lane: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The newest open delivery per key; what runs at this moment can absorb but not be absorbed."""
    columns = (
        deliveries.c.id, deliveries.c.coalesce_key, deliveries.c.version, deliveries.c.event_time, deliveries.c.token,
        deliveries.c.message_id, deliveries.c.account_id, deliveries.c.channel_id, deliveries.c.job_type,
        deliveries.c.business_key, deliveries.c.trigger,
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(keys):
        query = select(*columns).where(
            deliveries.c.lane == lane, deliveries.c.state == "open", deliveries.c.coalesce_key.in_(part)
        )
        for row in connection.execute(query.order_by(deliveries.c.seq)).mappings():
            value = {**row, "stored": True, "running": row["token"] is not None}
            other = found.get(row["coalesce_key"])
            if other is None or is_newer(
                (value["version"], value["event_time"]), (other["version"], other["event_time"])
            ):
                found[row["coalesce_key"]] = value
    return found


def _absorb(
    connection: Connection,
    lost: Sequence[tuple[dict[str, Any], str]],
    newest: dict[str, dict[str, Any]],
    now: int,
) -> list[dict[str, Any]]:
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
            stored.append({"b_id": row["id"], "b_winner": winner, "b_sentence": row["sentence"]})
    if stored:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("b_id"), deliveries.c.state == "open")
            .values(
                state="superseded",
                code="superseded",
                superseded_by=bindparam("b_winner"),
                sentence=bindparam("b_sentence"),
                settled_at=now,
            ),
            stored,
        )
    return [row for row, _ in lost]


def _log_absorbed(connection: Connection, rows: Sequence[dict[str, Any]], now: int) -> None:
    """One log row for each delivery that ended without an attempt, so that the log tells of every event."""
    ids = {row["message_id"] for row in rows}
    told: dict[str, tuple[str | None, str | None]] = {}
    for part in chunks(sorted(ids)):
        query = select(messages.c.id, messages.c.correlation_id, messages.c.trace_id).where(messages.c.id.in_(part))
        told.update({row.id: (row.correlation_id, row.trace_id) for row in connection.execute(query)})
    connection.execute(
        insert(sync_log),
        [
            {
                "id": new_id(),
                "account_id": row["account_id"],
                "channel_id": row["channel_id"],
                "delivery_id": row["id"],
                "message_id": row["message_id"],
                "started_at": now,
                "finished_at": now,
                "job_type": row["job_type"],
                "trigger": row["trigger"],
                "business_key": row["business_key"],
                "correlation_id": told[row["message_id"]][0],
                "trace_id": told[row["message_id"]][1],
                "attempt": 0,
                "outcome": "Superseded" if row["state"] == "superseded" else "Skipped",
                "level": "Info" if row["state"] == "superseded" else "Warning",
                "code": row["code"],
                "sentence": row["sentence"],
                "counts": {},
                "calls": [],
                "call_count": 0,
                "superseded_by": row.get("superseded_by"),
                "actor": "towpath",
            }
            for row in rows
        ],
    )


def open_depths(connection: Connection) -> dict[str, int]:
    """How many deliveries are open, by job type."""
    query = (
        select(deliveries.c.job_type, func.count()).where(deliveries.c.state == "open").group_by(deliveries.c.job_type)
    )
    return {job: count for job, count in connection.execute(query)}
