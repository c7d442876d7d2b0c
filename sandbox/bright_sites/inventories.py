"""Stock rows: the store's list, the batch update of one product, and single rows (facts §6)."""

from __future__ import annotations

from typing import cast

from sandbox.bright_sites.answers import Answer, ApiError, InvalidError, NotFoundError, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.paging import page_answer, read_page
from sandbox.bright_sites.params import (
    Param,
    array_of,
    boolean,
    hash_of,
    integer,
    integers,
    read_hash,
    read_root,
)
from sandbox.bright_sites.product_filters import product_tests
from sandbox.bright_sites.records import Product, StockRow
from sandbox.bright_sites.wire import Json, dumps

_FIELDS = (("inventory", integer), ("trigger", integer), ("track", boolean), ("allow_negative", boolean))
_OPTIONAL = tuple(Param(name, check) for name, check in _FIELDS)
ROW_PARAMS = _OPTIONAL
NEW_ROW_PARAMS = (
    Param("sub_option_ids", integers),
    *(Param(name, check, required=True) for name, check in _FIELDS),
)
BATCH_ROWS = array_of(hash_of(Param("id", integer, required=True), *_OPTIONAL), "Must be an Array of Hash")


def list_inventories(memory: Memory, ask: Ask) -> Answer:
    """GET /inventories: all stock rows of the store, with `final_sku`."""
    tests = product_tests(memory, ask.query)
    page = read_page(ask.query, memory.settings)
    rows = list(memory.shown_rows())
    if tests:
        rows = [row for row in rows if all(test(row.product) for test in tests)]
    return page_answer("inventories", [_rendered(row) for row in page.cut(rows)], len(rows), page)


def batch_update(memory: Memory, ask: Ask) -> Answer:
    """PUT /inventories/:product_id/batch_update: all rows or none."""
    product = memory.product(ask.ids["product_id"])
    given = cast("list[Json]", read_root(ask.body, "inventories", BATCH_ROWS))
    if product.supplier_managed:
        raise InvalidError(f"Stock of product {product.id} is managed by its supplier", "inventories")
    for index, change in enumerate(given):
        row = product.rows.get(change["id"])
        place = f"inventories[{index}]"
        if row is None:
            raise InvalidError(f"Inventory {change['id']} does not belong to product {product.id} ({place})", place)
        _check_figure(row, change, place)
    for change in given:
        _apply(memory, ask, product.rows[change["id"]], change)
    touched = dict.fromkeys(change["id"] for change in given)
    body = ",".join(_rendered(product.rows[row_id]) for row_id in touched)
    return Answer(200, f'{{"inventories":[{body}]}}'.encode())


def list_product_rows(memory: Memory, ask: Ask) -> Answer:
    """GET /products/:product_id/inventories: short rows and `enabled`, without `meta`."""
    product = memory.product(ask.ids["product_id"])
    rows = [] if product.supplier_managed else list(product.rows.values())
    return answer({"inventories": [row_document(row) for row in rows], "enabled": product.fields["enable_inventory"]})


def show_row(memory: Memory, ask: Ask) -> Answer:
    """GET /products/:product_id/inventories/:id: the bare row."""
    return answer(row_document(_find(memory, ask)))


def create_row(memory: Memory, ask: Ask) -> Answer:
    """POST /products/:product_id/inventories: a row for a combination that has none yet."""
    product = memory.product(ask.ids["product_id"])
    wanted = read_hash(ask.body, "inventory", NEW_ROW_PARAMS)
    chosen = tuple(wanted.pop("sub_option_ids", ()))
    _check_combination(product, chosen)
    row = StockRow(memory.next_id("inventory"), product, chosen, 0)
    _check_figure(row, wanted, "inventory")
    product.rows[row.id] = row
    _apply(memory, ask, row, wanted)
    memory.ledger.effect("stock_row_created", ask.record, None, row.final_sku, row_document(row))
    return answer(row_document(row), 201)


def update_row(memory: Memory, ask: Ask) -> Answer:
    """PUT /products/:product_id/inventories/:id: absolute figures."""
    row = _find(memory, ask)
    change = read_hash(ask.body, "inventory", ROW_PARAMS)
    _check_figure(row, change, "inventory")
    _apply(memory, ask, row, change)
    return answer(row_document(row))


def delete_row(memory: Memory, ask: Ask) -> Answer:
    """DELETE /products/:product_id/inventories/:id: the deleted row."""
    row = _find(memory, ask)
    del row.product.rows[row.id]
    memory.ledger.effect("stock_row_deleted", ask.record, None, row.final_sku, row_document(row))
    return answer(row_document(row))


def row_document(row: StockRow) -> Json:
    """The short form of a row, as shown under its product."""
    return {
        "id": row.id,
        "inventory": row.inventory,
        "trigger": row.trigger,
        "track": row.track,
        "allow_negative": row.allow_negative,
        "sub_sku": row.sub_sku,
        "sub_option_ids": list(row.sub_option_ids),
    }


def _rendered(row: StockRow) -> str:
    if row.rendered is None:
        fields = row.product.fields
        row.rendered = dumps(
            {
                "product_id": row.product.id,
                "product_name": fields["name"],
                "internal_id": fields["internal_id"] or "",
                "sku": fields["sku"],
                "final_sku": row.final_sku,
                **row_document(row),
            }
        )
    return row.rendered


def _find(memory: Memory, ask: Ask) -> StockRow:
    product = memory.product(ask.ids["product_id"])
    row = None if product.supplier_managed else product.rows.get(ask.ids["id"])
    if row is None:
        raise NotFoundError(f"Inventory {ask.ids['id']} was not found under product {product.id}")
    return row


def _check_figure(row: StockRow, change: Json, place: str) -> None:
    inventory = change.get("inventory", row.inventory)
    if inventory < 0 and not change.get("allow_negative", row.allow_negative):
        raise _negative(row, place)


def _negative(row: StockRow, place: str) -> ApiError:
    return InvalidError(f"Inventory {row.id} ({row.final_sku}) must not be negative ({place})", f"{place}[inventory]")


def _check_combination(product: Product, chosen: tuple[int, ...]) -> None:
    if product.supplier_managed:
        raise InvalidError(f"Stock of product {product.id} is managed by its supplier", "inventory")
    for sub_option_id in chosen:
        if sub_option_id not in product.sub_options:
            raise InvalidError(f"Sub option {sub_option_id} does not belong to product {product.id}", "inventory")
    if any(set(row.sub_option_ids) == set(chosen) for row in product.rows.values()):
        raise InvalidError("Sub options combination already has an inventory", "inventory[sub_option_ids]")


def _apply(memory: Memory, ask: Ask, row: StockRow, change: Json) -> None:
    row.trigger = change.get("trigger", row.trigger)
    row.track = change.get("track", row.track)
    row.allow_negative = change.get("allow_negative", row.allow_negative)
    row.rendered = None
    if "inventory" in change:
        memory.set_stock(row, change["inventory"], ask, "api")
    if memory.settings.stock_touches_product:
        row.product.updated_at = memory.now()
