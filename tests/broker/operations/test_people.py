"""People with people: who may make, change and see whom."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from broker.operations import AuditFilter, NewUser, Staff, User, actor_of
from domain.access import Actor, Grant, NotAllowed, Role
from domain.errors import TowpathError, UnknownName
from tests.house import SmallHouse

ROOT = Actor.installation("tester")
PASSWORD = "a sentence that is long"
ALL = ("owner", "administrator", "supervisor", "manager", "user", "viewer", "newcomer", "stranger")


@dataclass(frozen=True, slots=True)
class Company:
    """Organization Acme Group with accounts acme and zenith, a person for each role, and one of another organization.

    ``manager`` administers account acme, ``user`` works there, ``newcomer`` has no role yet.
    """

    staff: Staff
    organization: str
    accounts: dict[str, str]

    async def user(self, name: str) -> User:
        return await self.staff.user(ROOT, mail(name))

    async def actor(self, name: str) -> Actor:
        return actor_of(await self.user(name))

    def of_account(self, role: Role, code: str = "acme") -> Grant:
        return Grant(role, self.organization, self.accounts[code])

    def whole(self, role: Role) -> Grant:
        return Grant(role, self.organization)


def mail(name: str) -> str:
    return f"{name}@example.com"


@pytest.fixture
async def company(house: SmallHouse) -> Company:
    desk, staff = house.desk, house.operations.people
    (organization,) = await desk.organizations()
    await desk.create_account(organization, "zenith", "Zenith", "UTC")
    other = await desk.create_organization("Other")
    made = Company(staff, organization, {account.code: account.id for account in await desk.accounts()})
    roles = {
        "owner": (made.whole(Role.ORGANIZATION_OWNER),),
        "administrator": (made.whole(Role.ORGANIZATION_ADMINISTRATOR),),
        "supervisor": (made.whole(Role.ORGANIZATION_SUPERVISOR),),
        "manager": (made.of_account(Role.ACCOUNT_ADMINISTRATOR),),
        "user": (made.of_account(Role.ACCOUNT_USER),),
        "viewer": (made.of_account(Role.VIEWER), made.of_account(Role.VIEWER, "zenith")),
        "newcomer": (),
    }
    for name, given in roles.items():
        await staff.add(ROOT, NewUser(organization, mail(name), name, given))
    await staff.add(ROOT, NewUser(other, mail("stranger"), "stranger", (Grant(Role.ORGANIZATION_OWNER, other),)))
    return made


async def answer(work: Awaitable[object]) -> str:
    """``yes``, ``denied``, or ``hidden`` as if there were no such object."""
    try:
        await work
    except NotAllowed:
        return "denied"
    except UnknownName:
        return "hidden"
    return "yes"


@pytest.mark.parametrize(
    ("who", "may_change"),
    [
        ("owner", {"owner", "administrator", "supervisor", "manager", "user", "viewer", "newcomer"}),
        ("administrator", {"administrator", "supervisor", "manager", "user", "viewer", "newcomer"}),
        ("supervisor", set()),
        ("manager", {"manager", "user"}),
        ("user", set()),
        ("viewer", set()),
        ("newcomer", set()),
        ("stranger", {"stranger"}),
    ],
)
async def test_who_may_not_take_every_role_of_a_person_does_not_change_how_it_signs_in(
    company: Company, who: str, may_change: set[str]
) -> None:
    by = await company.actor(who)
    found = {each for each in ALL if await answer(company.staff.set_enabled(by, mail(each), enabled=True)) == "yes"}
    assert found == may_change


@pytest.mark.parametrize(
    ("who", "expected"),
    [("owner", "yes"), ("manager", "yes"), ("supervisor", "denied"), ("viewer", "denied"), ("stranger", "hidden")],
)
async def test_a_user_is_shown_to_who_may_edit_one_of_its_roles(company: Company, who: str, expected: str) -> None:
    by, user = await company.actor(who), await company.user("user")
    assert await answer(company.staff.user(by, user.email)) == expected
    assert await answer(company.staff.user(by, user.id)) == expected


async def test_name_and_address_are_changed_by_who_may_give_all_roles_of_the_user(company: Company) -> None:
    manager = await company.actor("manager")
    user, viewer = await company.user("user"), await company.user("viewer")
    assert await answer(company.staff.change(manager, user.id, name="Changed")) == "yes"
    assert (await company.user("user")).name == "Changed"
    assert await answer(company.staff.change(manager, viewer.id, email="fresh@example.com")) == "denied"
    assert await company.user("viewer") == viewer


async def test_a_password_is_set_by_who_may(company: Company) -> None:
    manager = await company.actor("manager")
    with pytest.raises(NotAllowed):
        await company.staff.set_password(manager, mail("viewer"), PASSWORD)
    await company.staff.set_password(manager, mail("user"), PASSWORD)
    assert (await company.user("user")).has_password
    assert not (await company.user("viewer")).has_password


async def test_people_of_other_organizations_are_not_even_there(company: Company) -> None:
    stranger = await company.actor("stranger")
    absent = await _error(company.staff.user(ROOT, "nobody@example.com"))
    for each in set(ALL) - {"stranger"}:
        hidden = [
            await _error(company.staff.set_enabled(stranger, mail(each), enabled=False)),
            await _error(company.staff.set_password(stranger, mail(each), PASSWORD)),
            await _error(company.staff.user(stranger, mail(each))),
        ]
        assert {(type(error), error.sentence, error.code) for error in hidden} == {
            (UnknownName, absent.sentence, absent.code)
        }


async def _error(work: Awaitable[object]) -> TowpathError:
    with pytest.raises(TowpathError) as caught:
        await work
    return caught.value


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("owner", set(ALL) - {"stranger"}),
        ("administrator", set(ALL) - {"stranger"}),
        ("manager", {"manager", "user", "viewer"}),
        ("supervisor", set()),
        ("user", set()),
        ("stranger", {"stranger"}),
    ],
)
async def test_one_lists_those_of_whose_roles_one_may_change_some(company: Company, who: str, seen: set[str]) -> None:
    found = await company.staff.users(await company.actor(who))
    assert {user.name for user in found} == seen


@pytest.mark.parametrize(
    ("who", "role", "account", "expected"),
    [
        ("owner", Role.ORGANIZATION_OWNER, None, "yes"),
        ("administrator", Role.ORGANIZATION_OWNER, None, "denied"),
        ("administrator", Role.ORGANIZATION_ADMINISTRATOR, None, "yes"),
        ("administrator", Role.ACCOUNT_ADMINISTRATOR, "zenith", "yes"),
        ("supervisor", Role.VIEWER, None, "denied"),
        ("manager", Role.ACCOUNT_ADMINISTRATOR, "acme", "yes"),
        ("manager", Role.VIEWER, "acme", "yes"),
        ("manager", Role.VIEWER, "zenith", "hidden"),
        ("manager", Role.VIEWER, None, "hidden"),
        ("user", Role.VIEWER, "acme", "denied"),
        ("stranger", Role.VIEWER, "acme", "hidden"),
    ],
)
async def test_one_gives_and_takes_no_more_than_one_has(
    company: Company, who: str, role: Role, account: str | None, expected: str
) -> None:
    by = await company.actor(who)
    grant = company.of_account(role, account) if account else company.whole(role)
    assert await answer(company.staff.grant(by, mail("newcomer"), grant)) == expected
    if expected != "yes":
        await company.staff.grant(ROOT, mail("newcomer"), grant)
    assert await answer(company.staff.revoke(by, mail("newcomer"), grant)) == expected
    made = NewUser(company.organization, "fresh@example.com", "Fresh", (grant,))
    assert await answer(company.staff.add(by, made)) == expected


@pytest.mark.parametrize(
    ("who", "expected"), [("administrator", "yes"), ("supervisor", "denied"), ("manager", "hidden")]
)
async def test_a_user_without_a_role_takes_who_edits_the_whole_organization(
    company: Company, who: str, expected: str
) -> None:
    made = NewUser(company.organization, "fresh@example.com", "Fresh")
    assert await answer(company.staff.add(await company.actor(who), made)) == expected


async def test_nobody_gives_roles_to_people_of_another_organization(company: Company) -> None:
    owner = await company.actor("owner")
    assert await answer(company.staff.grant(owner, mail("stranger"), company.whole(Role.VIEWER))) == "hidden"


async def test_in_a_disabled_account_its_administrator_changes_nobody(company: Company) -> None:
    manager = await company.actor("manager")
    await company.staff.switch_account(ROOT, "acme", enabled=False)
    assert await answer(company.staff.set_enabled(manager, mail("user"), enabled=False)) == "denied"
    assert await answer(company.staff.grant(manager, mail("user"), company.of_account(Role.VIEWER))) == "denied"
    assert await company.staff.users(manager) == []


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("owner", "yes"), ("administrator", "yes"), ("supervisor", "denied"), ("manager", "denied"),
        ("user", "denied"), ("newcomer", "hidden"), ("stranger", "hidden"),
    ],
)  # fmt: skip
async def test_accounts_are_switched_by_who_may_and_back(company: Company, who: str, expected: str) -> None:
    by = await company.actor(who)
    assert await answer(company.staff.switch_account(by, "acme", enabled=False)) == expected
    await company.staff.switch_account(ROOT, "acme", enabled=False)
    assert await answer(company.staff.switch_account(by, "acme", enabled=True)) == expected
    assert await answer(company.staff.switch_account(by, "nothing", enabled=True)) == "hidden"


async def test_the_audit_is_read_by_who_may_where_they_may(company: Company) -> None:
    whole = AuditFilter(company.organization)
    part = AuditFilter(company.organization, company.accounts["acme"])
    expected = {
        "owner": ("yes", "yes"), "supervisor": ("denied", "denied"), "manager": ("hidden", "yes"),
        "user": ("hidden", "denied"), "stranger": ("hidden", "hidden"),
    }  # fmt: skip
    for who, answers in expected.items():
        by = await company.actor(who)
        assert (await answer(company.staff.audit(by, whole)), await answer(company.staff.audit(by, part))) == answers
        assert await answer(company.staff.audit(by, AuditFilter())) == "hidden"
        assert await answer(company.staff.verify_audit(by)) == "denied"
        checked = company.staff.verify_audit(by, organization_id=company.organization)
        assert await answer(checked) == answers[0]
    rows = await company.staff.audit(await company.actor("manager"), part)
    assert rows and {row.account for row in rows} == {"acme"}


async def test_the_installation_reads_and_checks_all_of_the_audit(company: Company) -> None:
    rows = await company.staff.audit(ROOT, AuditFilter(limit=1000))
    assert {row.actor for row in rows} == {"installation", "tester"}
    report = await company.staff.verify_audit(ROOT)
    assert (report.intact, report.rows) == (True, len(rows))


async def test_what_a_person_does_stands_under_its_id(company: Company) -> None:
    owner = await company.actor("owner")
    await company.staff.set_enabled(owner, mail("user"), enabled=False)
    (newest, *_) = await company.staff.audit(ROOT, AuditFilter(limit=1))
    assert (newest.actor, newest.action) == (f"user:{(await company.user('owner')).id}", "user.disabled")
