"""Line-level shipments (facts §5). Creating is not idempotent: the same body twice makes two shipments."""

from __future__ import annotations

from collections import Counter

from sandbox.bright_sites.answers import Answer, InvalidError, NotFoundError, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.order_documents import shipment_document
from sandbox.bright_sites.params import Param, array_of, boolean, day, hash_of, integer, read_hash, text
from sandbox.bright_sites.records import Order, Shipment
from sandbox.bright_sites.wire import Json

SHIPMENT_PARAMS = (
    Param(
        "line_items",
        array_of(hash_of(Param("id", integer, required=True), Param("quantity", integer, required=True))),
        required=True,
    ),
    Param("shipping_method", text(), nullable=True),
    Param("tracking_number", text(), nullable=True),
    Param("ship_date", day, nullable=True),
    Param("note", text(255), nullable=True),
    Param("send_shipping_confirmation", boolean, nullable=True),
)


def list_shipments(memory: Memory, ask: Ask) -> Answer:
    """GET /orders/:order_id/shipments, without `meta`."""
    order = memory.order(ask.ids["order_id"])
    return answer({"shipments": [shipment_document(each) for each in order.shipments.values()]})


def show_shipment(memory: Memory, ask: Ask) -> Answer:
    """GET /orders/:order_id/shipments/:id: the bare shipment."""
    return answer(shipment_document(_find(memory.order(ask.ids["order_id"]), ask.ids["id"])))


def create_shipment(memory: Memory, ask: Ask) -> Answer:
    """POST /orders/:order_id/shipments: the bare new shipment."""
    order = memory.order(ask.ids["order_id"])
    wanted = read_hash(ask.body, "shipment", SHIPMENT_PARAMS)
    _check_shippable(memory, order, wanted)
    shipment = Shipment(
        id=memory.next_id("shipment"),
        shipping_method=wanted.get("shipping_method") or order.parcel["shipping_method"],
        tracking_number=wanted.get("tracking_number"),
        ship_date=wanted.get("ship_date"),
        note=wanted.get("note"),
        lines=[(line["id"], line["quantity"]) for line in wanted["line_items"]],
    )
    order.shipments[shipment.id] = shipment
    if memory.settings.shipment_changes_status and _all_shipped(order):
        order.status = "shipped"
    document = shipment_document(shipment)
    memory.order_effect("shipment_created", ask, order, document)
    if wanted.get("send_shipping_confirmation"):
        data = {"shipment_id": shipment.id, "tracking_number": shipment.tracking_number}
        memory.ledger.effect("confirmation_sent", ask.record, order.id, None, data)
    return answer(document, 201)


def delete_shipment(memory: Memory, ask: Ask) -> Answer:
    """DELETE /orders/:order_id/shipments/:id: the deleted shipment, with empty `line_items`."""
    order = memory.order(ask.ids["order_id"])
    shipment = _find(order, ask.ids["id"])
    del order.shipments[shipment.id]
    document = shipment_document(shipment)
    memory.order_effect("shipment_deleted", ask, order, document)
    return answer({**document, "line_items": []})


def _find(order: Order, shipment_id: int) -> Shipment:
    found = order.shipments.get(shipment_id)
    if found is None:
        raise NotFoundError(f"Shipment {shipment_id} was not found in order {order.id}")
    return found


def _check_shippable(memory: Memory, order: Order, wanted: Json) -> None:
    if order.status == "canceled":
        raise InvalidError(f"Order {order.id} is canceled and cannot be shipped")
    if not wanted["line_items"]:
        raise InvalidError("Line items can't be blank", "shipment[line_items]")
    method = wanted.get("shipping_method")
    if memory.settings.refuse_unknown_methods and method and method not in memory.shipping_methods:
        raise InvalidError(f"Shipping method {method} is not offered by this store", "shipment[shipping_method]")
    asked: Counter[int] = Counter()
    for item in wanted["line_items"]:
        if item["quantity"] < 1:
            raise InvalidError(f"Quantity of line item {item['id']} must be greater than 0", "shipment[line_items]")
        asked[item["id"]] += item["quantity"]
    for line_id, quantity in asked.items():
        _check_line(order, line_id, quantity)


def _check_line(order: Order, line_id: int, quantity: int) -> None:
    line = order.lines.get(line_id)
    if line is None:
        raise InvalidError(f"Line item {line_id} does not belong to order {order.id}", "shipment[line_items]")
    if line.is_gift_certificate:
        raise InvalidError(f"Line item {line_id} is a gift certificate and is not shipped", "shipment[line_items]")
    left = line.quantity - order.shipped(line_id)
    if quantity > left:
        raise InvalidError(
            f"Quantity {quantity} of line item {line_id} is more than the {left} left to ship",
            "shipment[line_items]",
        )


def _all_shipped(order: Order) -> bool:
    return all(line.is_gift_certificate or order.shipped(line.id) >= line.quantity for line in order.lines.values())
