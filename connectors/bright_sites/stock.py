"""Stock: one call per product, row by row only where a product is refused (API facts, section 6)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.bright_sites.inventory_cache import InventoryCache, StockRow
from connectors.bright_sites.operations import LIST_INVENTORIES, SET_PRODUCT_STOCK, SET_ROW_STOCK
from connectors.bright_sites.paging import read_pages
from connectors.bright_sites.reading import rows, text, whole
from connectors.http import Caller
from domain.errors import ShopDown, ShopError, ShopRejected, ShopThrottled, ShopUnauthorized
from domain.ports import StockResult

PRODUCTS_AT_ONCE = 5
"""Products written at the same time by one run; five calls in parallel are what others do to a shop."""


async def load_rows(caller: Caller) -> list[StockRow]:
    """All stock rows of the shop that have a SKU, in the shop's order."""
    documents = await read_pages(caller, LIST_INVENTORIES, "inventories", {})
    return [
        StockRow(sku, whole(row, "product_id"), whole(row, "id"), whole(row, "inventory"))
        for row in documents
        if (sku := text(row, "final_sku"))
    ]


async def read_stock(caller: Caller, cache: InventoryCache) -> Mapping[str, int]:
    """The quantity of every SKU; fills the cache on the way."""
    found = await load_rows(caller)
    cache.replace(found)
    quantities: dict[str, int] = {}
    for row in found:
        quantities.setdefault(row.sku, row.quantity)
    return quantities


async def set_stock(caller: Caller, cache: InventoryCache, quantities: Mapping[str, int]) -> StockResult:
    """Set absolute quantities; safe to repeat.

    A row or product that is no longer where it was remembered is looked up once more, as far as the cache may
    read again, and counts as unknown if it is not found.
    """
    writing = _Writing(caller, cache)
    for _ in range(2):
        open_skus = [sku for sku in quantities if sku not in writing.confirmed and sku not in writing.failed]
        places = await cache.locate(open_skus, lambda: load_rows(caller))
        await writing.write([(row, quantities[sku]) for sku, row in places.items()])
        if not writing.gone:
            break
        writing.gone.clear()
    settled = writing.confirmed.keys() | writing.failed.keys()
    unknown = tuple(sku for sku in quantities if sku not in settled)
    return StockResult(writing.confirmed, unknown, writing.failed)


Change = tuple[StockRow, int]


@dataclass(slots=True)
class _Writing:
    """One run of writes: what is done, what failed, what was no longer there."""

    caller: Caller
    cache: InventoryCache
    confirmed: dict[str, int] = field(default_factory=dict)
    failed: dict[str, ShopError] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    stopped: ShopError | None = None

    async def write(self, changes: Sequence[Change]) -> None:
        """Write all changes, product by product, a few products at a time."""
        by_product: dict[int, list[Change]] = defaultdict(list)
        for change in changes:
            by_product[change[0].product_id].append(change)
        waiting = iter(by_product.items())

        async def work() -> None:
            for product_id, group in waiting:
                await self._write_product(product_id, group)

        workers = [asyncio.ensure_future(work()) for _ in range(min(PRODUCTS_AT_ONCE, len(by_product)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _write_product(self, product_id: int, group: Sequence[Change]) -> None:
        if self.stopped is not None:
            self._fail(group, self.stopped)
            return
        try:
            shown = await self._set_product(product_id, group)
        except ShopRejected as error:
            if len(group) == 1 or error.code == SET_PRODUCT_STOCK.not_found:
                self._refused(group, error)
            else:
                await self._write_rows(group)
        except ShopError as error:
            self._fail(group, error)
        else:
            self._confirm(product_id, group, shown)

    async def _set_product(self, product_id: int, group: Sequence[Change]) -> list[Mapping[str, Any]]:
        document = await self.caller.call(
            SET_PRODUCT_STOCK,
            {"product_id": product_id},
            about=_about(product_id, group),
            body={"inventories": [{"id": row.row_id, "inventory": quantity} for row, quantity in group]},
        )
        return rows(document, "inventories")

    async def _write_rows(self, group: Sequence[Change]) -> None:
        for change in group:
            if self.stopped is not None:
                self._fail([change], self.stopped)
                continue
            row, quantity = change
            try:
                await self.caller.call(
                    SET_ROW_STOCK,
                    {"product_id": row.product_id, "id": row.row_id},
                    about=f"SKU {row.sku}",
                    body={"inventory": {"inventory": quantity}},
                )
            except ShopRejected as error:
                self._refused([change], error)
            except ShopError as error:
                self._fail([change], error)
            else:
                self.confirmed[row.sku] = quantity

    def _confirm(self, product_id: int, group: Sequence[Change], shown: list[Mapping[str, Any]]) -> None:
        present = {str(row.get("id")) for row in shown}
        for row, quantity in group:
            if str(row.row_id) in present:
                self.confirmed[row.sku] = quantity
            else:
                sentence = (
                    f"Channel {self.caller.channel.code}, SKU {row.sku}: the shop took the stock of product "
                    f"{product_id} but did not show this row. It is safe to repeat and is tried again."
                )
                self.failed[row.sku] = ShopDown(sentence, code="unreadable_answer", status=200)

    def _refused(self, group: Sequence[Change], error: ShopRejected) -> None:
        if error.status != 404:
            self._fail(group, error)
            return
        for row, _ in group:
            self.cache.forget(row.sku)
            self.gone.add(row.sku)

    def _fail(self, group: Sequence[Change], error: ShopError) -> None:
        if isinstance(error, ShopUnauthorized | ShopThrottled):
            self.stopped = error
        self.failed.update((row.sku, error) for row, _ in group)


def _about(product_id: int, group: Sequence[Change]) -> str:
    if len(group) == 1:
        return f"SKU {group[0][0].sku}"
    return f"product {product_id} ({len(group)} SKUs from {group[0][0].sku})"
