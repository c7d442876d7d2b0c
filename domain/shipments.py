"""Parcels: what the OMS ships and what the shop was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """A quantity of one order line, by the shop's line id."""

    external_line_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel ready to be told to the shop; ``shipped_on`` is a date in the channel's timezone."""

    shipment_id: str
    external_order_id: str
    shipping_method: str | None
    tracking_number: str | None
    shipped_on: date
    notify_customer: bool
    lines: tuple[ParcelLine, ...]


@dataclass(frozen=True, slots=True)
class ShopShipment:
    """A shipment as the shop shows it on read-back."""

    external_shipment_id: str
    tracking_number: str | None
    note: str | None
    lines: tuple[ParcelLine, ...]


@dataclass(frozen=True, slots=True)
class SentShipment:
    """What Towpath remembers of a parcel the shop has: the answer to "was this one sent already?"."""

    shipment_id: str
    external_order_id: str
    external_shipment_id: str


def same_contents(left: Iterable[ParcelLine], right: Iterable[ParcelLine]) -> bool:
    """Whether two parcels hold the same quantities, whatever the order or split of their lines."""

    def total(lines: Iterable[ParcelLine]) -> Counter[str]:
        counted: Counter[str] = Counter()
        for line in lines:
            counted[line.external_line_id] += line.quantity
        return counted

    return total(left) == total(right)
