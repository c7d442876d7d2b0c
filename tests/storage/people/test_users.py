"""Users: made, given roles, locked out; an organization never loses its last owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from broker.operations.people import NewUser, User, actor_of
from domain.access import Grant, Role
from domain.errors import InputError, UnknownName
from storage.people_tables import audit, grants, users
from tests.storage.conftest import Opened
from tests.storage.support import START, Site

EMAIL = "first@example.com"
PASSWORD = "a sentence that is long"


async def organization_of(site: Site) -> str:
    (found,) = await site.desk.organizations()
    return found


async def owner_of(site: Site, email: str = EMAIL) -> User:
    organization = await organization_of(site)
    await site.people.create_user(
        NewUser(organization, email, "First", (Grant(Role.ORGANIZATION_OWNER, organization),)), actor="tester"
    )
    return await site.people.user(email)


def told(site: Site) -> list[tuple[str, str]]:
    """Actor and action of the audit rows that tell of users and roles."""
    return [(row.actor, row.action) for row in site.rows(audit) if row.object.startswith("user:")]


async def test_a_user_is_there_for_everybody_with_an_address_in_lower_case(site: Site, open_site: Opened) -> None:
    organization = await organization_of(site)
    made = await site.people.create_user(NewUser(organization, "  First@Example.COM ", " First "), actor="tester")
    expected = User(made, organization, EMAIL, "First", START, None, has_password=False, grants=())
    assert await open_site().people.user("FIRST@example.com") == expected
    assert await site.people.users() == await site.people.users(organization) == [expected]
    assert await site.people.users("elsewhere") == []
    assert told(site) == [("tester", "user.created")]


@pytest.mark.parametrize(
    ("email", "name", "code"),
    [
        ("FIRST@example.com", "Second", "email_taken"),
        ("nobody", "Second", "bad_email"),
        ("second@example.com", "  ", "name_missing"),
    ],
)
async def test_a_user_that_cannot_be_is_refused(site: Site, email: str, name: str, code: str) -> None:
    await owner_of(site)
    with pytest.raises(InputError) as caught:
        await site.people.create_user(NewUser(await organization_of(site), email, name))
    assert caught.value.code == code
    assert len(site.rows(users)) == 1


async def test_what_does_not_exist_is_told(site: Site) -> None:
    organization = await organization_of(site)
    for work in (
        site.people.user("second@example.com"),
        site.people.set_password("u-0", PASSWORD),
        site.people.set_enabled("u-0", False),
        site.people.grant("u-0", Grant(Role.VIEWER, organization)),
        site.people.create_user(NewUser("elsewhere", "second@example.com", "Second")),
    ):
        with pytest.raises(UnknownName):
            await work


async def test_name_and_address_are_changed_and_only_that_they_were_is_told(site: Site) -> None:
    user = await owner_of(site)
    await site.people.change_user(user.id, name=" Other ", actor="tester")
    await site.people.change_user(user.id, name="Other", actor="tester")
    await site.people.change_user(user.id, email="SECOND@example.com", actor="tester")
    changed = await site.people.user("second@example.com")
    assert (changed.id, changed.name) == (user.id, "Other")
    assert await site.people.user(user.id) == changed
    rows = [row for row in site.rows(audit) if row.action == "user.changed"]
    assert [row.detail for row in rows] == [{"changed": ["name"]}, {"changed": ["email"]}]


async def test_with_another_address_the_sessions_of_a_user_end_with_another_name_not(site: Site) -> None:
    user = await owner_of(site)
    begun = await site.people.sessions.begin(user, EMAIL, "192.0.2.1")
    assert begun is not None
    await site.people.change_user(user.id, name="Other")
    assert await site.people.sessions.find(begun.token) is not None
    await site.people.change_user(user.id, email="second@example.com")
    assert await site.people.sessions.find(begun.token) is None


@pytest.mark.parametrize(
    ("name", "email", "code"),
    [
        (None, "SECOND@example.com", "email_taken"),
        (None, "nobody", "bad_email"),
        (" ", None, "name_missing"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(site: Site, name: str | None, email: str | None, code: str) -> None:
    user = await owner_of(site)
    await owner_of(site, "second@example.com")
    with pytest.raises(InputError) as caught:
        await site.people.change_user(user.id, name=name, email=email)
    assert caught.value.code == code
    assert await site.people.user(EMAIL) == user


async def test_roles_are_given_and_taken(site: Site) -> None:
    user = await owner_of(site)
    (account, *_) = await site.desk.accounts()
    viewer = Grant(Role.VIEWER, user.organization_id)
    of_account = Grant(Role.ACCOUNT_USER, user.organization_id, account.id)
    await site.people.grant(user.id, viewer, actor="tester")
    await site.people.grant(user.id, of_account, actor="tester")
    assert set((await site.people.user(EMAIL)).grants) == {*user.grants, viewer, of_account}
    await site.people.revoke(user.id, viewer, actor="tester")
    assert set((await site.people.user(EMAIL)).grants) == {*user.grants, of_account}
    assert [action for _, action in told(site)] == [
        "user.created", "role.granted", "role.granted", "role.granted", "role.revoked",
    ]  # fmt: skip
    last = site.rows(audit)[-2]
    assert (last.account_id, last.detail) == (account.id, {"role": "account_user"})


async def test_a_role_is_given_once_and_taken_once(site: Site) -> None:
    user = await owner_of(site)
    viewer = Grant(Role.VIEWER, user.organization_id)
    await site.people.grant(user.id, viewer)
    with pytest.raises(InputError, match="viewer there already"):
        await site.people.grant(user.id, viewer)
    await site.people.revoke(user.id, viewer)
    with pytest.raises(InputError, match="is not viewer there"):
        await site.people.revoke(user.id, viewer)


@pytest.mark.parametrize("account", [None, "acme"])
async def test_the_database_itself_keeps_a_role_from_being_held_twice(site: Site, account: str | None) -> None:
    user = await owner_of(site)
    ids = {each.code: each.id for each in await site.desk.accounts()}
    row = {"user_id": user.id, "role": "viewer", "organization_id": user.organization_id}
    site.run(insert(grants).values(id="g-1", account_id=ids.get(account or ""), **row))
    with pytest.raises(IntegrityError):
        site.run(insert(grants).values(id="g-2", account_id=ids.get(account or ""), **row))


async def test_a_role_in_another_organization_or_its_account_is_refused(site: Site) -> None:
    user = await owner_of(site)
    other = await site.desk.create_organization("Other")
    account = await site.desk.create_account(other, "zenith", "Zenith", "UTC")
    with pytest.raises(InputError, match="only in the organization"):
        await site.people.grant(user.id, Grant(Role.VIEWER, other))
    with pytest.raises(UnknownName, match="no such account"):
        await site.people.grant(user.id, Grant(Role.VIEWER, user.organization_id, account))


Ending = Callable[[Site, User], Awaitable[None]]


async def revoked(site: Site, user: User) -> None:
    await site.people.revoke(user.id, Grant(Role.ORGANIZATION_OWNER, user.organization_id))


async def disabled(site: Site, user: User) -> None:
    await site.people.set_enabled(user.id, False)


@pytest.mark.parametrize("end", [revoked, disabled])
async def test_the_last_owner_stays(site: Site, end: Ending) -> None:
    first = await owner_of(site)
    with pytest.raises(InputError) as caught:
        await end(site, first)
    assert caught.value.code == "last_owner"
    second = await owner_of(site, "second@example.com")
    await end(site, first)
    with pytest.raises(InputError):
        await end(site, second)


@pytest.mark.parametrize("end", [revoked, disabled])
async def test_a_disabled_owner_does_not_count(site: Site, end: Ending) -> None:
    first, second = await owner_of(site), await owner_of(site, "second@example.com")
    await disabled(site, second)
    with pytest.raises(InputError, match="last owner"):
        await end(site, first)
    await revoked(site, second)


async def test_an_owner_of_another_organization_does_not_count(site: Site) -> None:
    first = await owner_of(site)
    other = await site.desk.create_organization("Other")
    owner = Grant(Role.ORGANIZATION_OWNER, other)
    await site.people.create_user(NewUser(other, "second@example.com", "Second", (owner,)))
    with pytest.raises(InputError, match="last owner"):
        await revoked(site, first)


async def test_two_owners_who_go_at_once_leave_one(site: Site, open_site: Opened) -> None:
    sites = [open_site() for _ in range(2)]
    for number in range(5):
        first, second = [await owner_of(site, f"{each}{number}@example.com") for each in ("a", "b")]
        ended = await asyncio.gather(
            *(disabled(sites[n % 2], user) for n, user in enumerate(await site.people.users())), return_exceptions=True
        )
        assert sum(isinstance(each, InputError) for each in ended) == 1, (first, second)
        left = [user for user in await site.people.users() if user.disabled_at is None]
        assert len(left) == 1


async def test_a_user_is_disabled_and_enabled_and_only_changes_are_told(site: Site) -> None:
    await owner_of(site)
    user = await owner_of(site, "second@example.com")
    for enabled in (False, False, True, True):
        await site.people.set_enabled(user.id, enabled, actor="tester")
        assert ((await site.people.user(user.email)).disabled_at is None) is enabled
    assert [action for _, action in told(site)][-2:] == ["user.disabled", "user.enabled"]


async def test_who_may_not_be_changed_is_asked_with_the_roles_as_they_are_in_the_transaction(site: Site) -> None:
    user = await owner_of(site)
    await site.people.grant(user.id, Grant(Role.VIEWER, user.organization_id))
    asked = []

    def refuse(found: User) -> None:
        asked.append(found)
        raise UnknownName("There is no such user.")

    for work in (
        site.people.set_password(user.id, PASSWORD, allow=refuse),
        site.people.set_enabled(user.id, False, allow=refuse),
    ):
        with pytest.raises(UnknownName):
            await work
    assert asked == [await site.people.user(EMAIL)] * 2
    assert len(asked[0].grants) == 2
    assert not asked[0].has_password


async def test_an_actor_has_the_roles_and_the_id_but_no_name_of_a_person(site: Site) -> None:
    user = await owner_of(site)
    actor = actor_of(user)
    assert (actor.name, actor.grants) == (f"user:{user.id}", user.grants)


async def test_neither_names_nor_addresses_stand_in_the_audit(site: Site) -> None:
    await owner_of(site)
    assert EMAIL not in repr(site.rows(audit))
    assert "'First'" not in repr(site.rows(audit))
