"""Each change that people make leaves one audit row that says who did what, and no secret."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from broker.operations.values import NewChannel
from domain.channels import ChannelSettings
from domain.periods import Period
from domain.states import DeliveryState
from storage.people_tables import audit
from tests.storage.support import START, TOKEN, Site, ended, order

ACTOR = "tester"
NEW_TOKEN = "another-token-1234"


async def organization_of(site: Site) -> str:
    (found,) = await site.desk.organizations()
    return found


async def create_organization(site: Site) -> None:
    await site.desk.create_organization("Second", actor=ACTOR)


async def create_account(site: Site) -> None:
    await site.desk.create_account(await organization_of(site), "beta", "Beta", "UTC", actor=ACTOR)


async def create_channel(site: Site) -> None:
    new = NewChannel("acme", "fresh", "Fresh", "bright_sites", "fresh.example.com", TOKEN)
    await site.desk.create_channel(new, actor=ACTOR)


async def disable_channel(site: Site) -> None:
    await site.desk.change_channel("acme", "main", enabled=False, actor=ACTOR)


async def set_token(site: Site) -> None:
    await site.desk.change_channel("acme", "main", token=NEW_TOKEN, actor=ACTOR)


async def set_settings(site: Site) -> None:
    chosen = ChannelSettings(stock_buffer=3, stock_warehouses=("main",))
    await site.desk.change_channel("acme", "main", settings=chosen, actor=ACTOR)


async def create_key(site: Site) -> None:
    await site.desk.create_key("acme", ["read"], actor=ACTOR)


async def set_schedule(site: Site) -> None:
    await site.desk.set_schedule("acme", "main", "order_import", Period("5m"), actor=ACTOR)


async def disable_account(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=False, actor=ACTOR)


async def plan_to_disable_account(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=False, at=START + timedelta(hours=1), actor=ACTOR)


async def enable_account(site: Site) -> None:
    await site.desk.switch_account("acme", enabled=True, actor=ACTOR)


Act = Callable[[Site], Awaitable[None]]
CHANGED = {"stock_buffer": {"before": 0, "after": 3}, "stock_warehouses": {"before": [], "after": ["main"]}}


@pytest.mark.parametrize(
    ("act", "action", "thing", "account", "detail"),
    [
        (create_organization, "organization.created", "organization:", False, {"name": "Second"}),
        (create_account, "account.created", "account:beta", True, {"name": "Beta", "timezone": "UTC"}),
        (create_channel, "channel.created", "channel:acme/fresh", True,
         {"platform": "bright_sites", "domain": "fresh.example.com"}),
        (disable_channel, "channel.changed", "channel:acme/main", True, {"enabled": {"before": True, "after": False}}),
        (set_token, "channel.changed", "channel:acme/main", True, {"token": "changed"}),
        (set_settings, "channel.changed", "channel:acme/main", True, {"settings": CHANGED}),
        (create_key, "key.created", "key:", True, {"scopes": ["read"]}),
        (set_schedule, "schedule.set", "channel:acme/main", True,
         {"job": "order_import", "period": {"before": "none", "after": "5m"}}),
        (disable_account, "account.disabled", "account:acme", True, {}),
        (plan_to_disable_account, "account.disable_planned", "account:acme", True, {"at": "2026-03-02T13:00:00Z"}),
        (enable_account, "account.enabled", "account:acme", True, {}),
    ],
)  # fmt: skip
async def test_a_change_leaves_one_row(
    site: Site, act: Act, action: str, thing: str, account: bool, detail: dict[str, Any]
) -> None:
    before = len(site.rows(audit))
    await act(site)
    (row,) = site.rows(audit)[before:]
    assert (row.actor, row.action, row.detail) == (ACTOR, action, detail)
    assert row.object.startswith(thing)
    assert row.organization_id is not None
    assert (row.account_id is not None) is account
    assert (await site.people.verify()).intact


async def test_a_manual_run_is_told_with_its_message(site: Site) -> None:
    before = len(site.rows(audit))
    message = await site.desk.run_now("acme", "main", "order_import", actor=ACTOR)
    (row,) = site.rows(audit)[before:]
    assert (row.actor, row.action, row.object) == (ACTOR, "job.run", "channel:acme/main")
    assert row.detail == {"job": "order_import", "message": message}


async def test_rotating_and_revoking_a_key_is_told_without_its_secret(site: Site) -> None:
    old = await site.desk.create_key("acme", ["read"], actor=ACTOR)
    new = await site.desk.rotate_key("acme", old.id, grace=timedelta(hours=1), actor=ACTOR)
    await site.desk.revoke_key("acme", new.id, actor=ACTOR)
    rotated, revoked = site.rows(audit)[-2:]
    assert (rotated.action, rotated.object) == ("key.rotated", f"key:{old.id}")
    assert rotated.detail == {"new": new.id, "old_stops_after_seconds": 3600}
    assert (revoked.action, revoked.object, revoked.actor) == ("key.revoked", f"key:{new.id}", ACTOR)
    assert not {old.secret, new.secret} & set(re.findall(r"tp_[\w-]+", repr(site.rows(audit))))


async def test_no_token_and_no_key_stands_in_the_audit(site: Site) -> None:
    await create_channel(site)
    await set_token(site)
    key = await site.desk.create_key("acme", ["read"], actor=ACTOR)
    told = repr(site.rows(audit))
    for secret in (TOKEN, NEW_TOKEN, key.secret, key.secret[3:20]):
        assert secret not in told


async def test_a_second_period_is_told_with_the_one_before(site: Site) -> None:
    await set_schedule(site)
    await site.desk.set_schedule("acme", "main", "order_import", Period("none"), actor=ACTOR)
    assert site.rows(audit)[-1].detail["period"] == {"before": "5m", "after": "none"}


async def end_all(site: Site, state: DeliveryState) -> list[str]:
    claims = await site.claim()
    for claim in claims:
        await site.settle(claim, ended(state))
    return [claim.deliveries[0].id for claim in claims]


async def test_replay_and_discard_are_told_for_each_account_with_the_deliveries_that_changed(site: Site) -> None:
    await site.admit(order("1"), order("2"), order("3", account="globex", channel="shop"))
    ids = await end_all(site, DeliveryState.DEAD)
    before = len(site.rows(audit))
    assert await site.desk.replay([*ids, "unknown"], actor=ACTOR) == 3
    assert await site.desk.discard(ids[:1], "not needed by a person", actor=ACTOR) == 1
    first, second, third = site.rows(audit)[before:]
    assert [row.action for row in (first, second, third)] == [
        "deliveries.replayed", "deliveries.replayed", "deliveries.discarded",
    ]  # fmt: skip
    assert first.account_id != second.account_id
    assert sorted(first.detail["deliveries"] + second.detail["deliveries"]) == sorted(ids)
    assert third.object == f"delivery:{ids[0]}"
    assert "not needed" not in repr(third)


async def test_a_replay_that_changes_nothing_leaves_no_row(site: Site) -> None:
    await site.admit(order("1"))
    ids = await end_all(site, DeliveryState.DONE)
    before = len(site.rows(audit))
    assert await site.desk.replay(ids) == await site.desk.discard(ids, "no") == 0
    assert len(site.rows(audit)) == before
