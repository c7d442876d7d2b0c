"""The rows that an event becomes: its message, and a delivery for each job and channel."""

from __future__ import annotations

from typing import Any

from broker.ledger import Incoming
from domain.channels import Channel
from domain.events import REMAINDER, Payload, ProductChanged, ShipmentCreated, StockChanged, Tick, business_key
from domain.ids import new_id
from domain.jobs import JobType, Place, jobs_for, place_of
from domain.moments import to_micros
from domain.states import LaneKind
from domain.stock import NEAR_ZERO
from domain.synclog import Trigger
from storage.ledger.identity import Event, digest_of
from storage.ledger.lines import PACE, Newcomer
from storage.ledger.parcels import ParcelKey

REMEMBERED = (StockChanged, ProductChanged)
"""Payloads of which more is kept when they come in than the message: levels, and the catalogue."""


def message_row(incoming: Incoming, account_id: str, now: int) -> dict[str, Any]:
    """The row of its message."""
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


def newcomers_of(event: Event) -> list[Newcomer]:
    """Its deliveries on their way into their lanes."""
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
                parcel=_parcel_of(event, channel),
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
    """Whether it is a tick that a run still going on makes needless; what that run itself asked for is not, nor what
    the shop told of: the run may have read it before.
    """
    if not isinstance(incoming.payload, Tick) or incoming.payload.schedule == REMAINDER:
        return False
    return place.coalesce_key is None and incoming.trigger not in (Trigger.REPLAY, Trigger.WEBHOOK)


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


def _parcel_of(event: Event, channel: Channel) -> ParcelKey | None:
    """The parcel that a delivery is about, if it is about one."""
    payload = event.incoming.payload
    if not isinstance(payload, ShipmentCreated):
        return None
    return event.row["account_id"], channel.id, payload.shipment_id, payload.external_order_id
