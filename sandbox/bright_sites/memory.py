"""The shop's memory: everything it knows, with one clock and one ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from sandbox.bright_sites.answers import NotFoundError
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.ledger import Ledger
from sandbox.bright_sites.records import Order, Product, StockRow
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.wire import Json

Clock = Callable[[], datetime]

FIRST_IDS = {"line": 88001, "shipment": 3001, "payment": 7001, "customer": 501}


class Memory:
    """Holds the records by id; ids only grow and are never used twice."""

    def __init__(self, settings: ShopSettings, clock: Clock, ledger: Ledger) -> None:
        self.settings = settings
        self.ledger = ledger
        self.products: dict[int, Product] = {}
        self.orders: dict[int, Order] = {}
        self.categories: dict[int, Json] = {}
        self.vendors: dict[int, Json] = {}
        self.origin_addresses: dict[int, Json] = {}
        self.shipping_methods: list[str] = []
        self.gift_product: Product | None = None
        self._clock = clock
        self._last_ids: defaultdict[str, int] = defaultdict(int)
        self._last_ids.update({kind: first - 1 for kind, first in FIRST_IDS.items()})
        self._last_ids["order"] = settings.first_order_id - 1

    def now(self) -> datetime:
        """The shop's time: UTC, whole seconds, because answers show no finer time."""
        return self._clock().astimezone(UTC).replace(microsecond=0)

    def next_id(self, kind: str) -> int:
        """A new id of this kind."""
        self._last_ids[kind] += 1
        return self._last_ids[kind]

    def order(self, order_id: int) -> Order:
        """The order, or NotFoundError."""
        found = self.orders.get(order_id)
        if found is None:
            raise NotFoundError(f"Order {order_id} was not found")
        return found

    def product(self, product_id: int) -> Product:
        """The product, or NotFoundError."""
        found = self.products.get(product_id)
        if found is None:
            raise NotFoundError(f"Product {product_id} was not found")
        return found

    def shown_rows(self) -> Iterator[StockRow]:
        """All stock rows the shop shows: those of supplier-managed products are left out (facts §6)."""
        for product in self.products.values():
            if not product.supplier_managed:
                yield from product.rows.values()

    def set_stock(self, row: StockRow, inventory: int, ask: Ask | None, reason: str) -> None:
        """Write one stock figure and book it, also when it is the same as before."""
        old, row.inventory, row.rendered = row.inventory, inventory, None
        data = {
            "product_id": row.product.id,
            "inventory_id": row.id,
            "old": old,
            "new": inventory,
            "reason": reason,
        }
        self.ledger.effect("stock_set", ask.record if ask else None, None, row.final_sku, data)

    def order_effect(self, kind: str, ask: Ask | None, order: Order, data: Json) -> None:
        """Book an effect on an order and move its `updated_at`."""
        order.touch(self.now())
        self.ledger.effect(kind, ask.record if ask else None, order.id, None, data)

    def product_effect(self, kind: str, ask: Ask, product: Product, data: Json) -> None:
        """Book an effect on a product and move its `updated_at`."""
        product.updated_at = self.now()
        product.forget_rendered()
        self.ledger.effect(kind, ask.record, None, product.sku, {"product_id": product.id, **data})
