"""What goes out: lanes to tell workers of, announcements to the OMS, and ticks of due schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Connection, Integer, Text, bindparam, func, literal_column, select, update

from broker.ledger import Incoming, Unsent, Waiting
from domain.budget import passes
from domain.envelope import Envelope
from domain.events import Tick
from domain.moments import from_micros, iso, to_micros
from domain.periods import Period, next_due
from domain.synclog import Trigger
from storage.bulk import BulkUpdate, Fixed, Statement, word
from storage.directory import Directory
from storage.ledger.admit import admit
from storage.ledger.slowing import stretches
from storage.sql import chunks, locking
from storage.tables import deliveries, gates, lanes, outbox, schedules


def waiting(connection: Connection, most: int, now: int) -> Waiting:
    """Lanes that are due and in nobody's hand, by job type, counted up to ``most`` in all; and whether the outbox has
    something to send. One question, for it is asked all the time.

    Channels whose gate is closed as a whole are left out, but for a refused token: only a lane can bring a new one.
    """
    counts = {job: count for job, count in _WAITING.run(connection, now=now, most=most)}
    unsent = counts.pop(_OUTBOX, 0)
    return Waiting(counts, bool(unsent))


_OUTBOX = ""
"""Stands where a job type stands."""


def _waiting(_dialect: str) -> Statement:
    now, most = bindparam("now", type_=BigInteger), bindparam("most", type_=Integer)
    closed = select(gates.c.channel_id).where(
        gates.c.operation == word(""), gates.c.closed_until > now, gates.c.cause != word("unauthorized")
    )
    due = select(lanes.c.job_type).where(lanes.c.state.in_((word("ready"), word("waiting"))), lanes.c.due_at <= now)
    some = due.where(lanes.c.channel_id.not_in(closed)).limit(most).subquery()
    first = select(outbox.c.seq).where(outbox.c.sent_at.is_(None)).limit(literal_column("1")).subquery()
    counted = select(some.c.job_type, func.count()).group_by(some.c.job_type)
    return counted.union_all(select(word(_OUTBOX), func.count()).select_from(first))


def unsent(connection: Connection, most: int) -> list[Unsent]:
    """Announcements that no transport has confirmed, in the order they were made."""
    return [Unsent(row[0], row[1], row[2], bytes(row[3])) for row in _UNSENT.run(connection, most=most)]


def _unsent(_dialect: str) -> Statement:
    query = select(outbox.c.seq, outbox.c.id, outbox.c.routing_key, outbox.c.body).where(outbox.c.sent_at.is_(None))
    return query.order_by(outbox.c.seq).limit(bindparam("most", type_=Integer))


_WAITING, _UNSENT = Fixed(_waiting), Fixed(_unsent)


def mark_sent(connection: Connection, seqs: Sequence[int], now: int) -> None:
    """The transport confirmed these announcements."""
    if seqs:
        statement = update(outbox).where(outbox.c.seq == bindparam("b_seq")).values(sent_at=now)
        connection.execute(statement, [{"b_seq": seq} for seq in seqs])


def fire_due(connection: Connection, directory: Directory, most: int, now: int) -> int:
    """Turn due schedules into ticks and set their next due instant, in one transaction: never two ticks for one.

    After downtime there is one catch-up tick, for the latest instant that passed. Where an API-call budget nears its
    end, or the shop posts what changed, recurring reads pass some of their instants over
    (:mod:`storage.ledger.slowing`).
    """
    rows = _DUE.run(connection, now=now, most=most).all()
    if not rows:
        return 0
    known = directory.of_ids(connection, {row.channel_id for row in rows})
    slowed = stretches(connection, rows, known.by_id, now)
    batch, moved = [], []
    for row in rows:
        if (channel := known.by_id.get(row.channel_id)) is None:
            # Its channel is gone: it would be found due again and again.
            moved.append({"b_id": row.id, "b_next": None, "b_last": row.last_due, "b_stretch": 1})
            continue
        period, zone = Period(row.period), known.accounts[channel.account].timezone
        due, factor = _latest_due(period, row.next_due, now, row.id, zone), slowed.get(row.id, 1)
        following = next_due(period, from_micros(now), schedule_id=row.id, timezone=zone)
        runs = passes(from_micros(due), period, factor)
        moved.append(
            {
                "b_id": row.id,
                "b_next": to_micros(following) if following else None,
                "b_last": due if runs else row.last_due,
                "b_stretch": factor,
            }
        )
        if runs:
            batch.append(tick(row.id, row.job_type, channel.account, channel.code, due))
    if batch:
        admit(connection, directory, batch, (), now)
    _GO_ON.run(connection, moved)
    return len(rows)


def _due(dialect: str) -> Statement:
    query = select(schedules).where(schedules.c.next_due <= bindparam("now", type_=BigInteger))
    query = query.order_by(schedules.c.next_due).limit(bindparam("most", type_=Integer))
    return query.with_for_update(skip_locked=True) if dialect == "postgresql" else query


_DUE = Fixed(_due)
_GO_ON = BulkUpdate(
    {"b_id": Text(), "b_next": BigInteger(), "b_last": BigInteger(), "b_stretch": Integer()},
    lambda value: (
        update(schedules)
        .where(schedules.c.id == value("b_id"))
        .values(next_due=value("b_next"), last_due=value("b_last"), stretch=value("b_stretch"))
    ),
)


def _latest_due(period: Period, first: int, now: int, schedule_id: str, timezone: str) -> int:
    """The newest due instant that is not in the future; ``first`` is the oldest that passed."""
    # Where clocks change, a day has up to 25 hours.
    step = period.every or timedelta(hours=25)
    since = max(from_micros(first), from_micros(now - 1) - step)
    latest = first
    while (due := next_due(period, since, schedule_id=schedule_id, timezone=timezone)) is not None and to_micros(
        due
    ) <= now:
        latest, since = max(latest, to_micros(due)), due
    return latest


def tick(
    schedule_id: str, job_type: str, account: str, channel: str, due: int, trigger: Trigger = Trigger.SCHEDULE
) -> Incoming:
    """The tick of a schedule for one due instant; its identity is (schedule, instant)."""
    moment = from_micros(due)
    payload = Tick(schedule=schedule_id, due=moment)
    envelope = Envelope(
        id=f"{schedule_id}:{due}",
        source="towpath/timer",
        type=f"tick.{job_type}",
        subject=job_type,
        time=moment,
        account=account,
        channel=channel,
        data={"schedule": schedule_id, "due": iso(moment)},
    )
    return Incoming(envelope, payload, envelope.to_json(), trigger)


def waiting_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Lanes by (job type, state), for health and metrics."""
    query = select(lanes.c.job_type, lanes.c.state, func.count()).group_by(lanes.c.job_type, lanes.c.state)
    return {(job, state): count for job, state, count in connection.execute(query)}


