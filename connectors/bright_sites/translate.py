"""A Bright Sites order document as a :class:`domain.orders.Order` (API facts, sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.bright_sites.reading import identity, mapping, moment, money, rows, text, unreadable, whole
from connectors.bright_sites.statuses import from_shop
from domain.orders import Address, Adjustment, Contact, Order, OrderLine, OrderSummary

_ADJUSTMENTS = ("required_adjustments", "custom_adjustments", "coupons_adjustments", "balance_adjustments")
_PEOPLE = ("shipping_contact", "billing_contact", "shipping_address", "billing_address")


def order_from(document: Mapping[str, Any]) -> Order:
    """The order in canonical form.

    Needed are ``order_id``, ``status``, one of ``updated_at`` and ``created_at``, and of each line ``id`` and
    ``quantity``; all else may be missing or null, as no version of the API promises it.

    Raises:
        ShopRejected: code ``unreadable_answer``; the sentence names the member, never its value.
    """
    status = text(document, "status")
    if not status:
        raise unreadable("status")
    created, updated = _times(document)
    return Order(
        external_order_id=identity(document, "order_id"),
        status=from_shop(status),
        external_status=status,
        created_at=created,
        updated_at=updated,
        shipping_method=text(mapping(document, "shipment"), "shipping_method"),
        grand_total=money(document, "grand_total"),
        item_total=money(document, "item_total"),
        lines=tuple(_line(row) for row in rows(document, "line_items")),
        adjustments=tuple(_adjustments(document)),
        ship_to=_address(mapping(document, "shipping_address")),
        ship_to_contact=_contact(mapping(document, "shipping_contact")),
        bill_to=_address(mapping(document, "billing_address")),
        bill_to_contact=_contact(mapping(document, "billing_contact")),
        notes=notes_of(document),
    )


def summary_from(row: Mapping[str, Any], fallback: datetime) -> OrderSummary:
    """One row of the order list; ``fallback`` is its ``updated_at`` where the shop gives no time at all."""
    updated = moment(row, "updated_at") or moment(row, "created_at") or fallback
    return OrderSummary(identity(row, "order_id"), updated, text(row, "status"))


def notes_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of an order's notes, oldest first."""
    return tuple(note for row in rows(document, "notes") if (note := text(row, "note")))


def personal_values(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names, addresses, mail and phone of an order document: what must not be quoted from a shop's words."""
    people = [part for name in _PEOPLE if isinstance(part := document.get(name), Mapping)]
    values = [value for part in people for value in part.values()]
    values += [document.get("customer_email"), document.get("username")]
    return tuple(value for value in values if isinstance(value, str) and value)


def _times(document: Mapping[str, Any]) -> tuple[datetime, datetime]:
    created, updated = moment(document, "created_at"), moment(document, "updated_at")
    known = updated or created
    if known is None:
        raise unreadable("updated_at")
    return created or known, known


def _line(row: Mapping[str, Any]) -> OrderLine:
    quantity = whole(row, "quantity")
    unit = money(row, "unit_price", money(row, "product_price") + money(row, "options_price"))
    return OrderLine(
        external_line_id=identity(row, "id"),
        sku=text(row, "final_sku"),
        name=text(row, "name"),
        quantity=quantity,
        unit_price=unit,
        total=money(row, "total_price", unit * quantity),
        shippable=row.get("gift_certificate") is None,
    )


def _adjustments(document: Mapping[str, Any]) -> Iterator[Adjustment]:
    for member in _ADJUSTMENTS:
        for row in rows(document, member):
            yield Adjustment(note=text(row, "note"), amount=money(row, "amount"))


def _address(part: Mapping[str, Any]) -> Address:
    return Address(
        company=text(part, "company"),
        line1=text(part, "first_address"),
        line2=text(part, "second_address"),
        city=text(part, "city"),
        region=text(part, "state"),
        postal_code=text(part, "zip"),
        country=text(part, "country"),
    )


def _contact(part: Mapping[str, Any]) -> Contact:
    return Contact(
        first_name=text(part, "first_name"),
        last_name=text(part, "last_name"),
        email=text(part, "email"),
        phone=text(part, "phone"),
    )
