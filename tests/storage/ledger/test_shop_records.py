"""Products and stock that a shop showed: remembered, and never an older state over a newer one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.events import REMAINDER
from domain.outcomes import Effects, FollowUp, Record
from domain.products import ProductLink, ProductRecord, ProductSeen
from domain.stock import ConfirmedStock, SeenStock
from storage.product_tables import product_skus
from tests.storage.support import START, Site, done, tick


async def remember(site: Site, *records: Record, channel: str = "main") -> None:
    """Settle an attempt that asks for these records."""
    account = "globex" if channel == "shop" else "acme"
    await site.admit(tick("product_import", channel=channel, account=account))
    await site.settle(await site.take(), lambda each: done(each, Effects(records=records)))


def product(minutes: int, *skus: str, name: str = "71", **document: Any) -> ProductRecord:
    at = START + timedelta(minutes=minutes)
    return ProductRecord(name, at, at + timedelta(seconds=1), {"at": minutes, **document}, skus)


async def test_the_newest_state_of_a_product_is_kept_whatever_comes_last(site: Site) -> None:
    await remember(site, product(5, "A"))
    await remember(site, product(4, "A"))
    assert await site.memory.product_documents(site.main, ["71", "72"]) == {"71": {"at": 5}}
    at = START + timedelta(minutes=5)
    assert await site.memory.products_seen(site.main, ["71", "72"]) == {
        "71": ProductSeen(at, at + timedelta(seconds=1))
    }
    await remember(site, product(5, "A", again=True))
    assert await site.memory.product_documents(site.main, ["71"]) == {"71": {"at": 5, "again": True}}


async def test_products_are_remembered_by_channel(site: Site) -> None:
    await remember(site, product(1, "A"))
    await remember(site, product(2, "B"), channel="outlet")
    assert await site.memory.sku_holders(site.main, ["A", "B"]) == {"A": "71"}
    assert await site.memory.sku_holders(site.channels["outlet"], ["A", "B"]) == {"B": "71"}
    assert await site.memory.product_documents(site.channels["outlet"], ["71"]) == {"71": {"at": 2}}
    assert await site.memory.products_seen(site.channels["shop"], ["71"]) == {}


async def test_a_product_has_the_skus_it_was_last_seen_with(site: Site) -> None:
    await remember(site, product(1, "A", "B"), product(1, "C", name="72"))
    await remember(site, product(2, "B", "D"))
    assert await site.memory.sku_holders(site.main, list("ABCD")) == {"B": "71", "D": "71", "C": "72"}


async def test_a_sku_that_moves_to_another_product_is_held_by_that_one_alone(site: Site) -> None:
    await remember(site, product(1, "A"), product(1, "B", name="72"))
    await remember(site, product(2, "C"), product(2, "A", "B", name="72"))
    assert await site.memory.sku_holders(site.main, list("ABC")) == {"A": "72", "B": "72", "C": "71"}
    assert len(site.rows(product_skus)) == 3


async def test_what_an_export_found_adds_to_what_is_known(site: Site) -> None:
    await remember(site, product(1, "A"))
    await remember(site, ProductLink("72", ("B", "A")))
    await remember(site, ProductLink("72", ()))
    assert await site.memory.sku_holders(site.main, ["A", "B"]) == {"A": "72", "B": "72"}
    assert await site.memory.product_documents(site.main, ["72"]) == {}


async def test_more_products_than_one_statement_takes_are_remembered_and_looked_up(site: Site) -> None:
    await remember(site, *(product(1, f"SKU-{number}", name=str(number)) for number in range(900)))
    names = [str(number) for number in range(0, 1800, 2)]
    assert len(await site.memory.product_documents(site.main, names)) == 450
    assert len(await site.memory.products_seen(site.main, names)) == 450
    assert len(await site.memory.sku_holders(site.main, [f"SKU-{name}" for name in names])) == 450


async def test_stock_a_shop_showed_never_replaces_what_it_confirmed_later(site: Site) -> None:
    await remember(site, SeenStock("MUG", 5, START - timedelta(minutes=1)), SeenStock("CUP", 1, START))
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 5, "CUP": 1}
    await remember(site, ConfirmedStock("MUG", 6))
    await remember(site, SeenStock("MUG", 5, START - timedelta(seconds=1)), SeenStock("CUP", 2, START))
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 6, "CUP": 2}


async def test_a_tick_that_a_run_asks_for_stands_behind_it_and_another_is_skipped(site: Site) -> None:
    await site.admit(tick("product_import"))
    claim = await site.take()
    follow_up = FollowUp("tick.product_import", "remainder-1", {"schedule": REMAINDER, "due": "2026-03-02T12:00:00Z"})
    await site.settle(claim, lambda each: done(each, Effects(follow_ups=(follow_up,))))
    (overlap,) = await site.admit(tick("product_import"))
    assert overlap.jobs == ()
    assert (await site.take()).job_type == "product_import"
