"""An organization and its accounts over HTTP: who makes them, and what cannot be made."""

from __future__ import annotations

import pytest

from broker.operations import AuditFilter
from domain.access import Actor, Role
from tests.producers.http.support import Site, Visitor

ROOT = Actor.installation()
NEW = {"code": "acme-eu", "name": " Acme Europe ", "timezone": "Europe/Berlin"}
MADE = {"code": "acme-eu", "name": "Acme Europe", "timezone": "Europe/Berlin", "enabled": True, "disable_at": None}


def home_of(visitor: Visitor) -> str:
    return f"/v1/organizations/{visitor.user.organization_id}"


@pytest.mark.parametrize("role", [Role.ORGANIZATION_OWNER, Role.ORGANIZATION_ADMINISTRATOR])
async def test_owners_and_administrators_create_accounts_in_which_they_work_at_once(site: Site, role: Role) -> None:
    boss = await site.enter(role)
    answer = await boss.ask("POST", f"{home_of(boss)}/accounts", json=NEW)
    assert (answer.status_code, answer.json()) == (201, MADE)
    assert (await boss.get("/v1/accounts/acme-eu/channels")).json() == {"channels": []}
    found = (await boss.get(f"{home_of(boss)}/accounts")).json()["accounts"]
    assert [each["code"] for each in found] == ["acme", "acme-eu", "globex"] and MADE in found
    (row,) = await site.operations.people.audit(ROOT, AuditFilter(action="account.created", limit=1))
    assert (row.actor, row.object, row.account) == (f"user:{boss.user.id}", "account:acme-eu", "acme-eu")
    assert row.detail == {"name": "Acme Europe", "timezone": "Europe/Berlin"}


async def test_an_account_without_a_name_is_called_by_its_code_and_renamed_in_its_settings(site: Site) -> None:
    boss = await site.enter(Role.ORGANIZATION_ADMINISTRATOR)
    made = await boss.ask("POST", f"{home_of(boss)}/accounts", json={"code": "second"})
    assert (made.json()["name"], made.json()["timezone"]) == ("second", "UTC")
    path = "/v1/accounts/second/account/settings"
    renamed = await boss.ask("PATCH", path, json={"put": {"name": "Second hand"}})
    assert renamed.status_code == 200, renamed.text
    found = (await boss.get(f"{home_of(boss)}/accounts")).json()["accounts"]
    assert {each["code"]: each["name"] for each in found}["second"] == "Second hand"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"code": "acme"}, "code_taken"),
        ({"code": "Acme EU"}, "bad_code"),
        ({"code": "acme-eu\n"}, "bad_code"),
        ({"timezone": "Berlin"}, "unknown_timezone"),
        ({"timezone": "Europe"}, "unknown_timezone"),
        ({"name": "  "}, "bad_name"),
        ({"name": "a\0b"}, "bad_name"),
        ({"enabled": False}, "invalid_parameters"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(site: Site, changes: dict[str, object], code: str) -> None:
    boss = await site.enter(Role.ORGANIZATION_OWNER)
    answer = await boss.ask("POST", f"{home_of(boss)}/accounts", json={**NEW, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(await site.operations.desk.accounts()) == 2


async def test_a_supervisor_sees_the_accounts_and_creates_none(site: Site) -> None:
    supervisor = await site.enter(Role.ORGANIZATION_SUPERVISOR)
    answer = await supervisor.ask("POST", f"{home_of(supervisor)}/accounts", json=NEW)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert "organization owner" in answer.json()["detail"]
    assert len((await supervisor.get(f"{home_of(supervisor)}/accounts")).json()["accounts"]) == 2


async def test_an_administrator_of_one_account_neither_sees_nor_creates_others(site: Site) -> None:
    person = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    for method, path, body in (("GET", "", None), ("GET", "/accounts", None), ("POST", "/accounts", NEW)):
        answer = await person.ask(method, home_of(person) + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_organization")


async def test_no_api_key_creates_accounts(site: Site) -> None:
    boss = await site.enter(Role.ORGANIZATION_OWNER)
    answer = await site.client.post(f"{home_of(boss)}/accounts", json=NEW, headers=site.key("admin"))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_an_account_that_will_stop_and_one_that_stopped_are_told_apart(site: Site) -> None:
    boss = await site.enter(Role.ORGANIZATION_ADMINISTRATOR)
    await boss.ask("PUT", "/v1/accounts/acme/state", json={"enabled": False})
    await boss.ask("PUT", "/v1/accounts/globex/state", json={"enabled": False, "at": "2999-01-01T00:00:00Z"})
    found = {each["code"]: each for each in (await boss.get(f"{home_of(boss)}/accounts")).json()["accounts"]}
    assert (found["acme"]["enabled"], found["globex"]["enabled"]) == (False, True)
    assert found["globex"]["disable_at"] == "2999-01-01T00:00:00Z"


async def test_the_organization_tells_its_name_to_its_people(site: Site) -> None:
    viewer = await site.enter(Role.VIEWER, None)
    names = await site.operations.desk.organizations()
    home = viewer.user.organization_id
    assert (await viewer.get(home_of(viewer))).json() == {"id": home, "name": names[home]}
    elsewhere = await site.operations.desk.create_organization("Elsewhere")
    answer = await viewer.get(f"/v1/organizations/{elsewhere}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_organization")


async def test_accounts_of_another_organization_are_not_listed(site: Site) -> None:
    elsewhere = await site.operations.desk.create_organization("Elsewhere")
    await site.operations.desk.create_account(elsewhere, "zenith", "Zenith", "UTC")
    boss, stranger = (
        await site.enter(Role.ORGANIZATION_OWNER),
        await site.enter(Role.ORGANIZATION_OWNER, organization=elsewhere),
    )
    found = [(await each.get(f"{home_of(each)}/accounts")).json()["accounts"] for each in (boss, stranger)]
    assert [[each["code"] for each in accounts] for accounts in found] == [["acme", "globex"], ["zenith"]]
    answer = await stranger.ask("POST", f"{home_of(stranger)}/accounts", json={**NEW, "code": "acme"})
    assert (answer.status_code, answer.json()["code"]) == (422, "code_taken")
    assert (await stranger.ask("POST", f"{home_of(boss)}/accounts", json=NEW)).status_code == 404
