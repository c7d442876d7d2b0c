from __future__ import annotations

from sqlalchemy import delete, select

from broker.heart import Pace
from domain.outcomes import Done, Effects, Park
from domain.stock import ConfirmedStock
from storage.tables import channel_stock, deliveries, lanes
from tests.broker.handlers import Gated, noting
from tests.house import DONE, SmallHouse, answering
from tests.moody import until


async def test_lanes_run_at_the_same_time_and_one_lane_runs_in_order(house: SmallHouse) -> None:
    handler = Gated()
    async with house.at_work(answering(handler)):
        for order in ("1", "1", "2", "3"):
            await house.order_event(order)
        await until(lambda: len(handler.began) == 3)
        assert sorted(handler.began) == ["main/1", "main/2", "main/3"]
        handler.let()
        await until(house.idle)
    assert sorted(handler.began) == ["main/1", "main/1", "main/2", "main/3"]


async def test_deliveries_of_one_order_run_in_the_order_they_came_across_job_types(house: SmallHouse) -> None:
    ran: list[str] = []
    await house.order_event(7)
    await house.event("order.status_changed", {"external_order_id": "7", "status": "paid"})
    await house.shipment_event(7, [{"sku": "A", "quantity": 1}])
    await house.order_event(7, "order.updated")
    await house.work_off(noting(ran, lambda run: run.item.envelope.type))
    assert ran == ["order.created", "order.status_changed", "shipment.created", "order.updated"]


async def test_a_slow_lane_does_not_hold_the_others(house: SmallHouse) -> None:
    handler = Gated()
    handler.let(*(str(number) for number in range(1, 21)))
    async with house.at_work(answering(handler), pace=Pace(capacity=4)):
        slow = await house.order_event(0)
        others = [await house.order_event(number) for number in range(1, 21)]
        for message in others:
            await house.until_state(message, "done")
        assert (await house.delivery(slow)).state == "running"
        handler.let()
    assert (await house.delivery(slow)).state == "done"


async def test_no_more_lanes_run_at_once_than_the_capacity(house: SmallHouse) -> None:
    handler = Gated()
    for number in range(6):
        await house.order_event(number)
    async with house.at_work(answering(handler), pace=Pace(capacity=3, channel_share=1.0)):
        await until(lambda: len(handler.began) == 3)
        handler.let(handler.began[0].removeprefix("main/"))
        await until(lambda: len(handler.began) == 4)
        assert (await house.desk.statistics()).lanes["running"] == 3
        handler.let()


async def test_a_channel_that_has_its_share_leaves_the_rest_to_others(house: SmallHouse) -> None:
    handler = Gated()
    await house.add_channel("other", "other.example.com")
    async with house.at_work(answering(handler), pace=Pace(capacity=4, channel_share=0.75)):
        handler.let("8")
        known = await house.event("order.created", {"external_order_id": "8"}, channel="other")
        await house.until_state(known, "done")
        for number in range(3):
            await house.order_event(number)
        await until(lambda: len(handler.began) == 4)
        await house.order_event(3)
        message = await house.event("order.created", {"external_order_id": "9"}, channel="other")
        await until(lambda: "other/9" in handler.began)
        assert "main/3" not in handler.began
        handler.let()
        await house.until_state(message, "done")


async def test_a_channel_that_is_alone_may_have_all_the_room(house: SmallHouse) -> None:
    handler = Gated()
    for number in range(4):
        await house.order_event(number)
    async with house.at_work(answering(handler), pace=Pace(capacity=4, channel_share=0.75)):
        await until(lambda: len(handler.began) == 4)
        handler.let()


async def test_an_event_as_large_as_is_accepted_still_runs_when_its_account_was_filled_in(house: SmallHouse) -> None:
    data = b'{"external_order_id":"1","order":{"text":"%s"}}'
    event = b'{"specversion":"1.0","id":"big","source":"t","type":"order.created","channel":"main","data":%s}'
    room = 256 * 1024 - len(event % (data % b""))
    (answer,) = await house.operations.ingest([event % (data % (b"x" * room))], account="acme")
    assert answer.error is None and answer.message_id
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(answer.message_id)).state == "done"


async def test_a_bulk_lane_gives_a_run_all_that_is_open(house: SmallHouse) -> None:
    sizes: list[int] = []
    for number in range(30):
        await house.stock_event(f"SKU-{number}", 1)
    await house.work_off(noting(sizes, lambda run: len(run.items)))
    assert sizes == [30]


async def test_the_records_of_an_outcome_are_stored_with_it(house: SmallHouse) -> None:
    effects = Effects(records=(ConfirmedStock("SKU-1", 12),))
    await house.stock_event("SKU-1", 12)
    await house.work_off(answering(lambda run: Done("It is in the shop.", effects=effects)))
    rows = await house.execute(select(channel_stock.c.sku, channel_stock.c.quantity))
    assert [tuple(row) for row in rows] == [("SKU-1", 12)]


async def test_a_claim_of_a_lane_without_open_deliveries_frees_it(house: SmallHouse) -> None:
    message = await house.order_event()
    await house.execute(delete(deliveries))
    await house.work_off(answering(lambda run: DONE))
    assert await house.execute(select(lanes.c.key)) == []
    assert await house.attempts(message) == ()


async def test_parked_work_makes_no_log_row_for_a_repeated_wait(house: SmallHouse) -> None:
    message = await house.order_event()
    parked = answering(lambda run: Park("It waits.", "throttled", "throttled", 5.0))
    await house.work_off(parked)
    house.clock.advance(6)
    await house.work_off(parked)
    assert len(await house.attempts(message)) == 1
