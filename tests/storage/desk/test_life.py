"""A channel after it was made: another name, another shop, its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert

from broker.operations.values import LogFilter, MessageFilter, NewChannel
from domain.errors import InputError, UnknownName
from domain.periods import Period
from domain.settings import Changes
from storage.channel_tables import authorizations, hooks
from storage.desk.rotation import rotate
from storage.people_tables import audit
from storage.tables import channels, lanes
from storage.vault import Vault
from tests.storage.support import KEY, TOKEN, Site, done, order, park, stock

HOOK = {"digest": "d" * 64, "created_at": 0}
NEW = NewChannel("acme", "again", "Again", "bright_sites", "main.example.com", "token-4321")


async def test_a_channel_gets_another_name(site: Site) -> None:
    await site.desk.rename_channel("acme", "main", "The main shop", actor="user:1")
    assert (await site.desk.channels("acme"))[0].name == "The main shop"
    assert site.rows(audit)[-1].detail == {"name": {"before": "Main", "after": "The main shop"}}


async def test_another_domain_comes_with_its_token_and_releases_what_waited_for_one(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), park("unauthorized"))
    await site.desk.move_channel("acme", "main", "moved.example.com", "fresh-token-1111", actor="user:1")
    channel = await site.ledger.channel(site.main)
    assert channel is not None and not channel.fault and channel.token_version == 1
    assert (channel.domain, channel.token.get_secret_value()) == ("moved.example.com", "fresh-token-1111")
    assert len(await site.claim()) == 1
    row = site.rows(audit)[-1]
    assert row.detail == {"domain": {"before": "main.example.com", "after": "moved.example.com"}, "token": "changed"}


async def test_a_domain_of_another_channel_is_refused_whosever_it_is(site: Site) -> None:
    for taken in ("outlet.example.com", "shop.example.com"):
        with pytest.raises(InputError) as caught:
            await site.desk.move_channel("acme", "main", taken, "fresh-token-1111", actor="user:1")
        assert caught.value.code == "domain_taken"
    assert (await site.desk.channels("acme"))[0].domain == "main.example.com"


async def test_a_deleted_channel_is_nowhere_but_in_history(site: Site) -> None:
    await site.admit(order("1"), order("2"), stock())
    await site.settle((await site.claim(most=1))[0], done)
    await site.desk.set_schedule("acme", "main", "order_import", Period("5m"))
    assert await site.desk.delete_channel("acme", "main", actor="user:1") == 2
    assert [row.code for row in await site.desk.channels("acme")] == ["outlet"]
    assert await site.desk.schedules("acme") == []
    assert await site.ledger.channel(site.main) is None
    assert len(await site.desk.logs(LogFilter(account="acme", channel="main"))) == 1
    rows = await site.desk.messages(MessageFilter(account="acme", channel="main"))
    told = {(each.state, each.code) for row in rows for each in row.deliveries}
    assert told == {("done", "ok"), ("discarded", "channel_deleted")}
    assert site.rows(lanes) == []
    site.clock.advance(86_400)
    assert await site.ledger.fire_due(10) == 0
    assert site.rows(audit)[-1].action == "channel.deleted"


async def test_events_for_a_deleted_channel_are_answered_as_for_one_that_never_was(site: Site) -> None:
    await site.desk.delete_channel("acme", "main", actor="user:1")
    (answer, other) = await site.admit(order("1"), order("2", channel="outlet"))
    assert answer.error is not None and answer.error.code == "unknown_channel"
    assert "main" not in answer.error.sentence.partition("channels:")[2]
    assert other.error is None
    for work in (
        site.desk.change_channel("acme", "main", enabled=True),
        site.desk.set_schedule("acme", "main", "order_import", Period("5m")),
        site.desk.delete_channel("acme", "main", actor="user:1"),
        site.desk.rename_channel("acme", "main", "x", actor="user:1"),
    ):
        with pytest.raises(UnknownName, match="no channel 'main'"):
            await work


async def test_an_event_that_names_no_channel_passes_a_deleted_one_by(site: Site) -> None:
    await site.desk.delete_channel("acme", "main", actor="user:1")
    await site.admit(stock(channel=None))
    assert {claim.channel_id for claim in await site.claim()} == {site.channels["outlet"]}


async def test_its_domain_is_free_for_another_channel_and_its_code_is_not(site: Site) -> None:
    await site.desk.delete_channel("acme", "main", actor="user:1")
    with pytest.raises(InputError, match="kept under that code") as caught:
        await site.desk.create_channel(replace(NEW, code="main"))
    assert caught.value.code == "code_taken"
    await site.desk.create_channel(NEW)
    assert [row.domain for row in await site.desk.channels("acme")] == ["main.example.com", "outlet.example.com"]


async def test_its_tokens_and_its_hook_are_erased_and_keys_are_rotated_without_it(site: Site) -> None:
    site.database.write(lambda connection: connection.execute(insert(hooks).values(channel_id=site.main, **HOOK)))
    refresh = insert(authorizations).values(channel_id=site.main, refresh_token="sealed")
    site.database.write(lambda connection: connection.execute(refresh))
    await site.desk.delete_channel("acme", "main", actor="user:1")
    assert site.rows(hooks) == [] == site.rows(authorizations)
    assert [row.token for row in site.rows(channels) if row.id == site.main] == [""]
    assert site.database.write(lambda connection: rotate(connection, Vault([b"f" * 32, KEY]))) == 2
    assert TOKEN not in repr(site.rows(channels))


async def test_what_runs_when_a_channel_is_deleted_ends_by_itself_and_what_stands_behind_it_is_dead(
    site: Site,
) -> None:
    await site.admit(order("1"), order("1"))
    claim = await site.take()
    assert await site.desk.delete_channel("acme", "main", actor="user:1") == 0
    settled = await site.settle(claim, done)
    assert not settled.fenced
    (behind,) = await site.claim()
    assert await site.ledger.channel(behind.channel_id) is None


async def test_the_source_of_products_is_not_deleted_before_there_is_another(site: Site) -> None:
    changes = Changes({"master_product_source": "main"})
    await site.desk.settings.put_account_settings("acme", changes, manifest, actor="user:1")
    with pytest.raises(InputError, match="choose another source first"):
        await site.desk.delete_channel("acme", "main", actor="user:1")
    assert len(await site.desk.channels("acme")) == 2


def manifest(platform: str):  # type: ignore[no-untyped-def]
    from connectors.bright_sites import MANIFEST

    return MANIFEST
