"""The endpoint table (facts §2, the core part) and the search in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sandbox.bright_sites import inventories as stock
from sandbox.bright_sites import options, order_updates, orders, products, reference, shipments
from sandbox.bright_sites.answers import Answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory

Operation = Callable[[Memory, Ask], Answer]

ENDPOINTS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "/orders", orders.list_orders),
    ("GET", "/orders/:id", orders.show_order),
    ("PUT", "/orders/:id", order_updates.update_order),
    ("PUT", "/orders/:id/cancel", order_updates.cancel_order),
    ("GET", "/orders/:order_id/line_items", orders.list_lines),
    ("GET", "/orders/:order_id/line_items/:id", orders.show_line),
    ("GET", "/orders/:order_id/shipments", shipments.list_shipments),
    ("POST", "/orders/:order_id/shipments", shipments.create_shipment),
    ("GET", "/orders/:order_id/shipments/:id", shipments.show_shipment),
    ("DELETE", "/orders/:order_id/shipments/:id", shipments.delete_shipment),
    ("GET", "/inventories", stock.list_inventories),
    ("PUT", "/inventories/:product_id/batch_update", stock.batch_update),
    ("GET", "/products", products.list_products),
    ("POST", "/products", products.create_product),
    ("GET", "/products/:id", products.show_product),
    ("PUT", "/products/:id", products.update_product),
    ("DELETE", "/products/:id", products.delete_product),
    ("GET", "/products/:product_id/inventories", stock.list_product_rows),
    ("POST", "/products/:product_id/inventories", stock.create_row),
    ("GET", "/products/:product_id/inventories/:id", stock.show_row),
    ("PUT", "/products/:product_id/inventories/:id", stock.update_row),
    ("DELETE", "/products/:product_id/inventories/:id", stock.delete_row),
    ("GET", "/products/:product_id/options", options.list_options),
    ("POST", "/products/:product_id/options", options.create_option),
    ("GET", "/products/:product_id/options/:id", options.show_option),
    ("PUT", "/products/:product_id/options/:id", options.update_option),
    ("DELETE", "/products/:product_id/options/:id", options.delete_option),
    ("GET", "/products/:product_id/options/:option_id/sub_options", options.list_sub_options),
    ("POST", "/products/:product_id/options/:option_id/sub_options", options.create_sub_option),
    ("GET", "/products/:product_id/options/:option_id/sub_options/:id", options.show_sub_option),
    ("PUT", "/products/:product_id/options/:option_id/sub_options/:id", options.update_sub_option),
    ("DELETE", "/products/:product_id/options/:option_id/sub_options/:id", options.delete_sub_option),
    ("GET", "/shipping_methods", reference.list_shipping_methods),
    ("GET", "/origin_addresses", reference.list_origin_addresses),
    ("GET", "/categories", reference.list_categories),
    ("GET", "/categories/:id", reference.show_category),
    ("GET", "/vendors", reference.list_vendors),
    ("GET", "/vendors/:id", reference.show_vendor),
)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; `names` are its path ids in order."""

    method: str
    template: str
    operation: Operation
    names: tuple[str, ...]

    @property
    def writes(self) -> bool:
        """Whether a read/write token is needed."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Found:
    """A route and the ids in the path."""

    route: Route
    ids: dict[str, int]


@dataclass(slots=True)
class _Node:
    words: dict[str, _Node] = field(default_factory=dict)
    number: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Finds endpoints by their path segments, in time that depends on the path only."""

    def __init__(self) -> None:
        self._root = _Node()
        for method, template, operation in ENDPOINTS:
            self._add(method, template, operation)

    def find(self, method: str, segments: Sequence[str]) -> Found | None:
        """The endpoint for these segments after the version; None when there is none. Ids are digits."""
        node, numbers = self._root, []
        for segment in segments:
            word = node.words.get(segment)
            if word is not None:
                node = word
            elif node.number is not None and segment.isascii() and segment.isdigit():
                node = node.number
                numbers.append(int(segment))
            else:
                return None
        route = node.routes.get(method)
        return Found(route, dict(zip(route.names, numbers, strict=True))) if route else None

    def _add(self, method: str, template: str, operation: Operation) -> None:
        node, names = self._root, []
        for segment in template.strip("/").split("/"):
            if segment.startswith(":"):
                names.append(segment[1:])
                node.number = node.number or _Node()
                node = node.number
            else:
                node = node.words.setdefault(segment, _Node())
        node.routes[method] = Route(method, template, operation, tuple(names))
