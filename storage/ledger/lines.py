"""Lining up: each new delivery gets its place in its lane."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Insert, bindparam, case, select, text, update

from broker.ledger import Hands, ParcelPast
from domain.jobs import Place
from domain.states import LaneKind
from domain.stock import PACE_SECONDS
from storage.bulk import BulkInsert, Fixed, Statement, as_json, values_of, word
from storage.ledger.coalesce import coalesce, log_ended
from storage.ledger.parcels import ParcelKey
from storage.tables import deliveries, lanes

PACE = int(PACE_SECONDS * 1_000_000)
NOBODY = Hands()
"""New lanes wait until they are claimed."""


@dataclass(slots=True)
class Newcomer:
    """A delivery row on its way into a lane. Ticks skip a lane whose last run still goes on; what is not ``urgent``
    waits in a bulk lane for others, up to its ``due_at``. It may be about a ``parcel``.
    """

    row: dict[str, Any]
    place: Place
    skip_when_busy: bool = False
    urgent: bool = True
    tick: bool = False
    parcel: ParcelKey | None = None


@dataclass(frozen=True, slots=True)
class Lined:
    """Where newcomers came to stand: the job types that will run, by message id, and the first newcomer of each
    lane that began in the hands of a worker; and what is known of parcels among those, where that was asked already.
    """

    jobs: dict[str, list[str]]
    in_hand: dict[str, Newcomer]
    pasts: Mapping[str, ParcelPast] | None = None


def line_up(connection: Connection, newcomers: Sequence[Newcomer], now: int, hands: Hands = NOBODY) -> Lined:
    """Insert the deliveries behind those already in their lanes.

    Locking the lane rows in key order keeps concurrent admissions of one lane one after the other, and free of
    deadlocks among themselves.
    """
    by_lane: dict[str, list[Newcomer]] = defaultdict(list)
    for newcomer in newcomers:
        by_lane[newcomer.place.lane].append(newcomer)
    states = first_states(by_lane, hands)
    ends = _extend_lanes(connection, by_lane, states, hands, now)
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
        _DELIVERIES.run(connection, [newcomer.row for newcomer in newcomers])
    log_ended(connection, logged, now)
    jobs: dict[str, list[str]] = defaultdict(list)
    for newcomer in newcomers:
        if newcomer.row["state"] == "open":
            jobs[newcomer.row["message_id"]].append(newcomer.row["job_type"])
    in_hand = {lane: members[0] for lane, members in by_lane.items() if states[lane] == "running" and ends[lane][1]}
    return Lined(jobs, in_hand)


def first_states(by_lane: dict[str, list[Newcomer]], hands: Hands) -> dict[str, str]:
    """The state each lane has if it begins now."""
    room, begun = hands.room, Counter[str]()
    states = dict.fromkeys(by_lane, "ready")
    for lane, members in by_lane.items():
        if room <= 0:
            break
        row, channel = members[0].row, members[0].row["channel_id"]
        if members[0].place.kind is not LaneKind.FIFO or row["job_type"] not in hands.jobs or channel in hands.skip:
            continue
        if hands.shares is None or begun[channel] < hands.shares.of(channel):
            room -= 1
            begun[channel] += 1
            states[lane] = "running"
    return states


def first_token(now: int) -> int:
    """The fence of a lane that comes into being: larger than any of an earlier lane of that name, which a worker that
    was taken for dead may still hold."""
    return now


def _extend_lanes(
    connection: Connection, by_lane: dict[str, list[Newcomer]], states: dict[str, str], hands: Hands, now: int
) -> dict[str, tuple[int, bool]]:
    """Make or lengthen the lanes; the last given sequence number of each, and whether the lane is new."""
    rows = [
        {
            "key": lane,
            "kind": str(members[0].place.kind),
            "channel_id": members[0].row["channel_id"],
            "job_type": members[0].row["job_type"],
            "state": states[lane],
            "due_at": now,
            "next_seq": len(members),
            "holder": hands.worker if states[lane] == "running" else None,
            "token": first_token(now),
            "since": now,
        }
        for lane, members in sorted(by_lane.items())
    ]
    if not rows:
        return {}
    returned = _LANES.run(connection, rows)
    urgent = [
        lane
        for lane, members in sorted(by_lane.items())
        if members[0].place.kind is LaneKind.BULK and any(member.urgent for member in members)
    ]
    if urgent:
        _HURRY.run(connection, values=as_json(urgent), now=now)
    return {key: (end, end == len(by_lane[key])) for key, end in returned}


def _lengthen(statement: Any) -> Insert:
    # Written out, because a statement that runs for many rows at once takes no further parameters.
    # A newer stock level, or a tick, does not wait for the retry of an older one.
    tick = text(f"(lanes.key LIKE '{'_' * 36}/tick/%' AND lanes.state IN ('waiting', 'parked'))")
    paced = text("(lanes.kind = 'bulk' AND lanes.state IN ('waiting', 'parked'))")
    soon = statement.excluded.due_at + text(str(PACE))
    sooner = case((lanes.c.due_at < soon, lanes.c.due_at), else_=soon)
    extended: Insert = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "next_seq": lanes.c.next_seq + statement.excluded.next_seq,
            "state": case((tick, text("'ready'")), (paced, text("'waiting'")), else_=lanes.c.state),
            "due_at": case((tick, statement.excluded.due_at), (paced, sooner), else_=lanes.c.due_at),
            "since": case((tick, statement.excluded.since), else_=lanes.c.since),
        },
    ).returning(lanes.c.key, lanes.c.next_seq)
    return extended


def _hurry(dialect: str) -> Statement:
    """Bulk lanes that wait become due."""
    given, now = values_of(dialect), bindparam("now", type_=BigInteger)
    statement = update(lanes).where(lanes.c.key.in_(select(given.c.value)))
    return statement.where(lanes.c.state.in_((word("waiting"), word("parked")))).values(state="ready", due_at=now)


_HURRY = Fixed(_hurry)
_LANES = BulkInsert(
    lanes,
    ("key", "kind", "channel_id", "job_type", "state", "due_at", "next_seq", "holder", "token", "since"),
    _lengthen,
)
DELIVERED = (
    "id", "message_id", "account_id", "channel_id", "job_type", "business_key", "lane", "seq", "state", "trigger",
    "due_at", "code", "sentence", "coalesce_key", "version", "event_time", "superseded_by", "created_at", "settled_at",
)  # fmt: skip
"""Columns of a delivery that are given when it comes into being."""
_DELIVERIES = BulkInsert(deliveries, DELIVERED)


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
