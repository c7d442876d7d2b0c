"""Event types and their payloads (design, section 3): the public contract with upstream systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from domain.envelope import Envelope, explain
from domain.errors import MalformedEvent, UnknownName
from domain.fields import Moment, Version, Whole, YesNo
from domain.orders import Order
from domain.products import Product
from domain.stock import StockImported

CONTRACT_VERSION = "1"
"""Version of the published schemas; a changed schema needs a new one."""

Sku = Field(min_length=1, max_length=120)
OrderId = Field(min_length=1, max_length=100)


class Payload(BaseModel):
    """Base of all payloads: immutable; members nobody knows are kept out with a precise error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChannelOrder(Payload):
    """``order.created``, ``order.updated``, ``order.cancelled``: something happened to an order in a shop."""

    external_order_id: str = OrderId
    order: dict[str, Any] | None = Field(default=None, description="the platform's own document, as a hint")
    updated_at: Moment | None = Field(default=None, description="when the shop last changed it: saves a call if known")


class OrderStatusChanged(Payload):
    """``order.status_changed``: the OMS moved an order on; the shop must know."""

    external_order_id: str = OrderId
    status: str = Field(min_length=1, max_length=40)
    note: str | None = Field(default=None, max_length=2000)


def _named_by(member: str) -> dict[str, JsonValue]:
    return {"required": [member], "properties": {member: {"type": "string"}}}


class ShipmentLine(Payload):
    """One line of a parcel, named by the shop's line id or by SKU; the quantity is at least 1."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_named_by("external_line_id"), _named_by("sku")]})

    external_line_id: str | None = Field(default=None, min_length=1, max_length=100)
    sku: str | None = Field(default=None, min_length=1, max_length=120)
    quantity: Whole = Field(ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _is_named(self) -> ShipmentLine:
        if self.external_line_id is None and self.sku is None:
            raise ValueError("a line needs external_line_id or sku")
        return self


class ShipmentCreated(Payload):
    """``shipment.created``: one parcel left the warehouse."""

    shipment_id: str = Field(min_length=1, max_length=100)
    external_order_id: str = OrderId
    carrier: str = Field(min_length=1, max_length=100)
    service: str | None = Field(default=None, max_length=100)
    tracking_number: str | None = Field(default=None, max_length=100)
    shipped_at: Moment
    notify_customer: YesNo
    lines: list[ShipmentLine] = Field(min_length=1, max_length=500)


class StockChanged(Payload):
    """``stock.changed``: the present level of one SKU in one warehouse (absolute, never a difference)."""

    sku: str = Sku
    warehouse: str = Field(min_length=1, max_length=100)
    total: Whole = Field(ge=0, le=1_000_000_000)
    allocated: Whole = Field(ge=0, le=1_000_000_000)
    version: Version | None = Field(default=None, description="grows per sku and warehouse; else time orders")


class ProductChanged(Payload):
    """``product.changed``: the OMS changed a product."""

    product: dict[str, Any]

    @property
    def sku(self) -> str:
        """The product's own SKU; empty where it has none or one that is no text."""
        named = self.product.get("sku")
        return named if isinstance(named, str) else ""


REMAINDER = "remainder"
"""The schedule that a tick names which a run itself asked for: there was too much for one run."""


class Tick(Payload):
    """``tick.<job_type>``: a schedule is due."""

    schedule: str = Field(min_length=1, max_length=100)
    due: Moment


@dataclass(frozen=True, slots=True)
class EventType:
    """One type an upstream may send: its payload model, who sends it, and where its business key stands."""

    name: str
    payload: type[Payload]
    sender: Literal["channel", "oms", "timer"]
    business_key: str
    meaning: str


_ORDER = "external_order_id"

EVENT_TYPES: dict[str, EventType] = {
    entry.name: entry
    for entry in (
        EventType("order.created", ChannelOrder, "channel", _ORDER, "An order was placed in a shop."),
        EventType("order.updated", ChannelOrder, "channel", _ORDER, "An order changed in a shop."),
        EventType("order.cancelled", ChannelOrder, "channel", _ORDER, "An order was cancelled in a shop."),
        EventType("order.status_changed", OrderStatusChanged, "oms", _ORDER, "The OMS moved an order on."),
        EventType("shipment.created", ShipmentCreated, "oms", _ORDER, "A parcel left the warehouse."),
        EventType("stock.changed", StockChanged, "oms", "sku", "The stock of a SKU in a warehouse changed."),
        EventType("product.changed", ProductChanged, "oms", "", "The OMS changed a product."),
    )
}

TICK_PREFIX = "tick."


@dataclass(frozen=True, slots=True)
class AnnouncedType:
    """One type Towpath itself publishes on ``towpath.oms``: its document and what it says."""

    name: str
    payload: type[BaseModel]
    meaning: str


ANNOUNCED_TYPES: dict[str, AnnouncedType] = {
    entry.name: entry
    for entry in (
        AnnouncedType("order.imported", Order, "An order of a shop was read and recorded."),
        AnnouncedType("product.imported", Product, "A product of a shop is new or changed, and recorded."),
        AnnouncedType("stock.imported", StockImported, "The stock of a SKU in a shop is not what was known of it."),
    )
}


def event_type(name: str) -> EventType:
    """The type of that name; every ``tick.<job_type>`` is one.

    Raises:
        UnknownName: nobody defined it; the sentence lists what exists.
    """
    if name in EVENT_TYPES:
        return EVENT_TYPES[name]
    if name.startswith(TICK_PREFIX) and len(name) > len(TICK_PREFIX):
        return EventType(name, Tick, "timer", "schedule", "A schedule is due.")
    known = ", ".join(EVENT_TYPES)
    raise UnknownName(
        f"Nobody listens to events of type {name!r}. Known: {known}, tick.<job_type>.", code="unknown_type"
    )


def payload_of(envelope: Envelope) -> Payload:
    """The typed payload of an envelope.

    Raises:
        UnknownName: the type does not exist.
        MalformedEvent: ``data`` does not have the shape of its type; the sentence names the members.
    """
    kind = event_type(envelope.type)
    try:
        return kind.payload.model_validate(envelope.data)
    except ValidationError as error:
        raise MalformedEvent(
            f"data of {envelope.type} is not valid: {explain(error)}", code="invalid_payload"
        ) from None


def business_key(envelope: Envelope, payload: Payload) -> str:
    """What a person would search by: the order number, SKU or schedule; else the envelope's ``subject``, and of a
    product without one its SKU.
    """
    field = event_type(envelope.type).business_key
    value = getattr(payload, field, None) if field else None
    if value is not None:
        return str(value)
    return envelope.subject or (payload.sku if isinstance(payload, ProductChanged) else "")
