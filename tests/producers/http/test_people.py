"""Users, API keys and the audit over HTTP, by the rules of who may."""

from __future__ import annotations

from typing import Any

import httpx

from broker.operations import AuditFilter
from domain.access import Actor, Role
from tests.producers.http.support import Site, Visitor

ROOT = Actor.installation()
PASSWORD = "a sentence that is long"
FRESH = "fresh@example.com"


async def make(by: Visitor, *grants: tuple[str, str | None], email: str = FRESH) -> httpx.Response:
    given = [{"role": role, "account": account} for role, account in grants]
    return await by.ask("POST", "/v1/users", json={"email": email, "name": "Fresh", "grants": given})


def roles(user: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(each["role"], each["account"]) for each in user["grants"]]


async def test_a_user_is_made_listed_shown_changed_and_disabled(site: Site) -> None:
    owner = await site.enter(Role.ORGANIZATION_OWNER)
    made = await make(owner, ("account_user", "acme"), ("viewer", None))
    assert made.status_code == 201
    user = made.json()
    assert (user["enabled"], user["has_password"], user["elsewhere"]) == (True, False, False)
    assert roles(user) == [("account_user", "acme"), ("viewer", None)]
    path = f"/v1/users/{user['id']}"
    assert (await owner.get(path)).json() == user
    listed = (await owner.get("/v1/users")).json()["users"]
    assert {each["id"] for each in listed} == {user["id"], owner.user.id}
    changes = {"name": "Changed", "email": "CHANGED@example.com", "enabled": False}
    changed = (await owner.ask("PATCH", path, json=changes)).json()
    assert (changed["name"], changed["email"], changed["enabled"]) == ("Changed", "changed@example.com", False)
    rows = await site.operations.people.audit(ROOT, AuditFilter(actor=f"user:{owner.user.id}"))
    assert [row.action for row in rows] == [
        "user.disabled", "user.changed", "role.granted", "role.granted", "user.created", "session.begun",
    ]  # fmt: skip


async def test_roles_are_given_and_taken_by_who_has_them(site: Site) -> None:
    owner, manager = await site.enter(Role.ORGANIZATION_OWNER), await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    user = (await make(manager, ("viewer", "acme"))).json()
    grants = f"/v1/users/{user['id']}/grants"
    given = await manager.ask("POST", grants, json={"role": "account_user", "account": "acme"})
    assert roles(given.json()) == [("viewer", "acme"), ("account_user", "acme")]
    for body, status in (
        ({"role": "viewer", "account": "globex"}, 404),
        ({"role": "viewer"}, 404),
        ({"role": "account_user"}, 422),
        ({"role": "king", "account": "acme"}, 422),
        ({"role": "viewer", "account": "acme"}, 422),
    ):
        assert (await manager.ask("POST", grants, json=body)).status_code == status, body
    refused = await manager.ask("POST", grants, json={"role": "organization_owner"})
    assert refused.status_code == 404
    await owner.ask("POST", grants, json={"role": "viewer", "account": "globex"})
    seen = (await manager.get(f"/v1/users/{user['id']}")).json()
    assert (roles(seen), seen["elsewhere"]) == ([("viewer", "acme"), ("account_user", "acme")], True)
    assert "globex" not in str(seen)
    assert (await manager.ask("PATCH", f"/v1/users/{user['id']}", json={"enabled": False})).status_code == 403
    for role in ("viewer", "account_user"):
        taken = await manager.ask("DELETE", f"{grants}/{role}", params={"account": "acme"})
        assert taken.json() == {"id": user["id"], "role": role, "account": "acme"}
    assert (await manager.get(f"/v1/users/{user['id']}")).status_code == 404
    last = await owner.ask("DELETE", f"/v1/users/{owner.user.id}/grants/organization_owner")
    assert (last.status_code, last.json()["code"]) == (422, "last_owner")


