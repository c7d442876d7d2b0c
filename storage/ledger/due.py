"""Which lanes come next: the longest due first, and where more are due than fit, each channel in its turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, exists, literal_column, select, true, tuple_

from broker.ledger import Shares
from storage.bulk import Fixed, Statement, as_json, values_of, word
from storage.tables import channels, gates, lanes

SUSPECT: ColumnElement[int] = literal_column("2")
"""From so many deaths in a row on, a lane may be what kills its workers."""
_NOW, _MOST = bindparam("now", type_=BigInteger), bindparam("most", type_=BigInteger)


def due(connection: Connection, job_types: Sequence[str], most: int, now: int) -> list[str]:
    """Up to ``most`` lanes of these job types, the longest due first; locked where the database has row locks, and
    none that another transaction has locked.
    """
    return list(_OLDEST.run(connection, jobs=as_json(job_types), now=now, most=most).scalars())


def due_in_turn(
    connection: Connection, job_types: Sequence[str], most: int, skip: Sequence[str], now: int, shares: Shares
) -> list[str]:
    """As :func:`due`, but channels take turns, up to the share of each, so that one with many lanes does not come
    before one with few; those in ``skip`` are left out.
    """
    given = {"jobs": as_json(job_types), "now": now, "most": min(shares.largest, most), "skip": as_json(skip)}
    found = _TURNS.run(connection, **given)
    seen: Counter[str] = Counter()
    turns = []
    for key, since, channel_id in found:
        seen[channel_id] += 1
        if seen[channel_id] <= shares.of(channel_id):
            turns.append((seen[channel_id], since, key))
    return [key for _, _, key in sorted(turns)[:most]]


def due_of_deleted(connection: Connection, job_types: Sequence[str], most: int, now: int) -> list[str]:
    """As :func:`due`, but only lanes whose channel is gone: no turn ever comes to them."""
    return list(_DELETED.run(connection, jobs=as_json(job_types), now=now, most=most).scalars())


def has_several_channels(connection: Connection) -> bool:
    """Whether there is more than one channel."""
    return len(connection.scalars(_CHANNELS).all()) > 1


def has_busy_channels(connection: Connection, since: int) -> bool:
    """Whether several channels were called after an instant."""
    return len(_BUSY.run(connection, since=since).all()) > 1


def due_suspect(
    connection: Connection, worker: str, job_types: Sequence[str], skip: Sequence[str], now: int
) -> list[str]:
    """The longest due lane whose workers died several times in a row, unless this worker has one in hand: so one that
    kills its worker takes no other suspect with it, and is the only one whose count grows.
    """
    given = {"jobs": as_json(job_types), "skip": as_json(skip), "now": now, "worker": worker}
    return list(_SUSPECT.run(connection, **given).scalars())


def _suspect(dialect: str) -> Statement:
    held = lanes.alias("held")
    taken = exists().where(held.c.holder == bindparam("worker"), held.c.crashes >= SUSPECT)
    wanted = lanes.c.channel_id.not_in(select(values_of(dialect, "skip").c.value))
    query = select(lanes.c.key).where(_is_due(dialect, suspect=True), wanted, ~taken)
    query = query.order_by(lanes.c.due_at).limit(1)
    return query.with_for_update(skip_locked=True, of=lanes) if dialect == "postgresql" else query


def _is_due(dialect: str, *, suspect: bool = False) -> ColumnElement[bool]:
    return _waits(dialect, suspect=suspect) & (lanes.c.due_at <= _NOW)


def _waits(dialect: str, *, suspect: bool = False) -> ColumnElement[bool]:
    wanted = select(values_of(dialect, "jobs").c.value)
    crashes = lanes.c.crashes >= SUSPECT if suspect else lanes.c.crashes < SUSPECT
    return crashes & lanes.c.state.in_((word("ready"), word("waiting"))) & lanes.c.job_type.in_(wanted)


def _oldest(dialect: str) -> Statement:
    query = select(lanes.c.key).where(_is_due(dialect)).order_by(lanes.c.due_at).limit(_MOST)
    return query.with_for_update(skip_locked=True) if dialect == "postgresql" else query


def _turns(dialect: str) -> Statement:
    """The first few of each channel, those of a channel in the order they became due."""
    columns = (lanes.c.key, lanes.c.due_at, lanes.c.channel_id)
    wanted = channels.c.id.not_in(select(values_of(dialect, "skip").c.value))
    if dialect == "postgresql":
        # Compared as rows and ordered by both, so that PostgreSQL goes by the index on both: by the one on the instant
        # alone it would read all that waits for others before it knows that a channel has nothing.
        place = tuple_(lanes.c.channel_id, lanes.c.due_at)
        is_due = (place >= tuple_(channels.c.id, literal_column("0"))) & (place <= tuple_(channels.c.id, _NOW))
        mine = _waits(dialect) & is_due
        first = select(*columns).where(mine).order_by(lanes.c.channel_id, lanes.c.due_at).limit(_MOST)
        part = first.with_for_update(skip_locked=True).correlate(channels).lateral("part")
        return select(part).select_from(channels).join(part, true()).where(wanted)
    mine = _is_due(dialect) & (lanes.c.channel_id == channels.c.id)
    first = select(lanes.c.key).where(mine).order_by(lanes.c.due_at).limit(_MOST).correlate(channels)
    found = lanes.alias("found")
    query = select(found.c.key, found.c.due_at, found.c.channel_id).select_from(channels)
    return query.join(found, found.c.key.in_(first)).where(wanted).order_by(found.c.due_at)


def _deleted(dialect: str) -> Statement:
    gone = ~exists().where(channels.c.id == lanes.c.channel_id)
    query = select(lanes.c.key).where(_is_due(dialect), gone).order_by(lanes.c.due_at).limit(_MOST)
    return query.with_for_update(skip_locked=True, of=lanes) if dialect == "postgresql" else query


def _busy(_dialect: str) -> Statement:
    called = (gates.c.operation == word("")) & (gates.c.arrival > bindparam("since", type_=BigInteger))
    return select(gates.c.channel_id).where(called).limit(literal_column("2"))


_BUSY = Fixed(_busy)
_CHANNELS = select(channels.c.id).limit(2)
_OLDEST, _TURNS, _SUSPECT, _DELETED = Fixed(_oldest), Fixed(_turns), Fixed(_suspect), Fixed(_deleted)
