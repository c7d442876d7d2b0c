"""What the bench shop remembers: orders by number, stock rows, and the effects of writes; answers as bytes."""

from __future__ import annotations

import json
from typing import Any

LINE_OFFSET = 50_000_000
"""The one line of order ``n`` has the id ``LINE_OFFSET + n``."""

_MOMENT = "2026-01-05T08:00:00Z"
_PERSON = {"first_name": "Ann", "last_name": "Jarrow", "email": "ann.jarrow@example.com", "phone": "555-0510"}
_PLACE = {
    "company": "",
    "first_address": "654 Sample Street",
    "second_address": "",
    "city": "Madison",
    "state": "Wisconsin",
    "country": "United States",
    "zip": "53703",
}
_NUMBER, _LINE, _STATUS = "@number@", "@line@", "@status@"
_ORDER = {
    "order_id": _NUMBER,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
    "status": _STATUS,
    "customer_email": _PERSON["email"],
    "item_total": "25.0",
    "grand_total": "34.5",
    "shipping_contact": _PERSON,
    "billing_contact": _PERSON,
    "shipping_address": _PLACE,
    "billing_address": _PLACE,
    "shipment": {"tracking_number": None, "shipping_method": "UPS Ground", "ship_date": None},
    "line_items": [
        {
            "id": _LINE,
            "name": "Everyday Tee",
            "final_sku": "SKU-1-1",
            "quantity": 1_000_000,
            "product_price": "12.5",
            "options_price": "0.0",
            "unit_price": "12.5",
            "total_price": "25.0",
            "gift_certificate": None,
        }
    ],
    "required_adjustments": [{"note": "Tax", "amount": "2.0"}, {"note": "Shipping", "amount": "7.5"}],
    "notes": [],
}
METHODS = b'{"shipping_methods":["UPS Ground","FedEx Ground"]}'


def _as_format(document: Any) -> bytes:
    """JSON with ``%d`` and ``%s`` in the places of number, line and status."""
    text = json.dumps(document, separators=(",", ":")).replace("%", "%%")
    for place in (_NUMBER, _LINE):
        text = text.replace(f'"{place}"', "%d")
    return text.replace(_STATUS, "%s").encode()


_DETAIL = _as_format(_ORDER)
_SUMMARY = _as_format(
    {"order_id": _NUMBER, "created_at": _MOMENT, "updated_at": _MOMENT, "status": _STATUS, "customer": ""}
)
_ROW = (
    b'{"product_id":%d,"product_name":"Product","internal_id":"","sku":"SKU-%d","final_sku":"SKU-%d-%d",'
    b'"id":%d,"inventory":%d,"trigger":5,"track":true,"allow_negative":true,"sub_sku":"%d","sub_option_ids":[]}'
)


class ShopState:
    """Orders 1..``orders``; products 1..``products`` with ``skus`` stock rows each, SKU ``SKU-<product>-<n>``.

    Row ``n`` (from 1) of product ``p`` has the id ``(p - 1) * skus + n``.
    """

    def __init__(self, orders: int, products: int, skus: int) -> None:
        self.orders = orders
        self.products = products
        self.skus = skus
        self.stock = [0] * (products * skus)
        self.writes = [0] * (products * skus)
        self.statuses: dict[int, str] = {}
        self.shipments: dict[int, list[bytes]] = {}
        self.notes: dict[str, int] = {}
        self.created = 0
        self.falls = 0

    def order(self, number: int) -> bytes | None:
        """The order's document, None when there is no such order."""
        if not 0 < number <= self.orders:
            return None
        return _DETAIL % (number, self.statuses.get(number, "new").encode(), LINE_OFFSET + number)

    def update_order(self, number: int, body: bytes) -> bytes | None:
        """Take over the status, if one was sent; the order's document."""
        status = json.loads(body)["order"].get("status")
        if status is not None and 0 < number <= self.orders:
            self.statuses[number] = str(status)
        return self.order(number)

    def order_list(self, page: int, per_page: int) -> bytes:
        """One page of order summaries, highest number first."""
        highest = self.orders - (page - 1) * per_page
        numbers = range(highest, max(highest - per_page, 0), -1)
        rows = [_SUMMARY % (number, self.statuses.get(number, "new").encode()) for number in numbers]
        return b'{"orders":[%s],"meta":{"total":%d}}' % (b",".join(rows), self.orders)

    def create_shipment(self, number: int, body: bytes) -> bytes | None:
        """A new shipment, as the API makes one at every call: twice for the same body called twice."""
        if not 0 < number <= self.orders:
            return None
        shipment = json.loads(body)["shipment"]
        self.created += 1
        shipment["id"] = self.created
        note = str(shipment.get("note"))
        self.notes[note] = self.notes.get(note, 0) + 1
        document = json.dumps(shipment, separators=(",", ":")).encode()
        self.shipments.setdefault(number, []).append(document)
        return document

    def shipment_list(self, number: int) -> bytes | None:
        """All shipments of an order."""
        if not 0 < number <= self.orders:
            return None
        return b'{"shipments":[%s]}' % b",".join(self.shipments.get(number, ()))

    def inventory_list(self, page: int, per_page: int) -> bytes:
        """One page of stock rows."""
        total = len(self.stock)
        start = (page - 1) * per_page
        rows = b",".join(self._row(at) for at in range(start, min(start + per_page, total)))
        return b'{"inventories":[%s],"meta":{"total":%d}}' % (rows, total)

    def set_product(self, product: int, body: bytes) -> bytes | None:
        """Absolute quantities of rows of one product; None when a row is not its own."""
        first, last = (product - 1) * self.skus, product * self.skus
        changes = json.loads(body)["inventories"]
        if not 0 < product <= self.products or not all(first < change["id"] <= last for change in changes):
            return None
        for change in changes:
            self._set(change["id"] - 1, change["inventory"])
        return b'{"inventories":[%s]}' % b",".join(self._row(change["id"] - 1) for change in changes)

    def set_row(self, row: int, body: bytes) -> bytes | None:
        """The absolute quantity of one row."""
        if not 0 < row <= len(self.stock):
            return None
        self._set(row - 1, json.loads(body)["inventory"]["inventory"])
        return self._row(row - 1)

    def quantities(self) -> dict[str, int]:
        """The quantity of every SKU that was ever written."""
        return {self._sku(at): self.stock[at] for at, times in enumerate(self.writes) if times}

    def counters(self) -> dict[str, int]:
        """How many effects there were; ``duplicates`` are shipments beyond the first of the same note."""
        return {
            "shipments": self.created,
            "duplicates": self.created - len(self.notes),
            "stock_writes": sum(self.writes),
            "stock_falls": self.falls,
            "skus_written": sum(1 for times in self.writes if times),
            "orders_updated": len(self.statuses),
        }

    def _set(self, at: int, quantity: int) -> None:
        self.falls += quantity < self.stock[at]
        self.stock[at] = quantity
        self.writes[at] += 1

    def _sku(self, at: int) -> str:
        return f"SKU-{at // self.skus + 1}-{at % self.skus + 1}"

    def _row(self, at: int) -> bytes:
        product, variant = at // self.skus + 1, at % self.skus + 1
        return _ROW % (product, product, product, variant, at + 1, self.stock[at], variant)
