"""Which lanes come next: the longest due first; where more is due than fits, each channel in its turn."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import delete, insert, select

from broker.ledger import Claim, Shares
from broker.operations.values import NewChannel
from domain.moments import to_micros
from storage.desk.setup import create_channel
from storage.ledger import sql_ledger
from storage.tables import channels, gates, lanes
from tests.storage.support import Site, done, keys, order, retry, stock


async def crowd(site: Site, main: int, outlet: int) -> None:
    """Lanes of two channels, those of outlet due after those of main, and a claim before that was full."""
    await site.admit(order("first"))
    await site.claim(most=1)
    await site.admit(*(order(f"m{number}") for number in range(main)))
    site.clock.advance(1)
    await site.admit(*(order(f"o{number}", channel="outlet") for number in range(outlet)))


def by_channel(site: Site, claims: list[Claim]) -> dict[str, int]:
    names = {channel_id: name for name, channel_id in site.channels.items()}
    return dict(Counter(names[claim.channel_id] for claim in claims))


async def test_at_most_as_many_lanes_as_asked_for_are_taken_and_the_oldest_first(site: Site) -> None:
    for number, wait in (("3", 30), ("1", 10), ("2", 20)):
        await site.admit(order(number))
        await site.settle(await site.take(), retry(wait))
    site.clock.advance(30)
    assert sorted(keys(await site.claim(most=2))) == [["1"], ["2"]]
    assert keys(await site.claim(most=2)) == [["3"]]


async def test_a_channel_with_few_lanes_comes_soon_however_many_another_has(site: Site) -> None:
    await crowd(site, main=1000, outlet=3)
    assert by_channel(site, await site.claim(most=64, shares=Shares(64))) == {"main": 61, "outlet": 3}


async def test_channels_in_turn_get_equal_shares_the_longest_due_of_each_first(site: Site) -> None:
    await crowd(site, main=0, outlet=0)
    for at in range(5):
        site.clock.advance(1)
        await site.admit(order(f"m{at}"))
    for at in range(5):
        site.clock.advance(1)
        await site.admit(order(f"o{at}", channel="outlet"))
    assert sorted(keys(await site.claim(most=6, shares=Shares(6)))) == [["m0"], ["m1"], ["m2"], ["o0"], ["o1"], ["o2"]]


async def test_no_channel_gets_more_than_its_part_of_a_claim(site: Site) -> None:
    await crowd(site, main=9, outlet=2)
    assert by_channel(site, await site.claim(most=8, shares=Shares(5))) == {"main": 5, "outlet": 2}
    assert by_channel(site, await site.claim(most=8, shares=Shares(0, {site.main: 3}))) == {"main": 3}


async def test_whether_there_are_several_channels_is_noticed_by_a_claim(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_ledger, "LOOK_SECONDS", 0.0)
    assert site.ledger.has_several_channels()
    site.database.write(lambda connection: connection.execute(delete(channels).where(channels.c.code != "main")))
    await site.claim()
    assert not site.ledger.has_several_channels()
    second = NewChannel("acme", "second", "Second", "bright_sites", "second.example.com", "token")
    site.database.write(lambda connection: create_channel(connection, site.vault, second, 0))
    await site.claim()
    assert site.ledger.has_several_channels()


async def test_whether_several_channels_were_called_lately_is_noticed_by_a_claim(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_ledger, "SEEN_SECONDS", -1.0)
    called = {"main": 0, "outlet": 2, "shop": 4}
    for channel, seconds in called.items():
        at = to_micros(site.clock.now) + seconds * 1_000_000
        site.run(insert(gates).values(channel_id=site.channels[channel], operation="", arrival=at))
    seen = []
    for _ in range(9):
        await site.claim()
        seen.append(site.ledger.has_busy_channels())
        site.clock.advance(1)
    assert seen == [True] * 5 + [False] * 4


async def test_every_lane_is_taken_once_when_channels_take_turns(site: Site) -> None:
    await crowd(site, main=40, outlet=7)
    taken: list[Claim] = []
    while claims := await site.claim(most=5):
        taken += claims
    assert len(taken) == len({claim.lane for claim in taken}) == 47


async def test_channels_to_be_skipped_are_left_out_and_those_left_take_turns(site: Site) -> None:
    await site.admit(*(order(f"m{number}") for number in range(3)))
    site.clock.advance(1)
    await site.admit(*(order(f"o{number}", channel="outlet") for number in range(3)))
    site.clock.advance(1)
    await site.admit(order("s", account="globex", channel="shop"))
    claims = await site.claim(most=2, skip=[site.main])
    assert by_channel(site, claims) == {"outlet": 1, "shop": 1}
    assert await site.claim(skip=list(site.channels.values())) == []


@pytest.mark.parametrize("turns", [False, True])
async def test_lanes_that_are_not_due_or_held_or_of_other_jobs_are_left_out(site: Site, turns: bool) -> None:
    skip = [site.channels["shop"]] if turns else []
    await site.admit(order("waits"))
    await site.settle(await site.take(), retry(60))
    await site.admit(order("held"))
    held = await site.take("w2")
    await site.admit(order("other", "order.status_changed"), stock("MUG", 1), order("free"))
    assert keys(await site.ledger.claim("w1", ["order_import"], 10, skip)) == [["free"]]
    await site.settle(held, done, "w2")
    site.clock.advance(60)
    assert keys(await site.ledger.claim("w1", ["order_import"], 10, skip)) == [["waits"]]


@pytest.mark.parametrize("turns", [False, True])
async def test_a_lane_that_somebody_has_locked_is_passed_over(postgresql_site: Site, turns: bool) -> None:
    site = postgresql_site
    await site.admit(order("1"), order("2"), order("3", channel="outlet"))
    skip = [site.channels["shop"]] if turns else []
    with site.database.engine.connect() as other:
        other.execute(select(lanes.c.key).where(lanes.c.key == f"{site.main}/order/1").with_for_update())
        assert sorted(keys(await site.claim(skip=skip))) == [["2"], ["3"]]
        other.rollback()
    assert keys(await site.claim(skip=skip)) == [["1"]]


async def test_lanes_of_a_channel_that_is_gone_are_taken_too_though_no_turn_comes_to_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_ledger, "LOOK_SECONDS", 0.0)
    await site.admit(order("1"), order("2", channel="outlet"))
    site.database.write(lambda connection: connection.execute(delete(channels).where(channels.c.code == "outlet")))
    assert sorted(keys(await site.claim(shares=Shares(9)))) == [["1"], ["2"]]