def oldest_due(connection: Connection, now: int) -> dict[str, float]:
    """Seconds since the oldest due lane of each job type became due."""
    query = select(lanes.c.job_type, func.min(lanes.c.due_at)).where(
        lanes.c.state.in_(("ready", "waiting")), lanes.c.due_at <= now
    )
    return {job: (now - due) / 1e6 for job, due in connection.execute(query.group_by(lanes.c.job_type))}


def unsent_count(connection: Connection) -> int:
    """Announcements not yet confirmed."""
    return connection.scalar(select(func.count()).select_from(outbox).where(outbox.c.sent_at.is_(None))) or 0


def unlock(connection: Connection, channel_id: str, cause: str, now: int) -> int:
    """Make lanes of a channel due again that wait for ``cause``; how many."""
    waiting = select(deliveries.c.lane).where(
        deliveries.c.channel_id == channel_id, deliveries.c.state == "open", deliveries.c.cause == cause
    )
    keys = list(
        connection.scalars(
            locking(connection, select(lanes.c.key).where(lanes.c.key.in_(waiting)).order_by(lanes.c.key))
        )
    )
    for part in chunks(keys):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.lane.in_(part), deliveries.c.state == "open", deliveries.c.cause == cause)
            .values(due_at=now)
        )
        connection.execute(
            update(lanes)
            .where(lanes.c.key.in_(part), lanes.c.holder.is_(None))
            .values(state="ready", due_at=now, since=now)
        )
    return len(keys)
