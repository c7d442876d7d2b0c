"""Tokens that live for an hour are renewed once by whoever notices, and nothing is lost while they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from broker.operations import ChannelRow, DeliveryRow, NewChannel
from domain.access import Actor
from domain.authorization import Tokens
from domain.channels import ChannelSettings
from domain.errors import InputError, StorageUnavailable
from domain.periods import NEVER, Period
from domain.settings import Changes
from storage.channel_tables import authorizations
from storage.tables import channels
from tests.house import FAST, SmallHouse, small_house, sqlite_url
from tests.moody import HandClock
from tests.refreshing import NAME, TokenServer, register, serving

JOB = "authorization_refresh"
PERIOD = f"period.{JOB}"


@dataclass(frozen=True, slots=True)
class Hourly:
    """A house with a channel ``hourly`` of the platform of that name, authorized, whose period is set."""

    house: SmallHouse
    server: TokenServer
    shop: str

    async def status(self, number: int) -> str:
        data = {"external_order_id": str(number), "status": "paid"}
        return await self.house.event("order.status_changed", data, channel="hourly")

    async def work(self, message: str) -> DeliveryRow:
        await self.house.work_off()
        return await self.house.delivery(message)

    async def period(self, text: str) -> None:
        await self.house.operations.set_schedule("acme", "hourly", JOB, Period(text))

    async def row(self) -> ChannelRow:
        (found,) = [row for row in await self.house.desk.channels("acme") if row.code == "hourly"]
        return found

    async def renewal_logs(self) -> list[tuple[str, str]]:
        return [(row.outcome, row.code) for row in await self.house.logs(job=JOB)][::-1]

    async def stored(self) -> Any:
        (row,) = await self.house.execute(select(authorizations))
        return row


@pytest.fixture
def server(clock: HandClock) -> TokenServer:
    return TokenServer(clock)


@pytest.fixture
def address(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    register(monkeypatch)
    with serving(server) as shop:
        yield shop


@pytest.fixture
async def hourly(server: TokenServer, address: str, clock: HandClock, tmp_path: Path) -> AsyncIterator[Hourly]:
    async with small_house(sqlite_url(tmp_path), clock=clock, domain=address) as house:
        # The house's own channel has the address; this one takes its place.
        await house.desk.change_channel("acme", "main", enabled=False)
        await house.execute(update(channels).values(domain="other.example.com"))
        tokens = server.issue()
        new = NewChannel(
            "acme", "hourly", "Hourly", NAME, address, tokens.access.get_secret_value(), ChannelSettings(**FAST)
        )
        await house.operations.create_channel(new)
        made = Hourly(house, server, address)
        await house.care.authorize("acme", "hourly", tokens, actor="tester")
        await made.period("12h")
        yield made


async def test_a_token_that_expired_is_renewed_and_the_refused_work_goes_on_without_anybody(hourly: Hourly) -> None:
    hourly.house.clock.advance(3700)
    messages = [await hourly.status(number) for number in (1, 2, 3)]
    await hourly.house.work_off()
    rows = [await hourly.house.delivery(message) for message in messages]
    assert [(row.state, row.failures) for row in rows] == [("done", 0)] * 3
    assert hourly.server.renewals == 1 and set(hourly.server.statuses) == {"1", "2", "3"}
    assert await hourly.renewal_logs() == [("Done", "ok")]
    assert (await hourly.row()).state == "connected"


async def test_a_token_near_its_expiry_is_renewed_before_any_call_is_refused(hourly: Hourly) -> None:
    hourly.house.clock.advance(3400)
    assert await hourly.house.ledger.fire_due(10) == 1
    await hourly.house.work_off()
    assert (await hourly.work(await hourly.status(1))).state == "done"
    hourly.house.clock.advance(3400)
    assert await hourly.house.ledger.fire_due(10) == 1
    await hourly.house.work_off()
    assert hourly.server.renewals == 2
    assert sorted(hourly.server.calls) == ["POST token", "POST token", "PUT orders"]


async def test_two_workers_that_meet_the_refused_token_renew_it_once(hourly: Hourly, tmp_path: Path) -> None:
    hourly.house.clock.advance(3700)
    url = f"sqlite:///{tmp_path / 'towpath.db'}"
    messages = [await hourly.status(number) for number in range(12)]
    async with small_house(url, clock=hourly.house.clock, domain=hourly.shop) as second:
        await asyncio.gather(hourly.house.work_off(), second.work_off())
    rows = [await hourly.house.delivery(message) for message in messages]
    assert {row.state for row in rows} == {"done"}
    assert hourly.server.renewals == 1


async def test_tokens_are_stored_sealed_and_the_refresh_token_before_is_kept(hourly: Hourly, tmp_path: Path) -> None:
    hourly.house.clock.advance(3700)
    await hourly.work(await hourly.status(1))
    row = await hourly.stored()
    assert row.earlier_token and row.earlier_token != row.refresh_token
    assert not _stands_in_a_file(tmp_path, b"canary")


def _stands_in_a_file(folder: Path, mark: bytes) -> bool:
    return any(mark in path.read_bytes() for path in folder.iterdir())


async def test_a_lost_answer_is_told_and_waits_for_a_person_whose_tokens_let_everything_go_on(hourly: Hourly) -> None:
    hourly.house.clock.advance(3700)
    hourly.server.lose = 1
    message = await hourly.status(1)
    await hourly.house.work_off()
    assert (await hourly.renewal_logs())[-1] == ("Park", "renewal_failed")
    hourly.house.clock.advance(40)
    await hourly.house.work_off()
    assert (await hourly.renewal_logs())[-1] == ("Park", "renewal_refused")
    row = await hourly.row()
    assert row.state == "disconnected" and "towpath channels authorize acme/hourly" in row.state_reason
    assert "broke off before its answer was stored" in row.state_reason
    before = len(hourly.server.calls)
    for seconds in (120, 120, 4000, 4000, 90_000):
        hourly.house.clock.advance(seconds)
        await hourly.house.work_off()
    assert len(hourly.server.calls) - before == 0, "nobody knocks while only a person can help"
    assert (await hourly.row()).state_reason == row.state_reason
    delivery = await hourly.house.delivery(message)
    assert (delivery.state, delivery.cause, delivery.failures) == ("waiting", "unauthorized", 0)
    await hourly.house.care.authorize("acme", "hourly", hourly.server.issue(), actor="tester")
    await hourly.house.work_off()
    assert (await hourly.house.delivery(message)).state == "done"
    assert (await hourly.row()).state == "connected"


@pytest.mark.parametrize("heard", [False, True], ids=["not_taken", "taken_and_the_answer_lost"])
async def test_tokens_that_a_database_that_is_away_does_not_take_are_kept_and_stored_when_it_is_back(
    hourly: Hourly, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    """The platform would not give them again."""
    renewals, missed = hourly.house.renewals, iter((True, True))
    store = renewals.store

    async def store_when_back(*given: Any) -> bool:
        if next(missed, False):
            if heard:
                await store(*given)
            raise StorageUnavailable("The database does not answer.")
        return await store(*given)

    monkeypatch.setattr(renewals, "store", store_when_back)
    monkeypatch.setattr(import_module("consumers.authorization_refresh"), "AWAY_SECONDS", 0.01)
    hourly.house.clock.advance(3700)
    assert (await hourly.work(await hourly.status(1))).state == "done"
    assert hourly.server.renewals == 1
    assert await hourly.renewal_logs() == [("Done", "ok")]
    assert next(missed, None) is None


async def test_a_platform_that_is_away_is_asked_again_ever_more_seldom_and_costs_no_retry(hourly: Hourly) -> None:
    hourly.house.clock.advance(3700)
    message = await hourly.status(1)
    hourly.server.away = True
    await hourly.house.work_off()
    for _ in range(60):
        hourly.house.clock.advance(60)
        await hourly.house.work_off()
    assert 4 <= hourly.server.calls.count("POST token") <= 9
    assert hourly.server.calls.count("PUT orders") <= 9
    row = await hourly.house.delivery(message)
    assert (row.state, row.cause, row.failures) == ("waiting", "unauthorized", 0)
    assert "disconnected" in (await hourly.row()).state_reason
    hourly.server.away = False
    hourly.house.clock.advance(4000)
    await hourly.house.work_off()
    assert (await hourly.house.delivery(message)).state == "done"


async def test_none_holds_every_call_and_a_period_lets_them_go_on(hourly: Hourly) -> None:
    await hourly.period("none")
    row = await hourly.row()
    assert row.state == "disconnected" and "None" in row.state_reason
    message = await hourly.status(1)
    tick = await hourly.house.desk.run_now("acme", "hourly", JOB)
    poll = await hourly.house.desk.run_now("acme", "hourly", "order_import")
    await hourly.house.work_off()
    for each in (message, tick, poll):
        delivery = await hourly.house.delivery(each)
        assert (delivery.state, delivery.code, delivery.failures) == ("parked", "authorization_none", 0)
        assert "no call is made" in delivery.sentence
    check = await hourly.house.operations.check_channel("acme", "hourly")
    assert not check.reachable and "None" in check.sentence
    assert hourly.server.calls == []
    hourly.house.clock.advance(86_400)
    assert await hourly.house.ledger.fire_due(10) == 0
    await hourly.period("30m")
    await hourly.house.work_off()
    assert (await hourly.house.delivery(message)).state == "done"
    assert hourly.server.calls.count("PUT orders") >= 1


async def test_a_new_channel_whose_token_is_renewed_makes_no_call_until_a_period_is_set(
    server: TokenServer, address: str, clock: HandClock, tmp_path: Path
) -> None:
    async with small_house(sqlite_url(tmp_path), clock=clock) as house:
        new = NewChannel("acme", "fresh", "Fresh", NAME, "fresh.example.com", "token", ChannelSettings(**FAST))
        await house.operations.create_channel(new)
        (row,) = [each for each in await house.desk.channels("acme") if each.code == "fresh"]
        assert row.state == "disconnected"


async def test_a_default_period_of_the_account_lets_calls_go_on_and_its_end_holds_them(hourly: Hourly) -> None:
    settings, by = hourly.house.operations.settings, Actor.installation("tester")
    await settings.change_channel(by, "acme", "hourly", Changes(clear=frozenset({PERIOD})))
    assert (await hourly.row()).held
    message = await hourly.status(1)
    assert (await hourly.work(message)).state == "parked"
    await settings.change_account(by, "acme", Changes({PERIOD: "12h"}))
    assert not (await hourly.row()).held
    assert (await hourly.work(message)).state == "done"
    hourly.house.clock.advance(3400)
    assert await hourly.house.ledger.fire_due(10) == 1, "before the token expires, not after twelve hours"
    await settings.change_account(by, "acme", Changes(clear=frozenset({PERIOD})))
    assert (await hourly.work(await hourly.status(2))).code == "authorization_none"


async def test_no_connection_of_a_held_channel_is_tested_with_another_token_either(hourly: Hourly) -> None:
    await hourly.period("none")
    before, by = list(hourly.server.calls), Actor.installation("tester")
    edited = await hourly.house.operations.life.test_edit(by, "acme", "hourly", None, "fresh-token")
    saved = await hourly.house.operations.check_channel("acme", "hourly")
    assert not edited.reachable and edited == saved and "Authorization Refresh is set to None" in saved.sentence
    assert hourly.server.calls == before


async def test_a_platform_with_a_static_token_is_not_offered_any_of_it(house: SmallHouse) -> None:
    with pytest.raises(InputError) as caught:
        await house.operations.set_schedule("acme", "main", JOB, NEVER)
    assert caught.value.code == "not_schedulable"
    with pytest.raises(InputError) as caught:
        await house.care.authorize("acme", "main", Tokens(SecretStr("a"), SecretStr("b")), actor="tester")
    assert caught.value.code == "not_renewed"
    message = await house.desk.run_now("acme", "main", JOB)
    await house.work_off()
    assert (await house.delivery(message)).code == "not_renewed"


async def test_a_worker_taken_for_dead_does_not_overwrite_newer_tokens(hourly: Hourly) -> None:
    house = hourly.house
    (row,) = [each for each in await house.desk.channels("acme") if each.code == "hourly"]
    channel = await house.ledger.channel(row.id)
    assert channel is not None
    known = await house.renewals.known(channel)
    assert known is not None and await house.renewals.begin(channel, known.version)
    newer = hourly.server.issue()
    await house.care.authorize("acme", "hourly", newer, actor="tester")
    stale = Tokens(newer.access, newer.refresh, house.clock() + timedelta(hours=1))
    assert not await house.renewals.store(channel, known.version, stale)
    after = await house.renewals.known(channel)
    assert after is not None and after.version == known.version + 1 and not after.interrupted
