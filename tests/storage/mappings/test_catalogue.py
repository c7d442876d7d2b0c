"""The catalogue, SKU mappings as runs know them, and the release of what waited for SKUs that turned up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.ledger import Delivery, Verdict
from domain.channels import Channel, ChannelSettings
from domain.mappings import SAME_SKUS, MappingKind, Missing, ResolvedSku, Side, SkuMapping
from domain.outcomes import Effects
from domain.products import ProductLink
from storage.mappings.sku_rows import MOST_LOOKED_UP
from storage.mappings.sql_mappings import SqlMappings
from storage.product_tables import catalogue_skus
from tests.storage.support import START, Site, done, incoming, keys, order, park, shipment, stock


def product(*skus: object, **more: Any) -> Any:
    variants = [{"sku": sku} for sku in skus[1:]]
    document = {"sku": skus[0], "name": "A thing", **({"variants": variants} if variants else {}), **more}
    return incoming("product.changed", {"product": document}, subject="P")


def of_channel(code: str) -> Missing:
    return Missing(MappingKind.SKU, Side.CHANNEL, code)


def of_oms(code: str) -> Missing:
    return Missing(MappingKind.SKU, Side.OMS, code)


def waits_for(*missing: Missing) -> Callable[[Delivery], Verdict]:
    return lambda delivery: replace(park("mapping")(delivery), missing=missing)


@pytest.fixture
def mappings(site: Site) -> SqlMappings:
    return SqlMappings(site.database, site.directory, site.clock)


async def channel_of(site: Site, code: str = "main") -> Channel:
    found = await site.ledger.channel(site.channels[code])
    assert found is not None
    return found


async def work_off_products(site: Site, *effects: ProductLink) -> None:
    for claim in await site.claim():
        await site.settle(claim, lambda each: done(each, Effects(records=effects)))


async def test_the_catalogue_has_what_the_oms_named_and_belongs_to_its_account(site: Site) -> None:
    before = [await channel_of(site, code) for code in ("main", "outlet", "shop")]
    assert not any(each.catalogued for each in before)
    await site.admit(product("TEE", "TEE-S", "TEE-M"), product("MUG"), order("1"), product("MUG"))
    assert [row.sku for row in site.rows(catalogue_skus)] == ["MUG", "TEE", "TEE-M", "TEE-S"]
    assert [(await channel_of(site, code)).catalogued for code in ("main", "outlet", "shop")] == [True, True, False]


async def test_a_single_event_comes_into_the_catalogue_too(site: Site) -> None:
    await channel_of(site)
    await site.admit(product("MUG"))
    assert [row.sku for row in site.rows(catalogue_skus)] == ["MUG"]


@pytest.mark.parametrize("sku", ["", " ", None, 7, "x" * 121])
async def test_what_is_no_usable_sku_does_not_come_into_the_catalogue(site: Site, sku: object) -> None:
    (answer,) = await site.admit(product("MUG", sku))
    assert answer.message_id is not None
    assert [row.sku for row in site.rows(catalogue_skus)] == ["MUG"]


async def test_nothing_is_asked_where_there_is_neither_mapping_nor_catalogue(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await channel_of(site)
    monkeypatch.setattr(site.database, "aread", None)
    assert await site.memory.skus(channel, Side.OMS, ["MUG"]) is SAME_SKUS


@pytest.mark.parametrize("more", [0, MOST_LOOKED_UP])
async def test_a_run_knows_what_concerns_its_skus(site: Site, mappings: SqlMappings, more: int) -> None:
    for row in (SkuMapping("six", "A", 6), SkuMapping("one", "A"), SkuMapping("B", "other")):
        await mappings.save("acme", "main", row, "tester")
    await site.admit(product("C"))
    channel = await channel_of(site)
    asked = ["A", "B", "C", "six", "D", "a\0b", *(f"more-{at}" for at in range(more))]
    known = await site.memory.skus(channel, Side.CHANNEL, asked)
    assert known.to_oms("six", 2) == ResolvedSku("A", 12, "mapped")
    assert known.to_oms("C", 2) == ResolvedSku("C", 2, "identity")
    assert [known.to_oms(sku, 1) for sku in ("A", "D", "a\0b")] == [of_channel(sku) for sku in ("A", "D", "a\0b")]
    outward = await site.memory.skus(channel, Side.OMS, asked)
    found = outward.to_channel("A")
    assert not isinstance(found, Missing) and [each.channel_sku for each in found] == ["one", "six"]
    assert outward.to_channel("B") == of_oms("B")
    assert not isinstance(outward.to_channel("D"), Missing)
    everything = await site.memory.skus(channel, Side.OMS, None)
    assert everything.to_channel("A") == found


async def test_a_channel_that_takes_skus_as_they_are_does_not_ask_the_catalogue(site: Site) -> None:
    await site.admit(product("C"))
    channel = await channel_of(site)
    channel = replace(channel, settings=ChannelSettings(unmapped_sku="identity"))
    known = await site.memory.skus(channel, Side.CHANNEL, ["D"])
    assert known.to_oms("D", 1) == ResolvedSku("D", 1, "identity")


async def test_what_waits_for_a_sku_of_the_channel_goes_on_in_order_when_the_catalogue_has_it(site: Site) -> None:
    await site.admit(product("X"))
    await work_off_products(site)
    for number, code in (("3", "TEE"), ("1", "TEE"), ("2", "MUG")):
        await site.admit(order(number))
        await site.settle(await site.take(), waits_for(of_channel(code)))
        site.clock.advance(1)
    assert await site.ledger.release_found() == 0
    await site.admit(product("TEE"))
    await work_off_products(site)
    assert await site.ledger.release_found() == 2
    assert await site.ledger.release_found() == 0
    assert keys(await site.claim(most=1)) + keys(await site.claim()) == [["3"], ["1"]]


async def test_what_waits_for_two_skus_goes_on_with_the_last(site: Site, mappings: SqlMappings) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), waits_for(of_channel("A"), of_channel("B")))
    await site.admit(product("A"))
    await work_off_products(site)
    assert await site.ledger.release_found() == 0
    assert (await mappings.save("acme", "main", SkuMapping("B", "A"), "tester")).deliveries == 1


async def test_a_sku_of_another_account_or_shop_releases_nothing(site: Site) -> None:
    await site.admit(stock("MUG"), order("1"))
    for claim in await site.claim():
        await site.settle(claim, waits_for(of_oms("MUG") if "stock" in claim.lane else of_channel("MUG")))
    site.clock.advance(1)
    await site.admit(incoming("product.changed", {"product": {"sku": "MUG"}}, account="globex", channel="shop"))
    await work_off_products(site, ProductLink("7", ("MUG",)))
    assert await site.ledger.release_found() == 0


@pytest.mark.parametrize("mapped", [False, True])
async def test_stock_goes_on_when_its_sku_is_seen_in_the_shop_after_it_began_to_wait(
    site: Site, mappings: SqlMappings, mapped: bool
) -> None:
    name = "MUG-BLUE" if mapped else "MUG"
    if mapped:
        await mappings.save("acme", "main", SkuMapping(name, "MUG"), "tester")
    await site.admit(product("P"))
    await work_off_products(site, ProductLink("7", (name,)))
    site.clock.advance(1)
    await site.admit(stock("MUG"))
    await site.settle(await site.take(), waits_for(of_oms("MUG")))
    assert await site.ledger.release_found() == 0
    site.clock.advance(1)
    await site.admit(product("P"))
    await work_off_products(site, ProductLink("7", (name,)))
    assert await site.ledger.release_found() == 1
    assert keys(await site.claim()) == [["MUG"]]
    main = site.main
    assert await site.memory.skus_seen(main, [name, "CAP"], START) == {name}
    assert await site.memory.skus_seen(main, [name], site.clock.now.replace(year=2027)) == frozenset()


async def test_another_mapping_does_not_release_what_the_shop_lacks(site: Site, mappings: SqlMappings) -> None:
    await mappings.save("acme", "main", SkuMapping("MUG-BLUE", "MUG"), "tester")
    await site.admit(stock("MUG"))
    await site.settle(await site.take(), waits_for(of_oms("MUG")))
    assert (await mappings.save("acme", "main", SkuMapping("TEE-1", "TEE"), "tester")).deliveries == 0
    assert (await mappings.save("acme", "main", SkuMapping("MUG-B", "MUG"), "tester")).deliveries == 1


async def test_parcels_and_orders_of_other_kinds_are_not_touched(site: Site) -> None:
    await site.admit(shipment("1"))
    await site.settle(await site.take(), waits_for(Missing(MappingKind.CARRIER, Side.OMS, "MUG")))
    await site.admit(product("MUG"))
    await work_off_products(site, ProductLink("7", ("MUG",)))
    assert await site.ledger.release_found() == 0


async def test_names_of_both_sides_are_suggested_for_a_sku(site: Site, mappings: SqlMappings) -> None:
    await site.admit(product("MUG-BLUE"))
    await work_off_products(site, ProductLink("7", ("MUG-BLU",)))
    await site.admit(order("1"))
    await site.settle(await site.take(), waits_for(of_channel("MUGBLUE1")))
    (task,) = await mappings.tasks("acme")
    assert set(await mappings.suggestions(task.id)) == {"MUG-BLUE", "MUG-BLU"}
