"""An account that is disabled while a worker runs: its work waits, and goes on when it is enabled."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.house import DONE, SmallHouse, answering

HANDLERS = answering(lambda run: DONE)


async def test_work_of_a_disabled_account_waits_and_is_done_when_it_is_enabled(house: SmallHouse) -> None:
    await house.desk.switch_account("acme", enabled=False)
    message = await house.order_event()
    await house.work_off(HANDLERS)
    row = await house.delivery(message)
    assert (row.state, row.code, row.failures) == ("parked", "channel_disabled", 0)
    await house.desk.switch_account("acme", enabled=True)
    await house.work_off(HANDLERS)
    assert (await house.delivery(message)).state == "done"


async def test_a_running_worker_stops_for_an_account_at_the_set_time(house: SmallHouse) -> None:
    await house.desk.switch_account("acme", enabled=False, at=house.clock() + timedelta(hours=1))
    async with house.at_work(HANDLERS) as shift:
        before = await house.order_event(1)
        await house.until_state(before, "done")
        house.clock.advance(3600)
        # What a process remembers of an account is at most a second old.
        await asyncio.sleep(1.1)
        after = await house.order_event(2)
        await house.until_state(after, "parked")
        await house.desk.switch_account("acme", enabled=True)
        house.bell.ring()
        await house.until_state(after, "done")
        assert not shift.stop.is_set()
