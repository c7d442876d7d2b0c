"""Reading orders and their lines (facts §3.1 to §3.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sandbox.bright_sites.answers import Answer, NotFoundError, answer
from sandbox.bright_sites.asking import Ask, Query
from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.order_documents import line_document, order_body, order_summary
from sandbox.bright_sites.paging import page_answer, read_page
from sandbox.bright_sites.params import invalid
from sandbox.bright_sites.records import Order
from sandbox.bright_sites.statuses import STATUSES

Keep = Callable[[Order], bool]


def list_orders(memory: Memory, ask: Ask) -> Answer:
    """GET /orders: summaries, highest id first."""
    tests = _order_tests(ask.query)
    page = read_page(ask.query, memory.settings)
    orders = list(memory.orders.values())
    if tests:
        orders = [order for order in orders if all(test(order) for test in tests)]
    shown = [order_summary(order) for order in page.cut_reversed(orders)]
    return page_answer("orders", shown, len(orders), page)


def show_order(memory: Memory, ask: Ask) -> Answer:
    """GET /orders/:id: the bare order."""
    return Answer(200, order_body(memory.order(ask.ids["id"]), memory.settings, ask.version))


def list_lines(memory: Memory, ask: Ask) -> Answer:
    """GET /orders/:order_id/line_items, without `meta`."""
    order = memory.order(ask.ids["order_id"])
    return answer({"line_items": [line_document(line, ask.version) for line in order.lines.values()]})


def show_line(memory: Memory, ask: Ask) -> Answer:
    """GET /orders/:order_id/line_items/:id: the bare line."""
    order = memory.order(ask.ids["order_id"])
    line = order.lines.get(ask.ids["id"])
    if line is None:
        raise NotFoundError(f"Line item {ask.ids['id']} was not found in order {order.id}")
    return answer(line_document(line, ask.version))


def within(query: Query, name: str, moment_of: Callable[[Order], datetime]) -> list[Keep]:
    """Tests for `<name>_from` and `<name>_to`, both ends included."""
    tests: list[Keep] = []
    start, end = query.moment(f"{name}_from"), query.moment(f"{name}_to")
    if start is not None:
        tests.append(lambda order: moment_of(order) >= start)
    if end is not None:
        tests.append(lambda order: moment_of(order) <= end)
    return tests


def _order_tests(query: Query) -> list[Keep]:
    tests: list[Keep] = []
    status = query.text("status")
    if status is not None:
        if status not in STATUSES:
            raise invalid("status", f"Must be one of: {', '.join(STATUSES)}")
        tests.append(lambda order: order.status == status)
    customers = {customer.lower() for customer in query.many("customer")}
    if customers:
        tests.append(lambda order: str(order.customer["customer_email"]).lower() in customers)
    tests += within(query, "created_at", lambda order: order.created_at)
    tests += within(query, "updated_at", lambda order: order.updated_at)
    return tests
