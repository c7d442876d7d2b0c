"""A shop's posts to a hook are hints: known by their secret alone, read again from the shop, and never believed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from domain.envelope import read_back
from domain.jobs import JOB_TYPES
from sandbox.bright_sites import Shop, ShopSettings
from storage.channel_tables import hooks
from storage.tables import messages
from tests.producers.http.support import Site, until

ORDER = {"order_id": 4711, "status": "new", "shipping_contact": {"email": "kim.secret@example.com"}}


async def hook(site: Site) -> str:
    """A fresh hook of channel main; its path."""
    made = await site.client.post("/v1/channels/main/hook", headers=site.key("admin"))
    assert made.status_code == 201, made.text
    path: str = made.json()["path"]
    return path


async def post(site: Site, path: str, document: Any = ORDER, **rest: Any) -> httpx.Response:
    return await site.client.post(path, json=document, **rest)


def stored(site: Site) -> list[Any]:
    return site.database.read(lambda connection: list(connection.execute(messages.select()).all()))


async def test_a_post_becomes_an_event_of_the_order_that_holds_nothing_else_of_it(site: Site) -> None:
    path = await hook(site)
    answer = await post(site, path)
    assert (answer.status_code, answer.json()["order"], answer.json()["status"]) == (202, "4711", "accepted")
    (row,) = stored(site)
    envelope = read_back(bytes(row.body))
    assert (row.id, row.type, row.trigger, row.channel) == (
        answer.json()["message"], "order.created", "webhook", "main",
    )  # fmt: skip
    assert envelope.data == {"external_order_id": "4711"}


async def test_a_burst_of_posts_about_one_order_is_one_read_while_none_has_begun(site: Site) -> None:
    path = await hook(site)
    answers = [await post(site, path) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {202}
    assert [answer.json()["status"] for answer in answers] == ["accepted"] + ["waiting"] * 19
    (row,) = stored(site)
    assert row.copies == 19
    assert (await post(site, path, {"order_id": "4712"})).json()["status"] == "accepted"


async def test_a_post_after_the_read_has_begun_is_read_again(site: Site) -> None:
    path = await hook(site)
    await post(site, path)
    await site.ledger.beat(site.worker, "consume", 30)
    (claim,) = await site.ledger.claim(site.worker, list(JOB_TYPES), 10)
    assert (await post(site, path)).json()["status"] == "accepted"
    assert (await post(site, path)).json()["status"] == "waiting"
    assert len(claim.deliveries) == 1 and len(stored(site)) == 2


async def test_only_the_right_channel_with_the_right_secret_is_known_and_a_new_secret_ends_the_old(site: Site) -> None:
    path = await hook(site)
    secret = path.rsplit("/", 1)[1]
    for wrong in (f"/hooks/shop/{secret}", f"{path}x", "/hooks/main/th_unknown", f"/hooks/nobody/{secret}"):
        answer = await post(site, wrong)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_hook")
    newer = await hook(site)
    assert (await post(site, path)).status_code == 404
    assert (await post(site, newer)).status_code == 202
    rows = site.database.read(lambda connection: connection.execute(hooks.select()).all())
    assert secret not in str(rows) and newer.rsplit("/", 1)[1] not in str(rows)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"<order/>", 400, "not_json"),
        (b"[]", 422, "order_missing"),
        (b'{"order_id": null}', 422, "order_missing"),
        (b'{"order_id": true}', 422, "order_missing"),
        (b'{"order_id": {"a": 1}}', 422, "order_missing"),
        (b'{"order_id": "../../x y"}', 422, "order_missing"),
        (b'{"order_id": "' + b"9" * 101 + b'"}', 422, "order_missing"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "too_deep"),
        (b'{"note": "' + b"x" * 1_100_000 + b'"}', 413, "body_too_large"),
    ],
)
async def test_garbage_is_answered_precisely_and_nothing_is_stored(
    site: Site, body: bytes, status: int, code: str
) -> None:
    answer = await site.client.post(await hook(site), content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stored(site) == []


async def test_garbage_at_an_unknown_hook_is_just_not_found(site: Site) -> None:
    answer = await site.client.post("/hooks/main/th_unknown", content=b"<order/>")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_hook")


async def test_hooks_are_listed_without_their_secrets_and_taken_away(site: Site) -> None:
    path = await hook(site)
    await post(site, path)
    listed = await site.get("/v1/hooks")
    (row,) = listed.json()["hooks"]
    assert (row["channel"], row["received"]) == ("main", 1)
    assert path.rsplit("/", 1)[1] not in listed.text
    gone = await site.client.delete("/v1/channels/main/hook", headers=site.key("admin"))
    assert gone.json()["hooks"] == []
    assert (await post(site, path)).status_code == 404


async def test_a_hook_needs_an_administrator_and_a_channel_of_the_account(site: Site) -> None:
    assert (await site.client.post("/v1/channels/main/hook", headers=site.key("operate"))).status_code == 403
    assert (await site.client.post("/v1/channels/shop/hook", headers=site.key("admin"))).status_code == 404


async def test_the_retention_of_account_and_channel_is_set_and_seen(site: Site) -> None:
    changed = await site.client.put("/v1/retention", json={"pii_retention_days": 90}, headers=site.key("admin"))
    (channel,) = changed.json()["channels"]
    assert (changed.json()["days"], channel["own"], channel["days"]) == (90, None, 90)
    assert channel["period"].startswith("daily@0")
    url = "/v1/channels/main/retention"
    changed = await site.client.put(url, json={"pii_retention_days": 30}, headers=site.key("admin"))
    assert changed.json()["channels"][0]["days"] == 30
    assert (await site.get("/v1/retention")).json() == changed.json()


@pytest.mark.parametrize("days", [-1, 36_501, "30", 1.5, True])
async def test_a_retention_that_cannot_be_is_refused(site: Site, days: Any) -> None:
    answer = await site.client.put("/v1/retention", json={"pii_retention_days": days}, headers=site.key("admin"))
    assert answer.status_code == 422
    assert json.loads((await site.get("/v1/retention")).content)["days"] is None


async def test_an_order_that_the_shop_pushes_when_it_is_placed_is_one_to_be_read(site: Site) -> None:
    shop = Shop(ShopSettings(products=2, variants=2, push_url=site.url + await hook(site)))
    (order,) = shop.buy(1)

    async def pushed() -> bool:
        return any(effect.kind == "order_pushed" for effect in shop.ledger.effects)

    await until(pushed)
    (effect,) = [effect for effect in shop.ledger.effects if effect.kind == "order_pushed"]
    assert effect.data == {"status": 202}
    (row,) = stored(site)
    assert (row.business_key, row.trigger) == (str(order), "webhook")
    assert shop.order(order)["shipping_contact"]["email"].encode() not in bytes(row.body)
