"""Every call this connector makes, and how each is made safe to repeat (Bright Sites API facts, section 2).

``set`` on an order write holds because the values are absolute and a note is read before it is appended
(:mod:`connectors.bright_sites.orders`). Cancelling restocks and refunds, creating a shipment may send an
e-mail: both are ``unsafe``, and both have a read that tells afterwards whether it happened. Products, their options,
values and stock rows are looked up before they are made, by SKU, name and combination, so making them is ``set``
(:mod:`connectors.bright_sites.products`).
"""

from __future__ import annotations

from connectors.http import Operation

_NO_PRODUCT = "product_unknown"

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

LIST_PRODUCTS = Operation("list_products", "listing products", "GET", "/products", "read", ("products",))
READ_PRODUCT = Operation(
    "read_product", "reading the product", "GET", "/products/{id}", "read", ("id",), not_found=_NO_PRODUCT
)
CREATE_PRODUCT = Operation("create_product", "creating the product", "POST", "/products", "set", ("id",))
UPDATE_PRODUCT = Operation(
    "update_product", "updating the product", "PUT", "/products/{id}", "set", not_found=_NO_PRODUCT
)
CREATE_OPTION = Operation(
    "create_option",
    "creating an option",
    "POST",
    "/products/{product_id}/options",
    "set",
    ("option", "id"),
    not_found=_NO_PRODUCT,
)
UPDATE_OPTION = Operation(
    "update_option",
    "updating an option",
    "PUT",
    "/products/{product_id}/options/{id}",
    "set",
    not_found=_NO_PRODUCT,
)
CREATE_VALUE = Operation(
    "create_sub_option",
    "creating a value of an option",
    "POST",
    "/products/{product_id}/options/{option_id}/sub_options",
    "set",
    ("id", "sub_option"),
    not_found=_NO_PRODUCT,
)
UPDATE_VALUE = Operation(
    "update_sub_option",
    "updating a value of an option",
    "PUT",
    "/products/{product_id}/options/{option_id}/sub_options/{id}",
    "set",
    not_found=_NO_PRODUCT,
)
CREATE_STOCK_ROW = Operation(
    "create_stock_row",
    "creating a stock row",
    "POST",
    "/products/{product_id}/inventories",
    "set",
    ("id", "inventory"),
    not_found=_NO_PRODUCT,
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
        LIST_PRODUCTS,
        READ_PRODUCT,
        CREATE_PRODUCT,
        UPDATE_PRODUCT,
        CREATE_OPTION,
        UPDATE_OPTION,
        CREATE_VALUE,
        UPDATE_VALUE,
        CREATE_STOCK_ROW,
    )
}
"""By name: method, route, whether it writes, how it may be repeated."""
