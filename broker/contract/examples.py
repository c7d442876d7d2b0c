"""One example event per type, as a sender would write it; the README and the documents show these."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from broker.contract.schemas import event_names
from domain.envelope import Envelope
from domain.events import ANNOUNCED_TYPES, TICK_PREFIX
from domain.orders import Address, Adjustment, Contact, Order, OrderLine, OrderStatus
from domain.products import Product, Variant
from domain.stock import StockImported

Example = dict[str, Any]

_ORDER = {"external_order_id": "4711"}
_CHANGED = {**_ORDER, "updated_at": "2026-03-02T15:04:01Z"}
_BODIES: dict[str, tuple[str, Example]] = {
    "order.created": ("shop", _CHANGED),
    "order.updated": ("shop", _CHANGED),
    "order.cancelled": ("shop", _CHANGED),
    "order.status_changed": ("oms", {**_ORDER, "status": "in_progress", "note": "Picking has begun."}),
    "shipment.created": (
        "oms",
        {
            "shipment_id": "S-4711-1",
            **_ORDER,
            "carrier": "ups",
            "service": "ground",
            "tracking_number": "1Z999AA10123456784",
            "shipped_at": "2026-03-02T15:04:05Z",
            "notify_customer": True,
            "lines": [{"external_line_id": "90210", "quantity": 2}, {"sku": "MUG-BLUE", "quantity": 1}],
        },
    ),
    "stock.changed": (
        "oms",
        {"sku": "MUG-BLUE", "warehouse": "main", "total": 40, "allocated": 3, "version": 117},
    ),
    "product.changed": ("oms", {"product": {"sku": "MUG-BLUE", "name": "Mug, blue", "price": "9.50", "weight_g": 340}}),
}
_SUBJECTS = {
    "stock.changed": "MUG-BLUE",
    "product.changed": "MUG-BLUE",
    "product.imported": "MUG",
    "stock.imported": "MUG-BLUE",
}


def examples() -> dict[str, Example]:
    """Event type → an example event in structured mode, ready for JSON."""
    return {name: _event(at, name) for at, name in enumerate(event_names(), start=1)}


def _event(at: int, name: str) -> Example:
    source, data = _body(name)
    event = {
        "specversion": "1.0",
        "id": f"{name}-{at:04}",
        "source": source,
        "type": name,
        "subject": _SUBJECTS.get(name, name.removeprefix(TICK_PREFIX) if source == "towpath/timer" else "4711"),
        "time": "2026-03-02T15:04:05Z",
        "account": "acme",
        "channel": "bright-main",
        "data": data,
    }
    return Envelope.model_validate(event).model_dump(mode="json", exclude_none=True)


def _body(name: str) -> tuple[str, Example]:
    if name.startswith(TICK_PREFIX):
        return "towpath/timer", {"schedule": "bright-main-every-15m", "due": "2026-03-02T15:00:00Z"}
    if name in ANNOUNCED_TYPES:
        return "towpath/bright-main", _announced()[name].model_dump(mode="json")
    return _BODIES[name]


def _announced() -> dict[str, BaseModel]:
    return {
        "order.imported": _order(),
        "product.imported": _product(),
        "stock.imported": StockImported(
            sku="MUG-BLUE", quantity=37, previous=40, seen_at=datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC)
        ),
    }


def _product() -> Product:
    return Product(
        external_id="71",
        sku="MUG",
        name="Mug",
        description="A mug for tea and other things.",
        options={"Color": ("Blue", "Red")},
        variants=tuple(
            Variant(
                sku=f"MUG-{colour.upper()}",
                options={"Color": colour},
                price=price,
                weight_g=Decimal("340.194"),
                height_mm=Decimal("101.6"),
            )
            for colour, price in (("Blue", Decimal("9.5")), ("Red", Decimal("9.75")))
        ),
        updated_at=datetime(2026, 3, 2, 15, 1, tzinfo=UTC),
    )


def _order() -> Order:
    buyer = Contact(first_name="Jo", last_name="Doe", email="jo.doe@example.com", phone="555-0100")
    home = Address(line1="1 Main Street", city="Springfield", region="IL", postal_code="62701", country="US")
    return Order(
        external_order_id="4711",
        status=OrderStatus.NEW,
        external_status="new",
        created_at=datetime(2026, 3, 2, 14, 58, tzinfo=UTC),
        updated_at=datetime(2026, 3, 2, 14, 58, tzinfo=UTC),
        shipping_method="UPS Ground",
        grand_total=Decimal("41.45"),
        item_total=Decimal("38.50"),
        lines=(
            OrderLine(
                external_line_id="90210",
                sku="MUG-BLUE",
                name="Mug, blue",
                quantity=2,
                unit_price=Decimal("19.25"),
                total=Decimal("38.50"),
                channel_sku="MUG-01-BLUE",
            ),
        ),
        adjustments=(Adjustment(note="Sales tax", amount=Decimal("2.95")),),
        ship_to=home,
        ship_to_contact=buyer,
        bill_to=home,
        bill_to_contact=buyer,
        warehouse="main",
        carrier="ups",
        carrier_service="ground",
    )
