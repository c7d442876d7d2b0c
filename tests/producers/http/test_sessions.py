"""Open sessions over HTTP: one's own, and those of users whom one may edit."""

from __future__ import annotations

import pytest

from broker.operations import AuditFilter, AuditRow
from domain.access import Actor, Role
from storage.people.sql_people import SqlPeople
from storage.people_tables import sessions
from tests.producers.http.support import Site, Visitor

ROOT = Actor.installation()


async def again(site: Site, visitor: Visitor) -> Visitor:
    """The same person, signed in once more."""
    begun = await SqlPeople(site.database).sessions.begin(visitor.user, visitor.user.email, "192.0.2.1")
    assert begun is not None
    return Visitor(site, begun.token, visitor.user)


async def told(site: Site) -> AuditRow:
    (row,) = await site.operations.people.audit(ROOT, AuditFilter(action="session.ended", limit=1))
    return row


async def is_in(visitor: Visitor) -> bool:
    return (await visitor.get("/v1/session")).status_code == 200


async def test_one_sees_where_one_is_signed_in_and_which_session_this_is(site: Site) -> None:
    here, other = await site.enter(Role.VIEWER, "acme"), await site.enter(Role.VIEWER, "acme")
    there = await again(site, here)
    answer = await here.get("/v1/sessions")
    found = answer.json()["sessions"]
    assert answer.status_code == 200 and len(found) == 2
    assert set(found[0]) == {"id", "begun_at", "last_used_at", "expires_at", "current"}
    assert sorted(each["current"] for each in found) == [False, True]
    mine = next(each["id"] for each in found if each["current"])
    assert [each["id"] for each in (await there.get("/v1/sessions")).json()["sessions"] if each["current"]] != [mine]
    rows = site.database.read(lambda connection: connection.execute(sessions.select()).all())
    hidden = [here.token, there.token, *(row.digest for row in rows)]
    assert not [each for each in hidden if each in answer.text]
    assert await is_in(other)


async def test_one_ends_ones_other_sessions_and_goes_on_in_this_one(site: Site) -> None:
    here, other = await site.enter(Role.ACCOUNT_USER, "acme"), await site.enter(Role.ACCOUNT_USER, "acme")
    elsewhere = [await again(site, here) for _ in range(2)]
    answer = await here.ask("DELETE", "/v1/sessions")
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    assert [await is_in(each) for each in (here, *elsewhere, other)] == [True, False, False, True]
    row = await told(site)
    assert (row.actor, row.object) == (f"user:{here.user.id}", f"user:{here.user.id}")
    assert row.detail == {"everywhere": False, "count": 2}


async def test_one_ends_one_of_ones_own_sessions_and_nobody_elses(site: Site) -> None:
    here, other = await site.enter(Role.VIEWER, "acme"), await site.enter(Role.ORGANIZATION_OWNER)
    there = await again(site, here)
    foreign = (await other.get("/v1/sessions")).json()["sessions"][0]["id"]
    for wanted in (foreign, "nothing"):
        answer = await here.ask("DELETE", f"/v1/sessions/{wanted}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_session")
    found = {each["current"]: each["id"] for each in (await here.get("/v1/sessions")).json()["sessions"]}
    assert (await here.ask("DELETE", f"/v1/sessions/{found[False]}")).json() == {"ended": 1}
    assert [await is_in(each) for each in (here, there, other)] == [True, False, True]
    out = await here.ask("DELETE", f"/v1/sessions/{found[True]}")
    assert out.status_code == 200 and 'towpath_session=""' in out.headers["set-cookie"]
    assert not await is_in(here)


async def test_sessions_are_for_people(site: Site) -> None:
    for method in ("GET", "DELETE"):
        answer = await site.client.request(method, "/v1/sessions", headers=site.key("admin"))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        assert (await site.client.request(method, "/v1/sessions")).status_code == 401


async def test_ending_sessions_needs_the_token_of_our_own_page(site: Site) -> None:
    here = await site.enter(Role.VIEWER, "acme")
    there = await again(site, here)
    answer = await here.ask("DELETE", "/v1/sessions", headers={"X-CSRF-Token": ""})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert await is_in(there)


async def test_who_may_edit_a_user_sees_and_ends_its_sessions(site: Site) -> None:
    boss, user = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme"), await site.enter(Role.ACCOUNT_USER, "acme")
    there = await again(site, user)
    path = f"/v1/users/{user.user.id}/sessions"
    found = (await boss.get(path)).json()["sessions"]
    assert len(found) == 2 and not any(each["current"] for each in found)
    mine = {each["current"]: each["id"] for each in (await user.get("/v1/sessions")).json()["sessions"]}
    assert (await boss.ask("DELETE", f"{path}/{mine[False]}")).json() == {"ended": 1}
    assert [await is_in(each) for each in (user, there)] == [True, False]
    assert (await boss.ask("DELETE", f"{path}/{mine[False]}")).json()["code"] == "unknown_session"
    assert (await boss.ask("DELETE", path)).json() == {"ended": 1}
    assert not await is_in(user) and await is_in(boss)
    row = await told(site)
    assert (row.actor, row.object) == (f"user:{boss.user.id}", f"user:{user.user.id}")
    assert row.detail == {"everywhere": True, "count": 1}


@pytest.mark.parametrize(
    ("role", "account", "status"),
    [
        (Role.ACCOUNT_ADMINISTRATOR, "globex", 404),
        (Role.ACCOUNT_USER, "acme", 403),
        (Role.ORGANIZATION_SUPERVISOR, None, 403),
    ],
)
async def test_who_may_not_edit_a_user_neither_sees_nor_ends_its_sessions(
    site: Site, role: Role, account: str | None, status: int
) -> None:
    person, user = await site.enter(role, account), await site.enter(Role.ACCOUNT_USER, "acme")
    path = f"/v1/users/{user.user.id}/sessions"
    answers = [await person.get(path), await person.ask("DELETE", path), await person.ask("DELETE", f"{path}/x")]
    assert [each.status_code for each in answers] == [status] * 3
    assert await is_in(user)


async def test_an_administrator_of_an_account_does_not_sign_out_the_owner(site: Site) -> None:
    person, owner = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme"), await site.enter(Role.ORGANIZATION_OWNER)
    answer = await person.ask("DELETE", f"/v1/users/{owner.user.id}/sessions")
    assert answer.status_code in (403, 404)
    assert await is_in(owner)
