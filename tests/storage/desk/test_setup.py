"""Changes that people make: organizations, accounts, channels, keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from broker.ledger import Settlement
from broker.operations.values import KeyHolder, NewChannel
from domain.channels import ChannelSettings
from domain.errors import ConfigurationError, InputError, UnknownName
from domain.periods import Period
from storage.desk.rotation import rotate
from storage.directory import Directory
from storage.tables import accounts, api_keys, channels
from storage.vault import Vault
from tests.storage.conftest import Opened
from tests.storage.support import KEY, TOKEN, Site, order, park, retry

NEW = NewChannel("acme", "fresh", "Fresh shop", "bright_sites", "fresh.example.com", "token-4321")


async def test_an_organization_with_an_account_is_there_for_everybody_at_once(site: Site, open_site: Opened) -> None:
    made = await site.desk.create_organization("Second")
    account = await site.desk.create_account(made, "beta", "Beta Ltd", "Europe/Berlin")
    other = open_site()
    assert (await other.desk.organizations())[made] == "Second"
    assert [(each.code, each.timezone, each.enabled) for each in await other.desk.accounts()] == [
        ("acme", "UTC", True), ("beta", "Europe/Berlin", True), ("globex", "UTC", True),
    ]  # fmt: skip
    assert [each.organization_id for each in await site.desk.accounts() if each.id == account] == [made]


@pytest.mark.parametrize(
    ("code", "timezone", "word"),
    [
        ("acme", "UTC", "code_taken"),
        ("Bad Code", "UTC", "bad_code"),
        ("-x", "UTC", "bad_code"),
        ("x" * 64, "UTC", "bad_code"),
        ("beta\n", "UTC", "bad_code"),
        ("beta", "Berlin", "unknown_timezone"),
        ("beta", "../etc/passwd", "unknown_timezone"),
        ("beta", "Europe", "unknown_timezone"),
    ],
)
async def test_an_account_that_cannot_be_is_refused(site: Site, code: str, timezone: str, word: str) -> None:
    (organization,) = await site.desk.organizations()
    with pytest.raises(InputError) as caught:
        await site.desk.create_account(organization, code, "X", timezone)
    assert caught.value.code == word
    assert len(await site.desk.accounts()) == 2


async def test_an_account_of_an_unknown_organization_is_refused_by_name(site: Site) -> None:
    with pytest.raises(UnknownName, match="no organization 'nowhere'"):
        await site.desk.create_account("nowhere", "beta", "Beta", "UTC")


async def test_a_new_channel_is_listed_with_no_more_of_its_token_than_the_end(site: Site) -> None:
    made = await site.desk.create_channel(replace(NEW, domain=" Fresh.Example.COM. "))
    (row,) = [row for row in await site.desk.channels("acme") if row.id == made]
    assert (row.account, row.code, row.name, row.platform, row.version) == (
        "acme", "fresh", "Fresh shop", "bright_sites", "stable",
    )  # fmt: skip
    assert (row.domain, row.token_ending, row.state, row.settings) == (
        "fresh.example.com", "4321", "connected", ChannelSettings(),
    )  # fmt: skip
    assert (row.waiting, row.failing, row.calls_today, row.last_activity) == (0, 0, 0, None)
    assert "token-4321" not in repr(row)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"code": "main"}, "code_taken"),
        ({"domain": "SHOP.example.com"}, "domain_taken"),
        ({"code": "No Code"}, "bad_code"),
        ({"account": "nobody"}, "unknown_account"),
    ],
)
async def test_a_channel_that_cannot_be_is_refused(site: Site, change: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError) as caught:
        await site.desk.create_channel(replace(NEW, **change))
    assert caught.value.code == word
    assert len(site.rows(channels)) == 3


async def test_two_accounts_may_call_their_channels_alike(site: Site) -> None:
    await site.desk.create_channel(replace(NEW, account="globex", code="main"))
    assert [row.code for row in await site.desk.channels("globex")] == ["main", "shop"]
    assert len(await site.desk.channels(None)) == 4


async def test_names_that_do_not_exist_are_told(site: Site) -> None:
    with pytest.raises(UnknownName, match="no account 'nobody'"):
        await site.desk.channels("nobody")
    for work in (
        site.desk.change_channel("acme", "attic", enabled=True),
        site.desk.set_schedule("acme", "attic", "order_import", Period("5m")),
        site.desk.run_now("acme", "attic", "order_import"),
    ):
        with pytest.raises(UnknownName, match="has no channel 'attic'"):
            await work


async def test_tokens_are_sealed_in_the_database_and_open_in_the_directory(site: Site) -> None:
    for row in site.rows(channels):
        assert TOKEN not in row.token
        assert row.token.startswith("v1.")
    channel = await site.ledger.channel(site.main)
    assert channel is not None
    assert channel.token.get_secret_value() == TOKEN
    assert TOKEN not in repr(channel)


async def test_a_token_copied_to_another_channel_or_domain_breaks_that_channel_alone(site: Site) -> None:
    main, _, shop = (row for row in site.rows(channels))
    site.run(update(channels).where(channels.c.id == shop.id).values(token=main.token))
    site.directory.forget()
    rows = {row.code: row for row in await site.desk.channels(None)}
    assert rows["shop"].state == "broken"
    assert "changed or moved" in rows["shop"].state_reason
    assert rows["main"].state == "connected"


async def test_a_lost_key_is_told_at_each_channel_and_stops_nothing_else(site: Site) -> None:
    lost = Directory(Vault([b"x" * 32]))
    channel = site.database.read(lambda connection: lost.channel(connection, site.main))
    assert channel is not None
    assert channel.token.get_secret_value() == ""
    assert "Put the old key back" in channel.fault


async def test_rotation_seals_every_token_under_the_first_key(site: Site) -> None:
    fresh = b"f" * 32
    assert site.database.write(lambda connection: rotate(connection, Vault([fresh, KEY]))) == 3
    opened = site.database.read(Directory(Vault([fresh])).everything)
    assert {channel.token.get_secret_value() for channel in opened.by_id.values()} == {TOKEN}


async def test_rotation_without_the_old_key_changes_nothing(site: Site) -> None:
    before = site.rows(channels)
    with pytest.raises(ConfigurationError, match="Put the old key back"):
        site.database.write(lambda connection: rotate(connection, Vault([b"f" * 32])))
    assert site.rows(channels) == before


async def test_a_disabled_channel_is_shown_and_its_work_waits_until_it_is_enabled(site: Site) -> None:
    await site.desk.change_channel("acme", "main", enabled=False)
    row = (await site.desk.channels("acme"))[0]
    assert (row.state, row.state_reason) == ("disabled", "Disabled by an operator; its work waits.")
    await site.admit(order("1"), order("2"))
    first, second = await site.claim()
    await site.settle(first, park("channel"))
    await site.settle(second, park("mapping"))
    await site.desk.change_channel("acme", "main", enabled=True)
    assert [claim.lane for claim in await site.claim()] == [first.lane]
    assert (await site.desk.channels("acme"))[0].state == "connected"


@pytest.mark.parametrize(
    ("change", "cause"), [("token", "unauthorized"), ("settings", "mapping"), ("enabled", "channel")]
)
async def test_each_change_releases_what_waited_for_it_alone(site: Site, change: str, cause: str) -> None:
    causes = ("unauthorized", "mapping", "channel", "retry")
    await site.admit(*(order(each) for each in causes))
    for claim in await site.claim():
        wait = claim.deliveries[0].business_key
        await site.settle(claim, retry(60) if wait == "retry" else park(wait))
    if change == "token":
        await site.desk.change_channel("acme", "main", token="new-token-1111")
    elif change == "settings":
        await site.desk.change_channel("acme", "main", settings=ChannelSettings(stock_buffer=1))
    else:
        await site.desk.change_channel("acme", "main", enabled=True)
    assert [claim.deliveries[0].business_key for claim in await site.claim()] == [cause]


@pytest.mark.parametrize("database_of_another_process", [True, False])
async def test_what_began_to_wait_for_a_change_just_when_it_was_made_looks_again(
    site: Site, open_site: Opened, database_of_another_process: bool
) -> None:
    """The worker had the old channel in hand when it decided to wait; nobody would wake it a second time."""
    await site.desk.change_channel("acme", "main", enabled=False)
    await site.admit(order("1"))
    claim = await site.take()
    known = await site.ledger.channel(site.main)
    operator = open_site() if database_of_another_process else site
    await operator.desk.change_channel("acme", "main", enabled=True)
    verdicts = tuple(park("channel")(each) for each in claim.deliveries)
    await site.ledger.settle("w1", [Settlement(claim, verdicts, frozenset(), known)])
    assert len(await site.claim()) == 1


async def test_a_change_of_one_thing_leaves_the_others(site: Site) -> None:
    await site.desk.change_channel("acme", "main", settings=ChannelSettings(stock_buffer=3))
    await site.desk.change_channel("acme", "main", token="new-token-1111")
    await site.desk.change_channel("acme", "main", enabled=False)
    row = (await site.desk.channels("acme"))[0]
    assert (row.settings.stock_buffer, row.token_ending, row.state) == (3, "1111", "disabled")


async def test_a_channel_of_a_disabled_account_is_disabled(site: Site) -> None:
    site.run(update(accounts).where(accounts.c.code == "acme").values(enabled=False))
    assert {row.code: row.state for row in await site.desk.channels(None)} == {
        "main": "disabled", "outlet": "disabled", "shop": "connected",
    }  # fmt: skip


async def test_a_key_speaks_for_its_account_with_its_scopes(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read", "operate"])
    assert await site.desk.key_holder(key.secret) == KeyHolder("acme", frozenset({"read", "operate"}))
    assert (key.account, key.scopes) == ("acme", ("read", "operate"))
    assert len(key.secret) > 40


async def test_a_key_is_never_stored_in_clear(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read"])
    (row,) = site.rows(api_keys)
    assert row.digest == hashlib.sha256(key.secret.encode()).hexdigest()
    assert key.secret not in repr(row)
    assert key.secret.startswith(row.prefix)
    assert len(row.prefix) == 8


async def test_two_keys_are_never_the_same(site: Site) -> None:
    secrets = {(await site.desk.create_key("acme", ["read"])).secret for _ in range(5)}
    assert len(secrets) == 5


async def test_an_unknown_and_a_revoked_key_speak_for_nobody_and_one_of_a_disabled_account_says_so(site: Site) -> None:
    revoked, kept = [await site.desk.create_key("acme", ["read"]) for _ in range(2)]
    site.run(update(api_keys).where(api_keys.c.id == revoked.id).values(revoked_at=1))
    assert await site.desk.key_holder("tp_nonsense") is None
    assert await site.desk.key_holder(revoked.secret) is None
    expected = KeyHolder("acme", frozenset({"read"}))
    assert await site.desk.key_holder(kept.secret) == expected
    site.run(update(accounts).where(accounts.c.code == "acme").values(enabled=False))
    assert await site.desk.key_holder(kept.secret) == replace(expected, enabled=False)


@pytest.mark.parametrize(("scopes", "words"), [((), "none given"), (("read", "root", "all"), r"\(all, root\)")])
async def test_a_key_without_scopes_or_with_unknown_ones_is_refused(
    site: Site, scopes: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=rf"{words}.*scopes: events:write, read, operate, admin") as caught:
        await site.desk.create_key("acme", scopes)
    assert caught.value.code == "unknown_scope"
    assert site.rows(api_keys) == []


async def test_a_key_for_an_unknown_account_is_refused(site: Site) -> None:
    with pytest.raises(UnknownName, match="no account 'nobody'"):
        await site.desk.create_key("nobody", ["read"])
