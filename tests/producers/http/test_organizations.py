"""What belongs to an organization over HTTP: warehouses, and whether its accounts work."""

from __future__ import annotations

from datetime import timedelta

from domain.access import Actor, Role
from domain.moments import utc_now
from tests.producers.http.support import Site


async def test_an_administrator_keeps_the_warehouses_of_the_organization(site: Site) -> None:
    boss = await site.enter(Role.ORGANIZATION_ADMINISTRATOR)
    home = f"/v1/organizations/{boss.user.organization_id}/warehouses"
    made = await site.client.post(home, headers=boss.headers, json={"code": "east", "name": "Hall east"})
    assert (made.status_code, made.json()) == (201, {"code": "east", "name": "Hall east", "accounts": []})
    renamed = await site.client.patch(f"{home}/east", headers=boss.headers, json={"name": "Hall nine"})
    assert [each["name"] for each in renamed.json()["warehouses"]] == ["Hall nine"]
    await site.operations.warehouses.enable(Actor.installation(), "acme", "east", enabled=True)
    refused = await site.client.delete(f"{home}/east", headers=boss.headers)
    assert refused.status_code == 422
    await site.operations.warehouses.enable(Actor.installation(), "acme", "east", enabled=False)
    assert (await site.client.delete(f"{home}/east", headers=boss.headers)).json()["warehouses"] == []


async def test_an_account_is_disabled_at_once_or_at_a_set_time_and_enabled_again(site: Site) -> None:
    boss = await site.enter(Role.ORGANIZATION_ADMINISTRATOR)
    state = "/v1/accounts/acme/state"
    later = (utc_now() + timedelta(days=3)).isoformat()
    planned = await site.client.put(state, headers=boss.headers, json={"enabled": False, "at": later})
    assert planned.status_code == 200, planned.text
    assert planned.json()["enabled"] and planned.json()["disable_at"] is not None
    stopped = await site.client.put(state, headers=boss.headers, json={"enabled": False})
    assert not stopped.json()["enabled"]
    gone = await site.client.get("/v1/accounts/acme/logs", headers=boss.headers)
    assert gone.status_code == 200, "its organization still reads"
    restored = await site.client.put(state, headers=boss.headers, json={"enabled": True})
    assert restored.json() == {"account": "acme", "enabled": True, "disable_at": None}


async def test_an_account_administrator_does_not_switch_the_account(site: Site) -> None:
    person = await site.enter(Role.ACCOUNT_ADMINISTRATOR, "acme")
    answer = await site.client.put("/v1/accounts/acme/state", headers=person.headers, json={"enabled": False})
    assert answer.status_code == 403
