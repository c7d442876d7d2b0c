"""Reading single members of a shop's document: lenient in form, strict in sense, never quoting values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.errors import ShopRejected

_LARGEST_MONEY = Decimal(10) ** 12


def unreadable(member: str) -> ShopRejected:
    """The error of a document whose ``member`` is missing or makes no sense; the value itself is not told."""
    return ShopRejected(
        f"The shop's document cannot be read: {member} is missing or has an unexpected form. "
        "Look at it in the shop's admin, then replay.",
        code="unreadable_answer",
    )


def mapping(document: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    """The object under ``member``; empty when missing or null."""
    value = document.get(member)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise unreadable(member)
    return value


def rows(document: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """The array of objects under ``member``; empty when missing or null."""
    value = document.get(member)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise unreadable(member)
    return value


def text(document: Mapping[str, Any], member: str) -> str:
    """The text under ``member``; numbers as text; empty when missing or null."""
    value = document.get(member)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise unreadable(member)


def identity(document: Mapping[str, Any], member: str) -> str:
    """The id under ``member`` as text; required. The API shows ids as numbers and, at places, as strings."""
    value = document.get(member)
    if isinstance(value, bool) or not isinstance(value, int | str) or str(value).strip() == "":
        raise unreadable(member)
    return str(value).strip()


def whole(document: Mapping[str, Any], member: str) -> int:
    """The whole number under ``member``, as number or string; required."""
    value = document.get(member)
    if isinstance(value, str):
        value = money(document, member)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value != value // 1:
        raise unreadable(member)
    return int(value)


def money(document: Mapping[str, Any], member: str, default: Decimal = Decimal(0)) -> Decimal:
    """The amount under ``member``, a string or a number; ``default`` when missing, null or empty."""
    value = document.get(member)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise unreadable(member)
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise unreadable(member) from None
    if not amount.is_finite() or abs(amount) > _LARGEST_MONEY:
        raise unreadable(member)
    return amount


def moment(document: Mapping[str, Any], member: str) -> datetime | None:
    """The time under ``member`` in UTC, from any offset; UTC where none is written; ``None`` when missing or
    null."""
    value = document.get(member)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise unreadable(member)
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise unreadable(member) from None
