"""Every call this connector makes, and how each is made safe to repeat (Bright Sites API facts, section 2).

``set`` on an order write holds because the values are absolute and a note is read before it is appended
(:mod:`connectors.bright_sites.orders`). Cancelling restocks and refunds, creating a shipment may send an
e-mail: both are ``unsafe``, and both have a read that tells afterwards whether it happened.
"""

from __future__ import annotations

from connectors.http import Operation

LIST_ORDERS = Operation("list_orders", "listing orders", "GET", "/orders", "read", ("orders",))
READ_ORDER = Operation(
    "read_order", "reading the order", "GET", "/orders/{id}", "read", ("order_id",), not_found="order_unknown"
)
UPDATE_ORDER = Operation("update_order", "updating the order", "PUT", "/orders/{id}", "set", not_found="order_unknown")
CANCEL_ORDER = Operation(
    "cancel_order",
    "cancelling the order",
    "PUT",
    "/orders/{id}/cancel",
    "unsafe",
    ("success",),
    not_found="order_unknown",
)
LIST_SHIPMENTS = Operation(
    "list_shipments",
    "listing its shipments",
    "GET",
    "/orders/{order_id}/shipments",
    "read",
    ("shipments",),
    not_found="order_unknown",
)
CREATE_SHIPMENT = Operation(
    "create_shipment",
    "creating a shipment",
    "POST",
    "/orders/{order_id}/shipments",
    "unsafe",
    ("id",),
    not_found="order_unknown",
)
SHIPPING_METHODS = Operation(
    "shipping_methods", "listing shipping methods", "GET", "/shipping_methods", "read", ("shipping_methods",)
)
LIST_INVENTORIES = Operation("list_inventories", "listing stock", "GET", "/inventories", "read", ("inventories",))
SET_PRODUCT_STOCK = Operation(
    "set_product_stock",
    "setting the stock",
    "PUT",
    "/inventories/{product_id}/batch_update",
    "set",
    ("inventories",),
    not_found="stock_row_gone",
)
SET_ROW_STOCK = Operation(
    "set_row_stock",
    "setting the stock",
    "PUT",
    "/products/{product_id}/inventories/{id}",
    "set",
    not_found="stock_row_gone",
)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        LIST_ORDERS,
        READ_ORDER,
        UPDATE_ORDER,
        CANCEL_ORDER,
        LIST_SHIPMENTS,
        CREATE_SHIPMENT,
        SHIPPING_METHODS,
        LIST_INVENTORIES,
        SET_PRODUCT_STOCK,
        SET_ROW_STOCK,
    )
}
"""By name: method, route, whether it writes, how it may be repeated."""
