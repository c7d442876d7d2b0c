"""Order statuses both ways: the ten of Bright Sites (API facts, section 4) and those the OMS speaks."""

from __future__ import annotations

from domain.errors import ShopRejected
from domain.orders import OrderStatus

FROM_SHOP: dict[str, OrderStatus] = {
    "new": OrderStatus.NEW,
    "billed": OrderStatus.PAID,
    "paid": OrderStatus.PAID,
    "in_progress": OrderStatus.IN_PROGRESS,
    "split": OrderStatus.PARTIALLY_SHIPPED,
    "shipped": OrderStatus.SHIPPED,
    "completed": OrderStatus.COMPLETED,
    "back_ordered": OrderStatus.BACK_ORDERED,
    "canceled": OrderStatus.CANCELLED,
    "moas_pending": OrderStatus.ON_HOLD,
}

_TO_SHOP: dict[str, str] = {
    OrderStatus.NEW: "new",
    OrderStatus.PAID: "paid",
    OrderStatus.IN_PROGRESS: "in_progress",
    OrderStatus.PARTIALLY_SHIPPED: "split",
    OrderStatus.SHIPPED: "shipped",
    OrderStatus.COMPLETED: "completed",
    OrderStatus.BACK_ORDERED: "back_ordered",
    OrderStatus.CANCELLED: "canceled",
}


def from_shop(status: str) -> OrderStatus:
    """The OMS's word; a status nobody documented is on hold, because nobody ships what is on hold."""
    return FROM_SHOP.get(status.strip().lower(), OrderStatus.ON_HOLD)


def to_shop(status: str) -> str:
    """The shop's word for an OMS status; the shop's own ten words are taken as they are.

    Raises:
        ShopRejected: code ``status_unknown``, without a call: no such status, or one that only the shop gives
            (``on_hold`` is an approval that is pending there).
    """
    word = status.strip().lower()
    if word in _TO_SHOP:
        return _TO_SHOP[word]
    if word in FROM_SHOP:
        return word
    known = ", ".join(_TO_SHOP)
    raise ShopRejected(
        f"Bright Sites has no order status for {status[:40]!r}. Send one of: {known}.", code="status_unknown"
    )
