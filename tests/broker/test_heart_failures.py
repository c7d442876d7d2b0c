from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from broker.handling import CRASHES_TO_DEATH, Answer, Run
from broker.heart import Pace
from consumers import HANDLERS
from domain.errors import ShopDown, ShopRejected
from domain.outcomes import Announcement, Done, Effects, Skipped, Superseded
from domain.synclog import ApiCall
from storage.tables import channels, deliveries
from tests.broker.handlers import Gated, noting, order_of, raising
from tests.house import AFTER_A_CRASH, DONE, SmallHouse, answering


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), KeyError("x"), RuntimeError()])
async def test_whatever_a_handler_raises_is_a_fatal_retry_and_the_worker_goes_on(
    house: SmallHouse, error: Exception
) -> None:
    message = await house.order_event(1)
    async with house.at_work(raising(error)):
        await house.until_state(message, "waiting")
        again = await house.order_event(2)
        await house.until_state(again, "waiting")
    (attempt,) = await house.attempts(message)
    assert (attempt.outcome, attempt.level, attempt.code) == ("Retry", "Fatal", "unexpected")
    assert type(error).__name__ in attempt.sentence and "by zero" not in attempt.sentence
    assert (await house.delivery(message)).failures == 1


@pytest.mark.parametrize("answers", [[], [DONE, DONE], ["done"], [None]])
async def test_answers_of_a_wrong_number_or_kind_are_a_fatal_retry(house: SmallHouse, answers: list[Any]) -> None:
    async def handle(run: Run) -> Sequence[Answer]:
        return answers

    message = await house.order_event()
    await house.work_off(dict.fromkeys(HANDLERS, handle))
    (attempt,) = await house.attempts(message)
    assert (attempt.outcome, attempt.level) == ("Retry", "Fatal")
    assert (await house.delivery(message)).state == "waiting"


async def test_a_run_that_takes_too_long_is_ended_and_tried_again(house: SmallHouse) -> None:
    message = await house.order_event()
    async with house.at_work(answering(Gated()), pace=Pace(run_seconds=0.05)):
        await house.until_state(message, "waiting")
    assert "TimeoutError" in (await house.delivery(message)).sentence


async def test_an_outcome_the_database_refuses_fails_alone(house: SmallHouse) -> None:
    def answer(run: Run) -> Answer:
        data = {"what": object()} if order_of(run) == "1" else {"what": 1}
        return Done("It is done.", effects=Effects(announcements=(Announcement("order.imported", data, "1"),)))

    bad, good = await house.order_event(1), await house.order_event(2)
    await house.work_off(answering(answer))
    assert (await house.delivery(good)).state == "done"
    row = await house.delivery(bad)
    assert (row.state, row.code) == ("waiting", "unexpected")
    third = await house.order_event(3)
    await house.work_off(answering(answer))
    assert (await house.delivery(third)).state == "done"


async def test_work_of_a_disabled_channel_waits_and_is_done_when_it_is_enabled(house: SmallHouse) -> None:
    await house.desk.change_channel("acme", "main", enabled=False)
    message = await house.order_event()
    await house.work_off(answering(lambda run: DONE))
    row = await house.delivery(message)
    assert (row.state, row.code, row.failures) == ("parked", "channel_disabled", 0)
    await house.desk.change_channel("acme", "main", enabled=True)
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(message)).state == "done"


async def test_work_of_a_channel_whose_token_no_key_opens_waits_with_the_reason(house: SmallHouse) -> None:
    await house.execute(update(channels).values(token="v1.00000000.AAAA"))
    message = await house.order_event()
    await house.work_off(answering(lambda run: DONE))
    row = await house.delivery(message)
    assert (row.state, row.code) == ("waiting", "channel_broken")
    assert "TOWPATH_SECRET_KEYS" in row.sentence


async def test_work_of_a_deleted_channel_ends_dead_and_the_worker_goes_on(house: SmallHouse) -> None:
    await house.add_channel("gone", "gone.example.com")
    await house.event("order.created", {"external_order_id": "5"}, channel="gone")
    await house.execute(delete(channels).where(channels.c.code == "gone"))
    message = await house.order_event(6)
    await house.work_off(answering(lambda run: DONE))
    rows = await house.execute(select(deliveries.c.state, deliveries.c.code).order_by(deliveries.c.created_at))
    assert [tuple(row) for row in rows] == [("dead", "channel_deleted"), ("done", "ok")]
    assert (await house.delivery(message)).state == "done"


