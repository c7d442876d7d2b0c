"""Admission: events become messages and deliveries, in one transaction, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from broker.ledger import Admission, Claim, Hands, Incoming, ParcelPast, Rejection, TakenIn
from domain.channels import Channel
from domain.errors import InputError, UnknownName
from domain.events import Payload, ShipmentCreated, StockChanged, Tick, business_key
from domain.ids import new_id
from domain.jobs import JobType, Place, jobs_for, place_of
from domain.moments import from_micros, to_micros
from domain.states import LaneKind
from domain.stock import NEAR_ZERO, StockLevel, is_newer
from domain.synclog import Trigger
from storage.directory import Directory, Snapshot
from storage.ledger.entry import can_enter, enter
from storage.ledger.identity import Event, digest_of, mark_copies, store_messages
from storage.ledger.lines import NOBODY, PACE, Lined, Newcomer, first_token, line_up
from storage.ledger.parcels import ParcelKey, parcel_pasts
from storage.ledger.records import remember_levels
from storage.ledger.rejections import file_rejections
from storage.ledger.rows import to_delivery
from storage.tables import orders


def admit(
    connection: Connection,
    directory: Directory,
    batch: Sequence[Incoming],
    rejected: Sequence[Rejection],
    now: int,
    hands: Hands = NOBODY,
) -> TakenIn:
    """Store what is valid with its deliveries, refuse the rest with a reason; answers stand in the order of ``batch``.

    The same (account, source, id) with the same body is a duplicate; with another body it is refused
    (CloudEvents 1.0: source + id is unique for each distinct event).
    """
    known = directory.named(connection, [(each.envelope.account, each.envelope.channel) for each in batch])
    checked = [_check(connection, known, incoming, now) for incoming in batch]
    events = [entry for entry in checked if isinstance(entry, Event)]
    lined = _line_up(connection, events, now, hands)
    fresh = [event for event in events if event.admission is None]
    for event in fresh:
        event.admission = Admission(event.row["id"], jobs=tuple(lined.jobs.get(event.row["id"], ())))
    file_rejections(connection, rejected, now)
    answers = [
        entry.admission or Admission() if isinstance(entry, Event) else Admission(error=entry) for entry in checked
    ]
    return TakenIn(answers, _in_hand(connection, lined, fresh, now))


def _line_up(connection: Connection, events: Sequence[Event], now: int, hands: Hands) -> Lined:
    """Store the messages that are new and their deliveries; what else came gets its answer."""
    newcomers = {event.row["id"]: _newcomers(event) for event in events}
    everybody = [newcomer for made in newcomers.values() for newcomer in made]
    leveled = any(isinstance(event.incoming.payload, StockChanged) for event in events)
    if events and not leveled and can_enter(connection, everybody):
        stored, lined = enter(connection, [event.row for event in events], everybody, now, hands)
        mark_copies(connection, events, stored)
        return lined
    store_messages(connection, events)
    fresh = [event for event in events if event.admission is None]
    remember_levels(connection, _newest_levels(fresh))
    return line_up(connection, [each for event in fresh for each in newcomers[event.row["id"]]], now, hands)


FEW = 8
"""Lanes that begin together whose runs look up themselves what they must know."""


def _in_hand(connection: Connection, lined: Lined, events: Sequence[Event], now: int) -> list[Claim]:
    """The lanes that began in a worker's hand, as if it had claimed them."""
    if not lined.in_hand:
        return []
    by_message = {event.row["id"]: event for event in events}
    pasts = _pasts(connection, lined, by_message)
    claims = []
    for lane, row in lined.in_hand.items():
        event = by_message[row["message_id"]]
        incoming = event.incoming
        told = {"event": (incoming.envelope, incoming.payload), "past": pasts.get(lane)}
        head = to_delivery({**event.row, **row, **_FRESH, **told})
        claims.append(Claim(lane, LaneKind.FIFO, first_token(now), row["channel_id"], row["job_type"], 0, (head,)))
    return claims


def _pasts(connection: Connection, lined: Lined, events: Mapping[str, Event]) -> dict[str, ParcelPast]:
    """What is known of the parcels among the first deliveries of these lanes, if they are many: looked up together, it
    costs their runs no trips to the database. A few look it up themselves while this transaction is being committed.
    """
    if len(lined.in_hand) <= FEW:
        return {}
    asked: dict[str, ParcelKey] = {}
    for lane, row in lined.in_hand.items():
        payload = events[row["message_id"]].incoming.payload
        if isinstance(payload, ShipmentCreated):
            asked[lane] = (row["account_id"], row["channel_id"], payload.shipment_id, payload.external_order_id)
    known = parcel_pasts(connection, list(asked.values())) if asked else {}
    return {lane: known[parcel] for lane, parcel in asked.items()}


