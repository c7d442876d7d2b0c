from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from broker import heart
from broker.handling import CRASHES_TO_DEATH, Answer, Run
from broker.heart import Pace
from broker.ledger import Claim
from broker.sources import PolledLanes
from consumers import HANDLERS
from domain.errors import ShopDown, ShopRejected, StorageUnavailable
from domain.events import ChannelOrder
from domain.outcomes import Announcement, Done, Effects, Outcome, Park, Skipped, Superseded
from domain.synclog import ApiCall
from storage.tables import channels, deliveries, lanes, stock_levels
from tests.house import DONE, SmallHouse, answering, until


class Watching(PolledLanes):
    """Polled lanes that note how the deliveries stood in the database when their settle was acknowledged."""

    def __init__(self, house: SmallHouse, worker: str) -> None:
        super().__init__(house.ledger, worker, list(HANDLERS), house.bell)
        self._house = house
        self.states: list[str] = []

    async def settled(self, lanes: Sequence[str]) -> None:
        rows = await self._house.execute(select(deliveries.c.state).where(deliveries.c.lane.in_(lanes)))
        self.states += [row.state for row in rows]


class Gated:
    """A handler whose runs wait until their order may pass; it notes what began."""

    def __init__(self, outcome: Outcome = DONE) -> None:
        self.began: list[str] = []
        self._may = asyncio.Event()
        self._passing: set[str] = set()
        self._outcome = outcome

    def let(self, *orders: str) -> None:
        """Let runs of these orders pass; of all where none is named."""
        self._passing.update(orders or {"*"})
        self._may.set()

    async def __call__(self, run: Run) -> Answer:
        order = _order(run)
        self.began.append(f"{run.channel.code}/{order}")
        while not {order, "*"} & self._passing:
            self._may.clear()
            await self._may.wait()
        return self._outcome


def _order(run: Run) -> str:
    assert isinstance(run.item.payload, ChannelOrder)
    return run.item.payload.external_order_id


def raising(error: Exception) -> dict[str, Any]:
    async def fail(run: Run) -> Answer:
        raise error

    return answering(fail)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "AWAY_SECONDS", 0.02)


async def test_a_lane_is_acknowledged_only_after_its_settle_was_committed(house: SmallHouse) -> None:
    lease = await house.lease()
    source = Watching(house, lease.worker)
    async with house.at_work(answering(lambda run: DONE), lease=lease, source=source):
        for number in range(5):
            await house.order_event(number)
        await until(lambda: len(source.states) == 5)
    assert source.states == ["done"] * 5


async def test_a_settle_that_fails_acknowledges_nothing(house: SmallHouse) -> None:
    lease = await house.lease()
    source = Watching(house, lease.worker)
    house.ledger.away.add("settle")
    async with house.at_work(answering(lambda run: DONE), lease=lease, source=source):
        await house.order_event()
        await until(lambda: house.ledger.refused["settle"] >= 3)
        assert source.states == []
        house.ledger.away.clear()
        await until(lambda: source.states)
    assert source.states == ["done"]


async def test_a_database_away_during_the_settle_does_not_run_the_handler_a_second_time(house: SmallHouse) -> None:
    runs: list[str] = []
    house.ledger.away.add("settle")
    async with house.at_work(answering(lambda run: runs.append(_order(run)) or DONE)):
        message = await house.order_event()
        await until(lambda: house.ledger.refused["settle"] >= 3)
        house.ledger.away.clear()
        await house.until_state(message, "done")
    assert runs == ["1001"]
    assert [row.outcome for row in await house.attempts(message)] == ["Done"]


async def test_the_database_away_when_the_gates_are_told_holds_up_nothing(house: SmallHouse) -> None:
    async def call(run: Run) -> Answer:
        guard = run.shop._caller._guard  # type: ignore[attr-defined]
        guard.after(run.channel, ApiCall("GET", "/orders", 429, 1, 0), ShopDown("It is down.", status=500))
        guard._gates = _DeafGates()
        return DONE

    class _DeafGates:
        async def report(self, *_: object) -> None:
            raise StorageUnavailable("It is away.")

    message = await house.order_event()
    await house.work_off(answering(call))
    assert (await house.delivery(message)).state == "done"


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
    await house.work_off(answering(lambda run: ran.append(run.item.envelope.type) or DONE))
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
        for number in range(3):
            await house.order_event(number)
        await until(lambda: len(handler.began) == 3)
        await house.order_event(3)
        message = await house.event("order.created", {"external_order_id": "9"}, channel="other")
        await until(lambda: "other/9" in handler.began)
        assert "main/3" not in handler.began
        handler.let()
        await house.until_state(message, "done")


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
        data = {"what": object()} if _order(run) == "1" else {"what": 1}
        return Done("It is done.", effects=Effects(announcements=(Announcement("order.imported", data, "1"),)))

    bad, good = await house.order_event(1), await house.order_event(2)
    await house.work_off(answering(answer))
    assert (await house.delivery(good)).state == "done"
    row = await house.delivery(bad)
    assert (row.state, row.code) == ("waiting", "unexpected")
    third = await house.order_event(3)
    await house.work_off(answering(answer))
    assert (await house.delivery(third)).state == "done"


