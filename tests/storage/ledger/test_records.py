"""Records: what handlers ask to be remembered; older states never overwrite newer ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.moments import from_micros
from domain.orders import OrderRecord
from domain.outcomes import CursorMoved, Effects, Record
from domain.shipments import SentShipment
from domain.stock import ConfirmedStock, StockLevel
from storage.tables import accounts, orders
from tests.storage.support import START, Site, done, order


async def remember(site: Site, *records: Record, channel: str = "main") -> None:
    """Settle an attempt that asks for these records."""
    await site.admit(order(channel=channel, account="globex" if channel == "shop" else "acme"))
    await site.settle(await site.take(), lambda each: done(each, Effects(records=records)))


def seen(minutes: int, status: str = "new") -> OrderRecord:
    return OrderRecord("4711", START + timedelta(minutes=minutes), status, {"status": status})


async def test_the_newest_state_of_an_order_is_kept_whatever_comes_last(site: Site) -> None:
    await remember(site, seen(5, "paid"))
    await remember(site, seen(4, "new"))
    assert await site.memory.order_seen(site.main, "4711") == START + timedelta(minutes=5)
    assert await site.memory.order_document(site.main, "4711") == {"status": "paid"}
    await remember(site, seen(6, "shipped"))
    assert [(row.status, row.document) for row in site.rows(orders)] == [("shipped", {"status": "shipped"})]


async def test_a_state_of_the_same_instant_replaces_the_recorded_one(site: Site) -> None:
    await remember(site, seen(5, "new"))
    await remember(site, seen(5, "paid"))
    assert await site.memory.order_document(site.main, "4711") == {"status": "paid"}


async def test_orders_are_remembered_by_channel(site: Site) -> None:
    await remember(site, seen(5))
    await remember(site, seen(1), channel="outlet")
    assert await site.memory.orders_seen(site.channels["outlet"], ["4711", "nope"]) == {
        "4711": START + timedelta(minutes=1)
    }
    assert await site.memory.order_seen(site.channels["shop"], "4711") is None
    assert await site.memory.order_document(site.channels["shop"], "4711") is None


def level(version: int | None, minute: int, total: int) -> StockLevel:
    return StockLevel("MUG", "w1", total, 1, version, START + timedelta(minutes=minute))


@pytest.mark.parametrize(
    ("known", "candidate", "wins"),
    [
        (level(5, 0, 10), level(6, 0, 20), True),
        (level(5, 0, 10), level(5, 9, 20), False),
        (level(5, 0, 10), level(4, 9, 20), False),
        (level(5, 9, 10), level(6, 0, 20), True),
        (level(None, 0, 10), level(None, 1, 20), True),
        (level(None, 1, 10), level(None, 1, 20), False),
        (level(None, 1, 10), level(9, 0, 20), False),
        (level(9, 0, 10), level(None, 1, 20), True),
    ],
)
async def test_a_stock_level_is_replaced_by_a_newer_one_alone(
    site: Site, known: StockLevel, candidate: StockLevel, wins: bool
) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    await remember(site, known)
    await remember(site, candidate)
    assert await site.memory.stock_levels(account.id, ["MUG"]) == [candidate if wins else known]


async def test_stock_levels_belong_to_the_account_and_are_given_for_all_warehouses(site: Site) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    (other,) = site.rows(accounts, accounts.c.code == "globex")
    levels = [StockLevel(sku, place, 1, 0, 1, START) for sku in ("CUP", "MUG") for place in ("w1", "w2")]
    await remember(site, *reversed(levels))
    assert by_place(await site.memory.stock_levels(account.id, None)) == levels
    assert by_place(await site.memory.stock_levels(account.id, ["CUP", "NONE"])) == levels[:2]
    assert await site.memory.stock_levels(account.id, []) == []
    assert await site.memory.stock_levels(other.id, None) == []


def by_place(levels: Sequence[StockLevel]) -> list[StockLevel]:
    return sorted(levels, key=lambda each: (each.sku, each.warehouse))


async def test_the_last_confirmed_quantity_of_a_channel_is_remembered(site: Site) -> None:
    await remember(site, ConfirmedStock("MUG", 5), ConfirmedStock("CUP", 1), ConfirmedStock("MUG", 6))
    await remember(site, ConfirmedStock("CUP", 2))
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 6, "CUP": 2}
    assert await site.memory.confirmed_stock(site.main, ["CUP"]) == {"CUP": 2}
    assert await site.memory.confirmed_stock(site.channels["outlet"], None) == {}


async def test_parcels_that_the_shop_has_are_remembered_both_ways(site: Site) -> None:
    await remember(site, SentShipment("S-1", "4711", "77"), SentShipment("S-2", "4711", "78"))
    assert await site.memory.shipment_sent(site.main, "S-1") == "77"
    assert await site.memory.shipment_sent(site.main, "S-9") is None
    assert await site.memory.shipment_sent(site.channels["outlet"], "S-1") is None
    assert await site.memory.sent_shipments(site.main, "4711") == {"77": "S-1", "78": "S-2"}


async def test_the_place_up_to_which_an_import_read_is_kept_by_channel_and_job(site: Site) -> None:
    assert await site.memory.cursor(site.main, "order_import") is None
    await remember(site, CursorMoved("order_import", START))
    await remember(site, CursorMoved("order_import", START + timedelta(hours=1)))
    assert await site.memory.cursor(site.main, "order_import") == START + timedelta(hours=1)
    assert await site.memory.cursor(site.channels["outlet"], "order_import") is None


async def test_times_are_kept_to_the_microsecond(site: Site) -> None:
    moment = from_micros(1_772_000_000_123_457)
    await remember(site, CursorMoved("order_import", moment))
    assert await site.memory.cursor(site.main, "order_import") == moment


async def test_more_names_than_one_statement_takes_are_looked_up(site: Site) -> None:
    await remember(site, *(ConfirmedStock(f"SKU-{number}", number) for number in range(1000)))
    names = [f"SKU-{number}" for number in range(0, 2000, 2)]
    assert len(await site.memory.confirmed_stock(site.main, names)) == 500
