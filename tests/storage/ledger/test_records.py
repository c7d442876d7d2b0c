"""Records: what handlers ask to be remembered; older states never overwrite newer ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from broker.ledger import Claim, ParcelPast, Settlement
from domain.moments import from_micros
from domain.orders import OrderRecord
from domain.outcomes import CursorMoved, Effects, Record
from domain.shipments import SentShipment
from domain.states import DeliveryState
from domain.stock import ConfirmedStock, StockLevel
from storage.tables import accounts, channels, orders, shipments, stock_levels
from tests.storage.support import START, Site, done, ended, order, shipment, stock


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


@pytest.mark.parametrize(
    ("known", "candidate", "wins"),
    [
        ((5, 0), (6, 0), True),
        ((5, 0), (5, 9), False),
        ((5, 0), (4, 9), False),
        ((5, 9), (6, 0), True),
        ((None, 0), (None, 1), True),
        ((None, 1), (None, 1), False),
        ((None, 1), (9, 0), False),
        ((9, 0), (None, 1), True),
    ],
)
@pytest.mark.parametrize("together", [True, False])
async def test_a_stock_level_is_replaced_by_a_newer_one_alone(
    site: Site, known: tuple[int | None, int], candidate: tuple[int | None, int], wins: bool, together: bool
) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    events = [
        stock(version=version, total=total, time=(START + timedelta(minutes=minute)).isoformat())
        for total, (version, minute) in ((10, known), (20, candidate))
    ]
    if together:
        await site.admit(*events)
    else:
        for event in events:
            await site.admit(event)
    ((version, minute), total) = (candidate, 20) if wins else (known, 10)
    assert await site.memory.stock_levels(account.id, ["MUG"]) == [
        StockLevel("MUG", "w1", total, 2, version, START + timedelta(minutes=minute))
    ]


async def test_stock_levels_belong_to_the_account_and_are_given_for_all_warehouses(site: Site) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    (other,) = site.rows(accounts, accounts.c.code == "globex")
    places = [(sku, place) for sku in ("CUP", "MUG") for place in ("w1", "w2")]
    await site.admit(*(stock(sku, 1, warehouse=place) for sku, place in reversed(places)))

    async def found(owner: str, skus: list[str] | None) -> list[tuple[str, str]]:
        return sorted((each.sku, each.warehouse) for each in await site.memory.stock_levels(owner, skus))

    assert await found(account.id, None) == places
    assert await found(account.id, ["CUP", "NONE"]) == places[:2]
    assert await found(account.id, []) == []
    assert await found(other.id, None) == []


async def test_a_level_is_remembered_whatever_becomes_of_its_deliveries(site: Site) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    await site.admit(stock(version=1))
    await site.settle(await site.take(), ended(DeliveryState.DEAD))
    assert [each.version for each in await site.memory.stock_levels(account.id, None)] == [1]


async def test_a_refused_event_leaves_no_level(site: Site) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    await site.admit(stock(version=1, id="e"))
    await site.admit(stock(version=9, id="e"), stock("CUP", 1, channel="attic"))
    assert [(each.sku, each.version) for each in await site.memory.stock_levels(account.id, None)] == [("MUG", 1)]


async def test_the_last_confirmed_quantity_of_a_channel_is_remembered(site: Site) -> None:
    await remember(site, ConfirmedStock("MUG", 5), ConfirmedStock("CUP", 1), ConfirmedStock("MUG", 6))
    await remember(site, ConfirmedStock("CUP", 2))
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 6, "CUP": 2}
    assert await site.memory.confirmed_stock(site.main, ["CUP"]) == {"CUP": 2}
    assert await site.memory.confirmed_stock(site.channels["outlet"], None) == {}


async def test_parcels_that_the_shop_has_are_remembered_both_ways(site: Site) -> None:
    await remember(site, SentShipment("S-1", "4711", "77"), SentShipment("S-2", "4711", "78"))
    assert await past(site, "main", "S-1", "4711") == ParcelPast("77")
    assert await past(site, "main", "S-9", "4711") == ParcelPast()
    assert await past(site, "outlet", "S-1", "4711") == ParcelPast()
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


async def test_a_shipment_that_ended_in_doubt_is_told_of_its_order_and_channel_alone(site: Site) -> None:
    doubtful = [("1", "unknown", True), ("2", "dead", False), ("3", "done", True)]
    await site.admit(*(shipment(number) for number, _, _ in doubtful))
    for claim in await site.claim():
        _, state, unsure = next(each for each in doubtful if each[0] == claim.deliveries[0].business_key)
        judge = ended(DeliveryState(state))
        verdicts = tuple(replace(judge(each), unsure=unsure) for each in claim.deliveries)
        await site.ledger.settle("w1", [Settlement(claim, verdicts)])
    told = {number: await past(site, "main", "S-9", number) for number, _, _ in doubtful}
    assert told == {"1": ParcelPast(doubted=True), "2": ParcelPast(), "3": ParcelPast()}
    assert await past(site, "outlet", "S-9", "1") == ParcelPast()


async def test_many_parcels_asked_for_at_once_get_each_its_own_past(site: Site) -> None:
    await remember(site, *(SentShipment(f"S-{number}", str(number), f"shop-{number}") for number in range(0, 50, 2)))
    pasts = await asyncio.gather(*(past(site, "main", f"S-{number}", str(number)) for number in range(50)))
    assert [each.sent_as for each in pasts] == [None if number % 2 else f"shop-{number}" for number in range(50)]


async def past(site: Site, channel: str, shipment_id: str, order_id: str) -> ParcelPast:
    """What is known of a parcel of a channel."""
    found = await site.ledger.channel(site.channels[channel])
    assert found is not None
    return await site.memory.parcel_past(found, shipment_id, order_id)


async def test_a_stock_level_is_remembered_though_its_account_has_no_channel_yet(site: Site) -> None:
    site.run(delete(channels).where(channels.c.id == site.channels["shop"]))
    site.directory.forget()
    (answer,) = await site.admit(stock("MUG", 1, account="globex", channel=None))
    assert answer.error is None and answer.jobs == ()
    (level,) = site.rows(stock_levels)
    assert (level.sku, level.total, level.version) == ("MUG", 9, 1)


async def test_parcels_that_end_together_are_all_remembered_those_of_two_orders_once(site: Site) -> None:
    await site.admit(*(shipment(number) for number in "1234"))
    sent = {"1": ("D",), "2": ("A", "B"), "3": ("A", "C"), "4": ("E",)}

    def settlement(claim: Claim) -> Settlement:
        (delivery,) = claim.deliveries
        records = tuple(SentShipment(each, "1", f"shop-{each}") for each in sent[delivery.business_key])
        return Settlement(claim, (done(delivery, Effects(records=records)),))

    await site.ledger.settle("w1", [settlement(claim) for claim in await site.claim()])
    assert [row.shipment_id for row in site.rows(shipments)] == ["A", "B", "C", "D", "E"]
