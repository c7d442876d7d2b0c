"""API keys by who may: administrators of the account or its organization, and nobody else."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from broker.operations import KeyRing
from domain.access import Actor, Grant, KeyScope, NotAllowed, Role
from domain.errors import TowpathError, UnknownName
from tests.house import SmallHouse

ROOT = Actor.installation("tester")


@pytest.mark.parametrize(
    ("role", "within", "expected"),
    [
        (Role.ORGANIZATION_OWNER, False, None),
        (Role.ORGANIZATION_ADMINISTRATOR, False, None),
        (Role.ORGANIZATION_SUPERVISOR, False, NotAllowed),
        (Role.ACCOUNT_ADMINISTRATOR, True, None),
        (Role.ACCOUNT_USER, True, NotAllowed),
        (Role.VIEWER, True, NotAllowed),
    ],
)
async def test_keys_are_for_administrators(
    house: SmallHouse, role: Role, within: bool, expected: type[TowpathError] | None
) -> None:
    (account,) = await house.desk.accounts()
    by = Actor.person("u-1", [Grant(role, account.organization_id, account.id if within else None)])
    assert await refusals(house.operations.keys, by, "acme") == {expected}


async def test_keys_of_other_organizations_are_not_even_there_and_no_key_makes_keys(house: SmallHouse) -> None:
    (account,) = await house.desk.accounts()
    stranger = Actor.person("u-1", [Grant(Role.ORGANIZATION_OWNER, "elsewhere")])
    assert await refusals(house.operations.keys, stranger, "acme") == {UnknownName}
    key = Actor.key("k-1", account.organization_id, account.id, list(KeyScope))
    assert await refusals(house.operations.keys, key, "acme") == {NotAllowed}
    await house.operations.people.switch_account(ROOT, "acme", enabled=False)
    owner = Actor.person("u-1", [Grant(Role.ORGANIZATION_OWNER, account.organization_id)])
    assert await refusals(house.operations.keys, owner, "acme") == {NotAllowed}


async def refusals(keys: KeyRing, by: Actor, account: str) -> set[type[TowpathError] | None]:
    """How ``by`` is refused, over all that can be done."""
    made = await keys.create(ROOT, account, ["read"])
    found: set[type[TowpathError] | None] = set()
    for work in (
        keys.listed(by, account),
        keys.create(by, account, ["read"]),
        keys.rotate(by, account, made.id),
    ):
        found.add(await _refusal(work))
    other = await keys.create(ROOT, account, ["read"])
    return found | {await _refusal(keys.revoke(by, account, other.id))}


async def _refusal(work: Awaitable[object]) -> type[TowpathError] | None:
    try:
        await work
    except TowpathError as error:
        return type(error)
    return None
