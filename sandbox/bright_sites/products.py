"""Products: list, show, create, update, delete (facts §7)."""

from __future__ import annotations

from decimal import Decimal

from sandbox.bright_sites.answers import Answer, InvalidError, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.inventories import row_document
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.options import option_document, sub_option_document
from sandbox.bright_sites.paging import page_answer, read_page
from sandbox.bright_sites.params import invalid, read_hash
from sandbox.bright_sites.product_fields import DECIMALS, PRODUCT_DEFAULTS, SWITCHES, product_params
from sandbox.bright_sites.product_filters import product_tests
from sandbox.bright_sites.records import Product
from sandbox.bright_sites.wire import Json, dumps, parse_time, product_money, render_time, to_decimal

NEW_PARAMS = product_params(creating=True)
CHANGE_PARAMS = product_params(creating=False)
ONE_SOURCE_SINCE = (2, 7, 0)

_SHOWN = (
    *("sku_separator", "base_price", "retail_price", "cost", "setup_charge"),
    *("minimum_order_quantity", "maximum_order_quantity", "weight", "width", "height", "length"),
    *("shipping_modifier", "meta_title", "meta_description", "meta_keywords", "custom_url", "description"),
    *("featured", "tax_exempt", "shipping_exempt"),
)
_SHOWN_AFTER_STOCK = (
    *SWITCHES,
    *("related_products_type", "primary_category_id", "vendor_inventory_enabled", "inventory_vendor_id"),
    *("tax_code", "note"),
)


def list_products(memory: Memory, ask: Ask) -> Answer:
    """GET /products: summaries, by id."""
    tests = product_tests(memory, ask.query)
    page = read_page(ask.query, memory.settings)
    products = [each for each in memory.products.values() if all(test(each) for test in tests)]
    shown = [dumps(_summary(memory, product)) for product in page.cut(products)]
    return page_answer("products", shown, len(products), page)


def show_product(memory: Memory, ask: Ask) -> Answer:
    """GET /products/:id: the bare full product."""
    return answer(product_document(memory, memory.product(ask.ids["id"]), ask.version))


def create_product(memory: Memory, ask: Ask) -> Answer:
    """POST /products: without variants, those are made by options, sub-options and stock rows."""
    wanted = read_hash(ask.body, "product", NEW_PARAMS)
    _check(memory, wanted, None)
    now = memory.now()
    product = Product(memory.next_id("product"), dict(PRODUCT_DEFAULTS), [], [], now, now)
    _apply(product, wanted)
    memory.products[product.id] = product
    memory.product_effect("product_created", ask, product, {"sku": product.sku})
    return answer(product_document(memory, product, ask.version), 201)


def update_product(memory: Memory, ask: Ask) -> Answer:
    """PUT /products/:id: partial."""
    product = memory.product(ask.ids["id"])
    wanted = read_hash(ask.body, "product", CHANGE_PARAMS)
    _check(memory, wanted, product)
    _apply(product, wanted)
    memory.product_effect("product_updated", ask, product, {"changes": wanted})
    return answer(product_document(memory, product, ask.version))


def delete_product(memory: Memory, ask: Ask) -> Answer:
    """DELETE /products/:id: the deleted product."""
    product = memory.product(ask.ids["id"])
    document = product_document(memory, product, ask.version)
    del memory.products[product.id]
    if product is memory.gift_product:
        memory.gift_product = None
    memory.product_effect("product_deleted", ask, product, {"sku": product.sku})
    return answer(document)


def product_document(memory: Memory, product: Product, version: tuple[int, ...]) -> Json:
    """The full product; `one_source_items` since 2.7.0 and only where they exist."""
    document = {
        **_summary(memory, product),
        **{name: _shown(product, name) for name in _SHOWN},
        "options": [option_document(option) for option in product.options.values()],
        "sub_options": [sub_option_document(sub) for sub in product.sub_options.values()],
        "inventories": [] if product.supplier_managed else [row_document(row) for row in product.rows.values()],
        **{name: _shown(product, name) for name in _SHOWN_AFTER_STOCK},
    }
    if product.one_source_items is not None and version >= ONE_SOURCE_SINCE:
        document["one_source_items"] = product.one_source_items
    return document


def _summary(memory: Memory, product: Product) -> Json:
    fields = product.fields
    return {
        "id": product.id,
        "name": fields["name"],
        "sku": fields["sku"],
        "internal_id": fields["internal_id"],
        "origin_address_id": fields["origin_address_id"],
        "new_product": fields["new_product"],
        "new_expires_at": fields["new_expires_at"],
        "categories": [_named(memory.categories[each]) for each in product.category_ids],
        "vendors": [_named(memory.vendors[each]) for each in product.vendor_ids],
        "active": fields["active"],
        "created_at": render_time(product.created_at),
        "updated_at": render_time(product.updated_at),
    }


def _named(record: Json) -> Json:
    return {"id": record["id"], "name": record["name"]}


def _shown(product: Product, name: str) -> object:
    value = product.fields[name]
    return product_money(value) if isinstance(value, Decimal) else value


def _check(memory: Memory, wanted: Json, product: Product | None) -> None:
    for name in ("category_ids", "vendor_ids"):
        known = memory.categories if name == "category_ids" else memory.vendors
        for each in wanted.get(name) or ():
            if each not in known:
                raise InvalidError(f"{name} has an unknown id: {each}", f"product[{name}]")
    if wanted.get("new_expires_at"):
        try:
            wanted["new_expires_at"] = parse_time(wanted["new_expires_at"]).date().isoformat() + "T00:00:00-07:00"
        except ValueError:
            raise invalid("product[new_expires_at]", "Must be an ISO 8601 date") from None
    sku = wanted.get("sku")
    if "sku" in wanted and not sku:
        raise InvalidError("Sku can't be blank", "product[sku]")
    if sku and any(each.sku == sku and each is not product for each in memory.products.values()):
        raise InvalidError("Sku has already been taken", "product[sku]")


def _apply(product: Product, wanted: Json) -> None:
    for name, value in wanted.items():
        if name == "category_ids":
            product.category_ids = list(value or ())
        elif name == "vendor_ids":
            product.vendor_ids = list(value or ())
        elif value is None:
            product.fields[name] = PRODUCT_DEFAULTS[name]
        else:
            product.fields[name] = to_decimal(value) if name in DECIMALS else value
