"""Products: list, read, create, update with options, values and stock rows (Bright Sites API facts, section 7).

Everything is looked up before it is made: the product by its SKU, an option and its values by name, a stock row by its
combination. Values that stand there are set absolutely, and only where they differ. So a second time changes nothing
more, and a run that broke off is completed by the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.bright_sites import operations as ops
from connectors.bright_sites.inventory_cache import InventoryCache, StockRow
from connectors.bright_sites.paging import read_pages
from connectors.bright_sites.product_options import options_of
from connectors.bright_sites.product_plan import OptionPlan, ProductPlan, ValuePlan, plan_product
from connectors.bright_sites.reading import identity, text, whole
from connectors.bright_sites.translate_products import product_from, product_summary
from connectors.http import Caller, Operation
from domain.errors import ShopRejected
from domain.moments import iso
from domain.products import Product, ProductSummary, SavedProduct, Variant

_NO_STOCK = {"inventory": 0, "trigger": 0, "track": True, "allow_negative": False}
"""A new stock row: nothing may be sold until the stock is sent."""


async def list_products(caller: Caller, since: datetime | None, until: datetime) -> Sequence[ProductSummary]:
    """Summaries of the products updated in the window, each once.

    As with orders, only the window's start is asked of the shop: with an end, a product that is edited while pages
    are read would leave the list and move the others up.
    """
    query = {} if since is None else {"updated_at_from": iso(since)}
    found: dict[str, ProductSummary] = {}
    for row in await read_pages(caller, ops.LIST_PRODUCTS, "products", query):
        summary = product_summary(row, until)
        if summary.updated_at <= until:
            found.setdefault(summary.external_id, summary)
    return tuple(found.values())


async def read_product(caller: Caller, external_id: str) -> Product:
    """The product in canonical form."""
    return product_from(await _read(caller, external_id))


async def create_product(caller: Caller, cache: InventoryCache, product: Product) -> SavedProduct:
    """Create the product, or complete the one the shop has under this SKU."""
    found = await _find(caller, product.sku)
    if found is not None:
        return await update_product(caller, cache, found, product)
    plan = plan_product(product, None)
    document = await caller.call(ops.CREATE_PRODUCT, about=_about(product), body={"product": plan.fields})
    writing = _Writing(caller, cache, product, identity(document, "id"))
    await writing.complete(plan, {})
    return SavedProduct(writing.product_id, created=True, changed=True)


async def update_product(caller: Caller, cache: InventoryCache, external_id: str, product: Product) -> SavedProduct:
    """Set what differs; what the product does not say, and what more the shop has, stays."""
    document = await _read(caller, external_id)
    plan = plan_product(product, document)
    writing = _Writing(caller, cache, product, identity(document, "id"))
    if plan.fields:
        await writing.put(ops.UPDATE_PRODUCT, {"id": writing.product_id}, "product", plan.fields)
    known = {(option.name, value.name): value.id for option in options_of(document) for value in option.values}
    await writing.complete(plan, known)
    return SavedProduct(writing.product_id, created=False, changed=writing.changed)


class _Writing:
    """One product being written."""

    def __init__(self, caller: Caller, cache: InventoryCache, product: Product, product_id: str) -> None:
        self.product_id = product_id
        self.changed = False
        self._caller = caller
        self._cache = cache
        self._product = product

    async def put(self, operation: Operation, ids: Mapping[str, str], root: str, body: Mapping[str, Any]) -> Any:
        """One write below the product; its answer without a root, where it has one."""
        self.changed = True
        answer = await self._caller.call(operation, ids, about=_about(self._product), body={root: body})
        inner = answer.get(root) if isinstance(answer, Mapping) else None
        return inner if isinstance(inner, Mapping) else answer

    async def complete(self, plan: ProductPlan, known: Mapping[tuple[str, str], str]) -> None:
        """Options, their values, and the stock rows of new combinations. ``known`` are the ids of values."""
        ids = dict(known)
        for option in plan.options:
            option_id = await self._option(option)
            for value in option.values:
                ids[option.name, value.name] = await self._value(option_id, value)
        for variant in plan.rows:
            await self._row(variant, [ids[key] for key in variant.options.items()])

    async def _option(self, option: OptionPlan) -> str:
        if option.id is None:
            made = await self.put(ops.CREATE_OPTION, {"product_id": self.product_id}, "option", option.body)
            return identity(made, "id")
        if option.body:
            where = {"product_id": self.product_id, "id": option.id}
            await self.put(ops.UPDATE_OPTION, where, "option", option.body)
        return option.id

    async def _value(self, option_id: str, value: ValuePlan) -> str:
        where = {"product_id": self.product_id, "option_id": option_id}
        if value.id is None:
            return identity(await self.put(ops.CREATE_VALUE, where, "sub_option", value.body), "id")
        if value.body:
            await self.put(ops.UPDATE_VALUE, {**where, "id": value.id}, "sub_option", value.body)
        return value.id

    async def _row(self, variant: Variant, value_ids: Sequence[str]) -> None:
        body = {"sub_option_ids": [int(each) for each in value_ids], **_NO_STOCK}
        made = await self.put(ops.CREATE_STOCK_ROW, {"product_id": self.product_id}, "inventory", body)
        self._cache.add(StockRow(variant.sku, int(self.product_id), whole(made, "id"), 0))


async def _find(caller: Caller, sku: str) -> str | None:
    """The id of the product with this very SKU: the shop's filter may look for a part of it."""
    for row in await read_pages(caller, ops.LIST_PRODUCTS, "products", {"sku": sku}):
        if text(row, "sku") == sku:
            return identity(row, "id")
    return None


async def _read(caller: Caller, external_id: str) -> Mapping[str, Any]:
    if not (external_id.isascii() and external_id.isdigit()):
        raise ShopRejected(
            f"Product {external_id[:40]!r} cannot exist in Bright Sites, whose products have numbers. "
            "Send the shop's own product number.",
            code="product_unknown",
        )
    document: Mapping[str, Any] = await caller.call(
        ops.READ_PRODUCT, {"id": external_id}, about=f"product {external_id}"
    )
    return document


def _about(product: Product) -> str:
    return f"product {product.sku}"
