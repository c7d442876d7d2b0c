"""Settling: outcomes, log rows, records and follow-ups become durable together, behind the fence of the lane's
token.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, Text, bindparam, null, select, update

from broker.ledger import Incoming, Settled, Settlement, Verdict
from domain.channels import Channel
from domain.envelope import Envelope
from domain.events import payload_of
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.outcomes import Effects, Record
from domain.shipments import SentShipment
from domain.states import DeliveryState, LaneKind
from domain.synclog import Trigger
from storage.bulk import BulkUpdate, Fixed, Statement, as_json, rows_of
from storage.directory import Directory
from storage.ledger.admit import admit
from storage.ledger.claim import take
from storage.ledger.coalesce import LOG, fold
from storage.ledger.records import announce, count_calls, day_of, doubt, parcel_row, remember
from storage.ledger.rows import NEVER_DUE
from storage.ledger.swift import MOVED, end_swiftly
from storage.ledger.turn import drop_lanes, turn_lanes
from storage.tables import channels, deliveries, lanes

_NOTHING = Effects()


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
    ended, parcels, rest = _end_swiftly(connection, directory, worker, list(newest.values()), now)
    ahead = not locked and any(each.claim.kind is LaneKind.BULK for each in rest)
    held = _held(connection, worker, rest, _LOOK if ahead else _FENCE)
    valid = [settlement for settlement in rest if settlement.claim.lane in held]
    outdated = _outdated(connection, directory, valid)
    verdicts = [verdict for settlement in valid for verdict in settlement.verdicts]
    if outdated:
        verdicts = [_look_again(each) if each.delivery.channel_id in outdated else each for each in verdicts]
    _MOVE.run(connection, [_moved(verdict, now) for verdict in verdicts])
    _write_log(connection, verdicts, worker)
    doubt(connection, [each.delivery.id for each in verdicts if each.unsure or each.state is DeliveryState.UNKNOWN])
    swift = [each for each in newest.values() if each.claim.lane in ended]
    effective = _with_effects(connection, directory, [*verdicts, *(each.verdicts[0] for each in swift)])
    remember(connection, [(channel, _left(verdict, parcels)) for verdict, channel in effective], now)
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
    count_calls(connection, verdicts, now)
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


def _end_swiftly(
    connection: Connection, directory: Directory, worker: str, settlements: Sequence[Settlement], now: int
) -> tuple[dict[str, bool], set[str], Sequence[Settlement]]:
    """End what is over for good in one statement, where the database can: the lanes that were held, with whether they
    are empty now; the deliveries whose parcels are remembered with that; and what is left to be settled step by step.
    """
    follow_ups = any(verdict.effects.follow_ups for each in settlements for verdict in each.verdicts)
    if connection.dialect.name != "postgresql" or follow_ups:
        return {}, set(), settlements
    simple = [each for each in settlements if _is_simple(each)]
    if not simple:
        return {}, set(), settlements
    parcels = _parcels(_with_effects(connection, directory, [each.verdicts[0] for each in simple]), now)
    rows = [_end_of(each, worker, now) for each in simple]
    ended = end_swiftly(connection, worker, rows, list(parcels.values()), day_of(now))
    return ended, set(parcels), [each for each in settlements if not _is_simple(each)]


def is_alone(dialect: str, settlements: Sequence[Settlement]) -> bool:
    """Whether this may be settled by :func:`settle_alone`."""
    if dialect != "postgresql" or len(settlements) != 1 or not _is_simple(settlements[0]):
        return False
    effects = settlements[0].verdicts[0].effects
    return not (effects.announcements or effects.follow_ups or len(effects.records) > 1) and all(
        isinstance(record, SentShipment) for record in effects.records
    )


def settle_alone(connection: Connection, directory: Directory, worker: str, settlement: Settlement, now: int) -> bool:
    """Settle in a single statement what ends a lane that it leaves empty; whether it was one."""
    parcels = _parcels(_with_effects(connection, directory, settlement.verdicts), now)
    row = _end_of(settlement, worker, now)
    return bool(end_swiftly(connection, worker, [row], list(parcels.values()), day_of(now), over=True))


def _end_of(settlement: Settlement, worker: str, now: int) -> dict[str, Any]:
    (verdict,) = settlement.verdicts
    fence = {"f_lane": settlement.claim.lane, "f_token": settlement.claim.token, "f_seq": verdict.delivery.seq}
    return {**_moved(verdict, now), **log_row(verdict, worker), **fence}


def _parcels(effective: Sequence[tuple[Verdict, Channel]], now: int) -> dict[str, dict[str, Any]]:
    """What is to be remembered of parcels, by delivery; of one that two deliveries sent, nothing here."""
    made: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for verdict, channel in effective:
        for record in verdict.effects.records:
            if isinstance(record, SentShipment):
                row = {**parcel_row(channel, record, now), "f_lane": verdict.delivery.lane}
                made[channel.id, record.shipment_id].append((verdict.delivery.id, row))
    alone = [same[0] for same in made.values() if len(same) == 1]
    several = {each for each, count in Counter(delivery for delivery, _ in alone).items() if count > 1}
    return {delivery: row for delivery, row in alone if delivery not in several}


def _left(verdict: Verdict, parcels: Collection[str]) -> tuple[Record, ...]:
    """The records that are still to be written."""
    if verdict.delivery.id not in parcels:
        return verdict.effects.records
    return tuple(record for record in verdict.effects.records if not isinstance(record, SentShipment))


def _is_simple(settlement: Settlement) -> bool:
    verdicts = settlement.verdicts
    if settlement.claim.kind is not LaneKind.FIFO or len(verdicts) != 1:
        return False
    state = verdicts[0].state
    return verdicts[0].logged and not verdicts[0].unsure and state not in (DeliveryState.OPEN, DeliveryState.UNKNOWN)


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
        if any(each.state is DeliveryState.OPEN and each.due_in is None for each in settlement.verdicts)
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
    waits = verdict.state is DeliveryState.OPEN and verdict.due_in is None
    return replace(verdict, due_in=0.0) if waits else verdict


def _bulk_with_returns(settlements: Sequence[Settlement]) -> list[str]:
    """Bulk lanes into which something comes back to be tried again."""
    return [
        settlement.claim.lane
        for settlement in settlements
        if settlement.claim.kind is LaneKind.BULK
        and any(verdict.state is DeliveryState.OPEN for verdict in settlement.verdicts)
    ]


_MOVE = BulkUpdate(
    MOVED,
    lambda value: (
        update(deliveries)
        .where(deliveries.c.id == value("b_id"))
        .values(
            state=value("b_state"),
            attempts=deliveries.c.attempts + value("b_attempt"),
            failures=deliveries.c.failures + value("b_failure"),
            due_at=value("b_due"),
            cause=value("b_cause"),
            code=value("b_code"),
            sentence=value("b_sentence"),
            unsure=value("b_unsure"),
            superseded_by=value("b_by"),
            settled_at=value("b_settled"),
            token=null(),
        )
    ),
)


def _moved(verdict: Verdict, now: int) -> dict[str, Any]:
    still_open = verdict.state is DeliveryState.OPEN
    due = NEVER_DUE if verdict.due_in is None else now + int(verdict.due_in * 1_000_000)
    return {
        "b_id": verdict.delivery.id,
        "b_state": str(verdict.state),
        "b_attempt": int(verdict.logged),
        "b_failure": int(verdict.spends_attempt),
        "b_due": due if still_open else now,
        "b_cause": verdict.cause if still_open else "",
        "b_code": verdict.code,
        "b_sentence": verdict.sentence,
        "b_unsure": verdict.unsure,
        "b_by": verdict.superseded_by,
        "b_settled": None if still_open else now,
    }


def _write_log(connection: Connection, verdicts: Sequence[Verdict], worker: str) -> None:
    rows = [log_row(verdict, worker) for verdict in verdicts if verdict.logged]
    if rows:
        LOG.run(connection, rows)


def log_row(verdict: Verdict, actor: str) -> dict[str, Any]:
    """The sync log row of one attempt."""
    delivery, counts = verdict.delivery, verdict.counts
    return {
        "id": new_id(),
        "account_id": delivery.account_id,
        "channel_id": delivery.channel_id,
        "delivery_id": delivery.id,
        "message_id": delivery.message_id,
        "started_at": to_micros(verdict.started_at),
        "finished_at": to_micros(verdict.finished_at),
        "job_type": delivery.job_type,
        "trigger": str(delivery.trigger),
        "business_key": delivery.business_key,
        "correlation_id": delivery.correlation_id,
        "trace_id": delivery.trace_id,
        "attempt": delivery.attempt,
        "outcome": verdict.outcome,
        "level": str(verdict.level),
        "code": verdict.code,
        "sentence": verdict.sentence,
        "counts": {name: value for name in counts.__slots__ if (value := getattr(counts, name))},
        "calls": [
            {
                "method": call.method,
                "route": call.route,
                "status": call.status,
                "ms": call.milliseconds,
                "bytes": call.bytes,
                **({"error": call.error} if call.error else {}),
            }
            for call in verdict.calls
        ],
        "call_count": len(verdict.calls),
        "superseded_by": verdict.superseded_by,
        "actor": actor,
    }


def _with_effects(
    connection: Connection, directory: Directory, verdicts: Sequence[Verdict]
) -> list[tuple[Verdict, Channel]]:
    """The verdicts that carry effects, with their channels; those of a deleted channel leave nothing behind."""
    telling = [verdict for verdict in verdicts if verdict.effects != _NOTHING]
    known = directory.of_ids(connection, {verdict.delivery.channel_id for verdict in telling}).by_id
    return [(each, known[each.delivery.channel_id]) for each in telling if each.delivery.channel_id in known]


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
