"""Lining up: each new delivery gets its place in its lane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, insert, text

from domain.jobs import Place
from domain.states import LaneKind
from storage.ledger.coalesce import coalesce, log_ended
from storage.sql import upsert
from storage.tables import deliveries, lanes


@dataclass(slots=True)
class Newcomer:
    """A delivery row on its way into a lane; ticks skip a lane whose last run still goes on."""

    row: dict[str, Any]
    place: Place
    skip_when_busy: bool = False


def line_up(connection: Connection, newcomers: Sequence[Newcomer], now: int) -> dict[str, list[str]]:
    """Insert the deliveries behind those already in their lanes; the job types that will run, by message id.

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
            logged += coalesce(connection, lane, [member.row for member in members], now, was_empty=was_empty)
        else:
            logged += _skip_overlaps(members, now, was_empty=was_empty)
    if newcomers:
        connection.execute(insert(deliveries), [newcomer.row for newcomer in newcomers])
    log_ended(connection, logged, now)
    jobs: dict[str, list[str]] = defaultdict(list)
    for newcomer in newcomers:
        if newcomer.row["state"] == "open":
            jobs[newcomer.row["message_id"]].append(newcomer.row["job_type"])
    return jobs


def first_token(now: int) -> int:
    """The fence of a lane that comes into being: larger than any of an earlier lane of that name, which a worker that
    was taken for dead may still hold."""
    return now


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
            "token": first_token(now),
            "since": now,
        }
        for lane, members in sorted(by_lane.items())
    ]
    if not rows:
        return {}
    statement = upsert(connection, lanes)
    # Written out, because a statement that runs for many rows at once takes no further parameters.
    # A newer stock level, or a tick, does not wait for the retry of an older one.
    woken = text(
        f"(lanes.kind = 'bulk' OR lanes.key LIKE '{'_' * 36}/tick/%') AND lanes.state IN ('waiting', 'parked')"
    )
    extended = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "next_seq": lanes.c.next_seq + statement.excluded.next_seq,
            "state": case((woken, text("'ready'")), else_=lanes.c.state),
            "due_at": case((woken, statement.excluded.due_at), else_=lanes.c.due_at),
            "since": case((woken, statement.excluded.since), else_=lanes.c.since),
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
