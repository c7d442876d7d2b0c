"""Admission: events become messages and deliveries, in one transaction, each exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from broker.ledger import Admission, Claim, Hands, Incoming, ParcelPast, Rejection, TakenIn
from domain.channels import Channel
from domain.errors import InputError, UnknownName
from domain.events import ProductChanged, StockChanged
from domain.moments import from_micros, to_micros
from domain.stock import StockLevel, is_newer
from storage.directory import Directory, Snapshot
from storage.ledger.entry import ENTER, Entry, can_enter
from storage.ledger.event_rows import REMEMBERED, message_row, newcomers_of
from storage.ledger.identity import Event, encoded, mark_copies, store_messages
from storage.ledger.in_hand import claims_of
from storage.ledger.lines import NOBODY, Lined, line_up
from storage.ledger.parcels import parcel_pasts
from storage.ledger.records import remember_levels
from storage.ledger.rejections import file_rejections
from storage.mappings.catalogue import remember_products
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
    lined = _line_up(connection, directory, events, now, hands)
    fresh = [event for event in events if event.admission is None]
    for event in fresh:
        event.admission = Admission(event.row["id"], jobs=tuple(lined.jobs.get(event.row["id"], ())))
    file_rejections(connection, rejected, now)
    answers = [
        entry.admission or Admission() if isinstance(entry, Event) else Admission(error=entry) for entry in checked
    ]
    return TakenIn(answers, _in_hand(connection, lined, fresh, now))


def _line_up(connection: Connection, directory: Directory, events: Sequence[Event], now: int, hands: Hands) -> Lined:
    """Store the messages that are new and their deliveries; what else came gets its answer."""
    newcomers = {event.row["id"]: newcomers_of(event) for event in events}
    messages = encoded(events) if connection.dialect.name == "postgresql" else {}
    everybody = [newcomer for each in newcomers.values() for newcomer in each]
    remembered = any(isinstance(event.incoming.payload, REMEMBERED) for event in events)
    if connection.dialect.name == "postgresql" and events and not remembered and can_enter(everybody):
        entry = Entry(everybody, now, hands)
        stored, lined = entry.read(connection.exec_driver_sql(ENTER, entry.values(messages)))
        mark_copies(connection, events, stored)
        return lined
    store_messages(connection, events, messages)
    fresh = [event for event in events if event.admission is None]
    remember_levels(connection, _newest_levels(fresh))
    if remember_products(connection, _products(fresh), now):
        directory.forget()
    return line_up(connection, [each for event in fresh for each in newcomers[event.row["id"]]], now, hands)


def _in_hand(connection: Connection, lined: Lined, events: Sequence[Event], now: int) -> list[Claim]:
    if not lined.in_hand:
        return []
    pasts = lined.pasts if lined.pasts is not None else _pasts(connection, lined)
    return claims_of(lined, events, pasts, now)


def _pasts(connection: Connection, lined: Lined) -> Mapping[str, ParcelPast]:
    """What is known of the parcels among the first deliveries of these lanes: looked up together, it costs their runs
    no trips to the database.
    """
    asked = {lane: first.parcel for lane, first in lined.in_hand.items() if first.parcel is not None}
    known = parcel_pasts(connection, list(set(asked.values()))) if asked else {}
    return {lane: known[parcel] for lane, parcel in asked.items()}


def _products(events: Sequence[Event]) -> list[tuple[Event, dict[str, Any]]]:
    payloads = ((event, event.incoming.payload) for event in events)
    return [(event, payload.product) for event, payload in payloads if isinstance(payload, ProductChanged)]


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
        return Event(incoming, _concerned(connection, known, incoming), message_row(incoming, account.id, now))
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
    found = connection.scalars(
        select(orders.c.channel_id).where(orders.c.account_id == account.id, orders.c.external_order_id == order_id)
    )
    # A deleted channel may have had the order too.
    holders = {channel.id for channel in candidates}.intersection(found)
    if len(holders) != 1:
        raise UnknownName(
            f"Order {order_id!r} is in {len(holders)} channels of account {account.code!r}: name the channel in the "
            f"event.",
            code="channel_missing",
        )
    return tuple(channel for channel in candidates if channel.id in holders)