async def test_users_are_for_administrators(site: Site) -> None:
    somebody = await site.enter(Role.ACCOUNT_USER, "acme")
    for visitor in (await site.enter(Role.ORGANIZATION_SUPERVISOR), await site.enter(Role.VIEWER, "acme"), somebody):
        path = f"/v1/users/{somebody.user.id}"
        answers = [
            await visitor.get("/v1/users"),
            await visitor.get(path),
            await make(visitor, ("viewer", "acme")),
            await visitor.ask("PATCH", path, json={"name": "Changed"}),
            await visitor.ask("POST", f"{path}/grants", json={"role": "account_administrator", "account": "acme"}),
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert "administrator" in answers[0].json()["detail"]


async def test_a_password_is_reset_by_an_administrator_and_ones_own_is_not(site: Site) -> None:
    manager, user = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme"), await site.enter(Role.ACCOUNT_USER, "acme")
    reset = await manager.ask("PUT", f"/v1/users/{user.user.id}/password", json={"password": PASSWORD})
    assert (reset.status_code, reset.json()) == (200, {"id": user.user.id, "status": "password_set"})
    assert (await user.get("/v1/session")).status_code == 401
    assert (await site.operations.sessions.sign_in(user.user.email, PASSWORD, "")).session.user.id == user.user.id
    weak = await manager.ask("PUT", f"/v1/users/{user.user.id}/password", json={"password": "short"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    own = await manager.ask("PUT", f"/v1/users/{manager.user.id}/password", json={"password": PASSWORD})
    assert (own.status_code, own.json()["code"]) == (409, "own_password")


async def test_a_body_that_is_wrong_is_told_without_what_was_in_it(site: Site) -> None:
    manager, user = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme"), await site.enter(Role.ACCOUNT_USER, "acme")
    path = f"/v1/users/{user.user.id}/password"
    for body in ({"password": 1234567}, {"password": PASSWORD * 100}, {"password": PASSWORD, "more": "x"}, [PASSWORD]):
        answer = await manager.ask("PUT", path, json=body)
        assert answer.status_code in (413, 422)
        assert "1234567" not in answer.text and PASSWORD not in answer.text


async def test_a_key_is_made_used_rotated_and_revoked(site: Site) -> None:
    manager = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    keys = "/v1/accounts/acme/keys"
    made = await manager.ask("POST", keys, json={"scopes": ["operate"], "name": "OMS"})
    assert made.status_code == 201
    first = made.json()
    headers = {"authorization": f"Bearer {first['secret']}"}
    assert (await site.client.get("/v1/messages", headers=headers)).status_code == 200
    rotated = await manager.ask("POST", f"{keys}/{first['id']}/rotate", json={"grace_seconds": 3600})
    second = rotated.json()
    assert (await manager.ask("DELETE", f"{keys}/{second['id']}")).json() == {"id": second["id"], "status": "revoked"}
    again = await manager.ask("DELETE", f"{keys}/{second['id']}")
    assert (again.status_code, again.json()["code"]) == (422, "key_revoked")
    listed = (await manager.get(keys)).json()["keys"]
    assert [(each["id"], each["name"]) for each in listed[:2]] == [(second["id"], "OMS"), (first["id"], "OMS")]
    assert all(each["revoked_at"] for each in listed[:2])
    assert not {"secret", "digest"} & listed[0].keys()
    headers = {"authorization": f"Bearer {second['secret']}"}
    assert (await site.client.get("/v1/messages", headers=headers)).status_code == 401
    wrong: list[dict[str, Any]] = [{"scopes": []}, {"scopes": ["root"]}, {}, {"scopes": ["read"], "name": "x" * 101}]
    for body in wrong:
        assert (await manager.ask("POST", keys, json=body)).status_code == 422


async def test_keys_are_neither_for_supervisors_nor_for_keys(site: Site) -> None:
    secret = (await site.operations.desk.create_key("acme", ["admin"])).secret
    headers = {"authorization": f"Bearer {secret}"}
    supervisor = await site.enter(Role.ORGANIZATION_SUPERVISOR)
    for answer in (
        await supervisor.get("/v1/accounts/acme/keys"),
        await supervisor.ask("POST", "/v1/accounts/acme/keys", json={"scopes": ["read"]}),
        await site.client.get("/v1/accounts/acme/keys", headers=headers),
        await site.client.post("/v1/accounts/acme/keys", json={"scopes": ["read"]}, headers=headers),
        await site.client.get("/v1/users", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_the_audit_is_read_within_its_account_and_goes_on_where_it_stopped(site: Site) -> None:
    manager = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    path = "/v1/accounts/acme/audit"
    rows = (await manager.get(path, params={"limit": 1000})).json()["rows"]
    assert {row["account"] for row in rows} == {"acme"}
    paged: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        page = (await manager.get(path, params={"limit": 3, **({"before": before} if before else {})})).json()
        paged += page["rows"]
        before = page["before"]
        if before is None:
            break
    assert paged == rows
    made = (await manager.get(path, params={"action": "key.created"})).json()["rows"]
    assert made and {row["action"] for row in made} == {"key.created"}
    secret = (await site.operations.desk.create_key("acme", ["admin"])).secret
    answer = await site.client.get("/v1/audit", headers={"authorization": f"Bearer {secret}"})
    assert {row["account"] for row in answer.json()["rows"]} == {"acme"}
    assert (await manager.get(path, params={"organization": "x"})).status_code == 422


async def test_the_audit_of_an_organization_is_read_and_checked_by_its_administrators(site: Site) -> None:
    owner, manager = await site.enter(Role.ORGANIZATION_OWNER), await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    path = f"/v1/organizations/{owner.user.organization_id}/audit"
    rows = (await owner.get(path, params={"limit": 1000})).json()["rows"]
    assert {"acme", "globex", None} == {row["account"] for row in rows}
    assert {"session.begun", "user.created"} <= {row["action"] for row in rows}
    report = (await owner.get(f"{path}/verify")).json()
    assert report == {"intact": True, "last_hash": rows[0]["hash"]}
    noted = await owner.get(f"{path}/verify", params={"noted": "0" * 64})
    assert noted.json()["intact"] is False
    for each in (path, f"{path}/verify", "/v1/organizations/nothing/audit"):
        assert (await manager.get(each)).status_code == 404
    supervisor = await site.enter(Role.ORGANIZATION_SUPERVISOR)
    assert (await supervisor.get(path)).status_code == 403


async def test_as_many_roles_as_documented_may_be_given_at_once(site: Site) -> None:
    owner = await site.enter(Role.ORGANIZATION_OWNER)
    roles = [{"role": "account_administrator", "account": "x" * 64}] * 100
    answer = await owner.ask("POST", "/v1/users", json={"email": "jo@example.com", "name": "Jo", "grants": roles})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")
