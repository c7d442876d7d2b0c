"""Accounts disabled, at once or at a set time, and enabled again (sales channels, section 1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.ledger import Settlement
from broker.operations.values import NewKey
from domain.errors import InputError, UnknownName
from storage.tables import channels
from tests.storage.conftest import Opened
from tests.storage.support import START, Site, order, park

LATER = START + timedelta(hours=1)


async def states(site: Site) -> dict[str, str]:
    return {row.code: row.state for row in await site.desk.channels(None)}


async def at_work(site: Site, key: NewKey) -> bool:
    """Whether the account of a key is enabled, as the key tells it."""
    holder = await site.desk.key_holder(key.secret)
    assert holder is not None
    return holder.enabled


async def test_the_channels_of_a_disabled_account_do_not_work_and_others_do(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=False)
    assert await states(site) == {"main": "disabled", "outlet": "disabled", "shop": "connected"}
    rows = await site.desk.channels("acme")
    assert rows[0].state_reason == (
        "Its account is disabled; its work waits. Let it go on: towpath accounts enable acme"
    )
    await site.desk.switch_account("acme", enabled=True)
    assert set((await states(site)).values()) == {"connected"}


async def test_its_keys_tell_that_an_account_is_disabled(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read"])
    await site.desk.switch_account("acme", enabled=False)
    assert not await at_work(site, key)
    await site.desk.switch_account("acme", enabled=True)
    assert await at_work(site, key)


async def test_at_the_set_time_an_account_stops_by_itself(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read"])
    await site.desk.switch_account("acme", enabled=False, at=LATER)
    accounts = {each.code: each for each in await site.desk.accounts()}
    assert (accounts["acme"].enabled, accounts["acme"].disable_at) == (True, LATER)
    site.clock.advance(3599)
    assert (await states(site))["main"] == "connected"
    assert await at_work(site, key)
    site.clock.advance(1)
    assert await states(site) == {"main": "disabled", "outlet": "disabled", "shop": "connected"}
    assert not await at_work(site, key)
    assert not {each.code: each.enabled for each in await site.desk.accounts()}["acme"]


async def test_a_worker_that_knows_the_account_hears_of_the_end_without_being_told(site: Site) -> None:
    """The row in the database is the same before and after; only the time went on."""
    await site.desk.switch_account("acme", enabled=False, at=LATER)
    before = site.database.read(lambda connection: site.directory.of_ids(connection, [site.main]))
    assert before.by_id[site.main].enabled
    site.clock.advance(3600)
    after = site.database.read(lambda connection: site.directory.of_ids(connection, [site.main], fresh=True))
    assert not after.by_id[site.main].enabled


async def test_enabling_drops_the_set_time(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=False, at=LATER)
    await site.desk.switch_account("acme", enabled=True)
    site.clock.advance(7200)
    assert (await states(site))["main"] == "connected"


async def test_enabling_releases_what_waited_for_it_but_not_what_a_disabled_channel_holds(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=False)
    await site.desk.change_channel("acme", "outlet", enabled=False)
    await site.admit(order("1"), order("2"), order("3", channel="outlet"))
    for claim in await site.claim():
        await site.settle(claim, park("mapping" if claim.deliveries[0].business_key == "2" else "channel"))
    await site.desk.switch_account("acme", enabled=True)
    assert [claim.deliveries[0].business_key for claim in await site.claim()] == ["1"]
    assert await states(site) == {"main": "connected", "outlet": "disabled", "shop": "connected"}


@pytest.mark.parametrize("other_process", [True, False])
async def test_what_began_to_wait_just_when_the_account_was_enabled_looks_again(
    site: Site, open_site: Opened, other_process: bool
) -> None:
    await site.desk.switch_account("acme", enabled=False)
    await site.admit(order("1"))
    claim = await site.take()
    known = await site.ledger.channel(site.main)
    operator = open_site() if other_process else site
    await operator.desk.switch_account("acme", enabled=True)
    verdicts = tuple(park("channel")(each) for each in claim.deliveries)
    await site.ledger.settle("w1", [Settlement(claim, verdicts, frozenset(), known)])
    assert len(await site.claim()) == 1


async def test_enabling_lets_a_worker_that_just_begins_to_wait_finish_first(postgresql_site: Site) -> None:
    site = postgresql_site
    await site.desk.switch_account("acme", enabled=False)
    looks = select(channels.c.id).where(channels.c.id == site.main).with_for_update(read=True)
    with site.database.engine.begin() as connection:
        connection.execute(looks).all()
        enabling = asyncio.create_task(site.desk.switch_account("acme", enabled=True))
        done, _ = await asyncio.wait([enabling], timeout=0.3)
        assert not done
    await enabling
    assert (await states(site))["main"] == "connected"


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_time_that_is_over_is_refused(site: Site, seconds: float) -> None:
    with pytest.raises(InputError) as caught:
        await site.desk.switch_account("acme", enabled=False, at=START + timedelta(seconds=seconds))
    assert caught.value.code == "time_is_over"
    assert (await states(site))["main"] == "connected"


@pytest.mark.parametrize("by_time", [True, False])
async def test_a_set_time_does_not_bring_a_disabled_account_back(site: Site, by_time: bool) -> None:
    await site.desk.switch_account("acme", enabled=False, at=LATER if by_time else None)
    site.clock.advance(3600)
    with pytest.raises(InputError) as caught:
        await site.desk.switch_account("acme", enabled=False, at=LATER + timedelta(days=1))
    assert caught.value.code == "account_disabled"
    assert (await states(site))["main"] == "disabled"


async def test_an_unknown_account_is_told(site: Site) -> None:
    with pytest.raises(UnknownName, match="no account 'nobody'"):
        await site.desk.switch_account("nobody", enabled=False)
