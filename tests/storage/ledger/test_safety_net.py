"""Polling beside posts of the shop: a slow safety net, while there is a hook by which they can come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from broker.operations import NewChannel
from broker.operations.values import ScheduleRow
from domain.access import Actor
from domain.budget import Cause
from domain.channels import ChannelSettings
from domain.errors import InputError
from domain.moments import EPOCH, from_micros
from domain.periods import Period
from domain.settings import Changes
from storage.tables import messages, schedules, sync_log
from tests.house import SmallHouse, small_house, sqlite_url
from tests.refreshing import NAME, register
from tests.storage.support import START, TestClock

WHO = Actor.installation("tester")
HOUR = timedelta(hours=1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SmallHouse]:
    """Channel ``main`` of Bright Sites, whose orders are polled every 5 minutes and stock every hour, at 12:07."""
    clock: Any = TestClock(START + timedelta(minutes=7))
    async with small_house(sqlite_url(tmp_path), clock=clock) as made:
        await made.operations.set_schedule("acme", "main", "order_import", Period("5m"))
        await made.operations.set_schedule("acme", "main", "inventory_import", Period("1h"))
        yield made


async def automate(house: SmallHouse, mode: str = "webhook") -> None:
    await house.operations.settings.change_channel(WHO, "acme", "main", Changes({"automation": mode}))


async def hook(house: SmallHouse) -> str:
    return await house.operations.make_hook("acme", "main", actor="tester")


async def fire(house: SmallHouse, times: int = 1) -> None:
    """Let the timer fire at each next instant that is stored."""
    for _ in range(times):
        rows = await house.execute(
            schedules.select().where(schedules.c.next_due.is_not(None)).order_by(schedules.c.next_due)
        )
        house.clock.now = from_micros(rows[0].next_due)  # type: ignore[attr-defined]
        await house.ledger.fire_due(10)


async def ticks(house: SmallHouse, job: str = "order_import") -> list[Any]:
    found: list[Any] = await house.execute(messages.select().where(messages.c.type == f"tick.{job}"))
    return found


async def told(house: SmallHouse) -> list[tuple[str, str, str]]:
    found = await house.execute(sync_log.select().where(sync_log.c.code.like("polling%")).order_by(sync_log.c.id))
    return [(row.job_type, row.code, row.sentence) for row in found]


async def shown(house: SmallHouse, job: str = "order_import") -> ScheduleRow:
    (row,) = [row for row in await house.operations.jobs("acme", "main") if row.job == job]
    return row


async def test_beside_posts_one_tick_an_hour_runs_and_it_is_told_once(house: SmallHouse) -> None:
    await automate(house)
    await hook(house)
    await fire(house, 3 * 13)
    assert len(await ticks(house)) == len(await ticks(house, "inventory_import")) == 3
    ((job, code, sentence),) = await told(house)
    assert (job, code) == ("order_import", "polling_slowed")
    assert "one of 12 ticks of order_import runs" in sentence and "Automation: Webhook" in sentence


async def test_what_is_shown_as_the_next_run_is_the_one_that_runs_from_the_moment_of_the_change(
    house: SmallHouse,
) -> None:
    every_tick = (await shown(house)).next_due
    assert every_tick is not None and not (await shown(house)).safety_net
    await automate(house)
    await hook(house)
    row = await shown(house)
    assert (row.stretch, row.safety_net, row.pushed) == (12, True, True)
    assert row.next_due is not None and every_tick < row.next_due < every_tick + HOUR
    assert (row.next_due - EPOCH) % HOUR < timedelta(minutes=5), "it begins an hour"
    while not await ticks(house):
        await fire(house)
    (tick,) = await ticks(house)
    assert from_micros(tick.received_at) == row.next_due
    stock = await shown(house, "inventory_import")
    assert (stock.stretch, stock.safety_net, stock.pushed) == (1, False, False), "nothing is posted of stock"


async def test_without_a_hook_polling_goes_on_as_before_and_the_settings_and_the_doctor_say_so(
    house: SmallHouse,
) -> None:
    await automate(house)
    await fire(house, 13)
    assert len(await ticks(house)) == 12 and await told(house) == []
    assert (await shown(house)).stretch == 1
    view = await house.operations.settings.of_channel(WHO, "acme", "main")
    (setting,) = [row for row in view.settings if row.name == "automation"]
    assert "has no hook" in setting.note and "towpath hooks create acme/main" in setting.note
    finding = await found(house)
    assert (finding.ok, finding.sentence) == (False, setting.note)
    secret = await hook(house)
    view = await house.operations.settings.of_channel(WHO, "acme", "main")
    assert [row.note for row in view.settings if row.name == "automation"] == [""]
    assert "No post has come" in (await found(house)).sentence
    sender = await house.operations.pushing.sender("main", secret)
    assert sender is not None
    await house.operations.pushing.receive("main", secret, sender.webhooks[0].hint({"order_id": 7}))
    assert (await found(house)).ok
    (row,) = await house.operations.care.hooks("acme")
    assert (row.automation, row.received) == ("webhook", 1)


async def found(house: SmallHouse) -> Any:
    (finding,) = [each for each in await house.operations.doctor() if each.subject == "automation acme/main"]
    return finding


@pytest.mark.parametrize("back", ["recurring", "no hook"])
async def test_polling_is_restored_at_once_when_posts_are_no_longer_wanted(house: SmallHouse, back: str) -> None:
    await automate(house)
    await hook(house)
    await fire(house, 13)
    before = len(await ticks(house))
    if back == "recurring":
        await automate(house, "recurring")
    else:
        await house.operations.care.remove_hook("acme", "main", actor="tester")
    assert (await shown(house)).stretch == 1
    await fire(house, 13)
    assert len(await ticks(house)) == before + 12
    assert [code for _, code, _ in await told(house)] == ["polling_slowed", "polling_restored"]


async def test_where_a_budget_ends_too_the_slower_of_both_counts_and_both_are_told(house: SmallHouse) -> None:
    await house.operations.settings.change_channel(
        WHO, "acme", "main", Changes({"automation": "webhook", "calls_per_day": 100})
    )
    await hook(house)
    channel = await house.ledger.channel(house.channel_id)
    assert channel is not None
    await house.operations.calls.note(channel, "x", Cause.FIRST_TRY, 99)
    row = await shown(house)
    assert row.stretch > 12 and row.stretch % 12 == 0
    await fire(house)
    ((_, code, sentence),) = await told(house)
    assert code == "polling_slowed" and "Automation: Webhook" in sentence and "99 of 100 API calls" in sentence


async def test_a_channel_in_recurring_mode_costs_no_look_up(house: SmallHouse) -> None:
    await hook(house)
    asked: list[str] = []
    engine = house.database.engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    await fire(house)
    assert asked and not any("hooks" in statement for statement in asked)
    await automate(house)
    asked.clear()
    await fire(house)
    assert sum("hooks" in statement for statement in asked) == 1


async def test_webhook_is_refused_for_a_platform_that_posts_nothing(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    new = NewChannel("acme", "hourly", "Hourly", NAME, "hourly.example.com", "t-1234")
    webhook = ChannelSettings(automation="webhook")
    with pytest.raises(InputError) as refused:
        await house.operations.create_channel(replace(new, settings=webhook))
    assert refused.value.code == "webhook_not_offered"
    await house.operations.create_channel(new)
    with pytest.raises(InputError) as refused:
        await house.operations.settings.change_channel(WHO, "acme", "hourly", Changes({"automation": "webhook"}))
    assert refused.value.code == "webhook_not_offered" and "Hourly posts nothing" in refused.value.sentence
    await house.operations.settings.change_account(WHO, "acme", Changes({"automation": "webhook"}))
    view = await house.operations.settings.of_channel(WHO, "acme", "hourly")
    assert [row.value for row in view.settings if row.name == "automation"] == ["recurring"]
