"""Admission: events become messages and deliveries, in one transaction, each exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from broker.ledger import Admission, Claim, Hands, Incoming, Rejection, TakenIn
from domain.channels import Channel
from domain.envelope import Envelope, read_back
from domain.errors import IdentityConflict, InputError, UnknownName
from domain.events import Payload, StockChanged, Tick, business_key
from domain.ids import new_id
from domain.jobs import JobType, Place, jobs_for, place_of
from domain.moments import from_micros, to_micros
from domain.states import LaneKind
from domain.stock import NEAR_ZERO, StockLevel, is_newer
from domain.synclog import Trigger
from storage.bulk import BulkInsert
from storage.directory import Directory, Snapshot
from storage.ledger.lines import NOBODY, PACE, Lined, Newcomer, first_token, line_up
from storage.ledger.records import remember_levels
from storage.ledger.rows import to_delivery
from storage.sql import chunks, upsert
from storage.tables import messages, orders, rejections


@dataclass(slots=True)
class _Event:
    """An incoming event that passed its checks, with the row it becomes."""

    incoming: Incoming
    channels: tuple[Channel, ...]
    row: dict[str, Any]
    admission: Admission | None = None


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
    events = [entry for entry in checked if isinstance(entry, _Event)]
    _store_messages(connection, events)
    fresh = [event for event in events if event.admission is None]
    remember_levels(connection, _newest_levels(fresh))
    lined = line_up(connection, [newcomer for event in fresh for newcomer in _newcomers(event)], now, hands)
    for event in fresh:
        event.admission = Admission(event.row["id"], jobs=tuple(lined.jobs.get(event.row["id"], ())))
    file_rejections(connection, rejected, now)
    answers = [
        entry.admission or Admission() if isinstance(entry, _Event) else Admission(error=entry) for entry in checked
    ]
    return TakenIn(answers, _in_hand(lined, fresh, now))


def _in_hand(lined: Lined, events: Sequence[_Event], now: int) -> list[Claim]:
    """The lanes that began in a worker's hand, as if it had claimed them."""
    by_message = {event.row["id"]: event for event in events} if lined.in_hand else {}
    claims = []
    for lane, row in lined.in_hand.items():
        event = by_message[row["message_id"]]
        incoming = event.incoming
        head = to_delivery({**event.row, **row, **_FRESH, "event": (incoming.envelope, incoming.payload)})
        claims.append(Claim(lane, LaneKind.FIFO, first_token(now), row["channel_id"], row["job_type"], 0, (head,)))
    return claims


_FRESH = {"attempts": 0, "failures": 0, "unsure": False, "cause": ""}


def _newest_levels(events: Sequence[_Event]) -> list[tuple[str, StockLevel]]:
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


def _check(connection: Connection, known: Snapshot, incoming: Incoming, now: int) -> _Event | InputError:
    """Resolve account and channels."""
    try:
        account = known.account(incoming.envelope.account)
        return _Event(incoming, _concerned(connection, known, incoming), _message_row(incoming, account.id, now))
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
        "digest": _digest(incoming.body),
        "body": incoming.body,
    }


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _meaning(envelope: Envelope) -> dict[str, Any]:
    """What is equal for copies of an event, however their JSON is spaced or ordered, and whenever they were sent."""
    return envelope.model_dump(mode="json", exclude={"time", "traceparent"}, exclude_none=True)


def _store_messages(connection: Connection, events: Sequence[_Event]) -> None:
    """Insert what is new; mark copies as duplicates and conflicting copies as refused."""
    if not events:
        return
    stored = set(_MESSAGES.run(connection, [event.row for event in events]).scalars())
    copies = [event for event in events if event.row["id"] not in stored]
    if not copies:
        return
    earlier = _earlier(connection, copies)
    for event in copies:
        message_id, digest, body = earlier[event.row["account_id"], event.row["source"], event.row["event_id"]]
        if digest == event.row["digest"] or _meaning(read_back(body)) == _meaning(event.incoming.envelope):
            event.admission = Admission(message_id, duplicate=True)
            continue
        event.admission = Admission(
            message_id,
            error=IdentityConflict(
                f"Event {event.row['event_id']!r} of {event.row['source']!r} came before with another body "
                f"(message {message_id}). A changed event needs a new id."
            ),
        )
    counted = [
        {"b_id": event.admission.message_id} for event in copies if event.admission and event.admission.duplicate
    ]
    if counted:
        connection.execute(
            update(messages).where(messages.c.id == bindparam("b_id")).values(copies=messages.c.copies + 1),
            counted,
        )


_MESSAGES = BulkInsert(
    messages,
    [each.name for each in messages.columns if each.name != "copies"],
    lambda statement: statement.on_conflict_do_nothing(index_elements=["account_id", "source", "event_id"]).returning(
        messages.c.id
    ),
)


def _earlier(connection: Connection, copies: Sequence[_Event]) -> dict[tuple[str, str, str], tuple[str, bytes, bytes]]:
    found: dict[tuple[str, str, str], tuple[str, bytes, bytes]] = {}
    for part in chunks(copies):
        wanted = {event.row["event_id"] for event in part}
        query = select(
            messages.c.id,
            messages.c.account_id,
            messages.c.source,
            messages.c.event_id,
            messages.c.digest,
            messages.c.body,
        )
        query = query.where(
            messages.c.account_id.in_({event.row["account_id"] for event in part}),
            messages.c.source.in_({event.row["source"] for event in part}),
            messages.c.event_id.in_(wanted),
        )
        for row in connection.execute(query):
            found[row.account_id, row.source, row.event_id] = (row.id, row.digest, row.body)
    return found


def _newcomers(event: _Event) -> list[Newcomer]:
    incoming, row = event.incoming, event.row
    made: list[Newcomer] = []
    for job in jobs_for(incoming.envelope.type):
        for channel in event.channels:
            place = place_of(job, channel.id, incoming.payload, row["business_key"])
            newcomer = Newcomer(_delivery_row(row, job, channel, place), place, skip_when_busy=_skips(incoming, place))
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


def file_rejections(connection: Connection, rejected: Sequence[Rejection], now: int) -> None:
    """Keep what cannot become a message; copies of the same body are counted on one row."""
    for rejection in rejected:
        digest = hashlib.blake2b(rejection.body + rejection.error.code.encode(), digest_size=16).digest()
        statement = upsert(connection, rejections).values(
            id=new_id(),
            digest=digest,
            origin=rejection.origin,
            routing_key=_storable(rejection.routing_key)[:255],
            code=rejection.error.code,
            sentence=_storable(rejection.error.sentence),
            body=rejection.body,
            headers={_storable(name): _storable(value) for name, value in rejection.headers.items()},
            first_seen_at=now,
            last_seen_at=now,
            seen=1,
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["digest"], set_={"seen": rejections.c.seen + 1, "last_seen_at": now}
            )
        )


def _storable(text: str) -> str:
    """Text of a stranger without what PostgreSQL cannot store (NUL) or nobody can encode (lone surrogates)."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
