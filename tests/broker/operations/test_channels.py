from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from broker.operations import NewChannel
from domain.channels import ChannelSettings
from domain.errors import InputError, UnknownName
from domain.periods import Period
from sandbox.bright_sites import RunningShop
from storage.tables import channels, schedules
from tests.house import READ_ONLY, SmallHouse

NEW = NewChannel("acme", "second", "Second", "bright_sites", "second.example.com", "a-token")


async def code_of_refusal(house: SmallHouse, **changes: Any) -> str:
    """Why a channel with these changes is refused."""
    with pytest.raises((InputError, UnknownName)) as refused:
        await house.operations.create_channel(replace(NEW, **changes))
    return refused.value.code


async def test_a_new_channel_is_listed_enabled_with_its_tokens_ending_and_no_schedule(house: SmallHouse) -> None:
    await house.operations.create_channel(NEW)
    (row,) = [row for row in await house.desk.channels("acme") if row.code == "second"]
    assert (row.state, row.token_ending, row.version) == ("connected", "oken", "stable")
    assert await house.desk.schedules("acme") == []


async def test_a_token_is_never_stored_in_the_clear(house: SmallHouse) -> None:
    await house.operations.create_channel(NEW)
    rows = await house.execute(select(channels))
    assert all("a-token" not in str(value) for row in rows for value in row)


@pytest.mark.parametrize(
    "domain",
    ["https://second.example.com", "second.example.com/shop", "second", "", "a b.com", "user@shop.com", "127.0.0.1:80"],
)
async def test_what_is_no_bare_shop_domain_is_refused(house: SmallHouse, domain: str) -> None:
    assert await code_of_refusal(house, domain=domain) == "bad_domain"


async def test_a_domain_is_kept_in_lower_case_and_belongs_to_one_channel_only(house: SmallHouse) -> None:
    await house.operations.create_channel(replace(NEW, domain=" Second.Example.COM "))
    assert await code_of_refusal(house, code="third") == "domain_taken"
    assert await code_of_refusal(house, domain="third.example.com") == "code_taken"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": ""}, "token_missing"),
        ({"token": " \n"}, "token_missing"),
        ({"platform": "nosuch"}, "unknown_platform"),
        ({"account": "nosuch"}, "unknown_account"),
        ({"code": "Has Space"}, "bad_code"),
        ({"settings": ChannelSettings(api_version="9.9.9")}, "unknown_api_version"),
    ],
)
async def test_what_cannot_be_a_channel_is_refused_with_the_reason(
    house: SmallHouse, changes: dict[str, Any], code: str
) -> None:
    assert await code_of_refusal(house, **changes) == code
    assert len(await house.desk.channels("acme")) == 1


@pytest.mark.parametrize("period", ["none", "5m", "12h", "daily@06:30"])
async def test_a_job_runs_on_the_periods_its_connector_declares(house: SmallHouse, period: str) -> None:
    await house.operations.set_schedule("acme", "main", "order_import", Period(period))
    (row,) = await house.desk.schedules("acme")
    assert (row.job, row.period) == ("order_import", period)
    assert (row.next_due is None) == (period == "none")
    assert row.next_due is None or row.next_due > house.clock()


@pytest.mark.parametrize(
    ("job", "code"),
    [("order_update", "not_schedulable"), ("shipment_export", "not_schedulable"), ("nosuch", "unknown_job")],
)
async def test_a_job_that_only_events_start_cannot_be_scheduled(house: SmallHouse, job: str, code: str) -> None:
    with pytest.raises((InputError, UnknownName)) as refused:
        await house.operations.set_schedule("acme", "main", job, Period("1h"))
    assert refused.value.code == code
    assert await house.execute(select(schedules.c.id)) == []


async def test_a_channel_that_does_not_exist_cannot_be_scheduled_or_checked(house: SmallHouse) -> None:
    for account, channel in (("acme", "nosuch"), ("nosuch", "main")):
        with pytest.raises(UnknownName):
            await house.operations.set_schedule(account, channel, "order_import", Period("1h"))
        with pytest.raises(UnknownName):
            await house.operations.check_channel(account, channel)


async def test_setting_a_schedule_again_replaces_it(house: SmallHouse) -> None:
    await house.operations.set_schedule("acme", "main", "order_import", Period("1h"))
    await house.operations.set_schedule("acme", "main", "order_import", Period("30m"))
    (row,) = await house.desk.schedules("acme")
    assert row.period == "30m"


async def test_the_connection_test_of_a_good_token_says_that_it_may_write_and_changes_nothing(
    shop_house: SmallHouse, shop_server: RunningShop
) -> None:
    answer = await shop_house.operations.check_channel("acme", "main")
    assert (answer.reachable, answer.may_write) == (True, True)
    assert "Read/Write" in answer.sentence
    assert shop_server.shop.ledger.effects == []


async def test_the_connection_test_of_a_read_only_token_says_what_to_do(shop_house: SmallHouse) -> None:
    await shop_house.change(token=READ_ONLY)
    answer = await shop_house.operations.check_channel("acme", "main")
    assert (answer.reachable, answer.may_write) == (True, False)
    assert "may only read" in answer.sentence and "Read/Write permission" in answer.sentence


async def test_the_connection_test_of_a_wrong_token_says_so_and_closes_no_gate(shop_house: SmallHouse) -> None:
    await shop_house.change(token="wrong")
    answer = await shop_house.operations.check_channel("acme", "main")
    assert (answer.reachable, answer.may_write) == (False, False)
    assert "wrong, expired or revoked" in answer.sentence
    (row,) = await shop_house.desk.channels("acme")
    assert row.state == "connected"


async def test_the_connection_test_of_a_shop_that_is_out_says_so(
    shop_house: SmallHouse, shop_server: RunningShop
) -> None:
    shop_server.shop.faults.start_outage()
    answer = await shop_house.operations.check_channel("acme", "main")
    assert not answer.reachable and "lost the connection" in answer.sentence


async def test_the_connection_test_of_a_token_that_no_key_opens_makes_no_call(
    shop_house: SmallHouse, shop_server: RunningShop
) -> None:
    await shop_house.execute(update(channels).values(token="v1.00000000.AAAA"))
    answer = await shop_house.operations.check_channel("acme", "main")
    assert not answer.reachable and "TOWPATH_SECRET_KEYS" in answer.sentence
    assert shop_server.shop.ledger.calls == []


async def test_a_channel_deleted_meanwhile_is_said_to_be_gone(shop_house: SmallHouse) -> None:
    await shop_house.execute(delete(channels))
    with pytest.raises(UnknownName, match="no channel 'main'"):
        await shop_house.operations.check_channel("acme", "main")