async def test_a_delivery_that_killed_its_worker_too_often_is_dead_and_its_lane_goes_on(house: SmallHouse) -> None:
    killer, after = await house.order_event(1), await house.order_event(1, "order.updated")
    for _ in range(CRASHES_TO_DEATH):
        assert len(await house.ledger.claim("killed", list(HANDLERS), 9)) == 1
        assert await house.ledger.rescue() == 1
        house.clock.advance(60)
    ran: list[str] = []
    await house.work_off(noting(ran, lambda run: run.item.envelope.type))
    row = await house.delivery(killer)
    assert (row.state, row.code, row.attempts) == ("dead", "killed_worker", CRASHES_TO_DEATH + 1)
    assert (await house.delivery(after)).state == "done"
    assert ran == ["order.updated"]


async def test_what_was_in_the_hand_of_workers_killed_less_often_runs_again(house: SmallHouse) -> None:
    message = await house.order_event(1)
    for _ in range(CRASHES_TO_DEATH - 1):
        assert len(await house.ledger.claim("killed", list(HANDLERS), 9)) == 1
        await house.ledger.rescue()
        house.clock.advance(60)
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(message)).state == "done"


async def test_the_calls_of_a_shared_run_are_told_once_on_the_first_that_made_something_happen(
    house: SmallHouse,
) -> None:
    async def handle(run: Run) -> Sequence[Answer]:
        run.shop._caller._guard.calls.append(ApiCall("PUT", "/inventories", 200, 5, 9))  # type: ignore[attr-defined]
        return [Superseded("Older."), Skipped("Same.", "unchanged"), DONE, DONE]

    messages = [await house.stock_event(sku, 1) for sku in "ABCD"]
    await house.work_off(dict.fromkeys(HANDLERS, handle))
    told = [len((await house.attempts(message))[0].calls) for message in messages]
    assert told == [0, 0, 1, 0]


async def test_the_calls_of_a_shared_run_that_failed_are_told_once(house: SmallHouse) -> None:
    async def handle(run: Run) -> Sequence[Answer]:
        run.shop._caller._guard.calls.append(ApiCall("GET", "/inventories", 500, 5, 9))  # type: ignore[attr-defined]
        raise ShopDown("It is down.", status=500)

    messages = [await house.stock_event(sku, 1) for sku in "AB"]
    await house.work_off(dict.fromkeys(HANDLERS, handle))
    assert [len((await house.attempts(message))[0].calls) for message in messages] == [1, 0]


@pytest.mark.parametrize(
    ("wrote", "error", "state"),
    [
        (True, RuntimeError(), "waiting"),
        (True, ShopRejected("No."), "dead"),
        (False, RuntimeError(), "waiting"),
        (False, ShopRejected("No."), "dead"),
    ],
)
async def test_a_failure_after_a_write_had_begun_is_unsure_also_when_a_person_replays_it(
    house: SmallHouse, wrote: bool, error: Exception, state: str
) -> None:
    async def write(run: Run) -> Answer:
        await run.shop._caller._guard.before(run.channel, "/orders", writes=wrote)  # type: ignore[attr-defined]
        raise error

    message = await house.order_event()
    await house.work_off(answering(write))
    assert (await house.delivery(message)).state == state
    await house.desk.replay([(await house.delivery(message)).id])
    seen: list[bool] = []
    await house.work_off(noting(seen, lambda run: run.item.delivery.unsure))
    assert seen == [wrote]


async def test_what_was_unsure_stays_unsure_until_it_is_found_out(house: SmallHouse) -> None:
    message = await house.order_event()
    await house.ledger.claim("killed", list(HANDLERS), 1)
    await house.ledger.rescue()
    house.clock.advance(AFTER_A_CRASH)
    await house.work_off(raising(ShopRejected("The order is gone.")))
    assert (await house.delivery(message)).state == "dead"
    await house.desk.replay([(await house.delivery(message)).id])
    seen: list[bool] = []
    await house.work_off(noting(seen, lambda run: run.item.delivery.unsure))
    assert seen == [True]
