"""Events for the tests of the domain."""

from __future__ import annotations

import json
from typing import Any

STOCK = {"sku": "MUG", "warehouse": "main", "total": 40, "allocated": 3, "version": 7}
SHIPMENT = {
    "shipment_id": "S-1",
    "external_order_id": "4711",
    "carrier": "ups",
    "shipped_at": "2026-03-02T15:04:05Z",
    "notify_customer": True,
    "lines": [{"sku": "MUG", "quantity": 2}],
}


def event(type: str = "stock.changed", data: Any = None, **more: Any) -> dict[str, Any]:
    """A complete event; ``more`` replaces or adds attributes."""
    whole = {"specversion": "1.0", "id": "e-1", "source": "oms", "type": type, "account": "acme"}
    return {**whole, "data": STOCK if data is None else data, **more}


def body(type: str = "stock.changed", data: Any = None, **more: Any) -> bytes:
    """The same in structured mode."""
    return json.dumps(event(type, data, **more)).encode()
