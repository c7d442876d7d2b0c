"""The budget in the database: reservations of all processes together, marks told once, polling that slows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from broker.gates import Spending
from broker.ledger import Delivery, Settlement, Verdict
from broker.operations.calls import UNSETTLED
from connectors.bright_sites import MANIFEST
from domain.budget import CallClass, Cause
from domain.channels import Channel, ChannelSettings
from domain.moments import from_micros
from domain.periods import Period
from domain.settings import Changes
from domain.states import DeliveryState
from storage.calls import SqlCalls
from storage.gate_store import SqlGateStore
from storage.tables import messages, schedules, sync_log
from tests.storage.conftest import Opened
from tests.storage.support import CALL, Site, done, order

FAST = (1e6, 100_000)


async def channel_with(site: Site, **settings: object) -> Channel:
    """The channel ``main`` with these settings."""
    await site.desk.change_channel("acme", "main", settings=ChannelSettings.model_validate(settings))
    found = await site.ledger.channel(site.main)
    assert found is not None
    return found


async def reserve(site: Site, channel: Channel, call_class: CallClass, count: int = 20, **rest: int) -> int:
    """How many permits a process is granted."""
    spending = Spending(channel, call_class, **rest)
    return (await SqlGateStore(site.database, site.clock).reserve(channel.id, count, *FAST, spending)).granted


async def use_up(site: Site, channel: Channel, call_class: CallClass) -> int:
    """Reserve until nothing is left for a class; how many were granted."""
    granted = 0
    while more := await reserve(site, channel, call_class):
        granted += more
    return granted


async def test_processes_that_reserve_at_once_never_get_more_than_the_budget(site: Site, open_site: Opened) -> None:
    channel = await channel_with(site, calls_per_day=200)
    sites = [site, open_site()]
    sites[1].clock.now = site.clock.now
    granted = await asyncio.gather(*(use_up(each, channel, CallClass.ORDERS) for each in sites * 3))
    assert sum(granted) == 200 and sum(each > 0 for each in granted) > 1


async def test_products_are_held_first_then_stock_then_orders_and_upkeep_never(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=100)
    assert await use_up(site, channel, CallClass.PRODUCTS) == 90
    assert await use_up(site, channel, CallClass.STOCK) == 5
    assert await use_up(site, channel, CallClass.ORDERS) == 5
    assert await reserve(site, channel, CallClass.UPKEEP) == 1


async def test_what_is_held_is_told_until_when_and_why(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=10, timezone="Europe/Berlin")
    await use_up(site, channel, CallClass.ORDERS)
    answer = await SqlGateStore(site.database, site.clock).reserve(
        channel.id, 1, *FAST, Spending(channel, CallClass.ORDERS)
    )
    assert answer.hold is not None
    midnight = site.clock.now + timedelta(seconds=answer.hold.seconds)
    assert midnight.hour == 23 and midnight.minute == 0
    assert "10 of 10 API calls of this day are used" in answer.hold.sentence
    site.clock.now = midnight
    assert await reserve(site, channel, CallClass.PRODUCTS) > 0


async def test_the_month_holds_where_the_day_does_not(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=8, calls_per_month=12)
    assert await use_up(site, channel, CallClass.ORDERS) == 8
    site.clock.advance(86_400)
    assert await use_up(site, channel, CallClass.ORDERS) == 4
    site.clock.advance(86_400)
    assert await use_up(site, channel, CallClass.ORDERS) == 0


async def test_permits_that_were_not_used_are_given_back_while_their_day_lasts(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=100)
    store, calls = SqlGateStore(site.database, site.clock), SqlCalls(site.database, site.directory, site.clock)
    answer = await store.reserve(channel.id, 5, *FAST, Spending(channel, CallClass.ORDERS))
    await store.give_back([(channel.id, answer.day, 2)])
    assert await reserve(site, channel, CallClass.ORDERS, 1, unused=1, day=answer.day) == 1
    assert (await calls.budget("acme", "main")).windows[0].used == 3
    site.clock.advance(86_400)
    await reserve(site, channel, CallClass.ORDERS, 1, unused=2, day=answer.day)
    await store.give_back([(channel.id, answer.day, 2)])
    assert [each.used for each in (await calls.budget("acme", "main")).windows] == [1, 4]


async def test_each_mark_is_one_row_of_the_sync_log_for_each_window(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=100)
    for _ in range(2):
        await use_up(site, channel, CallClass.ORDERS)
        site.clock.advance(86_400)
    told = [(row.code, row.level) for row in site.rows(sync_log)]
    marks = [("budget_warning", "Warning")] * 2 + [("budget_critical", "Warning"), ("budget_spent", "Error")]
    assert told == marks * 2
    assert all("API calls of this day are used" in row.sentence for row in site.rows(sync_log))


async def test_a_budget_that_is_set_when_more_is_used_already_holds_and_says_so(site: Site) -> None:
    await SqlCalls(site.database, site.directory, site.clock).note(await channel_with(site), "x", Cause.FIRST_TRY, 50)
    channel = await channel_with(site, calls_per_day=10)
    assert [await reserve(site, channel, CallClass.ORDERS) for _ in range(3)] == [0, 0, 0]
    assert [row.code for row in site.rows(sync_log)] == ["budget_spent"]


async def test_a_channel_without_a_budget_is_counted_and_told_nothing_of(site: Site) -> None:
    channel = await channel_with(site)
    assert await reserve(site, channel, CallClass.PRODUCTS, 5000) == 5000
    assert site.rows(sync_log) == []
    found = await SqlCalls(site.database, site.directory, site.clock).budget("acme", "main")
    assert [(each.limit, each.used, each.left) for each in found.windows] == [(None, 5000, None)] * 2


async def test_a_raised_budget_lets_go_what_waited_for_it(site: Site) -> None:
    await site.admit(order("1"))
    claim = await site.take()
    await site.settle(claim, parked)
    assert await site.claim() == []
    await channel_with(site, calls_per_day=10)
    assert len(await site.claim()) == 1


def parked(delivery: Delivery) -> Verdict:
    """Held by the budget until the day ends."""
    return replace(done(delivery), state=DeliveryState.OPEN, outcome="Park", cause="budget", due_in=9999.0)


async def test_a_run_that_was_held_by_a_budget_raised_meanwhile_is_due_at_once(site: Site) -> None:
    old = await channel_with(site, calls_per_day=10)
    await site.admit(order("1"))
    claim = await site.take()
    await channel_with(site, calls_per_day=20)
    held = tuple(parked(delivery) for delivery in claim.deliveries)
    await site.ledger.settle("w1", [Settlement(claim, held, frozenset(), old)])
    assert len(await site.claim()) == 1


async def test_calls_are_attributed_by_local_day_job_and_cause_and_the_rest_is_unsettled(site: Site) -> None:
    channel = await channel_with(site, timezone="Pacific/Auckland")
    calls = SqlCalls(site.database, site.directory, site.clock)
    await site.admit(order("1"))
    await reserve(site, channel, CallClass.ORDERS, 3)
    await site.settle(await site.take(), lambda each: done(each, calls=(CALL, CALL)))
    await calls.note(channel, "test_connection", Cause.MANUAL, 2)
    today = [(row.job, row.cause, row.calls) for row in await calls.counts("acme", "main", 1)]
    assert today == [("order_import", "first_try", 2), ("test_connection", "manual", 2), ("", UNSETTLED, 1)]
    day = (await calls.counts("acme", "main", 1))[0].day
    assert day == (site.clock.now + timedelta(hours=13)).date()
    site.clock.advance(86_400)
    assert await calls.counts("acme", "main", 1) == []
    await reserve(site, channel, CallClass.ORDERS, 1)
    earlier = [row.calls for row in await calls.counts("acme", "main", 2) if row.day == day]
    assert earlier == [2, 2, 1]
    assert {row.code: row.calls_today for row in await site.desk.channels("acme")} == {"main": 1, "outlet": 0}


@pytest.mark.parametrize(("used", "factor"), [(10, 1), (85, 4)])
async def test_polling_slows_when_the_budget_nears_its_end_and_says_so_once(site: Site, used: int, factor: int) -> None:
    channel = await channel_with(site, calls_per_day=100)
    source = Changes({"master_product_source": "main"})
    await site.desk.settings.put_account_settings("acme", source, lambda _: MANIFEST, actor="tester")
    await site.desk.set_schedule("acme", "main", "product_import", Period("15m"))
    await SqlCalls(site.database, site.directory, site.clock).note(channel, "x", Cause.FIRST_TRY, used)
    for _ in range(8):
        await fire_next(site)
    fired = len(site.rows(messages))
    (row,) = await site.desk.schedules("acme")
    assert (row.stretch, fired) == (factor, 8 // factor)
    assert [
        each.code for each in site.rows(sync_log, sync_log.c.actor == "budget", sync_log.c.job_type == "product_import")
    ] == (["polling_slowed"] if factor > 1 else [])


async def fire_next(site: Site) -> None:
    """Let the timer fire at the next instant that is stored."""
    site.clock.now = from_micros(site.rows(schedules)[0].next_due)
    await site.ledger.fire_due(10)


async def test_polling_is_as_before_once_the_day_is_over(site: Site) -> None:
    channel = await channel_with(site, calls_per_day=100)
    await site.desk.set_schedule("acme", "main", "order_import", Period("15m"))
    await SqlCalls(site.database, site.directory, site.clock).note(channel, "x", Cause.FIRST_TRY, 99)
    await fire_next(site)
    (row,) = await site.desk.schedules("acme")
    assert row.stretch > 1 and row.next_due is not None
    site.clock.advance(86_400)
    before = len(site.rows(messages))
    await site.ledger.fire_due(10)
    (row,) = await site.desk.schedules("acme")
    assert (row.stretch, len(site.rows(messages))) == (1, before + 1)
    assert [
        each.code for each in site.rows(sync_log, sync_log.c.actor == "budget", sync_log.c.job_type == "order_import")
    ] == [
        "polling_slowed",
        "polling_restored",
    ]
