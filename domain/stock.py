"""Stock rules (sales channels, section 5): newest wins, available = total - allocated, never below zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict

PACE_SECONDS = 0.85
"""From the first change that a channel's stock is in for to the next time it is sent: what comes in between is sent
with it. A hot SKU still moves at least every second.
"""
NEAR_ZERO = 10
"""So few left for sale are told to the shop at once, for each sale could be one too many."""


@dataclass(frozen=True, slots=True)
class StockLevel:
    """The level of one SKU in one warehouse as the OMS said it; ``message_id`` is the message that carried it."""

    sku: str
    warehouse: str
    total: int
    allocated: int
    version: int | None
    time: datetime
    message_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ConfirmedStock:
    """The quantity a shop last confirmed for a SKU."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class SeenStock:
    """The quantity a shop showed for a SKU. What it confirmed after ``seen_at`` stands against it."""

    sku: str
    quantity: int
    seen_at: datetime


class StockImported(BaseModel):
    """``stock.imported``: a shop shows another quantity of a SKU than was known. ``previous`` is what it confirmed or
    showed before; ``None`` the first time.

    Where the channel calls it otherwise, ``channel_sku`` is its own name: one unit of it is ``multiplier`` units of
    ``sku``, in which both quantities are. Several channel SKUs of one SKU are told one by one.

    Of a shop that keeps stock at locations each ``location`` is told by itself. ``warehouses`` are all that are mapped
    to it; ``warehouse`` is the only one, ``None`` where several share it: the quantity is then what they have together.
    """

    model_config = ConfigDict(frozen=True)

    sku: str
    quantity: int
    previous: int | None
    seen_at: datetime
    channel_sku: str | None = None
    multiplier: int = 1
    location: str | None = None
    warehouse: str | None = None
    warehouses: tuple[str, ...] = ()


def is_newer(candidate: tuple[int | None, int], known: tuple[int | None, int]) -> bool:
    """Whether ``candidate`` is newer than ``known``; each is (version, time in microseconds).

    Versions decide where both have one, else time does. Equal is not newer, so a copy never wins.
    """
    if candidate[0] is not None and known[0] is not None:
        return candidate[0] > known[0]
    return candidate[1] > known[1]


def available(levels: Iterable[StockLevel], *, buffer: int = 0, cap: int | None = None, multiplier: int = 1) -> int:
    """What a shop may sell: total - allocated over all ``levels``, less ``buffer``, from 0 to ``cap``.

    Where one unit of the shop's SKU is ``multiplier`` units of the OMS, only whole ones count; ``buffer`` is in units
    of the OMS, ``cap`` in those of the shop.
    """
    quantity = max(sum(level.total - level.allocated for level in levels) - buffer, 0) // multiplier
    return quantity if cap is None else min(quantity, cap)
