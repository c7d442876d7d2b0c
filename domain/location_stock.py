"""Stock of shops that keep it at several locations (sales channels, sections 4 and 5): the rules of
:mod:`domain.stock`, for each location on its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.mappings import Missing, WarehouseMappings
from domain.stock import StockLevel, available


class LocationSku(NamedTuple):
    """A SKU at a location, both as the shop calls them."""

    location: str
    sku: str


@dataclass(frozen=True, slots=True)
class LocationStock:
    """The quantity that a shop confirmed for a SKU at a location; or, where ``seen_at`` is given, showed then. What it
    confirmed after ``seen_at`` stands against it.
    """

    location: str
    sku: str
    quantity: int
    seen_at: datetime | None = None


def available_at(
    levels: Iterable[StockLevel],
    warehouses: WarehouseMappings,
    *,
    buffer: int = 0,
    cap: int | None = None,
    multiplier: int = 1,
) -> dict[str, int]:
    """What a shop may sell of one SKU at each location: :func:`domain.stock.available` over the levels of the OMS
    warehouses that are mapped to it. ``buffer`` is held back and ``cap`` holds at each location.

    A level in a warehouse without mapping counts nowhere; a location without any level is left out.
    """
    there: defaultdict[str, list[StockLevel]] = defaultdict(list)
    for level in levels:
        location = warehouses.to_external(level.warehouse)
        if not isinstance(location, Missing):
            there[location].append(level)
    return {
        location: available(found, buffer=buffer, cap=cap, multiplier=multiplier)
        for location, found in sorted(there.items())
    }


def told_of(location: str, locations: Mapping[str, tuple[str, ...]]) -> tuple[str | None, tuple[str, ...]]:
    """Whose stock lies at a location: the one OMS warehouse that is mapped to it, ``None`` where several are or none;
    and all of them. What several share cannot be told apart from outside.
    """
    warehouses = locations.get(location, ())
    return (warehouses[0] if len(warehouses) == 1 else None), warehouses
