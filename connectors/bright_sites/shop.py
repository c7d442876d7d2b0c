"""A Bright Sites shop as handlers see it (:class:`domain.ports.Shop`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.bright_sites import checking, orders, products, shipments, stock
from connectors.bright_sites.channel_state import ChannelState
from connectors.bright_sites.translate import order_from
from connectors.http import Caller
from domain.orders import Order, OrderSummary
from domain.ports import CancelResult, ConnectionCheck, StockResult
from domain.products import Product, ProductSummary, SavedProduct
from domain.shipments import Parcel, ShopShipment


class BrightSitesShop:
    """One shop, guarded for one run. What each call is and how it may be repeated: ``OPERATIONS``."""

    def __init__(self, caller: Caller, state: ChannelState) -> None:
        self._caller = caller
        self._state = state

    async def list_orders(self, since: datetime | None, until: datetime) -> Sequence[OrderSummary]:
        """Orders updated in the window, each once: one call per 500."""
        return await orders.list_orders(self._caller, since, until)

    async def read_order(self, external_order_id: str) -> tuple[Order, dict[str, Any]]:
        """The order and the shop's document: one call."""
        document = await orders.read_order(self._caller, external_order_id)
        return order_from(document), document

    def translate_order(self, document: Mapping[str, Any]) -> Order:
        """The canonical form of a show-order document; no call."""
        return order_from(document)

    async def set_order_status(self, external_order_id: str, status: str, note: str | None) -> None:
        """Set the status, append the note if it is not there: one call, two with a note. Safe to repeat."""
        await orders.set_order_status(self._caller, external_order_id, status, note)

    async def cancel_order(self, external_order_id: str) -> CancelResult:
        """Read, then cancel unless cancelled. After an unknown outcome, call again: the read finds out."""
        return await orders.cancel_order(self._caller, external_order_id)

    async def set_order_shipment(self, parcel: Parcel) -> None:
        """Overwrite the order-level shipment: one call, safe to repeat."""
        await orders.set_order_shipment(self._caller, parcel)

    async def list_shipments(self, external_order_id: str) -> Sequence[ShopShipment]:
        """All shipments of an order: one call. A shipment of ours has our ``shipment_id`` as its note."""
        return await shipments.list_shipments(self._caller, external_order_id)

    async def create_shipment(self, parcel: Parcel) -> ShopShipment:
        """Create one shipment: one call, not safe to repeat without :meth:`list_shipments`."""
        return await shipments.create_shipment(self._caller, parcel)

    async def shipping_methods(self) -> Sequence[str]:
        """The shop's method names, remembered for ten minutes."""
        return await shipments.shipping_methods(self._caller, self._state.methods)

    async def set_stock(self, quantities: Mapping[str, int]) -> StockResult:
        """Set absolute quantities: one call per product, safe to repeat."""
        return await stock.set_stock(self._caller, self._state.inventory, quantities)

    async def read_stock(self) -> Mapping[str, int]:
        """The quantity of every SKU: one call per 500."""
        return await stock.read_stock(self._caller, self._state.inventory)

    async def list_products(self, since: datetime | None, until: datetime) -> Sequence[ProductSummary]:
        """Products updated in the window, each once: one call per 500."""
        return await products.list_products(self._caller, since, until)

    async def read_product(self, external_id: str) -> Product:
        """The product with options and variants, without images: one call."""
        return await products.read_product(self._caller, external_id)

    async def create_product(self, product: Product) -> SavedProduct:
        """Look for the SKU, then create: for S sizes and C colours 2 + 2 + (S + C) + S * C calls. Safe to repeat."""
        return await products.create_product(self._caller, self._state.inventory, product)

    async def update_product(self, external_id: str, product: Product) -> SavedProduct:
        """Read, then set what differs: one call and one for each part that differs. Safe to repeat."""
        return await products.update_product(self._caller, self._state.inventory, external_id, product)

    async def check(self) -> ConnectionCheck:
        """Whether shop and token work and the token may write: two calls, nothing changed."""
        return await checking.check(self._caller)
