"""Reference data: shipping methods, origin addresses, categories, vendors (facts §2, §5, §6)."""

from __future__ import annotations

from sandbox.bright_sites.answers import Answer, NotFoundError, answer
from sandbox.bright_sites.asking import Ask
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.paging import page_answer, read_page
from sandbox.bright_sites.wire import Json, dumps


def list_shipping_methods(memory: Memory, ask: Ask) -> Answer:
    """GET /shipping_methods: plain strings, without `meta`."""
    del ask
    return answer({"shipping_methods": memory.shipping_methods})


def list_origin_addresses(memory: Memory, ask: Ask) -> Answer:
    """GET /origin_addresses."""
    return _page("origin_addresses", memory.origin_addresses, memory, ask)


def list_categories(memory: Memory, ask: Ask) -> Answer:
    """GET /categories."""
    return _page("categories", memory.categories, memory, ask)


def show_category(memory: Memory, ask: Ask) -> Answer:
    """GET /categories/:id: bare."""
    return _show("Category", memory.categories, ask.ids["id"])


def list_vendors(memory: Memory, ask: Ask) -> Answer:
    """GET /vendors."""
    return _page("vendors", memory.vendors, memory, ask)


def show_vendor(memory: Memory, ask: Ask) -> Answer:
    """GET /vendors/:id: bare."""
    return _show("Vendor", memory.vendors, ask.ids["id"])


def _page(root: str, records: dict[int, Json], memory: Memory, ask: Ask) -> Answer:
    page = read_page(ask.query, memory.settings)
    return page_answer(root, [dumps(each) for each in page.cut(list(records.values()))], len(records), page)


def _show(what: str, records: dict[int, Json], record_id: int) -> Answer:
    if record_id not in records:
        raise NotFoundError(f"{what} {record_id} was not found")
    return answer(records[record_id])
