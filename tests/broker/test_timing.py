from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from broker import timing
from broker.timing import Timer
from domain.periods import Period
from storage.tables import messages, schedules
from tests.broker.roles import at_work
from tests.house import SmallHouse
from tests.moody import until


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "POLL_SECONDS", 0.02)


def timer(house: SmallHouse) -> Timer:
    return Timer(house.ledger, house.meters, house.bell)


async def ticks(house: SmallHouse) -> list[str]:
    """The event ids of all ticks, oldest first."""
    query = select(messages.c.event_id).where(messages.c.type.like("tick.%")).order_by(messages.c.received_at)
    return [row.event_id for row in await house.execute(query)]


async def schedule(house: SmallHouse, period: str = "15m", job: str = "order_import") -> None:
    await house.operations.set_schedule("acme", "main", job, Period(period))


async def until_ticks(house: SmallHouse, count: int) -> list[str]:
    async def there() -> list[str] | None:
        found = await ticks(house)
        return found if len(found) >= count else None

    found: list[str] = await until(there)
    return found


async def a_few_looks_later(house: SmallHouse) -> None:
    looks = house.ledger.asked["fire_due"]
    await until(lambda: house.ledger.asked["fire_due"] >= looks + 4)


async def test_a_due_schedule_becomes_one_tick_for_its_instant(house: SmallHouse) -> None:
    await schedule(house)
    ((due,),) = await house.execute(select(schedules.c.next_due))
    house.clock.advance(15 * 60)
    async with at_work(timer(house).run):
        (tick,) = await until_ticks(house, 1)
        await a_few_looks_later(house)
        assert await ticks(house) == [tick]
    assert tick.endswith(f":{due}")
    assert house.meters.ticks._value.get() == 1


async def test_several_timers_fire_a_due_instant_once(house: SmallHouse) -> None:
    for job in ("order_import", "inventory_export"):
        await schedule(house, job=job)
    house.clock.advance(15 * 60)
    async with at_work(timer(house).run), at_work(timer(house).run), at_work(timer(house).run):
        await until_ticks(house, 2)
        await a_few_looks_later(house)
    assert len(await ticks(house)) == len(set(await ticks(house))) == 2


async def test_each_instant_that_comes_fires_again(house: SmallHouse) -> None:
    await schedule(house)
    async with at_work(timer(house).run):
        for count in range(1, 4):
            house.clock.advance(15 * 60)
            await until_ticks(house, count)
            await house.execute(schedules.update().values(last_due=None))
    assert len(set(await ticks(house))) == 3


async def test_after_a_long_downtime_there_is_one_catch_up_tick(house: SmallHouse) -> None:
    await schedule(house, "5m")
    house.clock.advance(timedelta(days=2).total_seconds())
    async with at_work(timer(house).run):
        await until_ticks(house, 1)
        await a_few_looks_later(house)
    assert len(await ticks(house)) == 1


async def test_a_schedule_of_none_never_fires(house: SmallHouse) -> None:
    await schedule(house)
    await schedule(house, "none")
    house.clock.advance(timedelta(days=2).total_seconds())
    async with at_work(timer(house).run):
        await a_few_looks_later(house)
    assert await ticks(house) == []


async def test_a_changed_period_counts_from_now_without_a_restart_and_never_fires_retroactively(
    house: SmallHouse,
) -> None:
    await schedule(house, "12h")
    async with at_work(timer(house).run):
        house.clock.advance(11 * 3600)
        await a_few_looks_later(house)
        before = len(await ticks(house))
        await schedule(house, "5m")
        await a_few_looks_later(house)
        assert len(await ticks(house)) == before
        house.clock.advance(5 * 60)
        await until_ticks(house, before + 1)


async def test_the_worker_is_woken_by_a_tick(house: SmallHouse) -> None:
    await schedule(house)
    house.clock.advance(15 * 60)
    assert await house.bell.listen(5)
    async with at_work(timer(house).run):
        assert await house.bell.listen(10)


async def test_a_database_that_is_away_delays_a_tick_and_loses_none(house: SmallHouse) -> None:
    await schedule(house)
    house.ledger.away.add("fire_due")
    house.clock.advance(15 * 60)
    async with at_work(timer(house).run):
        await until(lambda: house.ledger.refused["fire_due"] >= 3)
        house.ledger.away.clear()
        await until_ticks(house, 1)
        await a_few_looks_later(house)
    assert len(await ticks(house)) == 1


async def test_what_was_kept_for_a_time_is_looked_through_at_the_start_and_not_at_each_look(house: SmallHouse) -> None:
    looked: list[int] = []

    async def purge() -> int:
        looked.append(1)
        return 0

    async with at_work(Timer(house.ledger, house.meters, house.bell, purge).run):
        await until(lambda: looked)
        await a_few_looks_later(house)
    assert looked == [1]
