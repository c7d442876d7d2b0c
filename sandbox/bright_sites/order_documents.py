"""Orders as JSON (facts §3.1 to §3.3 and §5)."""

from __future__ import annotations

from sandbox.bright_sites.records import Order, OrderLine, Shipment
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.wire import Json, dumps, render_time

LINE_NOTES_SINCE = (2, 6, 0)
LEFT_OUT_OF_SHORT_ANSWER = (
    "site_id",
    "site_name",
    "site_url",
    "custom_store_id",
    "organization_id",
    "organization_name",
    "shipments",
)


def order_summary(order: Order) -> str:
    """The seven fields of the order list, as JSON text, kept until the order changes."""
    if order.summary is None:
        order.summary = dumps(
            {
                "order_id": order.id,
                "shipping_method": order.parcel["shipping_method"] or "",
                "tracking": order.parcel["tracking_number"] or "",
                "created_at": render_time(order.created_at),
                "updated_at": render_time(order.updated_at),
                "status": order.status,
                "customer": order.customer["customer_email"],
            }
        )
    return order.summary


def order_body(order: Order, settings: ShopSettings, version: tuple[int, ...]) -> bytes:
    """The full order as JSON bytes, kept until the order changes."""
    with_notes = version >= LINE_NOTES_SINCE
    if with_notes not in order.details:
        order.details[with_notes] = dumps(order_document(order, settings, version)).encode()
    return order.details[with_notes]


def order_document(order: Order, settings: ShopSettings, version: tuple[int, ...]) -> Json:
    """The full order."""
    return {
        "order_id": order.id,
        "created_at": render_time(order.created_at),
        "updated_at": render_time(order.updated_at),
        "status": order.status,
        "site_id": 1,
        "site_name": settings.name,
        "site_url": "https://shop.example.com",
        "custom_store_id": "STORE-1",
        "organization_id": 1,
        "organization_name": "Sandbox Organization",
        **order.customer,
        **order.totals,
        **order.people,
        "payment": order.payments[0],
        "payments": order.payments,
        "shipment": order.parcel,
        "shipments": [shipment_document(each) for each in order.shipments.values()],
        "line_items": [line_document(line, version) for line in order.lines.values()],
        **order.adjustments,
        "notes": order.notes,
    }


def short_order_document(order: Order, settings: ShopSettings, version: tuple[int, ...]) -> Json:
    """The leaner answer of PUT as the vendor's example shows it: fields left out, line ids as strings."""
    document = order_document(order, settings, version)
    for name in LEFT_OUT_OF_SHORT_ANSWER:
        del document[name]
    document["line_items"] = [{**line, "id": str(line["id"])} for line in document["line_items"]]
    return document


def line_document(line: OrderLine, version: tuple[int, ...]) -> Json:
    """One order line; `note` only since 2.6.0."""
    if version >= LINE_NOTES_SINCE:
        return line.document
    return {name: value for name, value in line.document.items() if name != "note"}


def shipment_document(shipment: Shipment) -> Json:
    """One line-level shipment."""
    return {
        "id": shipment.id,
        "tracking_number": shipment.tracking_number,
        "ship_date": shipment.ship_date,
        "note": shipment.note,
        "shipping_method": shipment.shipping_method,
        "line_items": [{"id": line_id, "quantity": quantity} for line_id, quantity in shipment.lines],
    }
