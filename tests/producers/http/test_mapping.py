"""Mappings and tasks over HTTP: a key changes its own account's, and sees no others."""

from __future__ import annotations

from typing import Any

import httpx

from broker.ledger import Settlement
from broker.verdicts import Attempt, judge
from domain.jobs import JOB_TYPES
from domain.mappings import MappingKind, Missing, Side
from domain.moments import utc_now
from domain.outcomes import Park
from tests.producers.http.support import Site, stock

CARRIER = "/v1/channels/main/mappings/carrier"
GROUND = {"channel_carrier": "UPS Ground", "oms_carrier": "UPS", "oms_service": "03"}


async def ask(site: Site, method: str, path: str, *, key: str = "operate", **rest: Any) -> httpx.Response:
    return await site.client.request(method, path, headers=site.key(key), **rest)


async def waiting(site: Site, code: str) -> None:
    """A delivery that waits for a carrier's code."""
    await site.send(stock(1))
    await site.ledger.beat(site.worker, "consume", 30)
    missing = Missing(MappingKind.CARRIER, Side.OMS, code)
    park = Park("A mapping is missing.", "carrier_unmapped", "mapping", missing=(missing,))
    for claim in await site.ledger.claim(site.worker, list(JOB_TYPES), 10):
        verdicts = tuple(judge(park, each, Attempt(utc_now(), utc_now())) for each in claim.deliveries)
        await site.ledger.settle(site.worker, [Settlement(claim, verdicts)])


async def test_a_mapping_is_saved_listed_exported_and_removed(site: Site) -> None:
    saved = await ask(site, "PUT", CARRIER, json=GROUND)
    assert (saved.status_code, saved.json()["released"]) == (200, 0)
    assert saved.json()["mapping"] == {**GROUND, "channel_service": "", "primary": False}
    listed = (await site.get(CARRIER)).json()
    assert (listed["count"], listed["mappings"]) == (1, [saved.json()["mapping"]])
    sheet = await site.get(f"{CARRIER}/export")
    assert sheet.text.splitlines()[1] == "UPS Ground,,UPS,03,no"
    again = await ask(site, "POST", f"{CARRIER}/import?mode=replace", content=sheet.content)
    assert (again.json()["unchanged"], again.json()["errors"]) == (1, [])
    assert (await ask(site, "DELETE", CARRIER, params={"code": "UPS Ground"})).status_code == 200
    assert (await site.get(CARRIER)).json()["count"] == 0
    gone = await ask(site, "DELETE", CARRIER, params={"code": "UPS Ground"})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_mapping")


async def test_a_task_is_shown_with_near_codes_and_saving_its_mapping_releases_what_waits(site: Site) -> None:
    await ask(site, "PUT", CARRIER, json=GROUND)
    await waiting(site, "UPS:3")
    (task,) = (await site.get("/v1/tasks")).json()["tasks"]
    assert (task["code"], task["side"], task["blocks"], task["suggestions"]) == ("UPS:3", "oms", 1, ["UPS:03"])
    saved = await ask(site, "PUT", CARRIER, json={**GROUND, "channel_carrier": "UPS Air", "oms_service": "3"})
    assert saved.json()["released"] == 1
    assert (await site.get("/v1/tasks")).json()["tasks"] == []
    assert await site.run() == 1


async def test_a_task_is_ignored_by_its_own_account_alone(site: Site) -> None:
    await waiting(site, "UPS")
    (task,) = (await site.get("/v1/tasks")).json()["tasks"]
    assert (await site.get("/v1/tasks", key="foreign")).json()["tasks"] == []
    foreign = await ask(site, "POST", f"/v1/tasks/{task['id']}/ignore", key="foreign")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_task")
    answer = await ask(site, "POST", f"/v1/tasks/{task['id']}/ignore")
    assert answer.json() == {"task": task["id"], "deliveries": 1}
    assert (await ask(site, "POST", f"/v1/tasks/{task['id']}/ignore")).status_code == 404


async def test_what_cannot_be_is_refused_with_the_reason(site: Site) -> None:
    for body, said in (
        ({"channel_carrier": "UPS"}, "oms_carrier"),
        ({**GROUND, "colour": "brown"}, "colour"),
        ({**GROUND, "channel_carrier": "U*", "primary": True}, "pattern"),
        ({**GROUND, "primary": None}, "primary"),
        ([1], "valid"),
    ):
        answer = await ask(site, "PUT", CARRIER, json=body)
        assert answer.status_code == 422 and said in answer.json()["detail"], answer.text
    assert (await ask(site, "PUT", CARRIER, content=b"{")).status_code == 400
    assert (await site.get(CARRIER)).json()["count"] == 0


async def test_another_accounts_channel_and_a_kind_the_platform_lacks_are_told(site: Site) -> None:
    for method, path in (("GET", ""), ("GET", "/export"), ("POST", "/import"), ("PUT", "")):
        found = await ask(
            site, method, f"/v1/channels/shop/mappings/carrier{path}", json=GROUND if method == "PUT" else None
        )
        assert (found.status_code, found.json()["code"]) == (404, "unknown_channel"), path
    lacking = await site.get("/v1/channels/main/mappings/warehouse")
    assert (lacking.status_code, lacking.json()["code"]) == (422, "mapping_not_offered")
    assert (await site.get("/v1/channels/main/mappings/colour")).status_code == 422


async def test_reading_needs_read_and_changing_needs_operate(site: Site) -> None:
    assert (await site.get(CARRIER, key="write")).status_code == 403
    assert (await ask(site, "PUT", CARRIER, key="read", json=GROUND)).status_code == 403


async def test_an_import_tells_each_wrong_row_and_a_dry_run_changes_nothing(site: Site) -> None:
    sheet = b"channel_carrier,oms_carrier\nUPS Ground,UPS\nFedEx,\n"
    dry = (await ask(site, "POST", f"{CARRIER}/import?dry_run=true", content=sheet)).json()
    assert (dry["added"], dry["dry_run"], len(dry["errors"])) == (1, True, 1)
    assert (await site.get(CARRIER)).json()["count"] == 0
    done = (await ask(site, "POST", f"{CARRIER}/import", content=sheet)).json()
    assert (done["added"], done["refused"]) == (1, False) and done["errors"][0].startswith("Line 3, column oms_carrier")
