"""Filters that the product list and the stock list share (facts §6, §7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sandbox.bright_sites.asking import Query
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.records import Product
from sandbox.bright_sites.wire import Json

Keep = Callable[[Product], bool]


def product_tests(memory: Memory, query: Query) -> list[Keep]:
    """The tests a product must pass; dates are those of the product, both ends included."""
    tests: list[Keep] = []
    sku, internal_id, name = query.text("sku"), query.text("internal_id"), query.text("name")
    if sku is not None:
        partial = memory.settings.partial_sku_filter
        tests.append(lambda product: sku in product.sku if partial else sku == product.sku)
    if internal_id is not None:
        tests.append(lambda product: product.fields["internal_id"] == internal_id)
    if name is not None:
        tests.append(lambda product: name.lower() in str(product.fields["name"]).lower())
    if query.many("categories"):
        category_ids = _ids(memory.categories, query.many("categories"))
        tests.append(lambda product: not category_ids.isdisjoint(product.category_ids))
    if query.many("vendors"):
        vendor_ids = _ids(memory.vendors, query.many("vendors"))
        tests.append(lambda product: not vendor_ids.isdisjoint(product.vendor_ids))
    return [*tests, *_dates(query)]


def _ids(known: dict[int, Json], wanted: list[str]) -> set[int]:
    names = {value.lower() for value in wanted}
    return {each["id"] for each in known.values() if str(each["id"]) in names or each["name"].lower() in names}


def _dates(query: Query) -> list[Keep]:
    tests: list[Keep] = []
    for name in ("created_at", "updated_at"):
        tests += _between(name, query.moment(f"{name}_from"), query.moment(f"{name}_to"))
    return tests


def _between(name: str, start: datetime | None, end: datetime | None) -> list[Keep]:
    tests: list[Keep] = []
    if start is not None:
        tests.append(lambda product: getattr(product, name) >= start)
    if end is not None:
        tests.append(lambda product: getattr(product, name) <= end)
    return tests
