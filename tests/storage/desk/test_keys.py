"""API keys: listed, rotated with a grace, revoked; each in its own account alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import InputError, TowpathError, UnknownName
from tests.storage.support import Site


async def speaks(site: Site, secret: str) -> bool:
    return await site.desk.key_holder(secret) is not None


async def test_keys_are_listed_newest_first_without_their_secrets(site: Site) -> None:
    first = await site.desk.create_key("acme", ["read"], name=" OMS ")
    second = await site.desk.create_key("acme", ["events:write", "operate"])
    await site.desk.create_key("globex", ["read"])
    await site.desk.revoke_key("acme", first.id)
    rows = await site.desk.keys("acme")
    assert [(row.id, row.name, row.scopes) for row in rows] == [
        (second.id, "", ("events:write", "operate")),
        (first.id, "OMS", ("read",)),
    ]
    assert [row.revoked_at for row in rows] == [None, site.clock.now]
    assert first.secret.startswith(rows[1].prefix)
    assert first.secret not in repr(rows)


async def test_a_rotated_key_works_on_for_its_grace_and_the_new_one_at_once(site: Site) -> None:
    old = await site.desk.create_key("acme", ["read", "operate"], name="OMS")
    new = await site.desk.rotate_key("acme", old.id, grace=timedelta(hours=1))
    assert new.scopes == old.scopes
    assert {row.name for row in await site.desk.keys("acme")} == {"OMS"}
    site.clock.advance(3599)
    assert await speaks(site, old.secret)
    site.clock.advance(1)
    assert not await speaks(site, old.secret)
    assert await speaks(site, new.secret)
    last = await site.desk.rotate_key("acme", new.id)
    assert not await speaks(site, new.secret)
    assert await speaks(site, last.secret)


async def test_a_second_rotation_never_lets_the_old_key_work_longer(site: Site) -> None:
    old = await site.desk.create_key("acme", ["read"])
    await site.desk.rotate_key("acme", old.id, grace=timedelta(minutes=1))
    await site.desk.rotate_key("acme", old.id, grace=timedelta(days=1))
    site.clock.advance(60)
    assert not await speaks(site, old.secret)


async def test_a_revoked_key_is_not_revoked_or_rotated_again(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read"])
    await site.desk.revoke_key("acme", key.id)
    for work in (site.desk.revoke_key("acme", key.id), site.desk.rotate_key("acme", key.id)):
        with pytest.raises(InputError) as caught:
            await work
        assert caught.value.code == "key_revoked"


async def test_two_who_revoke_at_once_do_it_once(site: Site) -> None:
    key = await site.desk.create_key("acme", ["read"])
    both = await asyncio.gather(*(site.desk.revoke_key("acme", key.id) for _ in range(2)), return_exceptions=True)
    assert both.count(None) == 1


async def test_a_key_of_another_account_is_not_there(site: Site) -> None:
    key = await site.desk.create_key("globex", ["read"])
    said = []
    for work in (
        site.desk.revoke_key("acme", key.id),
        site.desk.rotate_key("acme", key.id),
        site.desk.revoke_key("acme", "nothing"),
        site.desk.keys("nobody"),
    ):
        with pytest.raises(TowpathError) as caught:
            await work
        said.append(caught.value)
    assert all(isinstance(each, UnknownName) for each in said)
    assert said[0].sentence.replace(key.id, "") == said[2].sentence.replace("nothing", "")
    assert await speaks(site, key.secret)


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=8)])
async def test_a_grace_is_a_week_at_most(site: Site, grace: timedelta) -> None:
    key = await site.desk.create_key("acme", ["read"])
    with pytest.raises(InputError, match="7 days"):
        await site.desk.rotate_key("acme", key.id, grace=grace)
    assert await speaks(site, key.secret)
