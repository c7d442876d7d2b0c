"""Sessions over HTTP: signing in and out, the account in the address, and requests that other sites make."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from broker.operations import AuditFilter
from domain.access import Actor, Role
from domain.sign_in import PER_NAME
from producers.http.cookies import COOKIE, CSRF_HEADER, SECURE_COOKIE
from tests.producers.http.support import Site, Visitor

ROOT = Actor.installation()
PASSWORD = "a sentence that is long"


async def with_password(site: Site, role: Role = Role.ACCOUNT_USER, account: str | None = "acme") -> Visitor:
    visitor = await site.enter(role, account)
    await site.operations.people.set_password(ROOT, visitor.user.email, PASSWORD)
    return visitor


async def sign_in(site: Site, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    site.client.cookies.clear()
    body = {"email": email, "password": password}
    answer = await site.client.post("/v1/session", json=body, headers=headers)
    site.client.cookies.clear()
    return answer


def cookie_of(answer: httpx.Response, name: str = COOKIE) -> str:
    return answer.headers["set-cookie"].split(";")[0].removeprefix(f"{name}=")


async def test_who_signs_in_gets_a_cookie_that_scripts_cannot_read_and_learns_what_it_may(site: Site) -> None:
    visitor = await with_password(site)
    answer = await sign_in(site, visitor.user.email.upper())
    assert answer.status_code == 200
    attributes = {each.strip().lower() for each in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=lax"}
    found = answer.json()
    assert (found["user"], found["may"]) == (visitor.user.id, [])
    assert [(each["role"], each["account"]) for each in found["grants"]] == [("account_user", "acme")]
    (account,) = found["accounts"]
    assert (account["code"], account["enabled"]) == ("acme", True)
    assert {"read", "replay"} <= set(account["may"]) and "edit_keys" not in account["may"]
    again = await Visitor(site, cookie_of(answer), visitor.user).get("/v1/session")
    assert again.json() == found


async def test_over_https_the_cookie_is_secure_and_of_this_host_alone(site: Site) -> None:
    visitor = await with_password(site)
    answer = await sign_in(site, visitor.user.email, **{"x-forwarded-proto": "https"})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"{SECURE_COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(attributes)
    headers = {"cookie": f"{SECURE_COOKIE}={cookie_of(answer, SECURE_COOKIE)}"}
    assert (await site.client.get("/v1/session", headers=headers)).status_code == 401
    headers["x-forwarded-proto"] = "https"
    assert (await site.client.get("/v1/session", headers=headers)).status_code == 200


async def test_a_wrong_password_and_an_unknown_user_are_answered_alike_and_then_must_wait(site: Site) -> None:
    visitor = await with_password(site)
    tries = ["nobody@example.com", *[visitor.user.email] * PER_NAME.free]
    answers = [await sign_in(site, email, "another sentence") for email in tries]
    assert {answer.status_code for answer in answers} == {401}
    assert all({**answer.json(), "instance": ""} == {**answers[0].json(), "instance": ""} for answer in answers)
    assert not any("set-cookie" in answer.headers for answer in answers)
    waits = await sign_in(site, visitor.user.email)
    assert (waits.status_code, waits.headers["retry-after"]) == (429, "1")
    rows = await site.operations.people.audit(ROOT, AuditFilter(action="session.refused"))
    assert len(rows) == len(tries)


async def test_who_signs_out_is_out_at_once(site: Site) -> None:
    visitor = await site.enter(Role.VIEWER, "acme")
    answer = await visitor.ask("DELETE", "/v1/session")
    assert (answer.status_code, answer.json()) == (200, {"status": "signed_out"})
    assert 'towpath_session=""' in answer.headers["set-cookie"]
    assert (await visitor.get("/v1/session")).status_code == 401
    assert (await visitor.get("/v1/accounts/acme/logs")).status_code == 401


async def test_one_changes_ones_own_password_with_the_old_one_and_goes_on_in_a_new_session(site: Site) -> None:
    visitor = await with_password(site)
    begun = Visitor(site, cookie_of(await sign_in(site, visitor.user.email)), visitor.user)
    new = "another sentence that is long"
    for current, wanted, status, code in (
        ("wrong", new, 403, "wrong_password"),
        (PASSWORD, "short", 422, "weak_password"),
        (PASSWORD, PASSWORD, 422, "same_password"),
    ):
        body = {"current_password": current, "new_password": wanted}
        answer = await begun.ask("PUT", "/v1/session/password", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    answer = await begun.ask("PUT", "/v1/session/password", json={"current_password": PASSWORD, "new_password": new})
    assert answer.status_code == 200
    assert (await begun.get("/v1/session")).status_code == 401
    assert (await Visitor(site, cookie_of(answer), visitor.user).get("/v1/session")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {CSRF_HEADER: ""},
        {CSRF_HEADER: "0" * 64},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ],
)
async def test_a_change_that_another_site_makes_is_refused(site: Site, headers: dict[str, str]) -> None:
    visitor = await site.enter(Role.ACCOUNT_USER, "acme")
    for method, path in (("DELETE", "/v1/session"), ("POST", "/v1/accounts/acme/messages/x/replay")):
        answer = await visitor.ask(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert (await visitor.get("/v1/session", headers=headers)).status_code == 200
    if CSRF_HEADER not in headers:
        assert (await sign_in(site, "x@example.com", **headers)).json()["code"] == "csrf"


async def test_a_change_of_our_own_page_is_taken(site: Site) -> None:
    visitor = await site.enter(Role.ACCOUNT_USER, "acme")
    own: list[dict[str, str]] = [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": site.url},
        {},
    ]
    for headers in own:
        answer = await visitor.ask("POST", "/v1/accounts/acme/messages/x/replay", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_message")


async def test_an_api_key_needs_no_token_of_a_page(site: Site) -> None:
    visitor = await site.enter(Role.VIEWER, "acme")
    headers = {**site.key("operate"), "cookie": f"{COOKIE}={visitor.token}", "origin": "https://elsewhere.example"}
    answer = await site.client.post("/v1/messages/x/replay", headers=headers)
    assert answer.json()["code"] == "unknown_message"


async def test_a_form_of_another_site_signs_nobody_in(site: Site) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await site.client.post("/v1/session", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415


async def test_who_is_signed_in_names_the_account_in_the_address(site: Site) -> None:
    visitor = await site.enter(Role.ORGANIZATION_SUPERVISOR)
    answer = await visitor.get("/v1/channels")
    assert (answer.status_code, answer.json()["code"]) == (400, "account_missing")
    assert "/v1/accounts/ACCOUNT/channels" in answer.json()["detail"]
    for account, channel in (("acme", "main"), ("globex", "shop")):
        answer = await visitor.get(f"/v1/accounts/{account}/channels")
        assert [each["code"] for each in answer.json()["channels"]] == [channel]


async def test_a_key_may_name_its_own_account_and_no_other(site: Site) -> None:
    assert (await site.get("/v1/accounts/acme/channels")).json() == (await site.get("/v1/channels")).json()
    for named in ("globex", "nothing"):
        answer = await site.get(f"/v1/accounts/{named}/channels")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"There is no account '{named}'.")


@pytest.mark.parametrize("named", ["globex", "nothing", "a%00b", "%C3%A4", "x" * 300, "ACME"])
async def test_an_account_that_is_not_ones_own_is_not_there(site: Site, named: str) -> None:
    visitor = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    answer = await visitor.get(f"/v1/accounts/{named}/logs")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")


async def test_a_disabled_account_is_closed_to_its_users_and_keys_and_read_by_its_organization(site: Site) -> None:
    user, supervisor = await site.enter(Role.ACCOUNT_USER, "acme"), await site.enter(Role.ORGANIZATION_SUPERVISOR)
    await site.operations.people.switch_account(ROOT, "acme", enabled=False)
    path = "/v1/accounts/acme/messages"
    refused = [
        await user.get(path),
        await site.get("/v1/messages"),
        await site.send({}),
        await supervisor.ask("POST", f"{path}/x/replay"),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")
        assert "disabled" in answer.json()["detail"]
    assert (await supervisor.get(path)).status_code == 200
    (account,) = (await user.get("/v1/session")).json()["accounts"]
    assert (account["enabled"], account["may"]) == (False, [])


async def test_what_is_no_session_is_nobody(site: Site) -> None:
    await site.enter(Role.VIEWER, "acme")
    bad: list[Any] = ["", "ts_unknown", "x" * 5000, '"', "ts_%00"]
    for token in bad:
        answer = await site.client.get("/v1/session", headers={"cookie": f"{COOKIE}={token}"})
        assert answer.status_code == 401
