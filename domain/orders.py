"""Orders in Towpath's own form, whatever shop they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class OrderStatus(StrEnum):
    """The statuses the OMS speaks; each connector maps them to the shop's own."""

    NEW = "new"
    PAID = "paid"
    IN_PROGRESS = "in_progress"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    BACK_ORDERED = "back_ordered"
    ON_HOLD = "on_hold"
    CANCELLED = "cancelled"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Contact(_Document):
    """Personal data: a person to reach. Never logged."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""


class Address(_Document):
    """Personal data: a place. State and country are as the shop writes them. Never logged."""

    company: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


class OrderLine(_Document):
    """One ordered item. ``shippable`` is false for what needs no parcel (gift certificates).

    ``sku`` and ``quantity`` are the OMS's. Where the channel calls it otherwise, ``channel_sku`` is what stands in the
    shop: one unit of it is ``multiplier`` units of ``sku``. ``unit_price`` is of one unit of ``sku``, and rounded to
    six decimals where a multiplier divides it; ``total`` is exact.
    """

    external_line_id: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    total: Decimal
    shippable: bool = True
    channel_sku: str | None = None
    multiplier: int = 1


class Adjustment(_Document):
    """A tax, charge or discount of the whole order."""

    note: str
    amount: Decimal


class Order(_Document):
    """One order of a shop in canonical form; money in the shop's currency, times in UTC.

    ``shipping_method`` is as the shop writes it. ``warehouse``, ``carrier`` and ``carrier_service`` are the OMS's, by
    which the order is to leave: as mapped, else the defaults of the account, else null.
    """

    external_order_id: str
    status: OrderStatus
    external_status: str
    created_at: datetime
    updated_at: datetime
    shipping_method: str = ""
    grand_total: Decimal = Decimal(0)
    item_total: Decimal = Decimal(0)
    lines: tuple[OrderLine, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    ship_to: Address = Address()
    ship_to_contact: Contact = Contact()
    bill_to: Address = Address()
    bill_to_contact: Contact = Contact()
    notes: tuple[str, ...] = ()
    warehouse: str | None = None
    carrier: str | None = None
    carrier_service: str | None = None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """What Towpath remembers of an imported order: the newest document by ``updated_at`` wins."""

    external_order_id: str
    updated_at: datetime
    status: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """One row of a shop's order list: enough to decide whether the detail is worth a call."""

    external_order_id: str
    updated_at: datetime
    external_status: str
