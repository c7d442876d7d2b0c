"""The unit of work that every contender does: one event, one POST of a shipment, one log row."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bench.shop_state import LINE_OFFSET

HEADERS = {
    "accept": "application/json",
    "user-agent": "bench",
    "X-API-TOKEN": "bench-token",
    "content-type": "application/json",
}

COLUMNS = (
    "id",
    "account_id",
    "channel_id",
    "delivery_id",
    "message_id",
    "started_at",
    "finished_at",
    "job_type",
    "trigger",
    "business_key",
    "attempt",
    "outcome",
    "level",
    "code",
    "sentence",
    "counts",
    "calls",
    "call_count",
    "actor",
)
"""Columns of Towpath's own log table that are filled; the others are null for all contenders."""

_ACCOUNT, _CHANNEL, _ACTOR = (str(uuid.uuid4()) for _ in range(3))


class Line(BaseModel):
    """One line of a parcel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    external_line_id: str = Field(min_length=1, max_length=100)
    quantity: int = Field(ge=1, le=1_000_000)


class Parcel(BaseModel):
    """``data`` of the event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shipment_id: str = Field(min_length=1, max_length=100)
    external_order_id: str = Field(min_length=1, max_length=100)
    carrier: str = Field(min_length=1, max_length=100)
    service: str | None = Field(default=None, max_length=100)
    tracking_number: str | None = Field(default=None, max_length=100)
    shipped_at: AwareDatetime
    notify_customer: bool
    lines: list[Line] = Field(min_length=1, max_length=500)


class Event(BaseModel):
    """The CloudEvent as a contender without Towpath validates it."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=200)
    type: Literal["shipment.created"]
    account: str = Field(max_length=64)
    channel: str = Field(max_length=64)
    time: AwareDatetime
    data: Parcel


def shipment_event(number: int) -> dict[str, Any]:
    """The event of one parcel of order ``number``: about 480 bytes as JSON."""
    return {
        "specversion": "1.0",
        "id": f"shipment-{number}",
        "source": "oms.example.com/warehouse",
        "type": "shipment.created",
        "time": datetime.now(UTC).isoformat(),
        "account": "bench",
        "channel": "shop",
        "data": {
            "shipment_id": f"S-{number:08d}",
            "external_order_id": str(number),
            "carrier": "UPS",
            "service": "Ground",
            "tracking_number": f"1Z999AA1{number:010d}",
            "shipped_at": "2026-01-05T16:20:00+00:00",
            "notify_customer": False,
            "lines": [{"external_line_id": str(LINE_OFFSET + number), "quantity": 1}],
        },
    }


def path_of(event: Event) -> str:
    """Where the shipment is posted."""
    return f"/api/v2.7.0/orders/{int(event.data.external_order_id)}/shipments"


def body_of(event: Event) -> bytes:
    """What is posted: the same members as Towpath sends."""
    parcel = event.data
    shipment = {
        "line_items": [{"id": int(line.external_line_id), "quantity": line.quantity} for line in parcel.lines],
        "ship_date": parcel.shipped_at.date().isoformat(),
        "note": parcel.shipment_id,
        "send_shipping_confirmation": parcel.notify_customer,
        "shipping_method": "UPS Ground",
        "tracking_number": parcel.tracking_number,
    }
    return json.dumps({"shipment": shipment}, separators=(",", ":")).encode()


def log_row(event: Event, started: int, status: int, answer: bytes) -> tuple[Any, ...]:
    """The values of :data:`COLUMNS`; ``started`` in microseconds. Raises ValueError when the shop refused."""
    if status != 201:
        raise ValueError(f"the shop answered {status}")
    finished = micros()
    call = {
        "method": "POST",
        "route": "/orders/{order_id}/shipments",
        "status": status,
        "ms": (finished - started) // 1000,
        "bytes": len(answer),
    }
    created = json.loads(answer)["id"]
    return (
        *(str(uuid.uuid4()), _ACCOUNT, _CHANNEL, str(uuid.uuid4()), str(uuid.uuid4())),
        *(started, finished, "shipment_export", "event", event.data.external_order_id, 1, "Done", "Info", "ok"),
        f"Shipment {event.data.shipment_id} of order {event.data.external_order_id} is in the shop as {created}.",
        *('{"created": 1}', json.dumps([call]), 1, _ACTOR),
    )


def micros() -> int:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000
