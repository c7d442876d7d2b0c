from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.bright_sites.operations import LIST_ORDERS
from connectors.bright_sites.orders import list_orders
from connectors.bright_sites.paging import read_pages
from connectors.http import Caller, GuardedTransport, HttpLimits, allowed_hosts, build_endpoint
from domain.errors import ShopDown
from tests.connectors.support import Act, Heard, RecordingGuard, channel_at, response, wire_server

UNTIL = datetime(2026, 4, 1, tzinfo=UTC)


def row(number: int) -> dict[str, Any]:
    return {"order_id": number, "updated_at": "2026-03-02T09:20:11-07:00", "status": "new"}


def pages(*documents: Mapping[str, Any]) -> Act:
    async def act(heard: Heard, writer: asyncio.StreamWriter) -> None:
        query = parse_qs(urlsplit(heard.head.split(" ")[1]).query)
        number = int(query["page"][0])
        document = documents[min(number, len(documents)) - 1]
        writer.write(response(200, json.dumps(document).encode()))

    return act


async def read(act: Act) -> tuple[list[int], int]:
    async with wire_server(act) as server:
        allowed = allowed_hosts([server.pair])
        channel = channel_at(server.domain)
        transport = GuardedTransport(HttpLimits(), allowed)
        caller = Caller(transport, build_endpoint(channel, "", "X", allowed), channel, RecordingGuard())
        try:
            rows = await read_pages(caller, LIST_ORDERS, "orders", {})
        finally:
            await transport.aclose()
        return [each["order_id"] for each in rows], len(server.heard)


def page(numbers: range, total: int | None, limit: int = 500) -> dict[str, Any]:
    document: dict[str, Any] = {"orders": [row(number) for number in numbers]}
    if total is not None:
        document["meta"] = {"total": total, "offset": 0, "limit": limit}
    return document


async def test_one_page_that_holds_all_costs_one_call() -> None:
    assert await read(pages(page(range(3), 3))) == ([0, 1, 2], 1)


async def test_a_full_last_page_costs_no_further_call_where_the_shop_tells_the_total() -> None:
    assert (await read(pages(page(range(500), 500))))[1] == 1


async def test_a_shop_that_gives_fewer_per_page_than_asked_for_is_read_to_its_end() -> None:
    found, calls = await read(pages(page(range(50), 120), page(range(50, 100), 120), page(range(100, 120), 120)))
    assert (found, calls) == (list(range(120)), 3)


async def test_without_a_total_a_page_that_is_not_full_is_the_last() -> None:
    assert await read(pages(page(range(500), None), page(range(500, 510), None))) == (list(range(510)), 2)


async def test_a_total_of_zero_beside_rows_says_nothing() -> None:
    found, calls = await read(pages(page(range(500), 0, 0), page(range(500, 501), 0, 0)))
    assert (len(found), calls) == (501, 2)


async def test_an_empty_page_ends_a_list_whose_total_promises_more() -> None:
    assert await read(pages(page(range(3), 9), page(range(0), 9))) == ([0, 1, 2], 2)


async def test_a_shop_that_repeats_a_page_is_not_read_for_ever() -> None:
    with pytest.raises(ShopDown, match="does not come to an end"):
        await read(pages(page(range(500), None)))


async def test_a_row_pushed_to_the_next_page_by_a_new_order_is_listed_once() -> None:
    act = pages(page(range(500), 502), page(range(499, 502), 503))
    async with wire_server(act) as server:
        allowed = allowed_hosts([server.pair])
        channel = channel_at(server.domain)
        transport = GuardedTransport(HttpLimits(), allowed)
        caller = Caller(transport, build_endpoint(channel, "", "X", allowed), channel, RecordingGuard())
        listed = await list_orders(caller, None, UNTIL)
        await transport.aclose()
    assert [int(order.external_order_id) for order in listed] == list(range(502))