_FRESH = {"attempts": 0, "failures": 0, "unsure": False, "cause": ""}


def _newest_levels(events: Sequence[Event]) -> list[tuple[str, StockLevel]]:
    """The newest stock level of each account, SKU and warehouse among new events."""
    newest: dict[tuple[str, str, str], StockLevel] = {}
    for event in events:
        change = event.incoming.payload
        if not isinstance(change, StockChanged):
            continue
        time = from_micros(event.row["event_time"])
        level = StockLevel(
            change.sku, change.warehouse, change.total, change.allocated, change.version, time, event.row["id"]
        )
        place = (event.row["account_id"], change.sku, change.warehouse)
        known = newest.get(place)
        if known is None or is_newer((level.version, to_micros(level.time)), (known.version, to_micros(known.time))):
            newest[place] = level
    return [(place[0], level) for place, level in newest.items()]


def _check(connection: Connection, known: Snapshot, incoming: Incoming, now: int) -> Event | InputError:
    """Resolve account and channels."""
    try:
        account = known.account(incoming.envelope.account)
        return Event(incoming, _concerned(connection, known, incoming), _message_row(incoming, account.id, now))
    except UnknownName as error:
        return error


def _concerned(connection: Connection, known: Snapshot, incoming: Incoming) -> tuple[Channel, ...]:
    """The channels an event is for: the one it names, the one that holds its order, or all that could care."""
    envelope = incoming.envelope
    account = known.account(envelope.account)
    if envelope.channel is not None:
        return (known.channel(account.code, envelope.channel),)
    candidates = known.of_account.get(account.code, ())
    order_id = getattr(incoming.payload, "external_order_id", None)
    if order_id is None or len(candidates) <= 1:
        return candidates
    holders = set(
        connection.scalars(
            select(orders.c.channel_id).where(orders.c.account_id == account.id, orders.c.external_order_id == order_id)
        )
    )
    if len(holders) != 1:
        raise UnknownName(
            f"Order {order_id!r} is in {len(holders)} channels of account {account.code!r}: name the channel in the "
            f"event.",
            code="channel_missing",
        )
    return tuple(channel for channel in candidates if channel.id in holders)


def _message_row(incoming: Incoming, account_id: str, now: int) -> dict[str, Any]:
    envelope = incoming.envelope
    trace = (envelope.traceparent or "").split("-")
    return {
        "id": new_id(),
        "account_id": account_id,
        "source": envelope.source,
        "event_id": envelope.id,
        "type": envelope.type,
        "channel": envelope.channel,
        "business_key": business_key(envelope, incoming.payload)[:200],
        "correlation_id": envelope.correlationid,
        "trace_id": trace[1] if len(trace) == 4 else None,
        "trigger": str(incoming.trigger),
        "event_time": to_micros(envelope.time) if envelope.time else now,
        "received_at": now,
        "digest": digest_of(incoming.body),
        "body": incoming.body,
    }


def _newcomers(event: Event) -> list[Newcomer]:
    incoming, row = event.incoming, event.row
    made: list[Newcomer] = []
    for job in jobs_for(incoming.envelope.type):
        for channel in event.channels:
            place = place_of(job, channel.id, incoming.payload, row["business_key"])
            newcomer = Newcomer(
                _delivery_row(row, job, channel, place),
                place,
                skip_when_busy=_skips(incoming, place),
                tick=isinstance(incoming.payload, Tick),
            )
            if place.kind is LaneKind.BULK and not _is_urgent(incoming.payload, channel):
                newcomer.row["due_at"] += PACE
                newcomer.urgent = False
            made.append(newcomer)
    return made


def _is_urgent(payload: Payload, channel: Channel) -> bool:
    """Whether a change of stock must not wait for others: little is left to sell, or it is no single change."""
    if not isinstance(payload, StockChanged):
        return True
    return payload.total - payload.allocated - channel.settings.stock_buffer <= NEAR_ZERO


def _skips(incoming: Incoming, place: Place) -> bool:
    return isinstance(incoming.payload, Tick) and place.coalesce_key is None and incoming.trigger is not Trigger.REPLAY


def _delivery_row(row: dict[str, Any], job: JobType, channel: Channel, place: Place) -> dict[str, Any]:
    return {
        "id": new_id(),
        "message_id": row["id"],
        "account_id": row["account_id"],
        "channel_id": channel.id,
        "job_type": job.name,
        "business_key": row["business_key"],
        "lane": place.lane,
        "seq": 0,
        "state": "open",
        "trigger": row["trigger"],
        "due_at": row["received_at"],
        "code": "",
        "sentence": "",
        "coalesce_key": place.coalesce_key,
        "version": place.version,
        "event_time": row["event_time"],
        "superseded_by": None,
        "created_at": row["received_at"],
        "settled_at": None,
    }
