"""Settings, channels and warehouses over HTTP: a key changes its own account's, as far as its scopes go."""

from __future__ import annotations

from typing import Any

import httpx

from tests.producers.http.support import Site

MAIN = "/v1/channels/main"
TOKEN = "fresh-secret-token-99zz"
NEW = {"code": "second", "name": "Second", "domain": "two.example.com", "token": TOKEN}


async def ask(site: Site, method: str, path: str, *, key: str = "admin", **rest: Any) -> httpx.Response:
    headers = {**site.key(key), **rest.pop("headers", {})}
    return await site.client.request(method, path, headers=headers, **rest)


def named(answer: httpx.Response) -> dict[str, Any]:
    """The settings of an answer by name."""
    return {each["name"]: each for each in answer.json()["settings"]}


async def test_the_platforms_say_what_their_channels_can_be_set_to(site: Site) -> None:
    (found,) = (await site.get("/v1/platforms")).json()["platforms"]
    assert (found["platform"], found["version"], found["jobs"]["order_update"]) == ("bright_sites", "stable", ["none"])
    fields = {each["name"]: each for each in found["settings"]}
    assert fields["stock_mode"]["label"] == "Inventory synchronization"
    assert ["off", "Do not Synchronize"] in fields["stock_mode"]["choices"]


async def test_a_setting_is_put_shown_with_its_origin_cleared_and_told(site: Site) -> None:
    changed = await ask(site, "PATCH", f"{MAIN}/settings", json={"put": {"stock_buffer": 2}})
    assert (changed.status_code, changed.headers["etag"], changed.json()["version"]) == (200, '"1"', 1)
    account = await ask(site, "PATCH", "/v1/account/settings", json={"put": {"stock_buffer": 1, "burst": 7}})
    assert named(account)["burst"]["origin"] == "account"
    shown = named(await site.get(f"{MAIN}/settings"))
    assert (shown["stock_buffer"]["value"], shown["stock_buffer"]["inherited"]) == (2, 1)
    assert (shown["burst"]["value"], shown["burst"]["origin"]) == (7, "account")
    cleared = await ask(site, "PATCH", f"{MAIN}/settings", json={"clear": ["stock_buffer"]})
    assert named(cleared)["stock_buffer"]["origin"] == "account"
    versions = (await site.get(f"{MAIN}/settings/history")).json()["versions"]
    assert [each["version"] for each in versions] == [2, 1]
    assert versions[0]["changes"] == {"stock_buffer": {"before": 2, "after": 1, "cleared": True}}
    assert versions[0]["actor"].startswith("key:")
    (of_account,) = (await site.get("/v1/account/settings/history")).json()["versions"]
    assert set(of_account["changes"]) == {"stock_buffer", "burst"}


async def test_a_version_that_is_over_is_not_overwritten(site: Site) -> None:
    body = {"put": {"burst": 5}}
    first = await ask(site, "PATCH", f"{MAIN}/settings", json=body, headers={"if-match": '"0"'})
    assert first.status_code == 200
    second = await ask(site, "PATCH", f"{MAIN}/settings", json={"put": {"burst": 6}}, headers={"if-match": '"0"'})
    assert (second.status_code, second.json()["code"]) == (412, "changed_meanwhile")
    assert named(await site.get(f"{MAIN}/settings"))["burst"]["value"] == 5
    wrong = await ask(site, "PATCH", f"{MAIN}/settings", json=body, headers={"if-match": "soon"})
    assert wrong.status_code == 422


async def test_what_cannot_be_set_is_refused_with_the_reason(site: Site) -> None:
    for body, code in (
        ({"put": {"colour": "blue"}}, "unknown_setting"),
        ({"put": {"stock_buffer": -1}}, "invalid_settings"),
        ({"put": {"period.product_import": "1h"}}, "not_product_source"),
        ({}, "invalid_settings"),
        ({"values": {}}, "invalid_parameters"),
    ):
        answer = await ask(site, "PATCH", f"{MAIN}/settings", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await site.get(f"{MAIN}/settings")).json()["version"] == 0


async def test_a_key_changes_with_the_scope_admin_and_in_its_own_account_alone(site: Site) -> None:
    for key in ("read", "operate"):
        for method, path in (
            ("PATCH", f"{MAIN}/settings"),
            ("PATCH", MAIN),
            ("DELETE", MAIN),
            ("POST", "/v1/channels"),
        ):
            answer = await ask(site, method, path, key=key, json={"put": {"burst": 1}})
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    for method, path in (("GET", ""), ("GET", "/settings"), ("GET", "/settings/history"), ("DELETE", "")):
        answer = await ask(site, method, f"/v1/channels/shop{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_channel"), path


async def test_a_connection_is_tested_before_it_is_saved(site: Site) -> None:
    tested = await ask(site, "POST", "/v1/channels/test", json={"domain": "two.example.com", "token": TOKEN})
    assert tested.json() == {"reachable": True, "may_write": False, "sentence": "The token may only read."}
    edited = await ask(site, "POST", f"{MAIN}/test", json={"domain": "two.example.com", "token": TOKEN})
    assert edited.json()["may_write"] is False
    refused = await ask(site, "POST", "/v1/channels/test", json={"domain": "http://two.example.com", "token": TOKEN})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_domain")
    assert [row["code"] for row in (await site.get("/v1/channels")).json()["channels"]] == ["main"]


async def test_a_channel_is_made_edited_and_deleted(site: Site) -> None:
    made = await ask(site, "POST", "/v1/channels", json=NEW)
    assert (made.status_code, made.json()["token_ending"]) == (201, "99zz")
    assert TOKEN not in made.text
    renamed = await ask(site, "PATCH", "/v1/channels/second", json={"name": "Other", "enabled": False})
    assert (renamed.json()["name"], renamed.json()["state"]) == ("Other", "disabled")
    alone = await ask(site, "PATCH", "/v1/channels/second", json={"domain": "three.example.com"})
    assert (alone.status_code, alone.json()["code"]) == (422, "token_missing")
    body = {"domain": "three.example.com", "token": "another-token-11aa"}
    moved = await ask(site, "PATCH", "/v1/channels/second", json=body)
    assert (moved.json()["domain"], moved.json()["token_ending"]) == ("three.example.com", "11aa")
    taken = await ask(site, "PATCH", "/v1/channels/second", json={**body, "domain": "globex.example.com"})
    assert (taken.status_code, taken.json()["code"]) == (422, "domain_taken")
    gone = await ask(site, "DELETE", "/v1/channels/second")
    assert gone.json() == {"channel": "second", "deliveries": 0}
    assert (await site.get("/v1/channels/second")).status_code == 404
    assert (await site.get("/v1/channels/second/settings/history")).status_code == 200


async def test_an_account_uses_a_warehouse_or_not(site: Site) -> None:
    (organization,) = await site.operations.desk.organizations()
    await site.operations.desk.warehouses.create_warehouse(organization, "east", "East", actor="user:1")
    assert (await site.get("/v1/warehouses")).json()["warehouses"] == [
        {"code": "east", "name": "East", "enabled": False}
    ]
    assert (await ask(site, "POST", "/v1/warehouses/east/enable")).json()["enabled"] is True
    assert (await site.get("/v1/warehouses", key="foreign")).json()["warehouses"][0]["enabled"] is False
    assert (await ask(site, "POST", "/v1/warehouses/east/disable")).json()["enabled"] is False
    assert (await ask(site, "POST", "/v1/warehouses/west/enable")).status_code == 404
