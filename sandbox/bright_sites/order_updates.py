"""PUT /orders/:id and its cancel call (facts §3.4, §3.5)."""

from __future__ import annotations

from decimal import Decimal

from sandbox.bright_sites.answers import Answer, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.order_documents import order_body, short_order_document
from sandbox.bright_sites.params import Param, boolean, day_or_time, hash_of, one_of, read_hash, text
from sandbox.bright_sites.records import Order
from sandbox.bright_sites.statuses import STATUSES, check_move
from sandbox.bright_sites.wire import Json, order_money, render_time

_ADDRESS = hash_of(
    *(
        Param(name, text(), nullable=True)
        for name in ("company", "first_address", "second_address", "state", "city", "country", "zip")
    )
)
_CONTACT = hash_of(*(Param(name, text(), nullable=True) for name in ("first_name", "last_name", "email", "phone")))
_PEOPLE = ("shipping_address", "shipping_contact", "billing_address", "billing_contact")
_PARCEL = ("shipping_method", "tracking_number", "ship_date", "in_hands_date")

ORDER_PARAMS = (
    Param("status", one_of(STATUSES)),
    Param("shipping_method", text()),
    Param("tracking_number", text(), nullable=True),
    Param("ship_date", day_or_time, nullable=True),
    Param("in_hands_date", day_or_time, nullable=True),
    Param("note", text()),
    Param("send_shipping_confirmation", boolean),
    Param("shipping_address", _ADDRESS),
    Param("shipping_contact", _CONTACT),
    Param("billing_address", _ADDRESS),
    Param("billing_contact", _CONTACT),
)


def update_order(memory: Memory, ask: Ask) -> Answer:
    """PUT /orders/:id: everything optional, sub-objects merged, `note` appended."""
    order = memory.order(ask.ids["id"])
    changes = read_hash(ask.body, "order", ORDER_PARAMS)
    status = changes.get("status", order.status)
    if memory.settings.strict_transitions:
        check_move(order.status, status)
    data = {"changes": changes, "old_status": order.status, "new_status": status}
    order.status = status
    for name in _PARCEL:
        if name in changes:
            order.parcel[name] = changes[name]
    for name in _PEOPLE:
        order.people[name].update(changes.get(name, {}))
    if changes.get("note"):
        add_note(memory, order, changes["note"])
    memory.order_effect("order_updated", ask, order, data)
    if changes.get("send_shipping_confirmation"):
        confirmation = {"tracking_number": order.parcel["tracking_number"]}
        memory.ledger.effect("confirmation_sent", ask.record, order.id, None, confirmation)
    if memory.settings.short_put_answer:
        return answer(short_order_document(order, memory.settings, ask.version))
    return Answer(200, order_body(order, memory.settings, ask.version))


def add_note(memory: Memory, order: Order, note: str) -> None:
    """Append a note as the API writes it."""
    order.notes.append({"username": "API", "created_at": render_time(memory.now()), "note": note})


def cancel_order(memory: Memory, ask: Ask) -> Answer:
    """PUT /orders/:id/cancel: what was done and what failed, with 200 in every case."""
    order = memory.order(ask.ids["id"])
    if order.status in ("canceled", "completed"):
        return answer({"success": [], "errors": [f"Order {order.id} is {order.status} and cannot be canceled"]})
    old_status, order.status = order.status, "canceled"
    success, errors = [f"Order {order.id} status was set to canceled"], []
    restocked = _restock(memory, ask, order)
    if restocked:
        success.append(f"Inventory was restocked for {restocked} item(s)")
    if memory.settings.refunds_fail:
        errors.append(f"Payment {order.payments[0]['id']} could not be refunded: the gateway declined")
    else:
        _refund(memory, order)
        success.append(f"Payment {order.payments[0]['id']} was refunded")
    success += ["Product statistics were updated", "A log line was added"]
    add_note(memory, order, "Order canceled")
    memory.order_effect("order_cancelled", ask, order, {"old_status": old_status, "errors": errors})
    return answer({"success": success, "errors": errors})


def _restock(memory: Memory, ask: Ask, order: Order) -> int:
    restocked = 0
    for line in order.lines.values():
        taken = order.stock_taken.pop(line.id, 0)
        product = memory.products.get(line.product_id)
        row = product.rows.get(line.row_id) if product and line.row_id else None
        if row is not None and taken:
            memory.set_stock(row, row.inventory + taken, ask, "cancel")
            restocked += taken
    return restocked


def _refund(memory: Memory, order: Order) -> None:
    paid = order.payments[0]
    paid["state"] = "refunded"
    refund: Json = {
        **paid,
        "id": memory.next_id("payment"),
        "created_at": render_time(memory.now()),
        "amount": order_money(-Decimal(paid["amount"])),
        "details": {**paid["details"], "type": "refund"},
    }
    order.payments.append(refund)