async def test_a_run_whose_lease_was_taken_over_writes_nothing(house: SmallHouse) -> None:
    handler = Gated(Done("Too late.", effects=Effects(announcements=(Announcement("order.imported", {}, "1"),))))
    lease = await house.lease(seconds=60.0)
    async with house.at_work(answering(handler), lease=lease):
        message = await house.order_event()
        await until(lambda: handler.began)
        house.clock.advance(61)
        assert await house.ledger.rescue() == 1
        (taken,) = await house.ledger.claim("another worker", list(HANDLERS), 1)
        handler.let()
        await until(lambda: house.meters.fenced._value.get() == 1)
    assert await house.desk.announcements("acme", 0, 10) == []
    assert [row.code for row in await house.attempts(message)] == ["worker_died"]
    assert (await house.delivery(message)).state == "running"
    assert taken.deliveries[0].unsure


async def test_a_run_given_up_for_a_short_lease_frees_its_lane(house: SmallHouse) -> None:
    """The database was away for a while and came back before the lease was over: nobody else will free the lane."""
    lease = await house.lease(seconds=30.0, margin=35.0)
    message = await house.order_event()
    async with house.at_work(lease=lease):
        row = await house.until_state(message, "waiting")
    assert row.code == "lease_lost"
    (attempt,) = await house.attempts(message)
    assert attempt.calls == ()


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
    ran: list[str] = []
    await house.work_off(answering(lambda run: ran.append(run.item.envelope.type) or DONE))
    row = await house.delivery(killer)
    assert (row.state, row.code, row.attempts) == ("dead", "killed_worker", CRASHES_TO_DEATH + 1)
    assert (await house.delivery(after)).state == "done"
    assert ran == ["order.updated"]


async def test_what_was_in_the_hand_of_workers_killed_less_often_runs_again(house: SmallHouse) -> None:
    message = await house.order_event(1)
    for _ in range(CRASHES_TO_DEATH - 1):
        await house.ledger.claim("killed", list(HANDLERS), 9)
        await house.ledger.rescue()
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(message)).state == "done"


async def test_stop_finishes_what_is_in_hand_and_takes_nothing_more(house: SmallHouse) -> None:
    handler = Gated()
    async with house.at_work(answering(handler)) as shift:
        first, second = await house.order_event(1), await house.order_event(1)
        await until(lambda: handler.began)
        shift.stop.set()
        await until(lambda: shift.worker._stopping)
        handler.let()
    assert (await house.delivery(first)).state == "done"
    assert (await house.delivery(second)).state == "ready"
    assert [row.outcome for row in await house.attempts(second)] == []


async def test_a_settle_under_way_when_the_worker_stops_is_waited_for(house: SmallHouse) -> None:
    """Its next claim too: a lane held by nobody would look like one whose worker died."""
    house.ledger.away.add("settle")
    messages = [await house.order_event(1) for _ in range(3)]
    async with house.at_work(answering(lambda run: DONE)):
        await until(lambda: house.ledger.refused["settle"] >= 2)
        house.ledger.come_back_after("settle", 3)
    states = [(await house.delivery(message)).state for message in messages]
    assert "running" not in states and states[0] == "done"
    assert all(row.code != "worker_died" for row in await house.logs())


async def test_a_worker_that_stops_while_the_database_is_away_ends_with_its_lease(house: SmallHouse) -> None:
    lease = await house.lease(seconds=1.2, margin=0.1)
    house.ledger.away.add("settle")
    message = await house.order_event()
    async with house.at_work(answering(lambda run: DONE), lease=lease):
        await until(lambda: house.ledger.refused["settle"])
    house.clock.advance(2)
    assert await house.ledger.rescue() == 1
    assert (await house.delivery(message)).state == "ready"


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
    await house.work_off(answering(lambda run: seen.append(run.item.delivery.unsure) or DONE))
    assert seen == [wrote]


async def test_what_was_unsure_stays_unsure_until_it_is_found_out(house: SmallHouse) -> None:
    message = await house.order_event()
    await house.ledger.claim("killed", list(HANDLERS), 1)
    await house.ledger.rescue()
    await house.work_off(raising(ShopRejected("The order is gone.")))
    assert (await house.delivery(message)).state == "dead"
    await house.desk.replay([(await house.delivery(message)).id])
    seen: list[bool] = []
    await house.work_off(answering(lambda run: seen.append(run.item.delivery.unsure) or DONE))
    assert seen == [True]


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
    await house.work_off(answering(lambda run: sizes.append(len(run.items)) or DONE))
    assert sizes == [30]


async def test_the_records_of_an_outcome_are_stored_with_it(house: SmallHouse) -> None:
    await house.stock_event("SKU-1", 12)
    answer = answering(lambda run: Skipped("Stored.", "stored", Effects(records=(_level(run),))))
    await house.work_off(answer)
    rows = await house.execute(select(stock_levels.c.sku, stock_levels.c.total))
    assert [tuple(row) for row in rows] == [("SKU-1", 12)]


def _level(run: Run) -> Any:
    from consumers.inventory_export import _level

    return _level(run.items[0])


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


async def test_a_failing_source_ends_the_worker_after_it_finished_what_is_in_hand(house: SmallHouse) -> None:
    class Failing(PolledLanes):
        async def claims(self, most: int, skip: Sequence[str]) -> list[Claim]:
            if found := await super().claims(most, skip):
                return found
            raise ConnectionError("The reader failed.")

    lease = await house.lease()
    message = await house.order_event()
    with pytest.raises(ConnectionError, match="The reader failed"):
        async with house.at_work(
            answering(lambda run: DONE),
            lease=lease,
            source=Failing(house.ledger, lease.worker, list(HANDLERS), house.bell),
        ):
            await house.until_state(message, "done")
    assert (await house.delivery(message)).state == "done"
