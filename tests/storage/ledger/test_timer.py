"""The timer's side of the ledger: each due instant fires once, missed ones once together, none never."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, event, update

from broker.operations.values import NewChannel
from domain.moments import from_micros, to_micros
from domain.periods import Period, next_due
from storage.tables import accounts, deliveries, messages, schedules
from tests.storage.conftest import Opened
from tests.storage.support import Site, done


async def schedule(site: Site, period: str, job: str = "order_import") -> datetime | None:
    """Set a schedule; its next due instant."""
    await site.desk.set_schedule("acme", "main", job, Period(period))
    (row,) = [row for row in await site.desk.schedules("acme") if row.job == job]
    return row.next_due


async def wait_for(site: Site, moment: datetime | None) -> None:
    assert moment is not None
    site.clock.now = moment


async def test_a_due_schedule_fires_one_tick_and_is_due_again_a_period_later(site: Site) -> None:
    due = await schedule(site, "15m")
    assert due is not None
    assert site.clock.now < due <= site.clock.now + timedelta(minutes=15)
    await wait_for(site, due - timedelta(microseconds=1))
    assert await site.ledger.fire_due(10) == 0
    await wait_for(site, due)
    assert await site.ledger.fire_due(10) == 1
    assert await site.ledger.fire_due(10) == 0
    (message,) = site.rows(messages)
    assert (message.type, message.trigger, message.source) == ("tick.order_import", "schedule", "towpath/timer")
    assert from_micros(message.event_time) == due
    (row,) = await site.desk.schedules("acme")
    assert (row.last_due, row.next_due) == (due, due + timedelta(minutes=15))
    claim = await site.take()
    assert (claim.job_type, claim.channel_id) == ("order_import", site.main)


async def test_after_downtime_one_tick_catches_up_for_the_latest_instant(site: Site) -> None:
    due = await schedule(site, "15m")
    assert due is not None
    await wait_for(site, due + timedelta(hours=7, minutes=4))
    assert await site.ledger.fire_due(10) == 1
    (message,) = site.rows(messages)
    assert from_micros(message.event_time) == due + timedelta(hours=7)
    (row,) = await site.desk.schedules("acme")
    assert row.next_due == due + timedelta(hours=7, minutes=15)


@pytest.mark.parametrize("day", [datetime(2026, 10, 25, 5, 15, tzinfo=UTC), datetime(2026, 3, 29, 5, 15, tzinfo=UTC)])
async def test_a_daily_schedule_catches_up_with_the_latest_day_also_where_clocks_change(
    site: Site, day: datetime
) -> None:
    await set_timezone(site, "Europe/Berlin")
    await wait_for(site, day - timedelta(days=5))
    await schedule(site, "daily@06:30")
    await wait_for(site, day)
    assert await site.ledger.fire_due(10) == 1
    (message,) = site.rows(messages)
    (row,) = site.rows(schedules)
    latest = from_micros(message.event_time)
    after = next_due(Period("daily@06:30"), latest, schedule_id=row.id, timezone="Europe/Berlin")
    assert latest <= day < (after or day)


async def set_timezone(site: Site, name: str) -> None:
    site.run(update(accounts).values(timezone=name))
    site.directory.forget()


async def test_a_period_of_none_is_never_due(site: Site) -> None:
    await schedule(site, "5m")
    assert await schedule(site, "none") is None
    site.clock.advance(365 * 86_400)
    assert await site.ledger.fire_due(10) == 0
    assert site.rows(messages) == []


async def test_a_changed_period_is_not_retroactive(site: Site) -> None:
    due = await schedule(site, "5m")
    assert due is not None
    await wait_for(site, due + timedelta(hours=3))
    changed = await schedule(site, "4h")
    assert changed is not None
    assert changed > site.clock.now
    assert await site.ledger.fire_due(10) == 0
    assert site.rows(messages) == []


async def test_a_tick_is_skipped_while_the_last_run_goes_on(site: Site) -> None:
    due = await schedule(site, "5m")
    await wait_for(site, due)
    await site.ledger.fire_due(10)
    claim = await site.take()
    site.clock.advance(300)
    await site.ledger.fire_due(10)
    assert [row.state for row in site.rows(deliveries)] == ["open", "skipped"]
    await site.settle(claim, done)
    site.clock.advance(300)
    await site.ledger.fire_due(10)
    assert [row.state for row in site.rows(deliveries)] == ["done", "skipped", "open"]


async def test_at_most_as_many_as_asked_for_fire_at_once_the_most_overdue_first(site: Site) -> None:
    first = await schedule(site, "5m", "order_import")
    second = await schedule(site, "12h", "inventory_export")
    assert first is not None
    assert second is not None
    await wait_for(site, second + timedelta(hours=1))
    assert [await site.ledger.fire_due(1) for _ in range(3)] == [1, 1, 0]
    due = {"order_import": first, "inventory_export": second}
    assert [row.business_key for row in site.rows(messages)] == [
        row.id for row in sorted(site.rows(schedules), key=lambda row: due[row.job_type])
    ]


async def test_a_schedule_whose_channel_is_gone_never_fires_and_is_not_found_due_again(site: Site) -> None:
    due = await schedule(site, "5m")
    site.run(update(schedules).values(channel_id="gone"))
    await wait_for(site, due)
    await site.ledger.fire_due(10)
    assert await site.ledger.fire_due(10) == 0
    assert site.rows(messages) == []
    assert [row.next_due for row in site.rows(schedules)] == [None]


async def test_many_due_schedules_cost_no_more_statements_than_a_few(site: Site) -> None:
    if site.database.dialect == "sqlite":
        pytest.skip("SQLite has no wire to save round trips on.")
    statements: list[str] = []
    event.listen(site.database.engine, "after_cursor_execute", lambda *told: statements.append(told[2]))
    costs = []
    for codes in (["a", "b"], [f"c{n}" for n in range(40)]):
        for code in codes:
            await site.desk.create_channel(NewChannel("acme", code, code, "bright_sites", f"{code}.example", "token-1"))
            await site.desk.set_schedule("acme", code, "order_import", Period("5m"))
        site.clock.advance(600)
        statements.clear()
        assert await site.ledger.fire_due(100) == len(codes)
        costs.append(len([each for each in statements if not each.startswith("SET")]))
        site.run(delete(schedules))
    assert costs[0] == costs[1]


async def test_one_due_instant_fires_once_however_many_timers_look(site: Site, open_site: Opened) -> None:
    timers = [site, open_site(), open_site()]
    due = await schedule(site, "5m")
    assert due is not None
    for round_ in range(10):
        for timer in timers:
            timer.clock.now = due + timedelta(minutes=5 * round_)
        fired = await asyncio.gather(*(timer.ledger.fire_due(10) for timer in timers * 2))
        assert sum(fired) == 1
    assert len(site.rows(messages)) == 10
    assert {row.copies for row in site.rows(messages)} == {0}


async def test_a_tick_and_its_next_instant_are_stored_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    due = await schedule(site, "5m")
    await wait_for(site, due)

    def fail(point: str) -> None:
        raise RuntimeError(point)

    monkeypatch.setattr("storage.ledger.sql_ledger.crash_point", fail)
    with pytest.raises(RuntimeError, match=r"timer\.before_commit"):
        await site.ledger.fire_due(10)
    assert site.rows(messages) == []
    assert [row.next_due for row in site.rows(schedules)] == [to_micros(due or site.clock.now)]
