"""Settling: everything an outcome brings becomes durable together, behind the fence of the lane's token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text, update

from broker.ledger import Settlement
from broker.operations.values import LogFilter, NewChannel
from domain.envelope import read_back
from domain.moments import to_micros
from domain.orders import OrderRecord
from domain.outcomes import Announcement, Counts, Effects, FollowUp
from domain.states import DeliveryState
from domain.stock import ConfirmedStock
from storage.ledger.admit import admit
from storage.tables import call_counts, channel_stock, deliveries, lanes, messages, orders, outbox, sync_log
from tests.storage.conftest import Opened
from tests.storage.support import AFTER_A_CRASH, CALL, START, Site, done, ended, order, park, retry, stock

TOLD = Announcement("order.imported", {"external_order_id": "1"}, "1")
RECORD = OrderRecord("1", START, "new", {"external_order_id": "1"})
NEXT = FollowUp("order.updated", "follow-1", {"external_order_id": "2"})
ALL_EFFECTS = Effects(Counts(read=1, created=1), (RECORD,), (TOLD,), (NEXT,))


async def test_an_attempt_writes_one_row_of_the_sync_log_with_all_it_did(site: Site) -> None:
    await site.admit(order("1", correlationid="c-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01"))
    claim = await site.take()
    await site.settle(claim, lambda each: done(each, Effects(Counts(read=3, failed=1)), (CALL, CALL)))
    (row,) = await site.desk.logs(LogFilter())
    assert (row.job, row.direction, row.outcome, row.level, row.code) == (
        "order_import", "channel to OMS", "Done", "Info", "ok",
    )  # fmt: skip
    assert (row.organization, row.account, row.channel, row.platform) == ("Org", "acme", "main", "bright_sites")
    assert (row.business_key, row.correlation_id, row.trace_id, row.attempt) == ("1", "c-1", "a" * 32, 1)
    assert (row.actor, row.trigger, row.delivery_id) == ("w1", "event", claim.deliveries[0].id)
    assert row.finished_at - row.started_at == timedelta(seconds=1)
    assert row.counts == {"read": 3, "failed": 1}
    call = {"method": "PUT", "route": "/orders/{id}", "status": 200, "ms": 12, "bytes": 340}
    assert [dict(each) for each in row.calls] == [call, call]


async def test_each_try_has_a_row_of_its_own(site: Site) -> None:
    await site.admit(order())
    await site.settle(await site.take(), retry(1))
    site.clock.advance(1)
    await site.settle(await site.take("w2"), done, "w2")
    rows = site.rows(sync_log)
    assert [(row.attempt, row.outcome, row.actor) for row in rows] == [(1, "Retry", "w1"), (2, "Done", "w2")]


async def test_a_silent_wait_writes_no_row(site: Site) -> None:
    await site.admit(order())
    await site.settle(await site.take(), park(seconds=5, logged=False))
    assert site.rows(sync_log) == []


async def test_a_final_delivery_keeps_how_and_when_it_ended(site: Site) -> None:
    await site.admit(order())
    claim = await site.take()
    site.clock.advance(9)
    await site.settle(claim, ended(DeliveryState.DEAD))
    (row,) = site.rows(deliveries)
    assert (row.state, row.code, row.sentence, row.cause) == ("dead", "ended", "Now dead.", "")
    assert row.settled_at - row.created_at == 9_000_000


@pytest.mark.parametrize("thief", ["rescued", "settled before", "somebody else"])
async def test_a_worker_that_lost_its_lane_writes_nothing_at_all(site: Site, thief: str) -> None:
    await site.beat()
    await site.admit(order("1"))
    claim = await site.take()
    worker = "w1"
    if thief == "rescued":
        await site.ledger.rescue(alone=True)
        site.clock.advance(AFTER_A_CRASH)
        await site.take("w2")
    elif thief == "settled before":
        await site.settle(claim, retry(1))
    else:
        worker = "w2"
    before = everything(site)
    settled = await site.settle(claim, lambda each: done(each, ALL_EFFECTS, (CALL,)), worker)
    assert settled.fenced
    assert settled.next_claim is None
    assert everything(site) == before


def everything(site: Site) -> list[Any]:
    tables = (deliveries, lanes, messages, sync_log, outbox, orders, call_counts)
    return [site.rows(table) for table in tables]


async def test_the_old_attempt_of_a_lane_that_went_and_came_again_is_fenced_even_from_its_present_holder(
    site: Site,
) -> None:
    await site.beat()
    await site.admit(order("1"))
    old = await site.take()
    await site.ledger.rescue(alone=True)
    site.clock.advance(AFTER_A_CRASH)
    await site.settle(await site.take("w2"), done, "w2")
    site.clock.advance(0.001)
    await site.admit(order("1"))
    await site.take("w1")
    settled = await site.settle(old, retry(1))
    assert settled.fenced
    assert sorted(row.state for row in site.rows(deliveries)) == ["done", "open"]
    assert [row.holder for row in site.rows(lanes)] == ["w1"]


async def test_a_fenced_settlement_does_not_stop_the_others_of_its_batch(site: Site) -> None:
    await site.admit(order("1"), order("2"))
    first, second = await site.claim()
    settlements = [
        Settlement(replace(first, token=first.token - 1), tuple(map(done, first.deliveries))),
        Settlement(second, tuple(map(done, second.deliveries))),
    ]
    answers = await site.ledger.settle("w1", settlements)
    assert [(answer.lane, answer.fenced) for answer in answers] == [(first.lane, True), (second.lane, False)]
    assert [row.delivery_id for row in site.rows(sync_log)] == [second.deliveries[0].id]


async def test_going_on_hands_over_the_next_delivery_of_the_lane_in_the_same_settle(site: Site) -> None:
    await site.admit(order("1", id="a"), order("1", id="b"))
    claim = await site.take()
    settled = await site.settle(claim, done, go_on=["order_import"])
    assert settled.next_claim is not None
    assert settled.next_claim.token > claim.token
    assert settled.next_claim.deliveries[0].id != claim.deliveries[0].id
    assert await site.claim("w2") == []
    last = await site.settle(settled.next_claim, done, go_on=["order_import"])
    assert (last.fenced, last.next_claim) == (False, None)


@pytest.mark.parametrize("why", ["of another job", "not due", "not asked for"])
async def test_a_lane_is_not_handed_over_for_what_its_worker_cannot_run_now(site: Site, why: str) -> None:
    await site.admit(order("1"), order("1", "order.status_changed"))
    claim = await site.take()
    judge = retry(60) if why == "not due" else done
    go_on = {"of another job": ["order_import"], "not due": ["order_import", "order_update"], "not asked for": []}[why]
    settled = await site.settle(claim, judge, go_on=go_on)
    assert settled.next_claim is None
    assert [row.holder for row in site.rows(lanes)] == [None]


async def test_a_bulk_lane_goes_on_with_what_came_while_it_ran(site: Site) -> None:
    await site.admit(stock("MUG", 1))
    claim = await site.take()
    await site.admit(stock("CUP", 1))
    settled = await site.settle(claim, done, go_on=["inventory_export"])
    assert settled.next_claim is not None
    assert [each.business_key for each in settled.next_claim.deliveries] == ["CUP"]


async def test_announcements_stand_in_the_outbox_as_complete_events_in_order(site: Site) -> None:
    for number in ("1", "2", "3"):
        await site.admit(order(number))
        effects = Effects(announcements=(Announcement("order.imported", {"external_order_id": number}, number),))
        await site.settle(await site.take(), partial(done, effects=effects))
    waiting = await site.ledger.unsent(10)
    assert [each.seq for each in waiting] == sorted(each.seq for each in waiting)
    events = [read_back(each.body) for each in waiting]
    assert [event.subject for event in events] == ["1", "2", "3"]
    assert [event.id for event in events] == [each.id for each in waiting]
    assert {(event.type, event.source, event.account, event.channel) for event in events} == {
        ("order.imported", "towpath/main", "acme", "main")
    }
    assert {each.routing_key for each in waiting} == {"order.imported.acme.main"}


async def test_calls_are_counted_by_channel_day_and_job(site: Site) -> None:
    for number, calls in (("1", 2), ("2", 0), ("3", 1)):
        await site.admit(order(number))
        await site.settle(await site.take(), partial(done, calls=(CALL,) * calls))
    site.clock.advance(86_400)
    await site.admit(order("4", "order.status_changed"))
    await site.settle(await site.take(), lambda each: done(each, calls=(CALL,)))
    counted = [(row.day, row.job_type, row.calls) for row in site.rows(call_counts)]
    today = (START - START.replace(year=1970, month=1, day=1, hour=0)).days
    assert counted == [(today, "order_import", 3), (today + 1, "order_update", 1)]


async def test_the_outcome_for_a_channel_made_a_moment_ago_elsewhere_keeps_its_effects(
    site: Site, open_site: Opened
) -> None:
    other = open_site()
    await site.admit(order("1"))
    await site.settle(await site.take(), done)
    await other.desk.create_channel(NewChannel("acme", "new", "New", "bright_sites", "new.example.com", "token-12"))
    await other.admit(order("9", channel="new"))
    claim = await site.take()
    found = await site.ledger.channel(claim.channel_id)
    assert found is not None
    assert found.code == "new"
    site.directory.forget()
    await site.settle(claim, lambda each: done(each, ALL_EFFECTS))
    assert len(site.rows(orders)) == len(site.rows(outbox)) == 1


@pytest.mark.parametrize("end", [retry(60, unsure=True), ended(DeliveryState.UNKNOWN), "died"])
async def test_stock_whose_write_may_have_happened_is_no_longer_taken_for_confirmed(site: Site, end: Any) -> None:
    await confirm(site, "MUG", "CUP")
    await site.beat()
    await site.admit(stock("MUG", 2))
    claim = await site.take()
    if end == "died":
        await site.ledger.rescue(alone=True)
    else:
        await site.settle(claim, end)
    assert await site.memory.confirmed_stock(site.main, None) == {"CUP": 5}


async def test_stock_that_was_surely_not_written_stays_confirmed(site: Site) -> None:
    await confirm(site, "MUG")
    await site.admit(stock("MUG", 2))
    await site.settle(await site.take(), retry(60))
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 5}


async def confirm(site: Site, *skus: str) -> None:
    await site.admit(*(stock(sku, 1) for sku in skus))
    await site.settle(
        await site.take(),
        lambda each: done(each, Effects(records=(ConfirmedStock(each.business_key, 5),))),
    )
    assert len(site.rows(channel_stock)) == len(skus)


async def test_what_a_settle_writes_is_there_whole_or_not_at_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.admit(order("1"))
    claim = await site.take()
    before = everything(site)

    def fail(point: str) -> None:
        raise RuntimeError(point)

    monkeypatch.setattr("storage.ledger.sql_ledger.crash_point", fail)
    with pytest.raises(RuntimeError, match=r"settle\.before_commit"):
        await site.settle(claim, lambda each: done(each, ALL_EFFECTS, (CALL,)))
    assert everything(site) == before
    monkeypatch.undo()
    assert not (await site.settle(claim, lambda each: done(each, ALL_EFFECTS, (CALL,)))).fenced


async def test_an_event_gets_into_a_stock_lane_while_its_outcomes_are_being_written(postgresql_site: Site) -> None:
    site = postgresql_site
    await site.admit(stock("MUG", 1))
    claim = await site.take()

    def come_in(connection: Connection) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '2s'"))
        admit(connection, site.directory, [stock("CUP", 2)], (), to_micros(site.clock.now))

    with before_the_log_is_written(site, lambda: site.database.write(come_in)):
        settled = await site.settle(claim, done)
    assert not settled.fenced
    (lane,) = site.rows(lanes)
    assert (lane.state, lane.holder, lane.next_seq) == ("ready", None, 2)


async def test_a_stock_lane_taken_over_while_its_outcomes_are_being_written_keeps_none_of_them(
    postgresql_site: Site,
) -> None:
    site = postgresql_site
    await site.admit(stock("MUG", 1))
    claim = await site.take()
    taken_over = update(lanes).values(holder="w2", token=lanes.c.token + 1)
    with before_the_log_is_written(site, lambda: site.run(taken_over)):
        settled = await site.settle(claim, lambda each: done(each, Effects(records=(ConfirmedStock("MUG", 1),))))
    assert settled.fenced
    assert [row.state for row in site.rows(deliveries)] == ["open"]
    assert site.rows(sync_log) == site.rows(channel_stock) == site.rows(call_counts) == []


@contextmanager
def before_the_log_is_written(site: Site, act: Callable[[], None]) -> Iterator[None]:
    """Let something happen once, in the middle of a settle."""
    left = [act]

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if left and "INSERT INTO sync_log" in statement:
            left.pop()()

    event.listen(site.database.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(site.database.engine, "before_cursor_execute", look)
    assert not left, "no log row was written"
