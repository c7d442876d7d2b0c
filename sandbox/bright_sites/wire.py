"""How values look on the wire: money strings and times with the shop's offset (facts §1, Basics)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

Json = dict[str, Any]

SHOP_ZONE = timezone(timedelta(hours=-7))


def dumps(document: object) -> str:
    """Compact JSON text."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def order_money(amount: Decimal) -> str:
    """Money in order data: a string with at least one decimal, `12.5`, `10.0`."""
    text = product_money(amount)
    return text if "." in text else text + ".0"


def product_money(amount: Decimal) -> str:
    """Money on products: a string without idle zeros, `12.5`, `10`."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def to_decimal(value: float | str) -> Decimal:
    """The decimal a JSON number was written as."""
    return Decimal(str(value))


def render_time(moment: datetime) -> str:
    """`2026-03-02T09:15:00-07:00`."""
    return moment.astimezone(SHOP_ZONE).isoformat(timespec="seconds")


def render_time_ms(moment: datetime) -> str:
    """The same with milliseconds, as gift certificates carry it."""
    return moment.astimezone(SHOP_ZONE).isoformat(timespec="milliseconds")


def parse_time(text: str) -> datetime:
    """An aware UTC datetime from ISO 8601; UTC where no zone is written. ValueError otherwise."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
