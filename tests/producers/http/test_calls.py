"""API calls, budget and manual logging over HTTP: a key sees its own account's, and only `admin` sees bodies."""

from __future__ import annotations

from domain.captures import Capture
from domain.jobs import JOB_TYPES
from domain.moments import utc_now
from storage.capture_store import SqlCaptureStore
from tests.producers.http.support import Site, stock

LOGGING = "/v1/channels/main/manual-logging/inventory_export"


async def test_the_budget_and_the_calls_of_a_channel_are_shown(site: Site) -> None:
    found = (await site.get("/v1/channels/main/budget")).json()
    assert (found["channel"], found["level"]) == ("main", "ok")
    assert [window["window"] for window in found["windows"]] == ["day", "month"]
    assert (await site.get("/v1/channels/main/calls?days=3")).json() == {"timezone": "UTC", "calls": []}


async def test_the_channel_of_another_account_is_not_found(site: Site) -> None:
    for path in ("budget", "calls"):
        answer = await site.get(f"/v1/channels/main/{path}", key="foreign")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_channel")


async def test_the_budget_is_in_the_metrics(site: Site) -> None:
    settings = (await site.operations.desk.channels("acme"))[0].settings.model_copy(update={"calls_per_day": 50})
    await site.operations.desk.change_channel("acme", "main", settings=settings)
    text = (await site.client.get("/metrics")).text
    assert 'towpath_api_budget_limit{account="acme",channel="main",window="day"} 50.0' in text
    assert 'towpath_api_budget_level{account="acme",channel="main"} 0.0' in text
    assert 'window="month"' not in text


async def test_manual_logging_takes_the_scope_admin(site: Site) -> None:
    for method, path in (("PUT", LOGGING), ("DELETE", LOGGING), ("GET", "/v1/captures")):
        answer = await site.client.request(method, path, headers=site.key("operate"))
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_manual_logging_is_switched_on_and_what_it_kept_is_shown(site: Site) -> None:
    headers = {"Authorization": f"Bearer {(await site.operations.desk.create_key('acme', ['admin', 'read'])).secret}"}
    answer = await site.client.put(LOGGING, headers=headers, json={"minutes": 5})
    assert (answer.status_code, answer.json()["job"]) == (200, "inventory_export")
    assert len((await site.get("/v1/manual-logging")).json()["jobs"]) == 1
    await site.send(stock(1))
    await site.ledger.beat(site.worker, "consume", 30)
    (claim,) = await site.ledger.claim(site.worker, list(JOB_TYPES), 10)
    kept = Capture(utc_now(), "PUT", "/inventories/1", "SKU SKU-1", 200, "{}", "{}")
    await SqlCaptureStore(site.database).keep(claim, [kept])
    (row,) = (await site.client.get("/v1/captures?order=SKU-1", headers=headers)).json()["captures"]
    assert (row["path"], row["job"], row["business_key"]) == ("/inventories/1", "inventory_export", "SKU-1")
    assert (await site.client.delete(LOGGING, headers=headers)).json() == {"job": "inventory_export", "state": "off"}
    assert (await site.get("/v1/manual-logging")).json()["jobs"] == []


async def test_what_cannot_be_logged_is_refused(site: Site) -> None:
    headers = {"Authorization": f"Bearer {(await site.operations.desk.create_key('acme', ['admin'])).secret}"}
    unknown = await site.client.put(LOGGING.replace("inventory_export", "tea_break"), headers=headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_job")
    assert (await site.client.put(LOGGING, headers=headers, json={"minutes": 1441})).status_code == 422
    elsewhere = await site.client.put(LOGGING.replace("main", "shop"), headers=headers)
    assert elsewhere.status_code == 404
