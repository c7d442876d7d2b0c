"""Line-level shipments and shipping methods (Bright Sites API facts, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.bright_sites.channel_state import ShippingMethods
from connectors.bright_sites.operations import CREATE_SHIPMENT, LIST_SHIPMENTS, SHIPPING_METHODS
from connectors.bright_sites.orders import order_number
from connectors.bright_sites.reading import identity, rows, text, whole
from connectors.http import Caller
from domain.errors import ShopRejected
from domain.shipments import Parcel, ParcelLine, ShopShipment


async def list_shipments(caller: Caller, external_order_id: str) -> Sequence[ShopShipment]:
    """All shipments of an order."""
    document = await caller.call(
        LIST_SHIPMENTS, {"order_id": order_number(external_order_id)}, about=f"order {external_order_id}"
    )
    return tuple(_shipment(row) for row in rows(document, "shipments"))


async def create_shipment(caller: Caller, parcel: Parcel) -> ShopShipment:
    """Create the parcel by one POST, which is not safe to repeat.

    Its ``note`` is the parcel's ``shipment_id``, so that :func:`list_shipments` can tell whether it exists.
    """
    shipment: dict[str, Any] = {
        "line_items": [_line(parcel, line) for line in parcel.lines],
        "ship_date": parcel.shipped_on.isoformat(),
        "note": parcel.shipment_id,
        "send_shipping_confirmation": parcel.notify_customer,
    }
    if parcel.shipping_method:
        shipment["shipping_method"] = parcel.shipping_method
    if parcel.tracking_number:
        shipment["tracking_number"] = parcel.tracking_number
    answer = await caller.call(
        CREATE_SHIPMENT,
        {"order_id": order_number(parcel.external_order_id)},
        about=f"order {parcel.external_order_id}, shipment {parcel.shipment_id}",
        body={"shipment": shipment},
    )
    return _created(answer, parcel)


async def shipping_methods(caller: Caller, known: ShippingMethods) -> Sequence[str]:
    """The shop's method names, from memory while they are fresh."""
    fresh = known.fresh()
    if fresh is not None:
        return fresh
    document = await caller.call(SHIPPING_METHODS)
    names = document["shipping_methods"]
    known.remember([name for name in names if isinstance(name, str)] if isinstance(names, list) else [])
    return known.names


def _line(parcel: Parcel, line: ParcelLine) -> dict[str, int]:
    if not (line.external_line_id.isascii() and line.external_line_id.isdigit()):
        raise ShopRejected(
            f"Order {parcel.external_order_id}, shipment {parcel.shipment_id}: line "
            f"{line.external_line_id[:40]!r} cannot exist in Bright Sites, whose order lines have numbers. "
            "Send the shop's own line id.",
            code="line_unknown",
        )
    return {"id": int(line.external_line_id), "quantity": line.quantity}


def _shipment(row: Mapping[str, Any]) -> ShopShipment:
    return ShopShipment(
        external_shipment_id=identity(row, "id"),
        tracking_number=text(row, "tracking_number") or None,
        note=text(row, "note") or None,
        lines=tuple(ParcelLine(identity(line, "id"), whole(line, "quantity")) for line in rows(row, "line_items")),
    )


def _created(answer: Mapping[str, Any], parcel: Parcel) -> ShopShipment:
    try:
        return _shipment(answer)
    except ShopRejected:
        # The shop gave it an id, so it exists: a member that makes no sense must not send it a second time.
        return ShopShipment(str(answer["id"]), parcel.tracking_number, parcel.shipment_id, parcel.lines)
