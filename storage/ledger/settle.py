"""Settling: outcomes, log rows, records and follow-ups become durable together, behind the fence of the lane's
token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, Text, bindparam, select

from broker.gates import BUDGET, UNAUTHORIZED
from broker.ledger import Incoming, Settled, Settlement, Verdict
from domain.channels import Channel
from domain.envelope import Envelope
from domain.events import payload_of
from domain.moments import from_micros
from domain.states import DeliveryState, LaneKind
from domain.synclog import Trigger
from storage.bulk import Fixed, Statement, as_json, rows_of
from storage.directory import Directory
from storage.ledger.admit import admit
from storage.ledger.claim import take
from storage.ledger.coalesce import fold
from storage.ledger.records import announce, count_calls, doubt, remember
from storage.ledger.swift import end_together, left
from storage.ledger.turn import drop_lanes, turn_lanes
from storage.ledger.verdict_rows import MOVE, moved, with_effects, write_log
from storage.mappings.tasks import note_missing
from storage.tables import channels, lanes


class OvertakenError(Exception):
    """A lane was taken over while its outcomes were being written. The transaction must not be committed."""


def settle(
    connection: Connection,
    directory: Directory,
    worker: str,
    settlements: Sequence[Settlement],
    now: int,
    *,
    locked: bool = False,
) -> list[Settled]:
    """Write the verdicts of every lane still held with its token; what is fenced writes nothing at all.

    Events must not wait to get into a bulk lane while thousands of outcomes are written: unless ``locked`` asks for it,
    such lanes are locked after that.

    Raises:
        OvertakenError: a lane was taken over before it was locked. Roll back, and settle again with ``locked``.
    """
    # A worker that lost a lane and has it again may settle both runs at once: only the newer token can be valid.
    newest = {each.claim.lane: each for each in sorted(settlements, key=lambda each: each.claim.token)}
    ended, parcels, rest = end_together(connection, directory, worker, list(newest.values()), now)
    ahead = not locked and any(each.claim.kind is LaneKind.BULK for each in rest)
    held = _held(connection, worker, rest, _LOOK if ahead else _FENCE)
    valid = [settlement for settlement in rest if settlement.claim.lane in held]
    outdated = _outdated(connection, directory, valid)
    verdicts = [verdict for settlement in valid for verdict in settlement.verdicts]
    if outdated:
        verdicts = [_look_again(each) if each.delivery.channel_id in outdated else each for each in verdicts]
    MOVE.run(connection, [moved(verdict, now) for verdict in verdicts])
    write_log(connection, verdicts, worker)
    note_missing(connection, [each for each in verdicts if each.missing], now)
    doubt(connection, [each.delivery.id for each in verdicts if each.unsure or each.state is DeliveryState.UNKNOWN])
    swift = [each for each in newest.values() if each.claim.lane in ended]
    effective = with_effects(connection, directory, [*verdicts, *(each.verdicts[0] for each in swift)])
    remember(connection, [(channel, left(verdict, parcels)) for verdict, channel in effective], now)
    _admit_follow_ups(connection, directory, effective, now)
    if ahead:
        held = _still_held(connection, worker, valid)
    fold(connection, _bulk_with_returns(valid), now)
    # A follow-up may have come into any of these lanes after its last number was read.
    last = {} if any(verdict.effects.follow_ups for verdict, _ in effective) else held
    freed = {each.claim.lane: each.go_on for each in valid if not _is_last(each, last)}
    freed |= {each.claim.lane: each.go_on for each in swift if not ended[each.claim.lane]}
    keep = turn_lanes(connection, freed, now) if freed else []
    drop_lanes(connection, [each.claim.lane for each in valid if each.claim.lane not in freed])
    claims = {claim.lane: claim for claim in take(connection, worker, keep, now)}
    # Rows that many settles want come last, so that nobody waits for a lane while holding them.
    count_calls(connection, valid, now)
    announce(connection, effective, now)
    return [
        Settled(
            settlement.claim.lane,
            settlement is not newest[settlement.claim.lane]
            or (settlement.claim.lane not in held and settlement.claim.lane not in ended),
            claims.get(settlement.claim.lane) if settlement is newest[settlement.claim.lane] else None,
        )
        for settlement in settlements
    ]


def _held(connection: Connection, worker: str, settlements: Sequence[Settlement], fence: Fixed) -> dict[str, int]:
    """Find the lanes whose holder and token are still the claim's (the fence), with the last sequence number each has
    given.
    """
    if not settlements:
        return {}
    fences = [{"lane": each.claim.lane, "token": each.claim.token} for each in settlements]
    found = fence.run(connection, rows=as_json(fences), worker=worker)
    return {row[0]: row[1] for row in found}


def _still_held(connection: Connection, worker: str, settlements: Sequence[Settlement]) -> dict[str, int]:
    """Lock lanes of which outcomes are written already."""
    held = _held(connection, worker, settlements, _FENCE)
    if len(held) < len(settlements):
        raise OvertakenError
    return held


def _look(dialect: str) -> Select[Any]:
    """As :func:`_fence`, without locks."""
    given = rows_of(dialect, {"lane": Text(), "token": BigInteger()})
    query = select(lanes.c.key, lanes.c.next_seq)
    query = query.join(given, (given.c.lane == lanes.c.key) & (given.c.token == lanes.c.token))
    return query.where(lanes.c.holder == bindparam("worker")).order_by(lanes.c.key)


def _fence(dialect: str) -> Statement:
    query = _look(dialect)
    return query.with_for_update(of=lanes) if dialect == "postgresql" else query


_LOOK, _FENCE = Fixed(_look), Fixed(_fence)


def _is_last(settlement: Settlement, last: Mapping[str, int]) -> bool:
    """Whether a lane has nothing left: its head, which is the last that ever came into it, has ended."""
    claim, verdicts = settlement.claim, settlement.verdicts
    if claim.kind is not LaneKind.FIFO or len(verdicts) != 1 or verdicts[0].state is DeliveryState.OPEN:
        return False
    return verdicts[0].delivery.seq == last.get(claim.lane)


def _outdated(connection: Connection, directory: Directory, settlements: Sequence[Settlement]) -> set[str]:
    """Channels that an operator changed while a run that now waits for such a change had the old state in hand.

    The channel's row is locked: a change either is seen here, or comes after and finds what waits for it.
    """
    waiting = {
        settlement.claim.channel_id: settlement.channel
        for settlement in settlements
        if any(_waits_for_a_change(each) for each in settlement.verdicts)
    }
    if not waiting:
        return set()
    query = select(channels.c.id).where(channels.c.id.in_(waiting)).order_by(channels.c.id)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(read=True)
    connection.execute(query).all()
    known = directory.of_ids(connection, waiting, fresh=True).by_id
    return {channel_id for channel_id, used in waiting.items() if used is not None and known.get(channel_id) != used}


def _look_again(verdict: Verdict) -> Verdict:
    """A wait for somebody to act becomes due: somebody did."""
    return replace(verdict, due_in=0.0, missing=()) if _waits_for_a_change(verdict) else verdict


def _waits_for_a_change(verdict: Verdict) -> bool:
    """Whether a change of the channel lets it go: somebody must act, may raise the budget before its window ends, or
    gives another token.
    """
    waits = verdict.due_in is None or verdict.cause in (BUDGET, UNAUTHORIZED)
    return verdict.state is DeliveryState.OPEN and waits


def _bulk_with_returns(settlements: Sequence[Settlement]) -> list[str]:
    """Bulk lanes into which something comes back to be tried again."""
    return [
        settlement.claim.lane
        for settlement in settlements
        if settlement.claim.kind is LaneKind.BULK
        and any(verdict.state is DeliveryState.OPEN for verdict in settlement.verdicts)
    ]


def _admit_follow_ups(
    connection: Connection, directory: Directory, effective: Sequence[tuple[Verdict, Channel]], now: int
) -> None:
    """Store the further events that handlers asked for; their ids make copies harmless."""
    batch = [
        _follow_up(channel, verdict, at, now)
        for verdict, channel in effective
        for at in range(len(verdict.effects.follow_ups))
    ]
    if batch:
        admit(connection, directory, batch, (), now)


def _follow_up(channel: Channel, verdict: Verdict, at: int, now: int) -> Incoming:
    asked = verdict.effects.follow_ups[at]
    envelope = Envelope(
        id=asked.event_id,
        source=f"towpath/{channel.code}",
        type=asked.type,
        time=from_micros(now),
        account=channel.account,
        channel=channel.code,
        correlationid=verdict.delivery.correlation_id or verdict.delivery.message_id,
        data=asked.data,
    )
    trigger = verdict.delivery.trigger if verdict.delivery.trigger is not Trigger.REPLAY else Trigger.EVENT
    return Incoming(envelope, payload_of(envelope), envelope.to_json(), trigger)
